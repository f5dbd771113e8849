"""Records of events that were set aside: read as they were written, and as a document."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.events.dead_letters import History, Origin, history_of, json_view, origin_of
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
    assert json_view(PlainRecord()) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b'{"a": 1}', {"original_message": '{"a": 1}'}, id="text"),
        pytest.param(None, {"original_message": None}, id="a tombstone"),
        pytest.param(b"\xff", {"original_message": None, "original_message_base64": "/w=="}, id="bytes"),
    ],
)
def test_as_a_document(value: bytes | None, expected: dict[str, Any]) -> None:
    view = json_view(set_aside(HISTORY, value))
    assert view == {
        **expected,
        "error_reason": "Rejected: HTTP 400",
        "failed_at": "2023-11-14T22:13:20.124+00:00",
        "topic": "orders",
        "partition": 3,
        "offset": 17,
        "key": "k",
        "headers": {"ce_id": "1", "mine": None},
        "subscription": "shop/emails",
        "reason": "Rejected",
        "attempts": 2,
        "first_failed_at": "2023-11-14T22:13:20.123+00:00",
    }


def test_as_a_document_without_a_key() -> None:
    view = json_view(set_aside(HISTORY, key=None))
    assert view is not None
    assert view["key"] is None


def test_origin_is_where_it_was_read() -> None:
    assert origin_of(PlainRecord(("orders", 1), 4, written_ms=9)) == Origin(("orders", 1), 4, 9)
