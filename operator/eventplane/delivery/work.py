"""An event on its way through the process, and the partition that it came from."""

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final

from eventplane.api.delivery import Ordering
from eventplane.events.dead_letters import Past
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.health import PartitionSight
from eventplane.events.lanes import Lanes
from eventplane.events.offsets import OffsetTracker
from eventplane.events.processing import Processed
from eventplane.events.record import Place, Record

_MOST_PIPELINED: Final = 5_000
"""In all partitions, before a sink that takes them as they come; so many are under way to a broker at full speed."""
_MOST_RECORDS: Final = 2_000
"""In all partitions, before a sink that is waited for: more would only take memory."""
_MOST_BYTES: Final = 33_554_432
_LEAST_RECORDS: Final = 100


@dataclass(slots=True, eq=False)
class Work:
    """One event until it is finished."""

    partition: "PartitionWork"
    record: Record
    offset: int
    size: int
    decoded: Event | Failure
    lane: Hashable = None
    made: Processed | None = None
    """What filter and transform made of it; None: they have not seen it."""
    attempt: int = 1
    first_failure_ms: int | None = None
    past: Past | None = None
    """What is known of it where it comes from a retry topic."""
    due_ms: int = 0
    """Before that it is not looked at, milliseconds since 1970."""
    route: str = ""
    """Which of its routes this is about; empty: it has but one sink, or no route yet."""


@dataclass(slots=True, eq=False)
class PartitionWork:
    """What is being done about one partition."""

    place: Place
    lanes: Mapping[str, Lanes[Work]]
    """By route; what has no route yet is in those of the empty name."""
    is_pipelined: bool = False
    is_retry: bool = False
    """Its records wait until they are due."""
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    inbox: deque[Work] = field(default_factory=deque)
    """Not through yet: not due, or something has to be read or looked up for them."""
    shared: dict[int, int] = field(default_factory=dict)
    """How many routes still have to end, by offset, where there are several."""
    held: list[Work] = field(default_factory=list)
    """May start once the partition goes on."""
    is_reading: bool = False
    """Something is read or looked up for the head of the inbox, or that is waited for."""
    records: int = 0
    bytes: int = 0
    under_way: int = 0
    progress: float = 0.0
    is_paused: bool = False
    is_leaving: bool = False
    is_gone: bool = False
    stopped: str | None = None

    def is_last(self, offset: int) -> bool:
        """Note that a route of an event has ended; tell whether it was the last."""
        left = self.shared.pop(offset, 1) - 1
        if left:
            self.shared[offset] = left
        return not left

    def is_full(self, partitions: int) -> bool:
        """Tell whether no more should be read for now, as one of so many partitions."""
        return self.records >= self._most(partitions) or self.bytes >= _MOST_BYTES / partitions

    def has_room(self, partitions: int) -> bool:
        """Tell whether half of what it may hold is gone."""
        return self.records * 2 <= self._most(partitions) and self.bytes * 2 <= _MOST_BYTES / partitions

    def _most(self, partitions: int) -> float:
        return max(_LEAST_RECORDS, (_MOST_PIPELINED if self.is_pipelined else _MOST_RECORDS) / partitions)

    def sight(self, now: float) -> PartitionSight:
        """Show it as probes look at it."""
        return PartitionSight(self.place, self.under_way, now - self.progress, self.stopped)


def new_partition(
    place: Place, ordering: Ordering, keeps_order: Mapping[str, bool], *, is_retry: bool, now: float
) -> PartitionWork:
    """Begin with a partition.

    Args:
        place: which.
        ordering: what has to stay in order, in each route.
        keeps_order: whether the sink of a route does so by itself.
        is_retry: whether its records wait until they are due.
        now: seconds of the loop's clock.
    """
    lanes: dict[str, Lanes[Work]] = {"": Lanes(ordering, pipelined=True)}  # a route is found without waiting
    lanes |= {route: Lanes(ordering, pipelined=keeps) for route, keeps in keeps_order.items()}
    return PartitionWork(place, lanes, all(keeps_order.values()), is_retry, progress=now)
