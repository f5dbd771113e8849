"""The one reconcile loop body: a batch of resources of one bus goes through observe, decide, apply, report."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from eventplane.api import FINALIZER
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.resource import Managed, ManagedStatus
from eventplane.backends import Backend
from eventplane.backends.kubernetes import Conflict
from eventplane.controllers.gauge_book import GaugeBook
from eventplane.controllers.reporting import Reporter, key_fields
from eventplane.controllers.shelf import Key, Shelf
from eventplane.controllers.store import Store
from eventplane.planning.decision import Decision, has_finalizer
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.verdicts import condition, first_error, status_without_pass
from eventplane.telemetry import Metrics

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Managed)
B = TypeVar("B", bound=Backend[Any, Any, Any])


class Next(Enum):
    """What becomes of a key after its pass."""

    DONE = "done"
    RETRY = "retry"


class Case(Protocol):
    """Everything that a decision about one resource hangs on; each kind has its own."""

    @property
    def resource(self) -> Any:
        """The resource."""
        ...


C = TypeVar("C", bound=Case)


@dataclass(slots=True)
class Flight(Generic[C]):
    """One resource on its way through a pass."""

    case: C
    decision: Decision[Any] = field(default_factory=Decision)
    outcomes: Sequence[Outcome[Any, Any]] = ()
    outcome: str = ""
    """The reason that Ready was given."""
    obstacle: Exception | None = None
    """Why nothing was done: the thing could not be looked at, or the resource not be prepared."""
    resource: Any = None
    """The resource as it is now, its finalizer included; all else is as it was when the decision fell."""

    def __post_init__(self) -> None:
        self.resource = self.case.resource


@dataclass(slots=True)
class Batch(Generic[R, C]):
    """What a pass knows after it has changed the bus and before it has told the cluster."""

    flights: list[Flight[C]] = field(default_factory=list)
    refused: list[tuple[R, BackendError | Refusal]] = field(default_factory=list)
    """Those that could not even be looked at."""

    def outcomes(self) -> Mapping[Key, str]:
        """Name the reason that each resource's Ready was given."""
        told = {flight.resource.metadata.key: flight.outcome for flight in self.flights}
        return told | {resource.metadata.key: problem.reason for resource, problem in self.refused}

    def again(self) -> Mapping[Key, float]:
        """Tell of which resources the passing of time will ask something, and when, seconds.

        Where a change was rejected, time alone does not help: that waits for the next resync, at the longest.
        """
        return {
            flight.resource.metadata.key: flight.decision.again_in_seconds
            for flight in self.flights
            if flight.decision.again_in_seconds is not None and first_error(flight.outcomes) is None
        }


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the reconcilers of all kinds share."""

    store: Store
    reporter: Reporter
    metrics: Metrics
    cluster: str
    """Identity of the Kubernetes cluster, see `Owner.cluster`."""
    now: Callable[[], datetime]
    gauges: GaugeBook = field(default_factory=GaugeBook)
    """What the last looks at offsets showed."""


class Reconciler(ABC, Generic[R, B, C]):
    """Passes over batches of resources of one kind. It holds no state: all it knows is in the store and the backend.

    A kind says how a batch is looked at and decided about, what its status says, and what is worth an Event.
    """

    def __init__(self, surroundings: Surroundings, shelf: Shelf[R]) -> None:
        self.store = surroundings.store
        self.reporter = surroundings.reporter
        self.metrics = surroundings.metrics
        self.cluster = surroundings.cluster
        self.now = surroundings.now
        self.gauges = surroundings.gauges
        self.shelf = shelf
        self.kind = shelf.kind.kind

    @abstractmethod
    async def look(self, bus: EventBus, backend: B, resources: Sequence[R], batch: Batch[R, C]) -> None:
        """Observe what a batch hangs on and decide about each of its resources.

        Raises:
            Unavailable: the bus did not answer; nothing is known of the batch.
            Rejected: the bus refused to be asked.
        """

    @abstractmethod
    def status_of(self, flight: Flight[C]) -> ManagedStatus:
        """Say what is the case after a pass."""

    @abstractmethod
    def occurrences_of(self, flight: Flight[C]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""

    def home_of(self, resource: R) -> EventBus | Refusal:
        """Find the bus of a resource, if it has one that has what this kind needs."""
        return self.shelf.bus_of(resource)

    # --- a pass

    async def change(self, bus: EventBus, backend: B, keys: Sequence[Key]) -> Batch[R, C]:
        """Bring a batch of resources of one bus to what they ask for.

        Raises:
            Unavailable: the bus did not answer; nothing is known of the batch.
            Rejected: the bus refused to be asked.
        """
        batch: Batch[R, C] = Batch()
        await self.look(bus, backend, self.resources_at(bus, keys), batch)
        await asyncio.gather(*(self._prepare(flight) for flight in batch.flights))
        await self._apply(backend, [flight for flight in batch.flights if flight.obstacle is None])
        return batch

    def resources_at(self, bus: EventBus, keys: Sequence[Key]) -> list[R]:
        """Look up those of which this bus has to take care now; the others have gone or moved to another bus."""
        resources = []
        for key in keys:
            resource = self.shelf.get(key)
            if resource is None or (resource.metadata.deleting and not has_finalizer(resource)):
                continue  # gone, or going without our help
            home = self.shelf.bus_of(resource)
            at_home = isinstance(home, EventBus) and home.metadata.key == bus.metadata.key
            if at_home or (resource.metadata.deleting and resource.status.bus == "/".join(bus.metadata.key)):
                resources.append(resource)
        return resources

    def decided(self, case: C, decide: Callable[[C], Decision[Any]]) -> Decision[Any]:
        """Decide; a fault in the decision of one resource is its own and does not take the batch along."""
        try:
            return decide(case)
        except Exception as error:
            fields = key_fields(self.kind, case.resource.metadata.key)
            logger.exception("no decision: this is a fault of the operator", extra={"fields": fields})
            message = (
                f"the operator could not decide ({type(error).__name__}): please report this, its log has the details"
            )
            return Decision(refusals=(Refusal(Reason.INTERNAL_ERROR, message),), finalizer=has_finalizer(case.resource))

    async def _prepare(self, flight: Flight[C]) -> None:
        """Set the finalizer before anything is done that its deletion must undo."""
        resource = flight.resource
        flight.obstacle = flight.decision.postponed
        if flight.obstacle is not None or not flight.decision.finalizer:
            return
        if resource.metadata.deleting or has_finalizer(resource):
            return
        try:
            prepared = await self.reporter.finalizer(self.shelf, resource, present=True)
        except (Conflict, Unavailable, Rejected) as error:
            flight.obstacle = error
            return
        if prepared is None:
            flight.decision = Decision()
        else:
            flight.resource = prepared

    async def _apply(self, backend: B, flights: Sequence[Flight[C]]) -> None:
        changes = [change for flight in flights for change in flight.decision.changes]
        outcomes = iter(await backend.apply(changes) if changes else ())
        for flight in flights:
            flight.outcomes = [next(outcomes) for _ in flight.decision.changes]

    # --- the report

    async def report(self, batch: Batch[R, C]) -> Mapping[Key, Next]:
        """Tell the cluster what became of a batch; one line is logged per outcome."""
        keys = [flight.resource.metadata.key for flight in batch.flights]
        results = await asyncio.gather(*(self._reported(flight) for flight in batch.flights))
        refused = [resource.metadata.key for resource, _ in batch.refused]
        results += await asyncio.gather(*(self.refuse(resource, problem) for resource, problem in batch.refused))
        return dict(zip(keys + refused, results, strict=True))

    async def refuse(self, resource: R, problem: BackendError | Refusal) -> Next:
        """Say why a resource cannot even be looked at."""
        self.metrics.reconciled.labels(self.kind, problem.reason).inc()
        try:
            await self.reporter.status(self.shelf, resource, status_without_pass(resource, problem))
        except (Unavailable, Rejected) as error:
            fields = key_fields(self.kind, resource.metadata.key)
            logger.warning("status not written: %s", error, extra={"fields": fields})
            return Next.RETRY
        unread = isinstance(problem, Unavailable) and problem.reason == Reason.INTERNAL_ERROR
        return Next.RETRY if unread else Next.DONE  # of the API server's return nothing else tells

    async def _reported(self, flight: Flight[C]) -> Next:
        """Report; a fault in the report of one resource is its own and does not take the batch along."""
        try:
            return await self._report(flight)
        except Exception:
            fields = key_fields(self.kind, flight.resource.metadata.key)
            logger.exception("not reported: this is a fault of the operator", extra={"fields": fields})
            return Next.RETRY

    async def _report(self, flight: Flight[C]) -> Next:
        metadata = flight.resource.metadata
        fields = key_fields(self.kind, metadata.key)
        if flight.obstacle is not None:
            logger.info("again: %s", flight.obstacle, extra={"fields": fields})
            return Next.RETRY
        error = first_error(flight.outcomes)
        status = self.status_of(flight)
        try:
            await self._settle(flight, status, error)
        except (Conflict, Unavailable, Rejected) as obstacle:
            logger.warning("not written: %s", obstacle, extra={"fields": fields})
            return Next.RETRY
        self._account(flight, status, fields)
        self.reporter.post(self.kind, metadata, tuple(self.occurrences_of(flight)))
        return Next.RETRY if isinstance(error, Unavailable) else Next.DONE

    async def _settle(self, flight: Flight[C], status: ManagedStatus, error: BackendError | None) -> None:
        """Write the status, and let go of the resource where nothing outside needs it any more."""
        resource = flight.resource
        release = error is None and not flight.decision.finalizer and FINALIZER in resource.metadata.finalizers
        if not (release and resource.metadata.deleting):
            await self.reporter.status(self.shelf, resource, status)
        if release:
            await self.reporter.finalizer(self.shelf, resource, present=False)

    def _account(self, flight: Flight[C], status: ManagedStatus, fields: Mapping[str, str]) -> None:
        ready = condition(status.conditions, ConditionType.READY)
        reason = flight.outcome = ready.reason if ready else ""
        self.metrics.reconciled.labels(self.kind, reason).inc()
        done = [each for each in flight.outcomes if each.error is None]
        if flight.decision.repairs_drift and done:
            self.metrics.drift.labels(self.kind).inc()
        before = condition(flight.resource.status.conditions, ConditionType.READY)
        if done or before is None or before.reason != reason:  # an outcome that stands is not told again
            outcome = {**fields, "outcome": reason, "changes": [each.change.describe() for each in done]}
            logger.info("reconciled", extra={"fields": outcome})
