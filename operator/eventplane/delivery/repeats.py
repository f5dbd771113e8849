"""Keeps back events that come twice in a partition; what came before, it learns from records that are finished."""

from collections.abc import Callable, Mapping, Sequence

from eventplane.api.delivery import Deduplication
from eventplane.api.quantities import milliseconds
from eventplane.events.dead_letters import history_of
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.record import Place, Record, place_of_record
from eventplane.events.seen import Seen


class Repeats:
    """What one consumer remembers of its partitions.

    Args:
        rules: for how long, and how much; None: nothing is remembered, and nothing repeated.
        decode: makes an event of a record.
        now_ms: milliseconds since 1970.
    """

    def __init__(
        self, rules: Deduplication | None, decode: Callable[[Record], Event | Failure], now_ms: Callable[[], int]
    ) -> None:
        self._rules = rules
        self._decode = decode
        self._now_ms = now_ms
        self._seen: dict[Place, Seen] = {}
        self._forgotten_early = 0
        """In partitions that are somebody else's by now."""
        self._finished: dict[Place, int] = {}
        """Partitions that are read from further back than they begin at, and where they begin."""
        self._read: dict[Place, int] = {}
        """The last offset of those that was read."""

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        """Begin with partitions; `finished` are the offsets before which all is finished."""
        if self._rules is not None:
            window_ms = milliseconds(self._rules.window)
            self._seen |= {place: Seen(window_ms) for place in places}
            self._finished |= finished

    def lost(self, places: Sequence[Place]) -> None:
        """Forget partitions."""
        for place in places:
            seen = self._seen.pop(place, None)
            self._forgotten_early += seen.forgotten_early if seen is not None else 0
            self._begin(place)

    def unfinished(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records that are to be worked on; the others are finished, and remembered."""
        if not self._finished:
            return records
        return [record for record in records if not self._only_remembers(record)]

    def is_repeated(self, record: Record, decoded: Event | Failure) -> bool:
        """Tell whether an event has come before.

        One with a history has been set aside before, and whoever sends it again wants it to be delivered. What cannot
        be read has no id.
        """
        return self._has_come(record, decoded) and history_of(record) is None

    def _only_remembers(self, record: Record) -> bool:
        """Tell whether a record is finished; one that lies before the last one is of a topic that was made anew."""
        place, offset = place_of_record(record), record.offset() or 0
        finished = self._finished.get(place)
        if finished is None:
            return False
        if not self._read.get(place, -1) < offset < finished:
            self._begin(place)
            return False
        self._read[place] = offset
        self._has_come(record, self._decode(record))
        return True

    def _begin(self, place: Place) -> None:
        """Look back no more."""
        self._finished.pop(place, None)
        self._read.pop(place, None)

    def _has_come(self, record: Record, decoded: Event | Failure) -> bool:
        seen = self._seen.get(place_of_record(record))
        if self._rules is None or seen is None or isinstance(decoded, Failure):
            return False
        try:
            attributes = decoded.attributes
        except UndecodableError:
            return False
        now_ms = self._now_ms()
        kind, written_ms = record.timestamp()
        at_ms = min(written_ms, now_ms) if kind else now_ms
        most = self._rules.max_events // len(self._seen)
        return seen.is_repeated(attributes["source"], attributes["id"], record.offset() or 0, max(0, at_ms), most)

    @property
    def remembered(self) -> int:
        """How many events are remembered."""
        return sum(len(each) for each in tuple(self._seen.values()))

    @property
    def forgotten_early(self) -> int:
        """How many were forgotten for want of room, which may have been within the window."""
        return self._forgotten_early + sum(each.forgotten_early for each in tuple(self._seen.values()))
