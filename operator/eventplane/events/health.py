"""Whether a consumer is alive and at work, from what is seen of its partitions.

| # | what is seen | alive | ready |
|---|---|---|---|
| 1 | the group has not given out partitions yet | yes | no |
| 2 | the source has not gone round for long | no | no |
| 3 | something is under way in a partition, and nothing has ended there for long | no | yes |
| 4 | what failed cannot be set aside: its partition stands still | yes: a restart would not help | no |
| 5 | a table that is looked into is not read yet, or cannot be read on | yes | no |
| 6 | anything else: waits for retries, nothing to do, no partition | yes | yes |
"""

from collections.abc import Iterable
from dataclasses import dataclass

from eventplane.events.record import Place


@dataclass(frozen=True, slots=True)
class PartitionSight:
    """A partition as its consumer sees it."""

    place: Place
    under_way: int
    seconds_since_progress: float
    stopped: str | None = None
    """Why what failed cannot be set aside."""


@dataclass(frozen=True, slots=True)
class Patience:
    """From when on something is stuck."""

    source_seconds: float = 120.0
    partition_seconds: float = 300.0


def why_not_alive(sights: Iterable[PartitionSight], seconds_since_poll: float, patience: Patience) -> tuple[str, ...]:
    """Return rows 2 and 3, in words; nothing where all is well."""
    problems = [
        f"{place_text(sight.place)} is stuck: {sight.under_way} under way, nothing has ended for"
        f" {sight.seconds_since_progress:.0f} s"
        for sight in sights
        if sight.under_way and sight.seconds_since_progress > patience.partition_seconds
    ]
    if seconds_since_poll > patience.source_seconds:
        problems.append(f"Kafka was not asked for {seconds_since_poll:.0f} s")
    return tuple(problems)


def why_not_ready(
    sights: Iterable[PartitionSight],
    seconds_since_poll: float,
    patience: Patience,
    *,
    is_assigned: bool,
    tables: Iterable[str | None] = (),
) -> tuple[str, ...]:
    """Return rows 1, 2, 4 and 5, in words; nothing where all is well; `tables` says what is wrong with each."""
    problems = [
        f"{place_text(sight.place)} stands still: {sight.stopped}" for sight in sights if sight.stopped is not None
    ]
    if seconds_since_poll > patience.source_seconds:
        problems.append(f"Kafka was not asked for {seconds_since_poll:.0f} s")
    if not is_assigned:
        problems.append("the group has not given out partitions yet")
    problems += [problem for problem in tables if problem is not None]
    return tuple(problems)


def place_text(place: Place) -> str:
    """Write a partition as Kafka's own tools do."""
    return f"{place[0]}-{place[1]}"
