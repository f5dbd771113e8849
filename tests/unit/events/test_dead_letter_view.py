"""Dead letters as documents, from which nothing is missing, and what they become where they are sent again."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.dead_letter_choice import ALL, Choice, Span
from eventplane.events.dead_letter_view import DeadLetter, dead_letter_of
from eventplane.events.dead_letters import History, Origin
from eventplane.events.delivery import Failure
from eventplane.events.record import Header, PlainRecord

MOMENT = 1_700_000_000_123
HISTORY = History("shop/emails", Origin(("orders", 3), 17, 5), Failure("Rejected", "HTTP 400"), 2, MOMENT, MOMENT + 1)
OWN: tuple[Header, ...] = (("ce_id", b"1"), ("mine", None), ("mine", b"\xfe"))


def letter(
    value: bytes | None = b"{}", key: bytes | None = b"k", own: tuple[Header, ...] = OWN, history: History = HISTORY
) -> DeadLetter:
    record = PlainRecord(("orders", 3), 17, value, key, own)
    found = dead_letter_of(PlainRecord(("dlq", 1), 9, value, key, tuple(history.headers(record))))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b'{"a": 1}', {"original_message": '{"a": 1}'}, id="text"),
        pytest.param(None, {"original_message": None}, id="a tombstone"),
        pytest.param(b"\xff", {"original_message": None, "original_message_base64": "/w=="}, id="bytes"),
    ],
)
def test_as_a_document(value: bytes | None, expected: dict[str, Any]) -> None:
    assert letter(value).to_dict() == {
        **expected,
        "error_reason": "Rejected: HTTP 400",
        "failed_at": "2023-11-14T22:13:20.124+00:00",
        "topic": "orders",
        "partition": 3,
        "offset": 17,
        "key": "k",
        "headers": [
            {"name": "ce_id", "value": "1"},
            {"name": "mine", "value": None},
            {"name": "mine", "value": None, "value_base64": "/g=="},
        ],
        "subscription": "shop/emails",
        "reason": "Rejected",
        "exception": "HTTP 400",
        "attempts": 2,
        "first_failed_at": "2023-11-14T22:13:20.123+00:00",
        "dead_letter_topic": "dlq",
        "dead_letter_partition": 1,
        "dead_letter_offset": 9,
        "route": None,
    }


def test_the_services_own_fields_come_first() -> None:
    assert list(letter().to_dict())[:6] == [
        "original_message",
        "error_reason",
        "failed_at",
        "topic",
        "partition",
        "offset",
    ]


def read_back(document: dict[str, Any], name: str) -> bytes | None:
    if f"{name}_base64" in document:
        return base64.b64decode(document[f"{name}_base64"])
    text: str | None = document[name]
    return None if text is None else text.encode()


BYTES = st.none() | st.binary(max_size=20) | st.text(max_size=20).map(str.encode)
NAMES = st.text(min_size=1, max_size=9).filter(lambda name: not name.startswith("eventplane-"))


@given(BYTES, BYTES, st.lists(st.tuples(NAMES, BYTES), max_size=4).map(tuple))
def test_nothing_is_lost_in_it(value: bytes | None, key: bytes | None, own: tuple[Header, ...]) -> None:
    document = json.loads(json.dumps(letter(value, key, own).to_dict()))
    assert (read_back(document, "original_message"), read_back(document, "key")) == (value, key)
    assert tuple((each["name"], read_back(each, "value")) for each in document["headers"]) == own


def test_what_nobody_set_aside_is_none() -> None:
    assert dead_letter_of(PlainRecord()) is None
    never = History("s", HISTORY.origin, HISTORY.failure, 1, 10**18, 10**30)
    assert dead_letter_of(PlainRecord(notes=tuple(never.headers(PlainRecord())))) is None


def test_sent_again_it_is_as_it_was_and_says_where_it_comes_from() -> None:
    assert letter().headers_of_replay() == [*OWN, ("eventplane-replayed-from", b"dlq/1/9")]
    assert dead_letter_of(PlainRecord(notes=tuple(letter().headers_of_replay()))) is None


@pytest.mark.parametrize(
    ("choice", "takes"),
    [
        pytest.param(ALL, True, id="nothing"),
        pytest.param(Choice({"Rejected", "TimedOut"}), True, id="one of the reasons"),
        pytest.param(Choice({"TimedOut"}), False, id="another reason"),
        pytest.param(Choice(subscription="shop/emails"), True, id="its Subscription"),
        pytest.param(Choice(subscription="shop/invoices"), False, id="another Subscription"),
        pytest.param(Choice(spans=[Span(1, 9, 9)]), True, id="its place"),
        pytest.param(Choice(spans=[Span(0, 9, 9), Span(1, 3, None)]), True, id="one of the places"),
        pytest.param(Choice(spans=[Span(0, 9, 9)]), False, id="another partition"),
        pytest.param(Choice(spans=[Span(1, 10, None)]), False, id="later ones"),
        pytest.param(Choice(spans=[Span(1, 1, 8)]), False, id="earlier ones"),
        pytest.param(Choice({"Rejected"}, "shop/emails", [Span(1, 9, None)]), True, id="all of it"),
        pytest.param(Choice({"Rejected"}, "shop/invoices", [Span(1, 9, None)]), False, id="not all of it"),
    ],
)
def test_which_are_meant(choice: Choice, takes: bool) -> None:  # noqa: FBT001 - a row's
    assert choice.takes(letter()) == takes


@pytest.mark.parametrize(
    ("text", "span"),
    [("0:17", Span(0, 17, 17)), ("3:17-40", Span(3, 17, 40)), ("12:0-", Span(12, 0, None))],
)
def test_places_as_they_are_written(text: str, span: Span) -> None:
    assert Span.parse(text) == span


@pytest.mark.parametrize("text", ["", "17", "0:", "0:-3", "a:1", "0:1-2-3", "0:1,2", "-1:0", "0:\u0661"])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="PARTITION:OFFSET"):
        Span.parse(text)
