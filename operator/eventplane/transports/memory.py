"""Transports without servers: partitions, groups and services in this process, by the contract of the real ones."""

import asyncio
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from eventplane.events.beginning import Committed, End, FirstAfter, LookBack, starts
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.record import Header, Place, PlainRecord
from eventplane.transports.seams import Answered, Consumed, Reader, Sent, UncommittedError, Write, Written

_BATCH: Final = 100
_LARGEST: Final = 1_048_576


@dataclass(slots=True)
class _Group:
    """A consumer group; its partitions are shared out by turns."""

    offsets: dict[Place, int] = field(default_factory=dict)
    members: "list[MemorySource]" = field(default_factory=list)


class MemoryLog:
    """A cluster: topics with partitions, groups with offsets."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: 0) -> None:
        self.partitions: dict[Place, list[PlainRecord]] = {}
        self.groups: defaultdict[str, _Group] = defaultdict(_Group)
        self.refused: dict[str, Failure] = {}
        """Topics that cannot be written to, and why."""
        self.largest: dict[str, int] = {}
        """How large the values of a topic may be, in bytes, where that is not the default."""
        self._clock_ms = clock_ms

    def create(self, topic: str, partitions: int = 1) -> None:
        """Make a topic."""
        for number in range(partitions):
            self.partitions.setdefault((topic, number), [])

    def count(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return sum(1 for name, _number in self.partitions if name == topic)

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> Written:
        """Write a record into the partition of its key, and let everybody read; return where it is."""
        place = (topic, zlib.crc32(key or b"") % self.count(topic))
        log = self.partitions[place]
        written = Written(*place, len(log), self._clock_ms())
        log.append(PlainRecord(place, written.offset, value, key, tuple(headers), written.timestamp_ms))
        for group in self.groups.values():
            for member in group.members:
                member.wake()
        return written

    def refusal(self, topic: str, value: bytes | None) -> Failure | None:
        """Say why a record cannot be written, as Kafka would."""
        if topic in self.refused:
            return self.refused[topic]
        if not self.count(topic):
            return Failure("Unavailable", f"{topic} cannot be written to: there is no such topic")
        if len(value or b"") > self.largest.get(topic, _LARGEST):
            return Failure("Rejected", "Kafka refuses the record: it is too large", is_too_large=True)
        return None

    def records(self, topic: str) -> list[PlainRecord]:
        """Return all records of a topic, partition by partition."""
        return [each for place in sorted(self.partitions) if place[0] == topic for each in self.partitions[place]]


class MemorySource:
    """A Source on a MemoryLog."""

    def __init__(
        self,
        log: MemoryLog,
        group: str,
        topics: tuple[str, ...],
        retry_topics: tuple[str, ...] = (),
        start_from: str = "Earliest",
        look_back: LookBack | None = None,
    ) -> None:
        self.log = log
        self._group = log.groups[group]
        self._topics = (*topics, *retry_topics)
        self._retry_topics = frozenset(retry_topics)
        self._start_from = start_from
        self._look_back = look_back
        self._reader: Reader
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, reader: Reader) -> None:
        """Join: who is in the group already gives partitions away first."""
        self._reader = reader
        self._group.members.append(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def pause(self, place: Place) -> None:
        """Pause at once."""
        self._paused.add(place)

    def resume(self, place: Place) -> None:
        """Resume."""
        self._paused.discard(place)
        self.wake()

    @property
    def offsets(self) -> dict[Place, int]:
        """What the group has committed."""
        return self._group.offsets

    def position(self, place: Place) -> int:
        """Tell what is read next."""
        return self._positions[place]

    def seek(self, place: Place, offset: int) -> None:
        """Read on from another offset, if the partition is ours."""
        if place in self._positions:
            self._positions[place] = offset
            self.wake()

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit at once."""
        self._group.offsets |= {place: offset for place, offset in offsets.items() if place in self._positions}

    def lag(self) -> Mapping[Place, int]:
        """Count what is left."""
        return {place: len(self.log.partitions[place]) - at for place, at in self._positions.items()}

    def membership(self) -> None:
        """Need none: nobody in this process is cut off from the group."""

    def seconds_since_poll(self) -> float:
        """Be always at work."""
        return 0.0

    async def stop(self) -> None:
        """Leave; the others get the partitions."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._group.members.remove(self)
        await self.give_up(set())
        await _share_out(self._group)
        self._reader.ended(None)

    def wake(self) -> None:
        """Look whether there is something to read."""
        self._awake.set()

    def wanted(self) -> list[Place]:
        """Return all partitions of its topics."""
        return sorted(place for place in self.log.partitions if place[0] in self._topics)

    async def give_up(self, keep: set[Place]) -> None:
        """Leave the partitions that another is to have."""
        leaving = [place for place in self._positions if place not in keep]
        if leaving:
            self.commit(await self._reader.leave(leaving))
            for place in leaving:
                del self._positions[place]
                self._paused.discard(place)

    def obtain(self, places: set[Place]) -> None:
        """Begin with the partitions that are new."""
        new = tuple(sorted(places - self._positions.keys()))
        decided = starts(new, self._group.offsets, self._start_from, self._retry_topics)
        for place, where in decided.items():
            match where:
                case Committed(offset):
                    self._positions[place] = offset
                case End():
                    self._positions[place] = self._group.offsets[place] = len(self.log.partitions[place])
                case FirstAfter(timestamp_ms):
                    late = [each.at for each in self.log.partitions[place] if each.written_ms >= timestamp_ms]
                    self._positions[place] = min(late, default=len(self.log.partitions[place]))
                case _:
                    self._positions[place] = 0
        self._reader.assigned(new, self._look_further_back(new))
        self.wake()

    def _look_further_back(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Move positions back; return where they were."""
        finished: dict[Place, int] = {}
        for place in places:
            offset = self._positions[place]
            before = self.log.partitions[place][:offset]
            if self._look_back is None or not before or place[0] in self._retry_topics:
                continue
            since_ms = before[-1].written_ms - self._look_back.window_ms
            first = next(each.at for each in before if each.written_ms >= since_ms)
            self._positions[place] = max(offset - self._look_back.most, first)
            finished[place] = offset
        return finished

    async def _run(self) -> None:
        await _share_out(self._group)
        while True:
            await self._awake.wait()
            self._awake.clear()
            while batch := self._next():
                self._reader.take(batch)
                await asyncio.sleep(0)

    def _next(self) -> list[PlainRecord]:
        for place, position in self._positions.items():
            found = self.log.partitions[place][position : position + _BATCH]
            if found and place not in self._paused:
                self._positions[place] = found[-1].at + 1
                return found
        return []


