"""What Subscriptions ask for, and what they find around them."""

from collections.abc import Sequence

from eventplane.api.event_bus import EventBus
from eventplane.api.subscription import Subscription
from eventplane.backends.applications import ApplicationBackend
from eventplane.controllers.applications import ApplicationReconciler
from eventplane.planning.connection import AccessConnection
from eventplane.planning.plan import Refusal
from eventplane.planning.scaling import KEDA_API, wants_autoscaling
from eventplane.planning.subscription_desired import Circumstances, desire_subscription
from eventplane.planning.workload_desired import DesiredApplication


class SubscriptionReconciler(ApplicationReconciler[Subscription]):
    """Brings Subscriptions to what they ask for."""

    async def desires(
        self, bus: EventBus, backend: ApplicationBackend, resources: Sequence[Subscription]
    ) -> Sequence[DesiredApplication | Refusal]:
        """Look up what each finds around it, and whether there is something that scales."""
        has_autoscaler = any(wants_autoscaling(each) for each in resources) and await backend.serves(KEDA_API)
        return [
            desire_subscription(each, self._around(each, bus, backend.connection, has_autoscaler=has_autoscaler))
            for each in resources
        ]

    def lag_of(self, resource: Subscription) -> int | None:
        """Tell how far behind its consumer group is."""
        return self.gauges.lag_of(resource)

    def _around(
        self, resource: Subscription, bus: EventBus, connection: AccessConnection, *, has_autoscaler: bool
    ) -> Circumstances:
        store = self.store
        return Circumstances(
            bus=bus,
            connection=connection,
            cluster=self.cluster,
            runtime_image=self.runtime_image,
            topics=store.topics_of(resource),
            sink_topics=store.sink_topics_of(resource),
            lookup_topics=store.lookup_topics_of(resource),
            policy=store.policy_of(resource),
            siblings=store.siblings_of(resource),
            drained=self.gauges.drained(resource.metadata.key),
            has_autoscaler=has_autoscaler,
            twin=store.twin_of(resource),
        )
