"""A store made anew of the topics that a relay has published to, where its database is lost.

Each event says where it stands: its aggregate, its version there, its tenant. So it is of no matter in which order
topics and partitions are read, and what is there already is there once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from eventplane.client.broker import Broker, broker_of
from eventplane.client.codec import read_document
from eventplane.client.configuration import BrokerConfig, Conf
from eventplane.client.errors import ConsumingError, InvalidEventError
from eventplane.events.record import Record
from eventplane.eventstore.backend import Backend
from eventplane.eventstore.configuration import backend_of
from eventplane.eventstore.documents import AGGREGATE_ID, AGGREGATE_VERSION, TENANT, new_row, version_of
from eventplane.eventstore.errors import EventStoreError
from eventplane.eventstore.stored import NewRow
from eventplane.transports.seams import UnreadableError

_OF_A_STORE: Final = f"ce_{AGGREGATE_ID}"
_SHOWN: Final = 5


class Stream(NamedTuple):
    """An aggregate of a tenant."""

    tenant: str
    aggregate_id: str


class Stretch(NamedTuple):
    """Events of a stream that follow each other."""

    stream: Stream
    after: int
    """The version of the event before the first."""
    rows: Sequence[NewRow]


@dataclass(slots=True)
class Restored:
    """What was found in topics."""

    events: int = 0
    """Events that are in the store now; those that were there before are among them."""
    aggregates: int = 0
    """Of so many aggregates."""
    passed_over: int = 0
    """Events that no store has published."""


class Mending:
    """Puts events of streams into their order, in memory, without IO."""

    def __init__(self) -> None:
        self._next: defaultdict[Stream, int] = defaultdict(lambda: 1)
        self._waiting: defaultdict[Stream, dict[int, NewRow]] = defaultdict(dict)
        self._touched: dict[Stream, None] = {}

    @property
    def aggregates(self) -> int:
        """How many streams have a beginning."""
        return sum(first > 1 for first in self._next.values())

    def add(self, stream: Stream, version: int, row: NewRow) -> None:
        """Take an event; of several at one place the first counts."""
        if version >= self._next[stream]:
            self._waiting[stream].setdefault(version, row)
            self._touched[stream] = None

    def stretches(self) -> Iterator[Stretch]:
        """Give what can be appended now, each event once."""
        touched, self._touched = self._touched, {}
        for stream in touched:
            waiting, first = self._waiting[stream], self._next[stream]
            rows: list[NewRow] = []
            while (row := waiting.pop(first + len(rows), None)) is not None:
                rows.append(row)
            if rows:
                self._next[stream] = first + len(rows)
                yield Stretch(stream, first - 1, rows)

    def gaps(self) -> Mapping[Stream, int]:
        """Tell of which streams later events are there, and which version is missing before them."""
        return {stream: self._next[stream] for stream, waiting in self._waiting.items() if waiting}


async def restore(
    store_config: Backend | Mapping[str, Any] | str,
    broker_config: Broker | BrokerConfig | Conf,
    topics: Sequence[str],
) -> Restored:
    """Append what topics hold to a store, of all tenants, each event at its place; sealed data stay sealed.

    It may be repeated after a failure, and on a store that has some of it. Events of one aggregate have the order that
    they had; among aggregates the order is that of reading. What the topics do not hold any more cannot come back.

    Args:
        store_config: as an EventStore takes it.
        broker_config: as a DeadLetters takes it; it needs the right to read the topics.
        topics: all that the relay publishes to, by their names in Kafka.

    Raises:
        ConfigurationError: a configuration that cannot be used.
        ConsumingError: a topic cannot be read.
        ConcurrencyError: another event is in the place of one of these.
        EventStoreError: a record is no event, or versions are missing in between: what comes before them is there.
        StoreUnavailableError: no answer.
    """
    backend, broker = backend_of(store_config), broker_of(broker_config)
    mending, restored = Mending(), Restored()
    try:
        await backend.open()
        for topic in topics:
            await _restore_topic(backend, broker, topic, mending, restored)
    finally:
        await backend.close()
    restored.aggregates = mending.aggregates
    gaps = mending.gaps()
    if gaps:
        shown = ", ".join(f"{version} of {stream.aggregate_id}" for stream, version in list(gaps.items())[:_SHOWN])
        raise EventStoreError(f"{len(gaps)} aggregates have gaps: no topic holds event {shown}, but later ones")
    return restored


async def _restore_topic(backend: Backend, broker: Broker, topic: str, mending: Mending, restored: Restored) -> None:
    try:
        async with aclosing(broker.snapshot(topic, None)) as snapshot:
            async for records in snapshot:
                for record in records:
                    if _OF_A_STORE in dict(record.headers() or ()):
                        mending.add(*_placed(record))
                    else:
                        restored.passed_over += 1
                for stream, after, rows in mending.stretches():
                    await backend.append(stream.tenant, stream.aggregate_id, after, rows)
                    restored.events += len(rows)
    except UnreadableError as error:
        raise ConsumingError(str(error)) from error


def _placed(record: Record) -> tuple[Stream, int, NewRow]:
    place = f"{record.topic()}, partition {record.partition()}, offset {record.offset()}"
    try:
        event = read_document(record)
        version = version_of(event)
        if not version:
            raise EventStoreError(f"{place}: {AGGREGATE_VERSION} is no version")
        stream = Stream(event.extensions.get(TENANT, ""), event.extensions[AGGREGATE_ID])
        return stream, version, new_row(event)
    except InvalidEventError as error:
        raise EventStoreError(f"{place} is no event: {error}") from error