async def _share_out(group: _Group) -> None:
    shares: list[set[Place]] = [set() for _ in group.members]
    for number, place in enumerate(group.members[0].wanted() if group.members else ()):
        shares[number % len(shares)].add(place)
    for member, share in zip(tuple(group.members), shares, strict=True):
        await member.give_up(share)
    for member, share in zip(tuple(group.members), shares, strict=True):
        member.obtain(share)


class MemoryWriter:
    """A Writer and Sender on a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def write(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header], answered: Answered
    ) -> None:
        """Write, or refuse as Kafka would."""

        def tell(outcome: Written | Failure) -> None:
            answered(outcome if isinstance(outcome, Failure) else None)

        self.send(topic, key, value, headers, tell)

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header], sent: Sent) -> None:
        """Write and tell where it is, or refuse as Kafka would."""
        outcome = self._log.refusal(topic, value) or self._log.append(topic, key, value, headers)
        asyncio.get_running_loop().call_soon(sent, outcome)

    async def close(self, seconds: float) -> None:
        """Have nothing under way."""
        del seconds


class MemoryTransactor:
    """A Transactor on a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def commit(self, writes: Sequence[Write], consumed: Consumed | None) -> None:
        """Write all and commit offsets, or nothing of it."""
        for write in writes:
            refusal = self._log.refusal(write.topic, write.value)
            if refusal is not None:
                raise UncommittedError(refusal)
        for write in writes:
            self._log.append(write.topic, write.key, write.value, write.headers)
        if consumed is not None:
            self._log.groups[consumed.group].offsets |= dict(consumed.offsets)

    async def close(self) -> None:
        """Have nothing open."""


class MemorySink:
    """A Sink that remembers what it was given, and fails as it is told to."""

    def __init__(self, *, keeps_order: bool = False) -> None:
        self.keeps_order = keeps_order
        self.delivered: list[Event] = []
        self.data: list[bytes | None] = []
        self.failures: deque[Failure | None] = deque()
        """How the next deliveries end; then all are well."""
        self.refuses: Callable[[Event], Failure | None] = lambda _event: None
        self.held: list[Answered] | None = None
        """Where it is a list, answers are put off: whoever holds them gives them."""
        self.most_at_once = 0
        self._at_once = 0

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Take an event."""
        failure = self.failures.popleft() if self.failures else self.refuses(event)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)

        def answer(forced: Failure | None) -> None:
            self._at_once -= 1
            outcome = failure or forced
            if outcome is None:
                self.delivered.append(event)
                self.data.append(new_data)
            answered(outcome)

        if self.held is not None:
            self.held.append(answer)
        else:
            asyncio.get_running_loop().call_soon(answer, None)

    async def close(self) -> None:
        """Have nothing to let go of."""
