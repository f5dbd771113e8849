"""The places where the contract of a TopicBackend is tried: a cluster, backends on it, and a foreigner with hands."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from eventplane.backends.kafka import LEDGER_TOPIC, KafkaTopicBackend
from eventplane.backends.memory import MemoryCluster, MemoryTopicBackend
from eventplane.planning.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from concurrent.futures import Future
    from contextlib import AbstractAsyncContextManager

    from e2e.servers.kafka import Kafka
    from eventplane.backends.topics import TopicBackend

_SECONDS = 20


class Arena(Protocol):
    """A cluster that backends look at, and a foreigner, who is no backend, changes."""

    brokers: int
    requests: list[str]
    """The APIs that were called by the backends opened here."""

    def backend(self) -> TopicBackend:
        """Open a backend; it is closed with the arena."""
        ...

    async def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None: ...
    async def delete(self, topic: str) -> None: ...
    async def configure(self, topic: str, key: str, value: str) -> None: ...
    async def grow(self, topic: str, partitions: int) -> None: ...
    async def produce(self, topic: str, key: str | None, timestamp_ms: int) -> None: ...
    def reading(self, group: str, topic: str) -> AbstractAsyncContextManager[None]: ...
    async def has_ledger(self) -> bool: ...
    async def lose_ledger(self) -> None: ...


class MemoryArena:
    """A cluster in memory."""

    def __init__(self, brokers: int = 1) -> None:
        self.brokers = brokers
        self.requests: list[str] = []
        self.cluster = MemoryCluster(brokers=brokers)

    def backend(self) -> TopicBackend:
        return MemoryTopicBackend(self.cluster)

    async def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        self.cluster.create(topic, partitions=partitions, config=config)

    async def delete(self, topic: str) -> None:
        self.cluster.delete(topic)

    async def configure(self, topic: str, key: str, value: str) -> None:
        self.cluster.edit(topic, config={key: value})

    async def grow(self, topic: str, partitions: int) -> None:
        self.cluster.edit(topic, partitions=partitions)

    async def produce(self, topic: str, key: str | None, timestamp_ms: int) -> None:
        self.cluster.produce(topic, keyed=key is not None, timestamp_ms=timestamp_ms)

    @asynccontextmanager
    async def reading(self, group: str, topic: str) -> AsyncIterator[None]:
        self.cluster.join(group, topic)
        yield
        self.cluster.leave(group)

    async def has_ledger(self) -> bool:
        return bool(self.cluster.claims)

    async def lose_ledger(self) -> None:
        self.cluster.claims.clear()


class KafkaArena:
    """A real cluster; the foreigner is its super user."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.brokers: int = kafka.identity.brokers
        self.requests: list[str] = []
        self._backends: list[KafkaTopicBackend] = []
        self._config = kafka.client_config("PLAINTEXT") | {"log_level": 0}
        self._admin = AdminClient(self._config)

    def backend(self) -> KafkaTopicBackend:
        return self.backend_as(KafkaConnection(tuple(self.kafka.bootstrap("PLAINTEXT").split(","))))

    def backend_as(self, connection: KafkaConnection, timeout_seconds: float = 15.0) -> KafkaTopicBackend:
        """Open a backend as somebody else, or more impatient."""
        backend = KafkaTopicBackend(
            connection,
            client_id="contract",
            timeout_seconds=timeout_seconds,
            on_call=lambda api, _seconds, _answered: self.requests.append(api),
        )
        self._backends.append(backend)
        return backend

    async def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        new = NewTopic(topic, partitions, self.brokers, config=dict(config))
        await self._done(self._admin.create_topics([new])[topic])
        await self._until(lambda: self._shown_by_all(topic, present=True))

    async def delete(self, topic: str) -> None:
        await self._done(self._admin.delete_topics([topic])[topic])
        await self._until(lambda: self._shown_by_all(topic, present=False))

    async def configure(self, topic: str, key: str, value: str) -> None:
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        await self._done(self._admin.incremental_alter_configs([resource])[resource])

    async def grow(self, topic: str, partitions: int) -> None:
        await self._done(self._admin.create_partitions([NewPartitions(topic, partitions)])[topic])

    async def produce(self, topic: str, key: str | None, timestamp_ms: int) -> None:
        def send() -> None:
            producer = Producer(self._config | {"acks": "all"})
            producer.produce(topic, value=b"x", key=key, timestamp=timestamp_ms)
            assert producer.flush(_SECONDS) == 0

        await asyncio.to_thread(send)

    @asynccontextmanager
    async def reading(self, group: str, topic: str) -> AsyncIterator[None]:
        consumer = Consumer(self._config | {"group.id": group, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])

        def joined() -> bool:
            consumer.poll(0.1)
            return any(place.topic == topic for place in consumer.assignment())

        try:
            await self._until(joined)
            yield
        finally:
            await asyncio.to_thread(consumer.close)

    async def has_ledger(self) -> bool:
        return LEDGER_TOPIC in self._topics()

    async def lose_ledger(self) -> None:
        with suppress(KafkaException):
            await self.delete(LEDGER_TOPIC)

    async def close(self) -> None:
        for backend in self._backends:
            await backend.close()

    def leader(self, topic: str) -> int:
        """Return the broker that leads the first partition."""
        leader = self._admin.list_topics(topic, timeout=_SECONDS).topics[topic].partitions[0].leader
        assert isinstance(leader, int)
        return leader

    def records(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        """Read the whole first partition."""
        consumer = Consumer(self._config | {"group.id": "contract", "enable.partition.eof": True})
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[tuple[bytes | None, bytes | None]] = []
        while (message := consumer.poll(_SECONDS)) is not None and message.error() is None:
            found.append((message.key(), message.value()))
        consumer.close()
        return found

    def _shown_by_all(self, topic: str, *, present: bool) -> bool:
        """Ask each broker: a new client knows only the one that it was told of."""
        addresses = self.kafka.bootstrap("PLAINTEXT").split(",")
        clients = [AdminClient(self._config | {"bootstrap.servers": address}) for address in addresses]
        return all((topic in client.list_topics(timeout=_SECONDS).topics) is present for client in clients)

    def _topics(self) -> set[str]:
        return set(self._admin.list_topics(timeout=_SECONDS).topics)

    @staticmethod
    async def _done(future: Future[None]) -> None:
        await asyncio.wait_for(asyncio.wrap_future(future), _SECONDS)

    @staticmethod
    async def _until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.02)
