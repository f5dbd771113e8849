"""A partition that is relayed, and what is remembered of its records until they are committed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from eventplane.events.dead_letters import Past
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.health import PartitionSight
from eventplane.events.processing import Processed
from eventplane.events.record import Header, Place, Record
from eventplane.transports.seams import Write


@dataclass(slots=True)
class Tried:
    """What is remembered of a record that was not finished, and that is read again."""

    attempts: int = 0
    """Failed ones that were decided about."""
    failure: Failure | None = None
    """Of an attempt that was not decided about yet."""
    first_failure_ms: int | None = None
    due_ms: int = 0
    alone: bool = False
    """It is to be written apart from others."""


@dataclass(slots=True)
class RelayedPartition:
    """A partition of ours."""

    place: Place
    is_retry: bool
    progress: float
    position: int = 0
    """Up to where it is made; committed with the transaction."""
    under_way: int = 0
    tried: dict[int, Tried] = field(default_factory=dict)
    """By offset."""
    stuck: tuple[int, str] | None = None
    """The record that cannot be set aside, and why."""

    def settle(self, now: float) -> None:
        """Note that nothing of it is in a transaction any more."""
        self.under_way, self.progress = 0, now

    def forget(self) -> bool:
        """Forget what is committed; tell whether it goes on after it had stood still."""
        if self.tried:
            self.tried = {offset: tried for offset, tried in self.tried.items() if offset >= self.position}
        if self.stuck is None or self.stuck[0] >= self.position:
            return False
        self.stuck = None
        return True

    def sight(self, now: float, trouble: str | None) -> PartitionSight:
        """Show it as probes look at it."""
        stopped = self.stuck[1] if self.stuck is not None else trouble
        return PartitionSight(self.place, self.under_way, now - self.progress, stopped)


@dataclass(slots=True)
class Task:
    """A record that is looked at."""

    partition: RelayedPartition
    record: Record
    offset: int
    decoded: Event | Failure
    past: Past | None
    """What is known of it where it comes from a retry topic."""
    made: Processed | None = None

    @property
    def tried(self) -> Tried | None:
        """What is remembered of it."""
        return self.partition.tried.get(self.offset)

    def remembered(self) -> Tried:
        """Begin to remember it."""
        return self.partition.tried.setdefault(self.offset, Tried())

    @property
    def attempt(self) -> int:
        """The number of the attempt, across topics."""
        tried = self.tried
        return (self.past.attempts if self.past else 0) + (tried.attempts if tried else 0) + 1

    @property
    def first_failure_ms(self) -> int | None:
        """When it failed at first."""
        if self.past is not None:
            return self.past.first_failure_ms
        return self.tried.first_failure_ms if self.tried is not None else None

    def write(self, topic: str, value: bytes | None, headers: Sequence[Header]) -> Write:
        """Write it, with its key, to a topic."""
        tried = self.tried
        alone = tried is not None and tried.alone
        return Write(topic, self.record.key(), value, headers, self.partition.place, self.offset, alone)

    def wait_ms(self, now_ms: int) -> int:
        """Tell for how long it is not due."""
        if self.past is None and not self.partition.tried:
            return 0
        dues = (self.past.due_ms if self.past else None, self.tried.due_ms if self.tried else None)
        return max(0, *((due or 0) - now_ms for due in dues))
