"""When events that wait go together: a batch is full, or its first event has waited for long enough.

| # | what waits | goes |
|---|---|---|
| 1 | nothing | never |
| 2 | as many events, or as many bytes, as a batch may have | at once, no more than fits |
| 3 | less | when the first of it has waited for as long as it may |
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from eventplane.api.quantities import milliseconds, size_bytes
from eventplane.api.sink import Batching

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may become."""

    events: int
    size: int
    """Bytes."""
    linger_seconds: float


class _Waiting(NamedTuple, Generic[T]):
    item: T
    size: int
    since: float


class Gathering(Generic[T]):
    """What waits, in the order in which it came."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: deque[_Waiting[T]] = deque()
        self._size = 0

    def add(self, item: T, size: int, now: float) -> None:
        """Let something of so many bytes wait, from now on, in seconds."""
        self._waiting.append(_Waiting(item, size, now))
        self._size += size

    def due_at(self) -> float | None:
        """Tell when a batch goes, by the table above; in the past where it is full."""
        if not self._waiting:
            return None
        since = self._waiting[0].since
        is_full = len(self._waiting) >= self._limits.events or self._size >= self._limits.size
        return since if is_full else since + self._limits.linger_seconds

    def take(self) -> list[T]:
        """Return what fits into a batch, which is one item at least where any waits."""
        batch: list[T] = []
        size = 0
        while self._waiting and len(batch) < self._limits.events:
            size += self._waiting[0].size
            if batch and size > self._limits.size:
                break
            first = self._waiting.popleft()
            self._size -= first.size
            batch.append(first.item)
        return batch


def batch_limits(batching: Batching) -> BatchLimits:
    """Read what a user has written."""
    return BatchLimits(batching.max_events, size_bytes(batching.max_size), milliseconds(batching.linger) / 1000)
