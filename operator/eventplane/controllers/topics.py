"""Passes over batches of EventTopics: what is asked of Kafka, and what hangs on the store."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.backends.topics import TopicBackend
from eventplane.controllers.reconcile import Batch, Flight, Reconciler, Surroundings
from eventplane.planning.desired import DesiredTopic, desire_topic
from eventplane.planning.occurrences import Occurrence, occurrences
from eventplane.planning.plan import Refusal
from eventplane.planning.readiness import topic_status
from eventplane.planning.topic_decisions import TopicCase, decide, topic_query
from eventplane.planning.topic_state import ObservedTopic


class TopicReconciler(Reconciler[EventTopic, TopicBackend, TopicCase]):
    """Brings EventTopics to what they ask for."""

    def __init__(self, surroundings: Surroundings, idle_after_ms: int) -> None:
        super().__init__(surroundings, surroundings.store.topics)
        self.idle_after_ms = idle_after_ms

    async def look(
        self,
        bus: EventBus,
        backend: TopicBackend,
        resources: Sequence[EventTopic],
        batch: Batch[EventTopic, TopicCase],
    ) -> None:
        """Observe the topics of a batch and decide; what a decision needs beyond that is observed then."""
        wanted: list[tuple[EventTopic, DesiredTopic]] = []
        for topic in resources:
            desired = desire_topic(topic, bus)
            if isinstance(desired, Refusal):
                batch.refused.append((topic, desired))
            else:
                wanted.append((topic, desired))
        observed = await backend.observe({topic_query(topic, desired.topic) for topic, desired in wanted})
        for topic, desired in wanted:
            flight = Flight(self._case(bus, topic, desired, observed[topic_query(topic, desired.topic)]))
            flight.decision = self.decided(flight.case, decide)
            batch.flights.append(flight)
        await self._look_closer(backend, [flight for flight in batch.flights if flight.decision.needs_usage])

    async def _look_closer(self, backend: TopicBackend, flights: Sequence[Flight[TopicCase]]) -> None:
        if not flights:
            return
        queries = [topic_query(each.case.resource, each.case.desired.topic, usage=True) for each in flights]
        observed = await backend.observe(set(queries))
        for flight, query in zip(flights, queries, strict=True):
            flight.case = replace(flight.case, observed=observed[query])
            flight.decision = self.decided(flight.case, decide)

    def _case(self, bus: EventBus, topic: EventTopic, desired: DesiredTopic, observed: ObservedTopic) -> TopicCase:
        return TopicCase(
            resource=topic,
            bus=bus,
            desired=desired,
            observed=observed,
            cluster=self.cluster,
            now_ms=int(self.now().timestamp() * 1000),
            idle_after_ms=self.idle_after_ms,
            rivals=self.shelf.rivals_of(topic),
            elders_in_namespace=self.shelf.elders_in_namespace(topic),
            schemas=self.store.schemas_of(topic),
            users=tuple(f"{kind} {'/'.join(key)}" for kind, key in self.store.applications_of(topic)),
        )

    def status_of(self, flight: Flight[TopicCase]) -> EventTopicStatus:
        """Say what is the case about an EventTopic."""
        return topic_status(flight.case, flight.decision, flight.outcomes)

    def occurrences_of(self, flight: Flight[TopicCase]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""
        return occurrences(flight.case, flight.decision, flight.outcomes)
