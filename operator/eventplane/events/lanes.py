"""In which order the events of a partition may start: lanes, in each of which there is one at a time.

| ordering | the lane of an event |
|---|---|
| Key | its key's; without a key one of its own |
| Partition | the only one |
| None | one of its own |

A sink that keeps the order of what it is handed (a topic) is not waited for: there a lane closes only when an event
has to be tried again, and opens when all that failed or came meanwhile is through, in the order of offsets.
"""

from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from eventplane.api.delivery import Ordering

T = TypeVar("T")
_ONLY: Final = "partition"


@dataclass(slots=True)
class _Lane(Generic[T]):
    """An event that is under way or waits for its next attempt, and those behind it."""

    holder: int
    """Offset of the event that closed the lane."""
    behind: list[tuple[int, T]] = field(default_factory=list)


class Lanes(Generic[T]):
    """The events of one partition that may not start yet."""

    def __init__(self, ordering: Ordering, *, pipelined: bool = False) -> None:
        """Work in an order; pipelined: the sink keeps the order of what is under way."""
        self._ordering = ordering
        self._closes = not pipelined
        self._lanes: dict[Hashable, _Lane[T]] = {}

    def lane_of(self, key: bytes | None) -> Hashable:
        """Tell the lane of a key; None is a lane of its own."""
        if self._ordering == "Key":
            return key
        return _ONLY if self._ordering == "Partition" else None

    def enter(self, lane: Hashable, offset: int, item: T) -> bool:
        """Tell whether an event may start; if not, it is kept until those before it are through."""
        if lane is None:
            return True
        found = self._lanes.get(lane)
        if found is not None:
            insort(found.behind, (offset, item), key=_offset)
            return False
        if self._closes:
            self._lanes[lane] = _Lane(offset)
        return True

    def held(self, lane: Hashable, offset: int, item: T) -> bool:
        """Close the lane for an event that is tried again; False: it has to wait behind another, which is kept here."""
        if lane is None:
            return True
        found = self._lanes.setdefault(lane, _Lane(offset))
        if found.holder == offset:
            return True
        insort(found.behind, (offset, item), key=_offset)
        return False

    def left(self, lane: Hashable, offset: int) -> T | None:
        """Note that an event is through; return the one that may start now."""
        found = self._lanes.get(lane)
        if found is None or found.holder != offset:
            return None
        if not found.behind:
            del self._lanes[lane]
            return None
        found.holder, item = found.behind.pop(0)
        return item

    @property
    def waiting(self) -> int:
        """How many events wait behind others."""
        return sum(len(lane.behind) for lane in self._lanes.values())


def _offset(entry: tuple[int, T]) -> int:
    return entry[0]
