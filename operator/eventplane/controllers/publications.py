"""Passes over batches of Publications: what is asked of Kafka and of the API server."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from eventplane.api.access import AccessStatus
from eventplane.api.event_bus import EventBus
from eventplane.api.publication import Publication
from eventplane.backends.access import AccessBackend
from eventplane.controllers.reconcile import Batch, Flight, Reconciler
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_desired import DesiredAccess, desire_access
from eventplane.planning.access_readiness import access_occurrences, access_status
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.plan import Refusal

PASSWORD_BYTES: Final = 32


class PublicationReconciler(Reconciler[Publication, AccessBackend, AccessCase]):
    """Brings Publications to what they ask for."""

    async def look(
        self,
        bus: EventBus,
        backend: AccessBackend,
        resources: Sequence[Publication],
        batch: Batch[Publication, AccessCase],
    ) -> None:
        """Observe the users and Secrets of a batch, and decide."""
        wanted: list[tuple[Publication, DesiredAccess]] = []
        for resource in resources:
            topics = self.store.topics_of(resource)
            desired = desire_access(
                resource, bus, backend.connection, topics, self.cluster, self.store.twin_of(resource)
            )
            if isinstance(desired, Refusal):
                batch.refused.append((resource, desired))
            else:
                wanted.append((resource, desired))
        observed = await backend.observe({desired.query for _, desired in wanted})
        for resource, desired in wanted:
            new_password = secrets.token_urlsafe(PASSWORD_BYTES)
            flight = Flight(AccessCase(resource, bus, desired, observed[desired.query], new_password, self.now()))
            flight.decision = self.decided(flight.case, decide_access)
            batch.flights.append(flight)

    def status_of(self, flight: Flight[AccessCase]) -> AccessStatus:
        """Say what is the case about a Publication."""
        return access_status(flight.case, flight.decision, flight.outcomes)

    def occurrences_of(self, flight: Flight[AccessCase]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""
        return access_occurrences(flight.case, flight.decision, flight.outcomes)
