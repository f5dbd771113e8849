"""The places where the contract of a GaugeBackend is tried: topics, groups, and a foreigner who writes and commits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public names

from eventplane.backends.kafka import KafkaGaugeBackend
from eventplane.backends.memory_gauges import MemoryGaugeBackend, MemoryOffsets
from eventplane.planning.connection import KafkaConnection

if TYPE_CHECKING:
    from e2e.servers.kafka import Kafka
    from eventplane.backends.gauges import GaugeBackend

_SECONDS = 20


class GaugeArena(Protocol):
    """A cluster that backends look at, and a foreigner, who is no backend, writes to."""

    def backend(self) -> GaugeBackend:
        """Open a backend; it is closed with the arena."""
        ...

    async def create(self, topic: str, partitions: int) -> None: ...
    async def append(self, topic: str, count: int, *, partition: int = 0, timestamp_ms: int = 1) -> None: ...
    async def delete_records(self, topic: str, before: int) -> None: ...
    async def commit(self, group: str, topic: str, offset: int, *, partition: int = 0) -> None: ...


class MemoryGaugeArena:
    """Offsets in memory."""

    def __init__(self) -> None:
        self.offsets = MemoryOffsets()

    def backend(self) -> GaugeBackend:
        return MemoryGaugeBackend(self.offsets)

    async def create(self, topic: str, partitions: int) -> None:
        self.offsets.create(topic, partitions)

    async def append(self, topic: str, count: int, *, partition: int = 0, timestamp_ms: int = 1) -> None:
        self.offsets.append(topic, count, partition=partition, timestamp_ms=timestamp_ms)

    async def delete_records(self, topic: str, before: int) -> None:
        self.offsets.delete_records(topic, before)

    async def commit(self, group: str, topic: str, offset: int, *, partition: int = 0) -> None:
        self.offsets.commit(group, topic, offset, partition=partition)


class KafkaGaugeArena:
    """A real cluster; the foreigner is its super user."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.brokers: int = kafka.identity.brokers
        self.requests: list[str] = []
        """The APIs that were called by the backends opened here."""
        self._backends: list[KafkaGaugeBackend] = []
        self._config = kafka.client_config("PLAINTEXT") | {"log_level": 0}
        self._admin = AdminClient(self._config)

    def backend(self) -> KafkaGaugeBackend:
        return self.backend_as(KafkaConnection(tuple(self.kafka.bootstrap("PLAINTEXT").split(","))))

    def backend_as(self, connection: KafkaConnection, timeout_seconds: float = 15.0) -> KafkaGaugeBackend:
        """Open a backend as somebody else, or more impatient."""
        backend = KafkaGaugeBackend(
            connection,
            client_id="contract",
            timeout_seconds=timeout_seconds,
            on_call=lambda api, _seconds, _answered: self.requests.append(api),
        )
        self._backends.append(backend)
        return backend

    async def create(self, topic: str, partitions: int) -> None:
        await self.create_all([topic], partitions)

    async def create_all(self, topics: list[str], partitions: int) -> None:
        new = [NewTopic(topic, partitions, self.brokers) for topic in topics]
        for future in self._admin.create_topics(new).values():
            await asyncio.wait_for(asyncio.wrap_future(future), _SECONDS)

    async def append(self, topic: str, count: int, *, partition: int = 0, timestamp_ms: int = 1) -> None:
        def send() -> None:
            producer = Producer(self._config | {"acks": "all"})
            for _ in range(count):
                producer.produce(topic, b"x", partition=partition, timestamp=timestamp_ms)
            assert producer.flush(_SECONDS) == 0

        await asyncio.to_thread(send)

    async def delete_records(self, topic: str, before: int) -> None:
        places: Any = [TopicPartition(topic, 0, before)]
        for future in self._admin.delete_records(places).values():
            await asyncio.wait_for(asyncio.wrap_future(future), _SECONDS)

    async def commit(self, group: str, topic: str, offset: int, *, partition: int = 0) -> None:
        def send() -> None:
            consumer = Consumer(self._config | {"group.id": group})
            consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
            consumer.close()

        await asyncio.to_thread(send)

    async def groups(self) -> set[str]:
        """Name the groups that there are."""
        listed = await asyncio.wait_for(asyncio.wrap_future(self._admin.list_consumer_groups()), _SECONDS)
        return {group.group_id for group in listed.valid}

    async def close(self) -> None:
        for backend in self._backends:
            await backend.close()
