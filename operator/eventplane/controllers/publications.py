"""What Publications ask for, and what they find around them."""

from collections.abc import Sequence

from eventplane.api.event_bus import EventBus
from eventplane.api.publication import Publication
from eventplane.backends.applications import ApplicationBackend
from eventplane.controllers.applications import ApplicationReconciler
from eventplane.planning.plan import Refusal
from eventplane.planning.publication_desired import PublicationCircumstances, desire_publication
from eventplane.planning.workload_desired import DesiredApplication


class PublicationReconciler(ApplicationReconciler[Publication]):
    """Brings Publications to what they ask for."""

    async def desires(
        self, bus: EventBus, backend: ApplicationBackend, resources: Sequence[Publication]
    ) -> Sequence[DesiredApplication | Refusal]:
        """Look up what each finds around it."""
        store = self.store
        return [
            desire_publication(
                resource,
                PublicationCircumstances(
                    bus=bus,
                    connection=backend.connection,
                    cluster=self.cluster,
                    runtime_image=self.runtime_image,
                    topics=store.topics_of(resource),
                    positions=store.positions_of(resource),
                    twin=store.twin_of(resource),
                ),
            )
            for resource in resources
        ]
