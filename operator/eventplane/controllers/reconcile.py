"""The one reconcile loop body: a batch of EventTopics of one bus goes through observe, decide, apply, report."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from eventplane.api import FINALIZER
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.backends.kubernetes import Conflict
from eventplane.backends.topics import TopicBackend
from eventplane.controllers.reporting import Reporter, key_fields
from eventplane.controllers.store import Key, Store
from eventplane.planning.desired import DesiredTopic, desire_topic
from eventplane.planning.occurrences import occurrences
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.readiness import (
    TopicOutcome,
    condition,
    first_error,
    topic_status,
    topic_status_without_pass,
)
from eventplane.planning.topic_changes import TopicChange
from eventplane.planning.topic_decisions import Decision, TopicCase, decide
from eventplane.planning.topic_state import ObservedTopic, TopicQuery
from eventplane.telemetry import Metrics

logger = logging.getLogger(__name__)


class Next(Enum):
    """What becomes of a key after its pass."""

    DONE = "done"
    RETRY = "retry"


@dataclass(slots=True)
class Flight:
    """One topic on its way through a pass."""

    case: TopicCase
    decision: Decision = field(default_factory=Decision)
    outcomes: Sequence[TopicOutcome] = ()
    outcome: str = ""
    """The reason that Ready was given."""
    obstacle: Exception | None = None
    """Why nothing was done: the topic could not be looked at, or the resource not be prepared."""


@dataclass(slots=True)
class Batch:
    """What a pass knows after it has changed the bus and before it has told the cluster."""

    flights: list[Flight] = field(default_factory=list)
    refused: list[tuple[EventTopic, Refusal]] = field(default_factory=list)
    """Those that could not even be looked at."""

    def outcomes(self) -> Mapping[Key, str]:
        """Name the reason that each resource's Ready was given."""
        told = {flight.case.resource.metadata.key: flight.outcome for flight in self.flights}
        return told | {topic.metadata.key: refusal.reason for topic, refusal in self.refused}


