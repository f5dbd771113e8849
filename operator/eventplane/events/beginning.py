"""Where a group begins in a partition: at what it has committed, else where the Subscription says.

| # | committed in the partition | committed in another one of the topic | start from | begins at |
|---|---|---|---|---|
| 1 | yes | | | the committed offset |
| 2 | no | yes | | the beginning: the partition is new, and its events are no older than the group |
| 3 | no | no | Earliest | the beginning |
| 4 | no | no | Latest | the end, which is committed at once, so that a restart does not skip what came meanwhile |
| 5 | no | no | a time | the first record at or after it, which is committed at once |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from eventplane.events.record import Place

_FIRST_PART: Final = 8
"""Of the window, which is how old the last record is supposed to be at first."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Row 1: nothing to look up."""

    offset: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """Rows 2 and 3."""


@dataclass(frozen=True, slots=True)
class End:
    """Row 4."""


@dataclass(frozen=True, slots=True)
class FirstAfter:
    """Row 5."""

    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class LookBack:
    """How far behind the committed offset a partition is read from, by who has to know what came before."""

    window_ms: int
    """Up to so much before the last record that is finished."""
    most: int
    """Offsets, and no more."""

    def ages_ms(self, now_ms: int) -> Iterator[int]:
        """Yield how old the last record may be that is finished, each time twice as old, up to 1970.

        Kafka finds an offset by a time, and not the other way round. The first age at which it names an offset that is
        finished is taken for that of the last record: it is at most twice that.
        """
        age_ms = max(1, self.window_ms // _FIRST_PART)
        while age_ms < now_ms:
            yield age_ms
            age_ms *= 2


Start: TypeAlias = Committed | Beginning | End | FirstAfter


def starts(
    assigned: tuple[Place, ...], committed: Mapping[Place, int], start_from: str, always_whole: frozenset[str]
) -> dict[Place, Start]:
    """Decide by the table above.

    Args:
        assigned: the partitions to begin with.
        committed: offsets that the group has committed, in all partitions of the topics.
        start_from: Earliest, Latest, or a time, RFC 3339.
        always_whole: topics that are read from the beginning whatever start_from says: those for retries.
    """
    known = {topic for topic, _partition in committed}
    return {
        place: Committed(committed[place])
        if place in committed
        else Beginning()
        if place[0] in known | always_whole
        else _first(start_from)
        for place in assigned
    }


def _first(start_from: str) -> Start:
    if start_from == "Earliest":
        return Beginning()
    if start_from == "Latest":
        return End()
    return FirstAfter(int(datetime.fromisoformat(start_from).timestamp() * 1000))
