"""What a transport is: a Source and a Writer of records, or an Exchange that is both; a Sink for events.

These docstrings are the contract.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.lookups import Answer
from eventplane.events.record import Header, Place, Record

Answered: TypeAlias = Callable[[Failure | None], None]
"""Is told once, on the event loop, how a delivery or a write ended; None: well."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where a record is that was written."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Of the record, milliseconds since 1970."""


Sent: TypeAlias = Callable[[Written | Failure], None]
"""Is told once, on the event loop, where a record is, or why it is nowhere."""


class Reader(Protocol):
    """Who gets what a Source reads. Called on the event loop, in this order for each partition."""

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        """Partitions are ours from now on; also told where there are none for us.

        Args:
            places: those that are new.
            finished: where a Source looks back in one: its records before this offset are finished and come all the
                same, at least those of the look-back's time before the last of them that is not deleted.
        """
        ...

    def take(self, records: Sequence[Record]) -> None:
        """Records of our partitions, in order within each. Those of a partition that is no longer ours are ignored."""
        ...

    async def leave(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """End work on partitions within bounded time; return the offsets at which somebody else has to go on."""
        ...

    def lost(self, places: Sequence[Place]) -> None:
        """Partitions are somebody else's already: nothing of them may be committed any more."""
        ...

    def ended(self, problem: str | None) -> None:
        """Nothing more will be read: on request, or because of a problem that only a new process can solve."""
        ...


class Member(Protocol):
    """A member of a consumer group."""

    def lag(self) -> Mapping[Place, int]:
        """Tell how many offsets each of our partitions holds behind what was handed over, as last known."""
        ...

    def seconds_since_poll(self) -> float:
        """Tell how long ago it was last seen at work."""
        ...

    async def stop(self) -> None:
        """Leave the group, with all that is finished committed. Harmless twice."""
        ...


class Source(Member, Protocol):
    """A member that hands over what it reads; before it leaves, its reader leaves its partitions."""

    def start(self, reader: Reader) -> None:
        """Join and read."""
        ...

    def pause(self, place: Place) -> None:
        """Read no more of a partition for now; a few records may be on their way still."""
        ...

    def resume(self, place: Place) -> None:
        """Go on with a partition behind the last record that was handed over."""
        ...

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Note offsets in the group, soon; of partitions that are not ours any more nothing is noted."""
        ...

    def membership(self) -> Any:
        """Tell as whom it is in the group, so that a transaction is refused once it is not any more."""
        ...


class Writer(Protocol):
    """Writes records that are set aside, or delivered to a topic; in order within a key."""

    def write(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header], answered: Answered
    ) -> None:
        """Write one; answered once all replicas in sync have it, or once it is certain that they never will.

        Reasons: Rejected where the record is to blame, Unavailable where the topic is.
        """
        ...

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, at most so long, and give up the rest: it is not answered."""
        ...


class Sender(Writer, Protocol):
    """A Writer for those who want to know where a record is."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
        sent: Sent,
        partition: int | None = None,
    ) -> None:
        """Write one, as `write` does, into a partition or, where none is named, that of its key; in order there."""
        ...


class Sink(Protocol):
    """Where events are delivered to."""

    keeps_order: bool
    """Whether events arrive in the order in which they are handed over, without waiting for each."""

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Deliver an event, with other data if some are given; answered within bounded time.

        Reasons: Rejected where it is refused for good, Unavailable where it may be taken later, TimedOut where there is
        no answer, Undecodable where it cannot be written in the form asked for.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; what is under way is cut off and not answered."""
        ...


class Table(Protocol):
    """What a topic holds by key, kept here and followed: the last value of each, nothing after a tombstone."""

    @property
    def entries(self) -> int:
        """How many keys it has."""
        ...

    @property
    def problem(self) -> str | None:
        """Why it is not what the topic holds: it is still read for the first time, or cannot be read now."""
        ...

    def find(self, key: str) -> Answer:
        """Return what is under a key; a Failure where that cannot be read."""
        ...

    async def start(self) -> None:
        """Read up to the ends of now, which may take as long as Kafka does not answer; then follow."""
        ...

    async def close(self) -> None:
        """Follow it no more. Harmless twice."""
        ...


class Asking(Protocol):
    """A service that is asked for what is under a key, and whose answers are remembered for a while."""

    def cached(self, key: str) -> Answer | None:
        """Return what is remembered."""
        ...

    async def fetch(self, key: str) -> tuple[Answer, bool]:
        """Ask, within bounded time; tell whether another had asked already, whose answer this is. Raises nothing.

        Reasons: Rejected where it would answer the same again, Unavailable and TimedOut where it may not.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; what is under way is cut off."""
        ...


class Write(NamedTuple):
    """A record that goes into a transaction, and the record that it comes from."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    place: Place
    offset: int
    alone: bool = False
    """It is written apart from others, so that nobody else is to blame for a refusal."""


@dataclass(frozen=True, slots=True)
class Consumed:
    """Up to where a group is through with partitions, if what was made of their records is written."""

    group: str
    membership: Any
    """What the Source said when the records were ours."""
    offsets: Mapping[Place, int]


class UnreadableError(Exception):
    """A topic that cannot be read, now or at all; the message says why."""


class UncommittedError(Exception):
    """A transaction that was not committed; nobody sees anything of it."""

    def __init__(self, failure: Failure, *, is_certain: bool = True) -> None:
        """Say why; not certain: it may have been committed after all."""
        super().__init__(failure.message)
        self.failure = failure
        self.is_certain = is_certain


class Transactor(Protocol):
    """Writes records and commits offsets of a group, all or nothing; one transaction at a time."""

    async def commit(self, writes: Sequence[Write], consumed: Consumed | None) -> None:
        """Write all, in order within a key, and commit.

        Raises:
            UncommittedError: reasons are those of a Writer, and Unavailable where a member is not one any more.
        """
        ...

    async def close(self) -> None:
        """Let go of the producer."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of some records."""

    writes: Sequence[Write]
    positions: Mapping[Place, int]
    """Up to where each partition is done; committed together with the writes."""
    waits: Mapping[Place, float] = field(default_factory=dict)
    """Partitions that are left alone for so many seconds; then they are read on from their positions."""


class Worker(Protocol):
    """Who makes something of what an Exchange reads.

    Never called by two threads at a time, but not on the event loop, unless it says so. What was made is certain only
    once `committed` is called; after `undone` all of it is read again, from the last committed positions on.
    """

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        """Partitions are ours from now on; arguments as with a Reader."""
        ...

    def work(self, records: Sequence[Record]) -> Made:
        """Make something of records of our partitions, in order within each; may be given the same again."""
        ...

    def committed(self) -> None:
        """All that was made so far is there, and committed."""
        ...

    def refused(self, write: Write, failure: Failure, *, certain: bool) -> None:
        """A write was refused, so all is going to be undone; not certain: it may be another's fault that went along.

        Reasons: Rejected where the record is to blame, Unavailable where the topic is.
        """
        ...

    def undone(self, problem: str) -> None:
        """Nothing that was not committed has happened, because of a problem."""
        ...

    def lost(self, places: Sequence[Place]) -> None:
        """Partitions are somebody else's."""
        ...

    def ended(self, problem: str | None) -> None:
        """Nothing more will be read, as with a Reader; called on the event loop."""
        ...


class Exchange(Member, Protocol):
    """A member that writes what is made of the records, and commits both in one transaction."""

    def start(self, worker: Worker) -> None:
        """Join and work."""
        ...
