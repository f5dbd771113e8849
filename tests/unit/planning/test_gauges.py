"""Offsets to what they mean: what counts, what is rounded, what is told of, and what stays the same meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from builders import dead_letter_policy, event_bus, event_topic, settled
from hypothesis import given
from hypothesis import strategies as st
from unit.planning.test_dead_letters import BILLING, DLQ, HUNDRED, PLAIN, SECOND, TIERED, child

from eventplane.planning.dead_letters import Policy
from eventplane.planning.gauge_state import GaugeQuery, ObservedGauge, PartitionOffsets
from eventplane.planning.gauges import (
    STEADY_LOOKS,
    Account,
    Gauge,
    Measured,
    Role,
    Window,
    account,
    age_class,
    at_most,
    coarse,
    gauges_of,
    look,
    measure,
    waiting,
)
from eventplane.planning.outcome import Unavailable

BUS = event_bus()
KEY, GROUP = ("shop", "billing"), "shop.billing"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SOURCE = Gauge(KEY, Role.SOURCE, GaugeQuery("shop.orders", GROUP))
LETTERS = Gauge(KEY, Role.DEAD_LETTER, GaugeQuery("shop.billing.dlq", oldest=True))
RETRY = Gauge(KEY, Role.RETRY, GaugeQuery("shop.billing.retry-1s", GROUP))
OLD_TIER = Gauge(KEY, Role.RETRY, GaugeQuery("shop.billing.retry-9s", GROUP), leftover=True)
ORDERS = {"orders": settled(event_topic())}


# --- what is measured


def test_sources_retries_and_dead_letters_are_measured() -> None:
    found = tuple(gauges_of(BILLING, BUS, ORDERS, (DLQ, SECOND), TIERED))
    assert found == (SOURCE, LETTERS, RETRY)


def test_what_has_not_been_made_is_not_measured() -> None:
    sources = {"orders": event_topic(), "gone": None}
    assert tuple(gauges_of(BILLING, BUS, sources, (child("billing.dlq", "dead-letter", made=False),), TIERED)) == ()


@pytest.mark.parametrize(
    ("of", "policy", "leftover", "why"),
    [
        (BILLING, TIERED, False, "the policy asks for it"),
        (BILLING, dead_letter_policy(), True, "the policy has no retry topics any more"),
        (PLAIN, None, True, "no policy is named any more"),
        (BILLING, None, False, "the policy may come back"),
    ],
)
def test_a_topic_is_left_over_when_nothing_asks_for_it(of: object, policy: Policy, leftover: bool, why: str) -> None:  # noqa: FBT001 - a column
    del why
    assert isinstance(of, type(BILLING))
    (found,) = gauges_of(of, BUS, {}, (HUNDRED,), policy)
    assert found.leftover is leftover


# --- exact


@pytest.mark.parametrize(
    ("committed", "from_earliest", "events"),
    [
        (None, True, 15),
        (None, False, None),
        (2, False, 15),
        (5, False, 15),
        (12, False, 8),
        (20, False, 0),
        (99, True, 0),
    ],
)
def test_what_waits_between_5_and_20(committed: int | None, from_earliest: bool, events: int | None) -> None:  # noqa: FBT001 - a column
    assert waiting(PartitionOffsets(5, 20, committed), from_earliest=from_earliest) == events


def test_partitions_of_which_nothing_can_be_said_are_left_out() -> None:
    seen = ObservedGauge({0: PartitionOffsets(0, 5, 3), 1: PartitionOffsets(0, 9)})
    assert measure(SOURCE, seen, "Latest", NOW) == Measured(SOURCE, {0: 2})
    assert measure(SOURCE, seen, "Latest", NOW).total == 2
    assert measure(SOURCE, seen, "Earliest", NOW).events == {0: 2, 1: 9}
    assert measure(SOURCE, ObservedGauge({1: PartitionOffsets(0, 9)}), "Latest", NOW).total is None


def test_retries_are_read_from_the_beginning_wherever_the_subscription_starts() -> None:
    assert measure(RETRY, ObservedGauge({0: PartitionOffsets(0, 4)}), "Latest", NOW).events == {0: 4}


def test_all_that_a_dead_letter_topic_holds_counts_and_so_does_its_age() -> None:
    seen = ObservedGauge({0: PartitionOffsets(3, 8)}, oldest_ms=NOW_MS - 90_000)
    assert measure(LETTERS, seen, "Latest", NOW) == Measured(LETTERS, {0: 5}, 90_000)
    ahead = ObservedGauge({0: PartitionOffsets(3, 8)}, oldest_ms=NOW_MS + 5)
    assert measure(LETTERS, ahead, "Latest", NOW).age_ms == 0  # clocks differ


def test_what_cannot_be_looked_at_or_is_gone_is_not_known() -> None:
    assert not measure(LETTERS, ObservedGauge(error=Unavailable("no")), "Latest", NOW).known
    assert not measure(LETTERS, ObservedGauge(), "Latest", NOW).known


# --- coarse


@pytest.mark.parametrize(
    ("number", "rounded"),
    [
        (-1, 0),
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 5),
        (5, 5),
        (6, 10),
        (10, 10),
        (11, 20),
        (99, 100),
        (1001, 2000),
        (4999, 5000),
    ],
)
def test_numbers_are_rounded_up(number: int, rounded: int) -> None:
    assert coarse(number) == rounded


@given(st.integers(1, 10**18))
def test_a_rounded_number_is_at_least_as_large_and_less_than_two_and_a_half_times(number: int) -> None:
    assert number <= coarse(number) < 2.5 * number + 1
    assert coarse(coarse(number)) == coarse(number)


@pytest.mark.parametrize(
    ("age", "name"),
    [(0, None), (59_999, None), (60_000, "1m"), (3_599_999, "10m"), (86_400_000, "1d"), (10**12, "30d")],
)
def test_ages_have_classes(age: int, name: str | None) -> None:
    assert age_class(age) == name


# --- calm


def shown(numbers: list[int]) -> list[int]:
    """What a status would say after each look."""
    window: Window = ()
    said = []
    for number in numbers:
        window = look(window, number)
        said.append(coarse(at_most(window) or 0))
    return said


NUMBERS = st.lists(st.integers(0, 10_000), min_size=1, max_size=60)


@given(NUMBERS)
def test_never_are_fewer_told_of_than_there_are(numbers: list[int]) -> None:
    assert all(said >= number for said, number in zip(shown(numbers), numbers, strict=True))


@given(NUMBERS, st.integers(0, 10_000))
def test_what_stays_is_told_of_after_a_while(numbers: list[int], last: int) -> None:
    assert shown([*numbers, *[last] * STEADY_LOOKS])[-1] == coarse(last)


@given(st.lists(st.integers(0, 90), min_size=STEADY_LOOKS - 1, max_size=STEADY_LOOKS - 1), st.integers(2, 10))
def test_a_load_that_comes_again_and_again_changes_nothing(between: list[int], times: int) -> None:
    assert len(set(shown([95, *between] * times))) == 1


@given(NUMBERS)
def test_fewer_are_told_of_only_after_as_many_looks_without_more(numbers: list[int]) -> None:
    said = shown(numbers)
    for place in range(1, len(said)):
        if said[place] < said[place - 1]:
            assert all(
                coarse(number) < said[place - 1] for number in numbers[max(0, place - STEADY_LOOKS + 1) : place + 1]
            )
            assert place >= STEADY_LOOKS


def test_a_look_that_showed_nothing_changes_nothing() -> None:
    assert look((3, 4), None) == (3, 4)
    assert at_most(()) is None


# --- accounts


def test_an_account_adds_up_its_sources() -> None:
    other = Gauge(KEY, Role.SOURCE, GaugeQuery("shop.payments", GROUP))
    found = account(Account(), [Measured(SOURCE, {0: 2, 1: 5}), Measured(other, {0: 4}), Measured(LETTERS, {0: 1})])
    assert found.lag == 20  # 11
    assert found.outward == (20, frozenset())


def test_lag_is_not_added_up_while_a_part_of_it_is_not_known() -> None:
    before = account(Account(), [Measured(SOURCE, {0: 2})])
    other = Gauge(KEY, Role.SOURCE, GaugeQuery("shop.payments", GROUP))
    assert account(before, [Measured(SOURCE, {0: 9}), Measured(other, known=False)]).lag == 2
    assert account(before, [Measured(SOURCE)]).lag == 2
    assert account(Account(), [Measured(SOURCE)]).lag is None
    assert account(before, []).lag is None  # it reads nothing any more


def test_a_topic_that_could_not_be_looked_at_holds_what_it_held() -> None:
    before = account(Account(), [Measured(LETTERS, {0: 7}, 5000)])
    holding = account(before, [Measured(LETTERS, known=False)]).holdings[LETTERS.topic]
    assert (holding.events, holding.age_ms) == (7, 5000)
    assert account(Account(), [Measured(LETTERS, known=False)]).holdings[LETTERS.topic].events is None


def test_a_topic_that_is_gone_is_forgotten() -> None:
    before = account(Account(), [Measured(LETTERS, {0: 7})])
    assert account(before, []).holdings == {}


def test_what_is_left_over_is_drained_when_it_has_been_empty_for_a_while() -> None:
    known = Account()
    for place in range(STEADY_LOOKS):
        assert known.drained == frozenset(), place
        known = account(known, [Measured(OLD_TIER, {0: 0}), Measured(RETRY, {0: 0})])
    assert known.drained == {OLD_TIER.topic}
    assert account(known, [Measured(OLD_TIER, {0: 1})]).drained == frozenset()


def test_what_was_empty_while_it_was_asked_for_is_not_drained_the_moment_it_is_not() -> None:
    asked = replace(OLD_TIER, leftover=False)
    known = Account()
    for _ in range(2 * STEADY_LOOKS):
        known = account(known, [Measured(asked, {0: 0})])
    known = account(known, [Measured(OLD_TIER, {0: 0})])
    assert known.drained == frozenset()  # pods that were told otherwise may still write to it
    for _ in range(STEADY_LOOKS - 1):
        known = account(known, [Measured(OLD_TIER, {0: 0})])
    assert known.drained == {OLD_TIER.topic}


def test_the_age_is_the_last_that_was_seen() -> None:
    before = account(Account(), [Measured(LETTERS, {0: 7}, 5000)])
    assert account(before, [Measured(LETTERS, {0: 0})]).holdings[LETTERS.topic].age_ms is None
