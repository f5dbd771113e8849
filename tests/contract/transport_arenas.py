"""The places where the contract of sources and writers is tried: a log, in memory or a real broker's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported

from eventplane.transports.kafka_member import Reading
from eventplane.transports.kafka_settings import consumer_settings, producer_settings
from eventplane.transports.kafka_source import KafkaSource
from eventplane.transports.kafka_writer import KafkaWriter
from eventplane.transports.memory import MemoryLog, MemorySource, MemoryWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from e2e.servers.kafka import Kafka
    from eventplane.events.beginning import LookBack
    from eventplane.events.record import Header, Place, Record
    from eventplane.transports.seams import Source, Writer

SECONDS = 30


async def until(holds: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for what another thread or process does."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.01)


class Notebook:
    """A Reader that writes down what it is told, and finishes what it is given at once."""

    def __init__(self) -> None:
        self.taken: list[Record] = []
        self.places: set[Place] = set()
        self.assignments = 0
        self.finished: dict[Place, int] = {}
        self.left: list[Place] = []
        self.is_over = False
        self.problem: str | None = None
        self._next: dict[Place, int] = {}

    @property
    def values(self) -> list[bytes | None]:
        return [record.value() for record in self.taken]

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        self.assignments += 1
        self.finished |= finished
        self.places.update(places)

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            self.taken.append(record)
            self._next[record.topic() or "", record.partition() or 0] = (record.offset() or 0) + 1

    async def leave(self, places: Sequence[Place]) -> Mapping[Place, int]:
        self.left.extend(places)
        self.places.difference_update(places)
        return {place: self._next[place] for place in places if place in self._next}

    def lost(self, places: Sequence[Place]) -> None:
        self.places.difference_update(places)

    def ended(self, problem: str | None) -> None:
        self.is_over, self.problem = True, problem

    @property
    def offsets(self) -> dict[Place, int]:
        return dict(self._next)


class TransportArena(Protocol):
    """A log that sources and writers are opened on."""

    def create(self, topic: str, partitions: int = 1) -> None: ...
    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] = (),
        written_ms: int | None = None,
    ) -> None: ...
    def source(
        self,
        group: str,
        topic: str,
        retry_topics: tuple[str, ...] = (),
        start_from: str = "Earliest",
        look_back: LookBack | None = None,
    ) -> Source: ...
    def writer(self) -> Writer: ...
    async def close(self) -> None: ...


class MemoryTransports:
    """In memory."""

    def __init__(self) -> None:
        self.log = MemoryLog(lambda: self.now_ms)
        self.now_ms = 0

    def create(self, topic: str, partitions: int = 1) -> None:
        self.log.create(topic, partitions)

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] = (),
        written_ms: int | None = None,
    ) -> None:
        self.now_ms = written_ms or 0
        self.log.append(topic, key, value, headers)

    def source(
        self,
        group: str,
        topic: str,
        retry_topics: tuple[str, ...] = (),
        start_from: str = "Earliest",
        look_back: LookBack | None = None,
    ) -> Source:
        return MemorySource(self.log, group, (topic,), retry_topics, start_from, look_back)

    def writer(self) -> Writer:
        return MemoryWriter(self.log)

    async def close(self) -> None:
        """Nothing runs."""


class KafkaTransports:
    """On a real broker."""

    def __init__(self, kafka: Kafka) -> None:
        self._config: dict[str, Any] = kafka.client_config("PLAINTEXT") | {"log_level": 0}
        self._writers: list[KafkaWriter] = []
        self.problems: list[str] = []

    def create(self, topic: str, partitions: int = 1) -> None:
        admin = AdminClient(self._config)
        admin.create_topics([NewTopic(topic, partitions)])[topic].result(SECONDS)

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] = (),
        written_ms: int | None = None,
    ) -> None:
        producer = Producer(self._config | {"acks": "all"})
        producer.produce(topic, key=key, value=value, headers=list(headers), timestamp=written_ms or 0)
        assert producer.flush(SECONDS) == 0

    def commit(self, group: str, topic: str, offset: int) -> None:
        """Commit an offset of partition 0 for a group, whether there is such a record or not."""
        consumer = Consumer(self._config | {"group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        consumer.close()

    def source(
        self,
        group: str,
        topic: str,
        retry_topics: tuple[str, ...] = (),
        start_from: str = "Earliest",
        look_back: LookBack | None = None,
    ) -> Source:
        settings = consumer_settings(self._config, group, "contract", None)
        reading = Reading((topic,), retry_topics, start_from, 5.0, look_back)
        return KafkaSource(settings, reading, asyncio.get_running_loop())

    def writer(self) -> Writer:
        settings = producer_settings(self._config, "contract") | {"topic.metadata.propagation.max.ms": 1000}
        writer = KafkaWriter(settings, asyncio.get_running_loop(), self.problems.append)
        self._writers.append(writer)
        return writer

    async def close(self) -> None:
        for writer in self._writers:
            await writer.close(5.0)
        assert self.problems == []
