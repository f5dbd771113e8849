"""The lane of a bus's EventTopics: its Kafka, and what topics that are gone leave in it."""

from collections.abc import Callable
from typing import TypeAlias

from eventplane.api.event_bus import EventBusStatus
from eventplane.api.event_topic import EventTopic
from eventplane.backends.topics import ClusterState, TopicBackend
from eventplane.controllers.lane_on_kafka import LaneOnKafka
from eventplane.controllers.shelf import Key
from eventplane.controllers.topics import TopicReconciler
from eventplane.planning.connection import KafkaConnection, Secrets, connect, secret_names
from eventplane.planning.outcome import BackendError, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.readiness import bus_status
from eventplane.planning.topic_changes import ReleaseTopic
from eventplane.planning.topic_deletion import plan_orphan, stale_claims
from eventplane.planning.topic_state import TopicQuery

Connect: TypeAlias = Callable[[KafkaConnection, Key], TopicBackend]


class KafkaLane(LaneOnKafka[EventTopic, TopicBackend]):
    """Everything that happens to the EventTopics of one bus."""

    reconciler: TopicReconciler

    def secret_names(self) -> frozenset[str]:
        """Name the Secrets that the connection is made of."""
        return secret_names(self.bus)

    def connection(self, secrets: Secrets) -> KafkaConnection | Refusal:
        """Make the connection to Kafka."""
        return connect(self.bus, secrets)

    def bus_status(self, before: EventBusStatus, found: ClusterState | BackendError | Refusal) -> EventBusStatus:
        """Say which Kafka answers, or why none does."""
        answer = (found.cluster_id, found.brokers) if isinstance(found, ClusterState) else found
        return bus_status(self.bus, before, answer)

    async def sweep(self, backend: TopicBackend) -> None:
        """Deal with orphans, then release what resources that are gone had claimed."""
        store = self.reconciler.store
        await self._settle_orphans(backend)
        # those of all buses: two of them may lead to one cluster and share its ledger
        remaining = [orphan for bus in store.buses.values() for orphan in bus.status.orphans]
        claims = await backend.claims()  # before the living are counted, who may have claimed something just now
        alive = [topic.metadata.uid for topic in store.topics.values()]
        stale = stale_claims(claims, self.reconciler.cluster, alive, remaining)
        outcomes = await backend.apply(stale) if stale else ()
        self.leftovers.sweep_due |= any(isinstance(outcome.error, Unavailable) for outcome in outcomes)
        for outcome in outcomes:
            if outcome.error is None and isinstance(outcome.change, ReleaseTopic):
                for key in store.topics.claimants(self.key, outcome.change.topic):
                    self.queue.add(key)

    async def _settle_orphans(self, backend: TopicBackend) -> None:
        orphans = self.leftovers.orphans()
        if not orphans:
            return
        now_ms = int(self.reconciler.now().timestamp() * 1000)
        queries = {orphan: TopicQuery(orphan.thing, usage=True, settings=False) for orphan in orphans}
        observed = await backend.observe(set(queries.values()))
        plans = {
            orphan: plan_orphan(
                orphan,
                observed[queries[orphan]],
                self.reconciler.cluster,
                now_ms=now_ms,
                idle_after_ms=self.reconciler.idle_after_ms,
            ).changes
            for orphan in orphans
        }
        await self.leftovers.deal_with(backend, plans)
