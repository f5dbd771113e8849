"""Passes over batches of Publications or of Subscriptions: what is asked of Kafka and of the API server."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from eventplane.api.access import Access, AccessStatus
from eventplane.api.event_bus import EventBus
from eventplane.backends.access import AccessBackend
from eventplane.controllers.reconcile import Batch, Flight, Reconciler
from eventplane.planning.access import AccessCase, decide_access
from eventplane.planning.access_desired import DesiredAccess, desire_access
from eventplane.planning.access_readiness import access_occurrences, access_status
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.plan import Refusal

A = TypeVar("A", bound=Access)
PASSWORD_BYTES: Final = 32


class AccessReconciler(Reconciler[A, AccessBackend, AccessCase]):
    """Brings Publications, or Subscriptions, to what they ask for."""

    async def look(
        self, bus: EventBus, backend: AccessBackend, resources: Sequence[A], batch: Batch[A, AccessCase]
    ) -> None:
        """Observe the users and Secrets of a batch, and decide."""
        wanted: list[tuple[A, DesiredAccess]] = []
        for resource in resources:
            topics = self.store.topics_of(resource)
            desired = desire_access(resource, bus, backend.connection, topics, self.cluster)
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
        """Say what is the case about a Publication or Subscription."""
        return access_status(flight.case, flight.decision, flight.outcomes)

    def occurrences_of(self, flight: Flight[AccessCase]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""
        return access_occurrences(flight.case, flight.decision, flight.outcomes)
