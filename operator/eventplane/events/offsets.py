"""Which offset of a partition may be committed, though events finish in any order.

Offsets are not dense: compaction and transactions leave gaps. So what counts is the order in which records were
received, never arithmetic on offsets.
"""

from collections import deque


class OutOfOrderError(ValueError):
    """A record that was received before, or that lies before one that was."""


class OffsetTracker:
    """The records of one partition that were received: which are finished, and up to where all are."""

    __slots__ = ("_next", "_order", "_told", "_unfinished")

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        """Received, in order, from the first on that is not finished."""
        self._unfinished: set[int] = set()
        self._next: int | None = None
        """The offset behind the last one that was received."""
        self._told: int | None = None

    def received(self, offset: int) -> None:
        """Note a record that is going to be worked on.

        Raises:
            OutOfOrderError: it is not behind all others: the same record may not be worked on twice.
        """
        self._advance(offset)
        self._order.append(offset)
        self._unfinished.add(offset)

    def skipped(self, offset: int) -> None:
        """Note a record that is finished as it comes; raises as `received` does."""
        self._advance(offset)
        if self._order:
            self._order.append(offset)

    def finished(self, offset: int) -> None:
        """Note that nothing more will be done about a record.

        Raises:
            ValueError: it is not among those that are worked on.
        """
        if offset not in self._unfinished:
            raise ValueError(f"offset {offset} is not being worked on")
        self._unfinished.remove(offset)
        while self._order and self._order[0] not in self._unfinished:
            self._order.popleft()

    @property
    def position(self) -> int | None:
        """The offset at which somebody else would have to go on; None before the first record."""
        return self._order[0] if self._order else self._next

    def to_commit(self) -> int | None:
        """Return the position if it has changed since it was last returned."""
        position = self.position
        if position == self._told:
            return None
        self._told = position
        return position

    def _advance(self, offset: int) -> None:
        if self._next is not None and offset < self._next:
            raise OutOfOrderError(f"offset {offset} was received before, or is out of order: {self._next} is next")
        self._next = offset + 1
