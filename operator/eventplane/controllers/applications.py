"""Passes over batches of Publications or Subscriptions: their access, and what they become inside of the cluster."""

import secrets
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from eventplane.api.access import Access, AccessStatus
from eventplane.api.event_bus import EventBus
from eventplane.backends.applications import ApplicationBackend, ApplicationQuery
from eventplane.controllers.reconcile import Batch, Flight, Reconciler, Surroundings
from eventplane.controllers.shelf import Shelf
from eventplane.planning.access_case import AccessCase
from eventplane.planning.application_readiness import application_occurrences, application_status
from eventplane.planning.applications import (
    ApplicationCase,
    application_case,
    decide_application,
    keys_to_observe,
)
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.plan import Refusal
from eventplane.planning.workload_desired import DesiredApplication

A = TypeVar("A", bound=Access)

PASSWORD_BYTES: Final = 32


class ApplicationReconciler(Reconciler[A, ApplicationBackend, ApplicationCase]):
    """Brings applications to what they ask for."""

    def __init__(self, surroundings: Surroundings, shelf: Shelf[A], runtime_image: str) -> None:
        """Use an image of Eventplane for those who have one of its own processes."""
        super().__init__(surroundings, shelf)
        self.runtime_image = runtime_image

    @abstractmethod
    async def desires(
        self, bus: EventBus, backend: ApplicationBackend, resources: Sequence[A]
    ) -> Sequence[DesiredApplication | Refusal]:
        """Resolve what each asks for."""

    def lag_of(self, resource: A) -> int | None:
        """Tell how many events wait for an application, roughly; None where that is not known."""
        del resource
        return None

    async def look(
        self, bus: EventBus, backend: ApplicationBackend, resources: Sequence[A], batch: Batch[A, ApplicationCase]
    ) -> None:
        """Observe the users, Secrets and objects of a batch, and decide."""
        wanted: list[tuple[A, DesiredApplication]] = []
        for resource, desired in zip(resources, await self.desires(bus, backend, resources), strict=True):
            if isinstance(desired, Refusal):
                batch.refused.append((resource, desired))
            else:
                wanted.append((resource, desired))
        queries = {resource.metadata.key: query_of(resource, desired) for resource, desired in wanted}
        observed = await backend.observe(set(queries.values()))
        for resource, desired in wanted:
            seen, new_password = observed[queries[resource.metadata.key]], secrets.token_urlsafe(PASSWORD_BYTES)
            access = AccessCase(resource, bus, desired.access, seen.access, new_password, self.now())
            flight = Flight(application_case(access, desired.objects, seen.objects, seen.pods, self.lag_of(resource)))
            flight.decision = self.decided(flight.case, decide_application)
            batch.flights.append(flight)

    def status_of(self, flight: Flight[ApplicationCase]) -> AccessStatus:
        """Say what is the case about an application."""
        return application_status(flight.case, flight.decision, flight.outcomes)

    def occurrences_of(self, flight: Flight[Any]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""
        return application_occurrences(flight.case, flight.decision, flight.outcomes)


def query_of(resource: Access, desired: DesiredApplication) -> ApplicationQuery:
    """Say what to observe for an application."""
    keys = keys_to_observe(resource, desired.objects)
    return ApplicationQuery(desired.access.query, keys, desired.objects.deployment)
