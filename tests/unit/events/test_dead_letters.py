"""Records of events that were set aside: read as they were written."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.events.dead_letters import (
    History,
    Origin,
    Waiting,
    history_of,
    origin_of,
    own_headers,
    past_of,
    postponed,
    was_set_aside,
)
from eventplane.events.delivery import Failure
from eventplane.events.record import PlainRecord

MOMENT = 1_700_000_000_123
HISTORY = History("shop/emails", Origin(("orders", 3), 17, 5), Failure("Rejected", "HTTP 400"), 2, MOMENT, MOMENT + 1)
OWN = (("ce_id", b"1"), ("mine", None))


def set_aside(history: History, value: bytes | None = b"{}", key: bytes | None = b"k") -> PlainRecord:
    record = PlainRecord(("orders", 3), 17, value, key, OWN)
    return PlainRecord(("dlq", 0), 0, value, key, tuple(history.headers(record)))


MOMENTS = st.integers(0, 10**13)


@given(
    st.builds(
        History,
        st.text(),
        st.builds(Origin, st.tuples(st.text(), st.integers(0, 99)), MOMENTS, st.none() | MOMENTS),
        st.builds(Failure, st.sampled_from(get_args(FailureReason)), st.text(max_size=50)),
        st.integers(1, 99),
        MOMENTS,
        MOMENTS,
        st.none() | MOMENTS,
        st.none() | st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    )
)
def test_read_as_written(history: History) -> None:
    assert history_of(set_aside(history)) == history


def test_own_headers_stay_and_an_older_history_goes() -> None:
    again = History("shop/emails", HISTORY.origin, Failure("TimedOut", "no answer"), 3, MOMENT, MOMENT + 9)
    headers = again.headers(set_aside(HISTORY))
    assert tuple(headers[:2]) == OWN
    assert len({name for name, _value in headers}) == len(headers)
    assert dict(headers)["eventplane-attempts"] == b"3"


def test_a_long_complaint_is_cut() -> None:
    history = History("s", HISTORY.origin, Failure("Undecodable", "x" * 9_999), 1, MOMENT, MOMENT)
    assert len(dict(history.headers(PlainRecord()))["eventplane-exception"] or b"") == 2_000


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"eventplane-reason": b"Mood"}, id="no reason that there is"),
        pytest.param({"eventplane-reason": None}, id="no reason at all"),
        pytest.param({"eventplane-attempts": b"many"}, id="no number"),
        pytest.param({"eventplane-due": b"soon"}, id="no time"),
    ],
)
def test_nonsense_is_no_history(change: dict[str, bytes | None]) -> None:
    headers = {**dict(HISTORY.headers(PlainRecord())), **change}
    assert history_of(PlainRecord(notes=tuple(headers.items()))) is None


def test_an_absent_header_is_no_history() -> None:
    headers = dict(HISTORY.headers(PlainRecord()))
    del headers["eventplane-topic"]
    assert history_of(PlainRecord(notes=tuple(headers.items()))) is None
    assert history_of(PlainRecord()) is None


def test_what_comes_again_on_purpose() -> None:
    replayed = PlainRecord(notes=(("ce_id", b"1"), ("eventplane-replayed-from", b"dlq/0/3")))
    assert [was_set_aside(record) for record in (PlainRecord(), set_aside(HISTORY), replayed)] == [False, True, True]
    again = HISTORY.headers(replayed)
    assert dict(again)["ce_id"] == b"1"
    assert "eventplane-replayed-from" not in dict(again), "it failed again: another history"


@given(
    st.builds(
        Waiting,
        st.text(),
        st.builds(Origin, st.tuples(st.text(), st.integers(0, 99)), MOMENTS, st.none() | MOMENTS),
        MOMENTS,
        st.none() | st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    )
)
def test_what_waits_is_read_as_written_and_has_failed_at_nothing(waiting: Waiting) -> None:
    headers = waiting.headers(
        PlainRecord(notes=(*OWN, ("eventplane-not-before", b"7"), ("eventplane-reason", b"Mood")))
    )
    record = PlainRecord(notes=tuple(headers))
    assert (past_of(record), history_of(record), was_set_aside(record)) == (waiting, None, False)
    assert own_headers(record) == [*OWN, ("eventplane-not-before", b"7")]


def test_what_waits_again_is_still_from_where_it_was_at_first() -> None:
    read = PlainRecord(("orders", 3), 17, notes=(("eventplane-route", b"shop/emails/large"),), written_ms=5)
    first = postponed(read, None, subscription="shop/emails", due_ms=100)
    assert first == Waiting("shop/emails", Origin(("orders", 3), 17, 5), 100, "large")
    hopped = PlainRecord(("r1", 0), 3, notes=tuple(first.headers(read)))
    assert postponed(hopped, past_of(hopped), subscription="shop/emails", due_ms=200) == replace(first, due_ms=200)


@pytest.mark.parametrize(
    "change", [{"eventplane-due": b"soon"}, {"eventplane-offset": b""}, {"eventplane-topic": None}]
)
def test_nonsense_waits_for_nothing(change: dict[str, bytes | None]) -> None:
    headers = {**dict(Waiting("s", HISTORY.origin, 1).headers(PlainRecord())), **change}
    told = tuple((name, value) for name, value in headers.items() if value is not None)
    assert past_of(PlainRecord(notes=told)) is None


def test_origin_is_where_it_was_read() -> None:
    assert origin_of(PlainRecord(("orders", 1), 4, written_ms=9)) == Origin(("orders", 1), 4, 9)