@dataclass(frozen=True, slots=True)
class TopicReconciler:
    """Passes over batches of topics. It holds no state: all that it knows is in the store and in the backend."""

    store: Store
    reporter: Reporter
    metrics: Metrics
    cluster: str
    """Identity of the Kubernetes cluster, see `Owner.cluster`."""
    now: Callable[[], datetime]
    idle_after_ms: int

    async def change(self, bus: EventBus, backend: TopicBackend, keys: Sequence[Key]) -> Batch:
        """Bring a batch of topics of one bus to what they ask for.

        Raises:
            Unavailable: the bus did not answer; nothing is known of the batch.
            Rejected: the bus refused to be asked.
        """
        batch = Batch()
        wanted = self._wanted(bus, keys, batch)
        observed = await backend.observe({TopicQuery(desired.topic) for _, desired in wanted})
        for topic, desired in wanted:
            batch.flights.append(Flight(self._case(bus, topic, desired, observed[TopicQuery(desired.topic)])))
        await self._decide(backend, batch.flights)
        await asyncio.gather(*(self._prepare(flight) for flight in batch.flights))
        await self._apply(backend, [flight for flight in batch.flights if flight.obstacle is None])
        return batch

    def topics_at(self, bus: EventBus, keys: Sequence[Key]) -> list[EventTopic]:
        """Look up those topics of which this bus has to take care now; the others have gone or moved to another bus."""
        topics = []
        for key in keys:
            topic = self.store.topics.get(key)
            if topic is None or (topic.metadata.deleting and FINALIZER not in topic.metadata.finalizers):
                continue  # gone, or going without our help
            home = self.store.bus_of(topic)
            at_home = isinstance(home, EventBus) and home.metadata.key == bus.metadata.key
            if at_home or (topic.metadata.deleting and topic.status.bus == "/".join(bus.metadata.key)):
                topics.append(topic)
        return topics

    def _wanted(self, bus: EventBus, keys: Sequence[Key], batch: Batch) -> list[tuple[EventTopic, DesiredTopic]]:
        wanted = []
        for topic in self.topics_at(bus, keys):
            desired = desire_topic(topic, bus)
            if isinstance(desired, Refusal):
                batch.refused.append((topic, desired))
            else:
                wanted.append((topic, desired))
        return wanted

    def _case(self, bus: EventBus, topic: EventTopic, desired: DesiredTopic, observed: ObservedTopic) -> TopicCase:
        return TopicCase(
            resource=topic,
            bus=bus,
            desired=desired,
            observed=observed,
            cluster=self.cluster,
            now_ms=int(self.now().timestamp() * 1000),
            idle_after_ms=self.idle_after_ms,
            rivals=self.store.rivals_of(topic),
            elders_in_namespace=self.store.elders_in_namespace(topic),
        )

    async def _decide(self, backend: TopicBackend, flights: Sequence[Flight]) -> None:
        for flight in flights:
            flight.decision = _decided(flight.case)
        undecided = [flight for flight in flights if flight.decision.needs_usage]
        if not undecided:
            return
        observed = await backend.observe({TopicQuery(each.case.desired.topic, usage=True) for each in undecided})
        for flight in undecided:
            seen = observed[TopicQuery(flight.case.desired.topic, usage=True)]
            flight.case = replace(flight.case, observed=seen)
            flight.decision = _decided(flight.case)

    async def _prepare(self, flight: Flight) -> None:
        """Set the finalizer before anything is done that its deletion must undo."""
        resource = flight.case.resource
        flight.obstacle = flight.decision.postponed
        if flight.obstacle is not None or not flight.decision.finalizer:
            return
        if resource.metadata.deleting or FINALIZER in resource.metadata.finalizers:
            return
        try:
            prepared = await self.reporter.finalizer(resource, present=True)
        except (Conflict, Unavailable, Rejected) as error:
            flight.obstacle = error
            return
        if prepared is None:
            flight.decision = Decision()
        else:
            flight.case = replace(flight.case, resource=prepared)

    async def _apply(self, backend: TopicBackend, flights: Sequence[Flight]) -> None:
        changes: list[TopicChange] = [change for flight in flights for change in flight.decision.changes]
        outcomes = iter(await backend.apply(changes) if changes else ())
        for flight in flights:
            flight.outcomes = [next(outcomes) for _ in flight.decision.changes]

    async def report(self, batch: Batch) -> Mapping[Key, Next]:
        """Tell the cluster what became of a batch; one line is logged per outcome."""
        keys = [flight.case.resource.metadata.key for flight in batch.flights]
        results = await asyncio.gather(*(self._reported(flight) for flight in batch.flights))
        refused = [topic.metadata.key for topic, _ in batch.refused]
        results += await asyncio.gather(*(self.refuse(topic, refusal) for topic, refusal in batch.refused))
        return dict(zip(keys + refused, results, strict=True))

    async def refuse(self, topic: EventTopic, problem: BackendError | Refusal) -> Next:
        """Say why a topic cannot even be looked at."""
        kind, key = EventTopic.kind, topic.metadata.key
        self.metrics.reconciled.labels(kind, problem.reason).inc()
        try:
            await self.reporter.topic_status(topic, topic_status_without_pass(topic, problem))
        except (Unavailable, Rejected) as error:
            logger.warning("status not written: %s", error, extra={"fields": key_fields(kind, key)})
            return Next.RETRY
        return Next.DONE

    async def _reported(self, flight: Flight) -> Next:
        """Report; a fault in the report of one topic is its own and does not take the batch along."""
        try:
            return await self._report(flight)
        except Exception:
            fields = key_fields(EventTopic.kind, flight.case.resource.metadata.key)
            logger.exception("not reported: this is a fault of the operator", extra={"fields": fields})
            return Next.RETRY

    async def _report(self, flight: Flight) -> Next:
        case, fields = flight.case, key_fields(EventTopic.kind, flight.case.resource.metadata.key)
        if flight.obstacle is not None:
            logger.info("again: %s", flight.obstacle, extra={"fields": fields})
            return Next.RETRY
        error = first_error(flight.outcomes)
        status = topic_status(case, flight.decision, flight.outcomes)
        try:
            await self._settle(flight, status, error)
        except (Conflict, Unavailable, Rejected) as obstacle:
            logger.warning("not written: %s", obstacle, extra={"fields": fields})
            return Next.RETRY
        self._account(flight, status, fields)
        those = tuple(occurrences(case, flight.decision, flight.outcomes))
        self.reporter.post(EventTopic.kind, case.resource.metadata, those)
        return Next.RETRY if isinstance(error, Unavailable) else Next.DONE

    async def _settle(self, flight: Flight, status: EventTopicStatus, error: BackendError | None) -> None:
        """Write the status, and let go of the resource where nothing outside needs it any more."""
        case = flight.case
        release = error is None and not flight.decision.finalizer and FINALIZER in case.resource.metadata.finalizers
        if not (release and case.resource.metadata.deleting):
            await self.reporter.topic_status(case.resource, status)
        if release:
            await self.reporter.finalizer(case.resource, present=False)

    def _account(self, flight: Flight, status: EventTopicStatus, fields: Mapping[str, str]) -> None:
        ready = condition(status.conditions, ConditionType.READY)
        reason = flight.outcome = ready.reason if ready else ""
        self.metrics.reconciled.labels(EventTopic.kind, reason).inc()
        done: list[Outcome[TopicChange, ObservedTopic]] = [each for each in flight.outcomes if each.error is None]
        if flight.decision.repairs_drift and done:
            self.metrics.drift.labels(EventTopic.kind).inc()
        before = condition(flight.case.resource.status.conditions, ConditionType.READY)
        if done or before is None or before.reason != reason:  # an outcome that stands is not told again
            outcome = {**fields, "outcome": reason, "changes": [each.change.describe() for each in done]}
            logger.info("reconciled", extra={"fields": outcome})


def _decided(case: TopicCase) -> Decision:
    """Decide; a fault in the decision of one topic is its own and does not take the batch along."""
    try:
        return decide(case)
    except Exception as error:
        fields = key_fields(EventTopic.kind, case.resource.metadata.key)
        logger.exception("no decision: this is a fault of the operator", extra={"fields": fields})
        message = f"the operator could not decide ({type(error).__name__}): please report this, its log has the details"
        return Decision(
            refusals=(Refusal(Reason.INTERNAL_ERROR, message),),
            finalizer=FINALIZER in case.resource.metadata.finalizers,
        )
