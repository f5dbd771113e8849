"""What becomes of an event after an attempt to process it: one decision, taken from values alone.

| # | the attempt | rules | ordering | verdict |
|---|---|---|---|---|
| 1 | succeeded | | | Acknowledge |
| 2 | failed, and no event is to blame | | | RetryInPlace, for as long as it takes, and no attempt is counted |
| 3 | failed | no dead-letter topic, no tiers | | RetryInPlace: nothing is given up |
| 4 | failed for a reason to give up on, or no route takes it | dead-letter topic | | DeadLetter |
| 5 | failed, and it was the last attempt | dead-letter topic | | DeadLetter |
| 6 | failed | tiers | Partition | RetryInPlace: a topic aside would lose the order that was asked for |
| 7 | failed | tiers | Key, None | MoveToTier: those behind it go on. Order within a key holds within a tier only |
| 8 | failed | no tiers | | RetryInPlace |

A wait in place differs by chance; one in a topic does not, since its order is time. Both are at least as long as the
sink asked for (Retry-After, RFC 9110), within bounds.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias, get_args

from eventplane.api.dead_letter_policy import FailureReason, FinalReason
from eventplane.api.delivery import Ordering
from eventplane.api.runtime_config import RetryRules

LONGEST_RETRY_AFTER_MS: Final = 600_000
"""A sink that asks for more is asked again nevertheless."""
_FIRST_MS: Final = 1_000
_LONGEST_MS: Final = 60_000
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed."""

    reason: FailureReason
    message: str
    """For people: what is wrong, never any of the event's data."""
    blames_event: bool = True
    """False where it is no event's fault, such as a schema registry that does not answer."""
    retry_after_ms: int | None = None
    """How long the sink asked to be left alone."""
    is_too_large: bool = False
    """Whether it was refused for its size."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """It is finished."""


@dataclass(frozen=True, slots=True)
class RetryInPlace:
    """It is tried again after a while, and what has to stay behind it waits."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class MoveToTier:
    """It waits in a topic for its next attempt; here it is finished once it is there."""

    topic: str
    failure: Failure
    delay_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """It is given up; here it is finished once it is in that topic."""

    topic: str
    failure: Failure


Verdict: TypeAlias = Acknowledge | RetryInPlace | MoveToTier | DeadLetter

ACKNOWLEDGE: Final = Acknowledge()
_FINAL: Final = frozenset(get_args(FinalReason))


def decide(
    failure: Failure | None, attempt: int, rules: RetryRules, ordering: Ordering, chance: float = _HALF
) -> Verdict:
    """Decide by the table above.

    Args:
        failure: what went wrong; None: nothing.
        attempt: the number of the attempt, counted from 1 and across topics.
        rules: the policy.
        ordering: what has to stay in order.
        chance: a random number from 0 to 1, for the jitter.
    """
    if failure is None:
        return ACKNOWLEDGE
    if not failure.blames_event:
        return RetryInPlace(_wait(failure, _LONGEST_MS if attempt > 1 else _FIRST_MS, 0, chance))
    if rules.dead_letter_topic is not None and (_is_final(failure, rules) or attempt >= rules.attempts):
        return DeadLetter(rules.dead_letter_topic, failure)
    if rules.tiers and ordering != "Partition":
        tier = rules.tiers[min(attempt, len(rules.tiers)) - 1]
        return MoveToTier(tier.topic, failure, _wait(failure, tier.delay_ms, 0, chance))
    return RetryInPlace(_wait(failure, _delay_ms(attempt, rules), rules.jitter_percent, chance))


def attempts_after(failure: Failure, attempt: int) -> int:
    """Tell the number of the attempt that follows one that failed."""
    return attempt + 1 if failure.blames_event else attempt


def _is_final(failure: Failure, rules: RetryRules) -> bool:
    """Tell whether another attempt would end the same, or is not wanted."""
    return failure.reason in rules.give_up_on or failure.reason in _FINAL


def _delay_ms(attempt: int, rules: RetryRules) -> int:
    delays = rules.delays_ms or tuple(tier.delay_ms for tier in rules.tiers)
    if delays:
        return delays[min(attempt, len(delays)) - 1]
    return int(min(_FIRST_MS * 2 ** min(attempt - 1, 10), _LONGEST_MS))


def _wait(failure: Failure, delay_ms: int, jitter_percent: int, chance: float) -> int:
    jitter = delay_ms * jitter_percent / 100 * (2 * chance - 1)
    return max(round(delay_ms + jitter), min(failure.retry_after_ms or 0, LONGEST_RETRY_AFTER_MS))
