"""What is remembered for a while, and no more than so much of it: what was asked for least recently goes first."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Expiring(Generic[T]):
    """Values by key.

    Args:
        ttl_seconds: for how long a value is true.
        most: how many there are, at most.
    """

    def __init__(self, ttl_seconds: float, most: int) -> None:
        self._ttl_seconds = ttl_seconds
        self._most = most
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, key: str, now: float) -> T | None:
        """Return a value that is still true; `now` is in seconds, by the clock of `put`."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, value = found
        if now >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: str, value: T, now: float) -> None:
        """Remember a value that is true as of now."""
        self._kept[key] = (now + self._ttl_seconds, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        """Tell how many are remembered."""
        return len(self._kept)
