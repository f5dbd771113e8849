"""Where a group begins in a partition: at what it has committed, else where the Subscription says.

| # | committed in the partition | committed in another one of the topic | start from | begins at |
|---|---|---|---|---|
| 1 | yes | | | the committed offset |
| 2 | no | yes | | the beginning: the partition is new, and its events are no older than the group |
| 3 | no | no | Earliest | the beginning |
| 4 | no | no | Latest | the end, which is committed at once, so that a restart does not skip what came meanwhile |
| 5 | no | no | a time | the first record at or after it, which is committed at once |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from eventplane.events.record import Place


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
