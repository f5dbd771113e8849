"""Each constraint of a DeadLetterPolicy's spec, with values on both sides of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.crd_constraints import ABSENT, Constrained, enumerated, ranged

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = "DeadLetterPolicy"
REASONS = ("Undecodable", "ExpressionFailed", "LookupMissing", "Rejected", "Unavailable", "TimedOut")


def dead_letter_constraints() -> Iterator[Constrained]:
    """Give them all."""
    yield from _backoff()
    yield ranged(KIND, "retry.attempts", 1, 100)
    yield enumerated(KIND, "retry.strategy", "Blocking", "RetryTopics")
    yield enumerated(KIND, "retry.giveUpOn[]", *REASONS)
    yield Constrained(
        KIND,
        "retry.giveUpOn",
        (ABSENT, [], list(REASONS)),
        (([*REASONS, "TimedOut"], "must have at most 6 items"),),
    )
    yield ranged(KIND, "deadLetter.partitions", 1, 10_000)
    yield _durations("deadLetter.retention", "unlimited")
    yield enumerated(KIND, "deadLetter.deletionPolicy", "Retain", "Delete", "DeleteIfEmpty")
    yield ranged(KIND, "alert.depth", 1)
    yield _durations("alert.age")


def _backoff() -> Iterator[Constrained]:
    wrong = "initial must not be longer than max"
    yield Constrained(
        KIND,
        "retry.backoff",
        (
            {},
            {"initial": "5m"},
            {"initial": "1000ms", "max": "1s"},
            {"initial": "1h", "max": "60m"},
            {"initial": "2d", "max": "1d"},  # the status says it
        ),
        (
            ({"initial": "6m"}, wrong),
            ({"max": "999ms"}, wrong),
            ({"initial": "1h", "max": "3599s"}, wrong),
        ),
    )
    yield _durations("retry.backoff.initial")
    yield _durations("retry.backoff.max")
    yield ranged(KIND, "retry.backoff.factor", 1, 100)
    yield ranged(KIND, "retry.backoff.jitterPercent", 0, 100)


def _durations(path: str, *beside: str) -> Constrained:
    taken = ("1000ms", "300s") if path.startswith("retry.backoff") else ("0s", "1d", "999999999w")
    refused = ("", "1", "s", "1.5s", "-1s", "1 s", "1y", "1234567890s")
    return Constrained(KIND, path, (ABSENT, *taken, *beside), tuple((value, "should match") for value in refused))
