"""The TopicBackend of a real Kafka cluster."""

import asyncio
from collections.abc import Collection, Container, Mapping, Sequence

from eventplane.backends.kafka.changes import batches
from eventplane.backends.kafka.client import KafkaClient, OnCall
from eventplane.backends.kafka.descriptions import describe_brokers
from eventplane.backends.kafka.freshness import FreshTopics
from eventplane.backends.kafka.ledger import Ledger
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC
from eventplane.backends.kafka.observation import complete
from eventplane.backends.kafka.topic_creator import TopicCreator
from eventplane.backends.kafka.usage import UsageInspection
from eventplane.backends.topics import ClusterState
from eventplane.backends.waves import TopicOutcome, apply_in_waves
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.outcome import Unavailable
from eventplane.planning.topic_changes import TopicChange
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, TopicQuery


class KafkaTopicBackend:
    """Topics and their ownership on one Kafka cluster, in batches, for one event loop."""

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        client_id: str,
        timeout_seconds: float = 15.0,
        on_call: OnCall | None = None,
    ) -> None:
        """Prepare to connect; nothing is sent before the first call.

        Args:
            connection: where and as whom.
            client_id: what the brokers' logs and quotas know this client by.
            timeout_seconds: how long an answer is waited for; a probe waits 2 s.
            on_call: told of every request: the API's name, seconds, whether it was answered; from the event loop.

        Raises:
            Rejected: the connection makes no sense to the client, such as a certificate that is none.
        """
        self._client = KafkaClient(connection, client_id=client_id, timeout_seconds=timeout_seconds, on_call=on_call)
        self._creator = TopicCreator(connection, client_id=client_id, timeout_seconds=timeout_seconds)
        self._fresh = FreshTopics(self._client)
        self._ledger = Ledger(self._client, self._fresh)
        self._usage = UsageInspection(self._client)
        self._connected = False

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is; see TopicBackend. The first answer opens what the first changes need."""
        state = await describe_brokers(self._client)
        if not self._connected:
            self._connected = True
            self._creator.connect()
            await self._ledger.connect()
        return state

    async def claims(self) -> Mapping[str, Claim]:
        """Read all standing claims; see TopicBackend."""
        return await self._ledger.claims()

    async def observe(self, keys: Collection[TopicQuery]) -> Mapping[TopicQuery, ObservedTopic]:
        """Look at topics; see Backend."""
        names = dict.fromkeys(key.topic for key in keys)
        described = await self._fresh.describe([LEDGER_TOPIC, *(name for name in names if name != LEDGER_TOPIC)])
        wanted = {name: description for name, description in described.items() if name in names}
        asked = {key.topic for key in keys if key.usage}
        _, usages = await asyncio.gather(
            self._ledger.catch_up(described),
            self._usage.look({name: description for name, description in wanted.items() if name in asked}),
        )
        existing = await complete(self._fresh, wanted, usages, {key.topic for key in keys if key.settings})
        lagging = frozenset(self._fresh.lagging(names, existing))
        return {key: self._observed(key.topic, existing.get(key.topic), lagging) for key in keys}

    def _observed(self, topic: str, existing: ExistingTopic | None, lagging: Container[str]) -> ObservedTopic:
        error = self._fresh.denied.get(topic)
        if error is None and topic in lagging:
            error = Unavailable(f"topic {topic} was created and does not show yet")
        return ObservedTopic(topic, existing, self._ledger.claim_of(topic), error)

    async def apply(self, changes: Sequence[TopicChange]) -> Sequence[TopicOutcome]:
        """Make changes; see Backend."""
        makes = batches(self._client, self._creator, self._fresh, self._ledger)
        return await apply_in_waves(changes, makes, lambda change: change.topic)

    async def close(self) -> None:
        """Release connections and threads, within a second."""
        await asyncio.gather(self._creator.close(), self._client.close(self._drop))

    def _drop(self) -> None:
        self._ledger.drop()
