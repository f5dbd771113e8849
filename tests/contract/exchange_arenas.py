"""The places where the contract of exchanges is tried, and a worker that copies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from contract.transport_arenas import SECONDS, KafkaTransports, MemoryTransports

from eventplane.transports.kafka_exchange import KafkaExchange, Pace
from eventplane.transports.kafka_member import Reading
from eventplane.transports.kafka_settings import consumer_settings, transactional_settings
from eventplane.transports.memory import MemorySource
from eventplane.transports.memory_exchange import MemoryExchange
from eventplane.transports.seams import Made, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from e2e.servers.kafka import Kafka
    from eventplane.events.delivery import Failure
    from eventplane.events.record import Header, Place, Record
    from eventplane.transports.seams import Exchange

_TOO_LARGE = b"x" * 2_000_000


class Copyist:
    """A Worker that copies every record to a topic, and leaves out what was refused."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.places: set[Place] = set()
        self.assignments = 0
        self.certain = 0
        self.undone_times = 0
        self.refusals: list[tuple[Write, Failure]] = []
        self.is_over = False
        self.problem: str | None = None
        self.enlarged: dict[Place, set[int]] = {}
        """What is written so large that it is refused."""
        self.waits: dict[Place, dict[int, float]] = {}
        """What is left alone at first, and for how many seconds."""
        self.last = Made((), {})
        self._pending = 0
        self._suspects: set[tuple[Place, int]] = set()

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        assert finished == {}, "nobody has asked to look back"
        self.places.update(places)
        self.assignments += 1

    def work(self, records: Sequence[Record]) -> Made:
        writes: list[Write] = []
        positions: dict[Place, int] = {}
        waits: dict[Place, float] = {}
        for record in records:
            place, offset = (record.topic() or "", record.partition() or 0), record.offset() or 0
            if place in waits:
                continue
            if offset in self.waits.get(place, ()):
                waits[place], positions[place] = self.waits[place].pop(offset), offset
                continue
            positions[place] = offset + 1
            self._pending += 1
            if all((each.place, each.offset) != (place, offset) for each, _failure in self.refusals):
                value = _TOO_LARGE if offset in self.enlarged.get(place, ()) else record.value()
                alone = (place, offset) in self._suspects
                writes.append(Write(self.out, record.key(), value, record.headers() or (), place, offset, alone))
        self.last = Made(writes, positions, waits)
        return self.last

    def committed(self) -> None:
        self.certain += self._pending
        self._pending = 0

    def refused(self, write: Write, failure: Failure, *, certain: bool) -> None:
        if certain:
            self.refusals.append((write, failure))
        else:
            self._suspects.add((write.place, write.offset))

    def undone(self, problem: str) -> None:
        assert problem
        self.undone_times += 1
        self._pending = 0

    def lost(self, places: Sequence[Place]) -> None:
        self.places.difference_update(places)

    def ended(self, problem: str | None) -> None:
        self.is_over, self.problem = True, problem


class ExchangeArena(Protocol):
    """A log that exchanges are opened on."""

    def create(self, topic: str, partitions: int = 1) -> None: ...
    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None: ...
    def values(self, topic: str) -> list[bytes | None]:
        """Return what is committed."""
        ...

    def exchange(self, group: str, topic: str, start_from: str = "Earliest") -> Exchange: ...


class MemoryExchanges(MemoryTransports):
    """In memory."""

    def values(self, topic: str) -> list[bytes | None]:
        return [each.value() for each in self.log.records(topic)]

    def exchange(self, group: str, topic: str, start_from: str = "Earliest") -> Exchange:
        return MemoryExchange(MemorySource(self.log, group, (topic,), (), start_from))


class KafkaExchanges(KafkaTransports):
    """On a real broker."""

    def __init__(self, kafka: Kafka) -> None:
        super().__init__(kafka)
        self._ids = 0

    def append_all(self, topic: str, numbers: Iterable[int]) -> None:
        producer = Producer(self._config | {"acks": "all"})
        for number in numbers:
            producer.produce(topic, key=b"%d" % number, value=b"%d" % number)
        assert producer.flush(SECONDS) == 0

    def values(self, topic: str) -> list[bytes | None]:
        return committed_values(self._config, topic)

    def exchange(self, group: str, topic: str, start_from: str = "Earliest") -> Exchange:
        self._ids += 1
        return self.exchange_of(f"{group}-{self._ids}", group, topic, start_from)

    def exchange_of(
        self,
        transactional_id: str,
        group: str,
        topic: str,
        start_from: str = "Earliest",
        make: Callable[[dict[str, Any]], Any] = Producer,
        patience_seconds: float = 5.0,
        **settings: Any,
    ) -> KafkaExchange:
        """Open one with an id, perhaps with a producer that misbehaves, or with other settings of the consumer."""
        consumer = consumer_settings({**self._config, **settings}, group, "contract", None)
        pace = Pace(patience_seconds=patience_seconds)
        producer = transactional_settings(self._config, transactional_id, "") | {
            "topic.metadata.propagation.max.ms": 1000
        }
        reading = Reading((topic,), (), start_from, 5.0)
        return KafkaExchange(consumer, reading, asyncio.get_running_loop(), producer, pace, make)


def committed_values(config: dict[str, Any], topic: str) -> list[bytes | None]:
    """Read what is committed in a topic, partition by partition."""
    consumer = Consumer(
        {**config, "group.id": "look", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    found: list[bytes | None] = []
    for number in sorted(consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions):
        consumer.assign([TopicPartition(topic, number, 0)])
        while True:
            message = consumer.poll(SECONDS)
            assert message is not None
            if message.error() is not None:
                break
            found.append(message.value())
    consumer.close()
    return found
