"""Up to where somebody has read a topic, as text: `0:12,1:7` is offset 12 of partition 0 and 7 of 1, both not read yet.

Where a reader begins that is in no group:

| # | it has read before | it asks for an offset | it asks for a time | begins at |
|---|---|---|---|---|
| 1 | yes | | | those positions; a partition that they do not name is new, and read from its beginning |
| 2 | no | earliest | | the beginning |
| 3 | no | latest, or nothing | no | the end |
| 4 | no | positions | | as row 1 |
| 5 | no | nothing | yes | the first record at or after it |
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from eventplane.events.beginning import Beginning, Committed, End, FirstAfter, Start

_POSITIONS: Final = re.compile(r"\d{1,9}:\d{1,18}(,\d{1,9}:\d{1,18})*")
_WORDS: Final[Mapping[str, Start]] = {"earliest": Beginning(), "latest": End()}


class PositionError(ValueError):
    """What is asked for is no place to begin at; the message says why."""


def format_positions(positions: Mapping[int, int]) -> str:
    """Write the next offset of each partition."""
    return ",".join(f"{partition}:{positions[partition]}" for partition in sorted(positions))


def beginnings(partitions: int, read: str | None, offset: str | None, since: str | None) -> dict[int, Start]:
    """Decide by the table above where to begin in each partition.

    Args:
        partitions: how many the topic has.
        read: positions that it has read up to.
        offset: earliest, latest, or positions.
        since: a time, RFC 3339; one without a zone is taken as UTC.

    Raises:
        PositionError: it cannot begin there.
    """
    if read:
        return _at(partitions, read)
    if offset is not None and since is not None:
        raise PositionError("ask for an offset or for a time")
    if since is not None:
        return dict.fromkeys(range(partitions), FirstAfter(_milliseconds(since)))
    word = _WORDS.get(offset or "latest")
    return _at(partitions, offset or "") if word is None else dict.fromkeys(range(partitions), word)


def _at(partitions: int, text: str) -> dict[int, Start]:
    if not _POSITIONS.fullmatch(text):
        raise PositionError("an offset is earliest, latest, or positions such as 0:12,1:7")
    named = {
        int(partition): int(offset) for partition, _colon, offset in (each.partition(":") for each in text.split(","))
    }
    if unknown := sorted(set(named) - set(range(partitions))):
        raise PositionError(f"there is no partition {unknown[0]}")
    return {each: Committed(named[each]) if each in named else Beginning() for each in range(partitions)}


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.upper())
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        raise PositionError("a time is written as RFC 3339 has it") from error
