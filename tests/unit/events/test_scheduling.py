"""Events that are to be delivered later: the rows of the decision, and what holds for all waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.runtime_config import RetryRules, RetryTier
from eventplane.events.delivery import Failure
from eventplane.events.record import PlainRecord
from eventplane.events.scheduling import Postponement, ScheduleError, not_before, postponement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventplane.api.delivery import Ordering

NOW = 1_700_000_000_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
TIERS = tuple(RetryTier(topic=f"r{delay}", delay_ms=delay) for delay in (1_000, 60_000, 5_000))


def rules(tiers: Sequence[RetryTier] = (), dead_letter_topic: str | None = "dlq") -> RetryRules:
    return RetryRules(attempts=3, tiers=tuple(tiers), dead_letter_topic=dead_letter_topic)


def record(told: bytes | None) -> PlainRecord:
    return PlainRecord(notes=(("eventplane-not-before", told),))


def later(wait_ms: int) -> PlainRecord:
    return record(str(NOW + wait_ms).encode())


@pytest.mark.parametrize(
    ("told", "tiers", "ordering", "attempt", "expected"),
    [
        pytest.param(PlainRecord(), TIERS, "Key", 1, None, id="1: nobody has set a time"),
        pytest.param(PlainRecord(notes=(("other", b"1"),)), (), "Key", 1, None, id="1: whatever other headers say"),
        pytest.param(later(0), TIERS, "Key", 1, None, id="3: its time has come"),
        pytest.param(later(-DAY_MS), (), "Partition", 1, None, id="3: long ago, as of a dead letter that is replayed"),
        pytest.param(record(b"0"), (), "Key", 1, None, id="3: when time began"),
        pytest.param(later(10), TIERS, "Key", 2, None, id="4: it has been attempted"),
        pytest.param(later(10), (), "Key", 1, Postponement(NOW + 10), id="5: there are no tiers"),
        pytest.param(later(HOUR_MS), TIERS, "Partition", 1, Postponement(NOW + HOUR_MS), id="5: the order asked for"),
        pytest.param(
            later(10), [RetryTier(topic="r", delay_ms=0)], "Key", 1, Postponement(NOW + 10), id="5: tiers of no wait"
        ),
        pytest.param(later(DAY_MS), TIERS, "Key", 1, Postponement(NOW + 60_000, "r60000"), id="7: the longest"),
        pytest.param(later(60_000), TIERS, "None", 1, Postponement(NOW + 60_000, "r60000"), id="7: just as long"),
        pytest.param(later(59_999), TIERS, "Key", 1, Postponement(NOW + 5_000, "r5000"), id="7: the longest that fits"),
        pytest.param(later(999), TIERS, "Key", 1, Postponement(NOW + 999, "r1000"), id="8: less than the shortest"),
        pytest.param(
            later(366 * DAY_MS), TIERS, "Key", 1, Postponement(NOW + 60_000, "r60000"), id="as far as one may"
        ),
    ],
)
def test_when(
    told: PlainRecord, tiers: Sequence[RetryTier], ordering: Ordering, attempt: int, expected: Postponement | None
) -> None:
    assert postponement(told, rules(tiers), ordering, attempt=attempt, now_ms=NOW) == expected


@pytest.mark.parametrize(("tiers", "ordering"), [((), "Key"), (TIERS, "Partition")])
def test_what_could_only_wait_in_place_for_long_dies_where_it_may(
    tiers: Sequence[RetryTier], ordering: Ordering
) -> None:
    found = postponement(later(HOUR_MS + 1), rules(tiers), ordering, attempt=1, now_ms=NOW)
    assert isinstance(found, Failure)
    assert found.reason == "TooFarAhead"
    waits = postponement(later(HOUR_MS + 1), rules(tiers, dead_letter_topic=None), ordering, attempt=1, now_ms=NOW)
    assert waits == Postponement(NOW + HOUR_MS + 1)


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize(
    "told",
    [
        pytest.param(b"tomorrow", id="no number"),
        pytest.param(b"-5", id="before time began"),
        pytest.param(b"1e3", id="no whole number"),
        pytest.param(b" 17", id="a space"),
        pytest.param(b"9" * 5_000, id="more digits than time has"),
        pytest.param(b"", id="nothing"),
        pytest.param(None, id="no value"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(str(NOW * 1_000).encode(), id="microseconds"),
        pytest.param(str(NOW + 367 * DAY_MS + 1).encode(), id="too far ahead"),
    ],
)
def test_what_is_no_time_is_said_at_each_attempt(told: bytes | None, attempt: int) -> None:
    found = postponement(record(told), rules(TIERS), "Key", attempt=attempt, now_ms=NOW)
    assert isinstance(found, Failure)
    assert (found.reason, found.message[:23]) == ("Undecodable", "eventplane-not-before: ")


def test_of_several_headers_the_last_counts() -> None:
    both = PlainRecord(notes=(*later(0).notes, *later(10).notes))
    assert postponement(both, rules(), "Key", attempt=1, now_ms=NOW) == Postponement(NOW + 10)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600_000, id="a time"),
        pytest.param(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-5))), 1_767_243_600_000, id="elsewhere"),
        pytest.param(datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1_767_225_600_001, id="never sooner than asked"),
        pytest.param(timedelta(microseconds=1), 1_767_139_200_001, id="a wait, never a shorter one"),
        pytest.param(timedelta(days=366), 1_767_139_200_000 + 366 * DAY_MS, id="the longest"),
        pytest.param(timedelta(days=-1), 1_767_139_200_000, id="a wait that is over"),
        pytest.param(datetime.min.replace(tzinfo=UTC), 1_767_139_200_000, id="a time that has passed"),
    ],
)
def test_header(at: datetime | timedelta, expected: int) -> None:
    now_ms = 1_767_139_200_000
    header = not_before(at, now_ms)
    assert header == ("eventplane-not-before", str(expected).encode())
    assert not isinstance(
        postponement(PlainRecord(notes=(header,)), rules(TIERS), "Key", attempt=1, now_ms=now_ms), Failure
    )


@pytest.mark.parametrize(
    ("at", "said"),
    [
        pytest.param(datetime(2026, 1, 1), "zone", id="no zone"),  # noqa: DTZ001 - that is what is wrong with it
        pytest.param(timedelta(days=366, microseconds=1), "366 days", id="too long"),
        pytest.param(datetime.max.replace(tzinfo=UTC), "366 days", id="too far ahead"),
        pytest.param(timedelta.max, "366 days", id="as long as can be written"),
    ],
)
def test_no_header(at: datetime | timedelta, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        not_before(at, NOW)


@given(
    st.sets(st.integers(50, 5_000), min_size=1, max_size=4),
    st.integers(1, 50_000),
    st.data(),
)
def test_whatever_the_tiers_its_hops_end_at_its_time(delays: set[int], wait_ms: int, data: st.DataObject) -> None:
    """In the shortest tier it may have to wait for one that stands before it, for as long as that one waits at most."""
    tiers = [RetryTier(topic=f"r{delay}", delay_ms=delay) for delay in delays]
    shortest, now_ms, hops = min(delays), NOW, 0
    while (found := postponement(later(wait_ms), rules(tiers), "Key", attempt=1, now_ms=now_ms)) is not None:
        assert isinstance(found, Postponement)
        assert now_ms < found.due_ms <= NOW + wait_ms
        delay_ms = next(tier.delay_ms for tier in tiers if tier.topic == found.topic)
        assert found.due_ms - now_ms == delay_ms or (delay_ms == shortest and found.due_ms == NOW + wait_ms)
        late = data.draw(st.integers(0, shortest - 1)) if delay_ms == shortest else 0
        now_ms, hops = found.due_ms + late, hops + 1
    assert NOW + wait_ms <= now_ms < NOW + wait_ms + shortest
    assert hops <= wait_ms // shortest + 1
