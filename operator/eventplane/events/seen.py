"""Which events of a partition have come before: those with the source and id of another, for a while.

| # | the same source and id | its offset | between their timestamps | verdict |
|---|---|---|---|---|
| 1 | unknown, or forgotten | | | new, and remembered |
| 2 | known | the same or a later one | | new: the record is read again, since it is not certain that it was finished |
| 3 | known | an earlier one | at most the window | repeated |
| 4 | known | an earlier one | more than the window | new, and remembered in place of the other |

Time is that of the records, so that a partition that is read late, or once more, is judged as it was at first. Only by
row 2 after row 4 another of them may count as new than before. Whatever counts as repeated, one with its source and id
has been delivered that is at most a window older, so none is ever lost.
"""

from hashlib import blake2b
from typing import Final

_BYTES: Final = 16
"""Of a digest: two events that share one would cost one of them, and with so many bits never do."""
_TIME_BITS: Final = 44
"""Of milliseconds since 1970, beside the offset in one number: a pair would take three times the memory."""


class Seen:
    """What is remembered of one partition, in two generations: the older one is forgotten as a whole."""

    __slots__ = ("_began_ms", "_newest_ms", "_older", "_recent", "_window_ms", "forgotten_early")

    def __init__(self, window_ms: int) -> None:
        """Remember for so many milliseconds at least, where there is room."""
        self._window_ms = window_ms
        self._recent: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}
        self._newest_ms = 0
        self._began_ms = 0
        """The newest timestamp when the recent generation began: those of the older one are no newer."""
        self.forgotten_early = 0
        """How many were forgotten for want of room, which may have been within the window."""

    def __len__(self) -> int:
        """Tell how many are remembered."""
        return len(self._recent) + len(self._older)

    def is_repeated(self, source: str, event_id: str, offset: int, at_ms: int, most: int) -> bool:
        """Decide by the table above, and remember what is new.

        Args:
            source: of the event.
            event_id: of the event.
            offset: of its record.
            at_ms: timestamp of its record, milliseconds since 1970, never one in the future.
            most: so many are remembered, and no more.
        """
        digest = blake2b(f"{source}\0{event_id}".encode(), digest_size=_BYTES).digest()
        known = self._recent.get(digest)
        if known is None:
            known = self._older.get(digest)
        if known is not None and known >> _TIME_BITS < offset and at_ms - _time(known) <= self._window_ms:
            return True
        self._make_room(at_ms, most)
        self._recent[digest] = offset << _TIME_BITS | at_ms
        return False

    def _make_room(self, at_ms: int, most: int) -> None:
        self._newest_ms = max(self._newest_ms, at_ms)
        are_past = self._newest_ms - self._began_ms > self._window_ms
        if not are_past and len(self._recent) * 2 < most:
            return
        if not are_past:
            self.forgotten_early += len(self._older)
        self._older, self._recent = self._recent, {}
        self._began_ms = self._newest_ms


def _time(entry: int) -> int:
    return entry & ((1 << _TIME_BITS) - 1)
