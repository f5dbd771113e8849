"""Topics, groups and offsets in this process, behind the same publisher and subscriber.

What it does as Kafka does: records stay in order within a partition, a key has its partition, groups share partitions
and go on where they have committed, a topic that does not exist and a record that is too large are refused.
What it does not: no network, no replicas, no retention, no rights, and a topic that is made after a subscriber started
is not read by it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from eventplane.client.codec import event_of
from eventplane.client.configuration import BrokerConfig
from eventplane.client.event import Event
from eventplane.events.dead_letters import json_view
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySource, MemoryTransactor, MemoryWriter
from eventplane.transports.seams import Sender, Source, Transactor


class MemoryBroker:
    """A Broker without servers: `EventPublisher(broker)`, `EventSubscriber(broker, "group")`."""

    def __init__(self, topics: Iterable[str] = (), *, config: BrokerConfig | None = None) -> None:
        """Begin with topics of one partition each."""
        self.config = config or BrokerConfig({"bootstrap.servers": "memory"})
        self.log = MemoryLog(lambda: time.time_ns() // 1_000_000)
        for topic in topics:
            self.log.create(topic)

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic."""
        self.log.create(name, partitions)

    def refuse(self, topic: str, problem: str = "it is down") -> None:
        """Take no more records for a topic, until `accept`."""
        self.log.refused[topic] = Failure("Unavailable", f"{topic} cannot be written to: {problem}")

    def accept(self, topic: str) -> None:
        """Take records for a topic again."""
        self.log.refused.pop(topic, None)

    def published(self, topic: str, of: type[Event[Any]] = Event) -> list[Event[Any]]:
        """Return all events of a topic, partition by partition.

        Raises:
            InvalidEventError: data that do not fit the type `of`.
            ValueError: a record that is no event.
        """
        return [_event(decode_record(record), of) for record in self.log.records(topic)]

    def dead_letters(self, topic: str) -> list[Mapping[str, Any]]:
        """Return the dead letters of a topic as documents: `original_message`, `error_reason`, `attempts`, and more."""
        return [view for record in self.log.records(topic) if (view := json_view(record)) is not None]

    async def settled(self, group_id: str, *topics: str, seconds: float = 10.0) -> None:
        """Wait until a group has acknowledged every event of topics.

        Raises:
            TimeoutError: it has not, in time; the message says how many are left.
        """
        try:
            await _until(lambda: self._left(group_id, topics) == 0, seconds)
        except TimeoutError:
            raise TimeoutError(f"{group_id} has {self._left(group_id, topics)} events left") from None

    def sender(self, timeout_seconds: float, failed: Callable[[str], None]) -> Sender:
        """Open what writes."""
        del timeout_seconds, failed
        return MemoryWriter(self.log)

    def source(self, group: str, reading: Reading) -> Source:
        """Open a member of a group."""
        return MemorySource(
            self.log, group, reading.topics, reading.retry_topics, reading.start_from, reading.look_back
        )

    def transactor(self, transactional_id: str | None, patience_seconds: float) -> Transactor:
        """Open what commits transactions."""
        del transactional_id, patience_seconds
        return MemoryTransactor(self.log)

    def _left(self, group: str, topics: tuple[str, ...]) -> int:
        committed = self.log.groups[group].offsets
        return sum(
            len(records) - committed.get(place, 0)
            for place, records in self.log.partitions.items()
            if place[0] in topics
        )


def _event(read: Any, of: type[Event[Any]]) -> Event[Any]:
    if isinstance(read, Failure):
        raise ValueError(read.message)  # noqa: TRY004 - it is what was written that is wrong
    return event_of(read, of)


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - commits have no event of their own
            await asyncio.sleep(0.01)
