"""Whether the time of an event has come that its producer has set by the header `eventplane-not-before`.

| # | the header | the event | waits | what becomes of it |
|---|---|---|---|---|
| 1 | absent | | | it is delivered now |
| 2 | no number, or a time too far ahead | | | Failure: Undecodable |
| 3 | a time that has come | | | it is delivered now |
| 4 | a time to come | has been attempted: its time had come for another's clock | | it is delivered now |
| 5 | a time to come | | in place, or ordering Partition | Postponement in place, until then |
| 6 | the same, more than an hour away, where it may die | | as above | Failure: TooFarAhead |
| 7 | a time no nearer than the shortest tier | | in topics | Postponement to the longest tier that is no longer |
| 8 | a nearer one | | in topics | Postponement to the shortest tier, until then |

In a tier records wait for one another, so each is looked at again after the tier's own wait, as those before it; only
in the shortest it may be sooner. So none comes before its time, and none later than by the shortest wait, where nothing
else holds up a tier. What the filter keeps back waits for nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from eventplane.api.delivery import Ordering
from eventplane.api.runtime_config import RetryRules
from eventplane.events.dead_letters import NOT_BEFORE
from eventplane.events.delivery import Failure
from eventplane.events.record import Header, Record

LONGEST_DAYS: Final = 366
"""How far ahead an event may be published."""
_DAY_MS: Final = 86_400_000
_LONGEST_IN_PLACE_MS: Final = 3_600_000
"""How long a producer may hold up the partitions of those who have no retry topics."""
_LATEST_MS: Final = (LONGEST_DAYS + 1) * _DAY_MS
"""How far ahead a consumer believes it to be: clocks differ."""
_MILLISECONDS: Final = re.compile(rb"[0-9]{1,18}")
_NOWHERE: Final = (
    "all behind it would wait along: give the Subscription a policy with RetryTopics, and ordering Key or None"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ScheduleError(ValueError):
    """A time at which no event can be published; the message says why."""


@dataclass(frozen=True, slots=True)
class Postponement:
    """An event waits, and that is no attempt."""

    due_ms: int
    """When it is looked at again, milliseconds since 1970."""
    topic: str | None = None
    """Where it waits; None: where it is, and what is behind it with it."""


def postponement(
    record: Record, rules: RetryRules, ordering: Ordering, *, attempt: int, now_ms: int
) -> Postponement | Failure | None:
    """Decide by the table above; None: it is delivered now.

    Args:
        record: of the event.
        rules: the policy.
        ordering: what has to stay in order.
        attempt: the number of the attempt that would follow, counted from 1 and across topics.
        now_ms: milliseconds since 1970.
    """
    headers = dict(record.headers() or ())
    if NOT_BEFORE not in headers:
        return None
    told = headers[NOT_BEFORE] or b""
    if not _MILLISECONDS.fullmatch(told):
        return Failure("Undecodable", f"{NOT_BEFORE}: it is no number of milliseconds since 1970")
    due_ms = int(told)
    left_ms = due_ms - now_ms
    if left_ms > _LATEST_MS:
        return Failure("Undecodable", f"{NOT_BEFORE}: {due_ms} is more than {LONGEST_DAYS} days ahead")
    if left_ms <= 0 or attempt > 1:
        return None
    # a tier without a wait of its own would give it back at once
    waits = sorted((tier.delay_ms, tier.topic) for tier in rules.tiers if tier.delay_ms)
    if waits and ordering != "Partition":
        return _in_topic(due_ms, now_ms, waits)
    return _in_place(due_ms, now_ms, may_die=rules.dead_letter_topic is not None)


def _in_place(due_ms: int, now_ms: int, *, may_die: bool) -> Postponement | Failure:
    if may_die and due_ms - now_ms > _LONGEST_IN_PLACE_MS:
        return Failure("TooFarAhead", f"{NOT_BEFORE}: {due_ms} is more than an hour ahead, and {_NOWHERE}")
    return Postponement(due_ms)


def _in_topic(due_ms: int, now_ms: int, waits: Sequence[tuple[int, str]]) -> Postponement:
    fitting = [each for each in waits if each[0] <= due_ms - now_ms]
    if not fitting:
        return Postponement(due_ms, waits[0][1])
    delay_ms, topic = fitting[-1]
    return Postponement(now_ms + delay_ms, topic)


def not_before(at: datetime | timedelta, now_ms: int) -> Header:
    """Write the header that sets the time of an event; one that has passed is now.

    Args:
        at: when, with its zone, or how long from now.
        now_ms: milliseconds since 1970.

    Raises:
        ScheduleError: a time without a zone, or too far ahead.
    """
    if isinstance(at, timedelta):
        wait_ms = _milliseconds(at)
    elif at.utcoffset() is None:
        raise ScheduleError("a time has a zone: datetime.now(UTC) has one, datetime.now() has none")
    else:
        wait_ms = _milliseconds(at - _EPOCH) - now_ms
    if wait_ms > LONGEST_DAYS * _DAY_MS:
        raise ScheduleError(f"a time is at most {LONGEST_DAYS} days ahead")
    return NOT_BEFORE, str(now_ms + max(0, wait_ms)).encode()


def _milliseconds(duration: timedelta) -> int:
    """Round up: no event comes sooner than was asked for."""
    whole, rest = divmod(duration, timedelta(milliseconds=1))
    return whole + bool(rest)
