"""Keeps what a compacted topic holds by key, read anew at each start and followed on a thread; no group is joined.

What cannot be followed any more is read again from the beginning, and until that is done, looked up as it was.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event, UndecodableError
from eventplane.events.lookups import MISSING, Answer, Found, Missing
from eventplane.events.record import Record
from eventplane.transports.data_readers import DataReader, read_data
from eventplane.transports.kafka_tail import KafkaTail, TailError

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 2_000
_POLL_SECONDS: Final = 0.2
_AGAIN_SECONDS: Final = 2.0
_WHILE_READING: Final = 2
"""So many times as many keys may be there before all is read: what is deleted further on is among them."""
_LOOK_SECONDS: Final = 60.0
"""Until a topic is asked again how many partitions it has."""


Kept: TypeAlias = bytes | Answer
"""JSON, which takes less than half the memory of what it is decoded to, or what no JSON stands for."""
_AS_JSON: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


class TableTooLargeError(Exception):
    """A topic that holds more keys than are to be kept; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TableOf:
    """What is kept."""

    name: str
    """Of the look-up."""
    topic: str
    """Name in Kafka."""
    most: int
    """So many keys."""
    registry: DataReader | None = None
    """Reads data in a registry's wire format; None: there is no registry."""


class KafkaTable:
    """A Table on Kafka.

    Args:
        asked: what is kept.
        tail: begins to read all of the topic, from its beginning; raises TailError.
        fail: is told, on the event loop, of a problem that only a new process can solve.
    """

    def __init__(self, asked: TableOf, tail: Callable[[], KafkaTail], fail: Callable[[str], None]) -> None:
        self._asked = asked
        self._open_tail = tail
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._values: dict[bytes, Kept] = {}
        self._is_read = asyncio.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"table-{asked.name}", daemon=True)
        self.problem: str | None = f"the table {asked.name} is not read yet"

    @property
    def entries(self) -> int:
        """Return how many keys there are now."""
        return len(self._values)

    def find(self, key: str) -> Answer:
        """Return what is under a key."""
        kept = self._values.get(key.encode("utf-8", "replace"), MISSING)
        return Found(orjson.loads(kept)) if isinstance(kept, bytes) else kept

    async def start(self) -> None:
        """Read all; then follow."""
        self._thread.start()
        await self._is_read.wait()

    async def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    # --- on the thread from here on

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except TailError as error:
                self._complain(str(error))
                self._stopping.wait(_AGAIN_SECONDS)
            except TableTooLargeError as error:
                self._end(str(error))
                return
            except Exception as error:
                logger.exception("a table cannot be kept")
                self._end(f"the table {self._asked.name} cannot be kept: {type(error).__name__} {error}")
                return

    def _follow(self) -> None:
        """Read from the beginning on until told to end; raises TailError."""
        values: dict[bytes, Kept] = {}
        tail = self._open_tail()
        looked = time.monotonic()
        try:
            while not self._stopping.is_set():
                if time.monotonic() - looked > _LOOK_SECONDS:
                    _check_partitions(tail)
                    looked = time.monotonic()
                self._take(tail.read(_AT_ONCE, _POLL_SECONDS), values)
                self._check_size(values, is_whole=not tail.unread)
                if not tail.unread:
                    self._show(values)
        finally:
            tail.close()

    def _show(self, values: dict[bytes, Kept]) -> None:
        """Let all that was read be looked up from now on."""
        self.problem = None
        if self._values is values:
            return
        self._values = values
        fields = {"lookup": self._asked.name, "topic": self._asked.topic, "entries": self.entries}
        logger.info("a table is read", extra={"fields": fields})
        self._loop.call_soon_threadsafe(self._is_read.set)

    def _take(self, records: Sequence[Record], values: dict[bytes, Kept]) -> None:
        """Keep the last value of each key; what has none cannot be in a compacted topic."""
        last = {key: record for record in records if (key := record.key()) is not None}
        for key, kept in self._kept(last).items():
            if kept is MISSING:
                values.pop(key, None)
            else:
                values[key] = kept

    def _check_size(self, values: dict[bytes, Kept], *, is_whole: bool) -> None:
        name, topic, most = self._asked.name, self._asked.topic, self._asked.most
        if len(values) > (most if is_whole else most * _WHILE_READING):
            advice = f"raise lookups[{name}].topicRef.maxEntries"
            raise TableTooLargeError(f"look-up {name}: topic {topic} has more than {most} keys: {advice}")

    def _kept(self, records: dict[bytes, Record]) -> dict[bytes, Kept]:
        found = {key: self._decoded(record) for key, record in records.items()}
        framed = {key: each for key, each in found.items() if isinstance(each, Event) and each.is_framed}
        failures = self._read_framed([(event, self._asked.topic) for event in framed.values()])
        found |= {key: each for key, each in zip(framed, failures, strict=True) if each is not None}
        return {key: _small(_answer(each)) for key, each in found.items()}

    def _decoded(self, record: Record) -> Event | Missing | Failure:
        if record.value() is None:
            return MISSING
        try:
            return decode_record(record, has_registry=self._asked.registry is not None)
        except Exception as error:  # noqa: BLE001 - whatever these bytes do, the others are looked up
            return Failure("Undecodable", f"{type(error).__name__}: {error}")

    def _read_framed(self, events: Sequence[tuple[Event, str]]) -> Sequence[Failure | None]:
        """Decode data with the help of the registry; one that does not answer is waited for."""
        registry = self._asked.registry
        while registry is not None and events and not self._stopping.is_set():
            outcomes = read_data(registry, events)
            waits = next((each for each in outcomes if each is not None and not each.blames_event), None)
            if waits is None:
                return outcomes
            self._complain(waits.message)
            self._stopping.wait(_AGAIN_SECONDS)
        return [None] * len(events)

    def _complain(self, problem: str) -> None:
        """Say once what is wrong, though it is tried again and again."""
        words = f"the table {self._asked.name} cannot be read: {problem}"
        if self.problem == words:
            return
        self.problem = words
        fields = {"lookup": self._asked.name, "topic": self._asked.topic, "problem": problem}
        logger.error("a table cannot be read now", extra={"fields": fields})

    def _end(self, problem: str) -> None:
        self.problem = problem
        self._loop.call_soon_threadsafe(self._fail, problem)


def _check_partitions(tail: KafkaTail) -> None:
    """Raise TailError where partitions were added: all is read anew, since keys may have moved to them."""
    if tail.has_grown():
        raise TailError("it has more partitions now, and is read anew")


def _answer(found: Event | Missing | Failure) -> Answer:
    """Blame no event for a value that is none: it may be another one soon."""
    if isinstance(found, Event):
        try:
            return Found(found.data())
        except UndecodableError as error:
            found = Failure("Undecodable", str(error))
    return Failure("Unavailable", f"its record: {found.message}") if isinstance(found, Failure) else found


def _small(answer: Answer) -> Kept:
    if not isinstance(answer, Found):
        return answer
    try:
        text = orjson.dumps(answer.value, option=_AS_JSON)
    except TypeError:  # of a type that only a registry's formats have
        return answer
    return bytes(memoryview(text))  # a copy: the original keeps the kilobytes that it was written into
