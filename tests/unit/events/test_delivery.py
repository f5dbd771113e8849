"""The decision about an event after an attempt: the rows of its table, and what holds for all rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.dead_letter_policy import FailureReason, FinalReason
from eventplane.api.runtime_config import RetryRules, RetryTier
from eventplane.events.delivery import (
    LONGEST_RETRY_AFTER_MS,
    Acknowledge,
    DeadLetter,
    Failure,
    MoveToTier,
    RetryInPlace,
    Verdict,
    attempts_after,
    decide,
)

if TYPE_CHECKING:
    from eventplane.api.delivery import Ordering

DOWN = Failure("Unavailable", "HTTP 503")
REFUSED = Failure("Rejected", "HTTP 400")
NOBODYS_FAULT = Failure("Unavailable", "no answer of the registry", blames_event=False)
IN_PLACE = RetryRules(attempts=3, delays_ms=(100, 400), give_up_on=("Rejected",), dead_letter_topic="dlq")
ASIDE = IN_PLACE.model_copy(
    update={"tiers": (RetryTier(topic="r1", delay_ms=100), RetryTier(topic="r2", delay_ms=400))}
)
FOR_EVER = RetryRules(attempts=1)


@pytest.mark.parametrize(
    ("failure", "attempt", "rules", "ordering", "expected"),
    [
        pytest.param(None, 3, IN_PLACE, "Key", Acknowledge(), id="1: it succeeded"),
        pytest.param(NOBODYS_FAULT, 1, IN_PLACE, "Key", RetryInPlace(1_000), id="2: no event is to blame"),
        pytest.param(NOBODYS_FAULT, 99, ASIDE, "None", RetryInPlace(60_000), id="2: for as long as it takes"),
        pytest.param(REFUSED, 1, FOR_EVER, "Key", RetryInPlace(1_000), id="3: nothing is given up"),
        pytest.param(DOWN, 5, FOR_EVER, "Key", RetryInPlace(16_000), id="3: with waits that grow"),
        pytest.param(DOWN, 500, FOR_EVER, "Key", RetryInPlace(60_000), id="3: up to a minute"),
        pytest.param(REFUSED, 1, IN_PLACE, "Key", DeadLetter("dlq", REFUSED), id="4: a reason to give up on"),
        pytest.param(REFUSED, 1, ASIDE, "None", DeadLetter("dlq", REFUSED), id="4: tiers or not"),
        pytest.param(DOWN, 3, IN_PLACE, "Key", DeadLetter("dlq", DOWN), id="5: the last attempt"),
        pytest.param(DOWN, 9, ASIDE, "None", DeadLetter("dlq", DOWN), id="5: more than are allowed now"),
        pytest.param(DOWN, 1, ASIDE, "Partition", RetryInPlace(100), id="6: a topic aside would lose the order"),
        pytest.param(DOWN, 1, ASIDE, "Key", MoveToTier("r1", DOWN, 100), id="7: the first wait"),
        pytest.param(DOWN, 2, ASIDE, "None", MoveToTier("r2", DOWN, 400), id="7: the second wait"),
        pytest.param(DOWN, 1, IN_PLACE, "None", RetryInPlace(100), id="8: no tiers"),
        pytest.param(DOWN, 2, IN_PLACE, "Partition", RetryInPlace(400), id="8: the second wait"),
    ],
)
def test_verdict(
    failure: Failure | None, attempt: int, rules: RetryRules, ordering: Ordering, expected: Verdict
) -> None:
    assert decide(failure, attempt, rules, ordering) == expected


def test_waits_without_delays_are_those_of_the_tiers() -> None:
    assert decide(DOWN, 2, ASIDE.model_copy(update={"delays_ms": ()}), "Partition") == RetryInPlace(400)


@pytest.mark.parametrize(
    ("chance", "expected"),
    [pytest.param(0, 80, id="least"), pytest.param(0.5, 100, id="middle"), pytest.param(1, 120, id="most")],
)
def test_jitter(chance: float, expected: int) -> None:
    rules = IN_PLACE.model_copy(update={"jitter_percent": 20})
    assert decide(DOWN, 1, rules, "Key", chance) == RetryInPlace(expected)


@pytest.mark.parametrize(
    ("asked_ms", "expected"),
    [
        pytest.param(5, 100, id="less than it would be anyway"),
        pytest.param(7_000, 7_000, id="more"),
        pytest.param(10**9, LONGEST_RETRY_AFTER_MS, id="more than anybody waits"),
    ],
)
def test_retry_after_is_honoured(asked_ms: int, expected: int) -> None:
    asked = Failure("Unavailable", "HTTP 429", retry_after_ms=asked_ms)
    assert decide(asked, 1, IN_PLACE, "Key") == RetryInPlace(expected)
    assert decide(asked, 1, ASIDE, "Key") == MoveToTier("r1", asked, expected)


FAILURES = st.builds(
    Failure,
    st.sampled_from(get_args(FailureReason)),
    st.just("it failed"),
    retry_after_ms=st.none() | st.integers(0, 10**7),
)
RULES = st.integers(1, 6).flatmap(
    lambda attempts: st.builds(
        RetryRules,
        attempts=st.just(attempts),
        delays_ms=st.just(()) | st.tuples(*[st.integers(0, 10**6)] * (attempts - 1)),
        jitter_percent=st.integers(0, 100),
        tiers=st.just(())
        | st.tuples(*[st.builds(RetryTier, topic=st.just("tier"), delay_ms=st.integers(0, 10**6))] * (attempts - 1)),
        give_up_on=st.lists(st.sampled_from(get_args(FailureReason)), max_size=3).map(tuple),
        dead_letter_topic=st.none() | st.just("dlq"),
    )
)
ORDERINGS: st.SearchStrategy[Ordering] = st.sampled_from(["Key", "Partition", "None"])


@given(st.lists(st.none() | FAILURES, min_size=12, max_size=12), RULES, ORDERINGS, st.floats(0, 1))
def test_every_event_ends_once_or_is_tried_again(
    outcomes: list[Failure | None], rules: RetryRules, ordering: Ordering, chance: float
) -> None:
    """No event is in two states and none in no state; attempts are bounded by the rules wherever letters may die."""
    attempt, ends = 1, 0
    for outcome in outcomes:
        match decide(outcome, attempt, rules, ordering, chance):
            case Acknowledge():
                ends += 1
                assert outcome is None
                break
            case DeadLetter(topic, failure):
                ends += 1
                assert (topic, failure) == (rules.dead_letter_topic, outcome)
                assert attempt >= rules.attempts or failure.reason in {*rules.give_up_on, *get_args(FinalReason)}
                break
            case RetryInPlace(delay_ms):
                assert delay_ms >= 0
            case MoveToTier(topic, _failure, delay_ms):
                assert rules.tiers[min(attempt, len(rules.tiers)) - 1].delay_ms <= delay_ms
                assert topic == "tier"
                assert ordering != "Partition"
        assert outcome is not None
        attempt = attempts_after(outcome, attempt)
    if rules.dead_letter_topic is not None:
        assert ends == 1
        assert attempt <= rules.attempts


def test_an_attempt_that_blames_no_event_is_not_counted() -> None:
    assert (attempts_after(DOWN, 2), attempts_after(NOBODYS_FAULT, 2)) == (3, 2)
