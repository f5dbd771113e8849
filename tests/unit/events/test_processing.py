"""Filters and transforms over events."""

from __future__ import annotations

from typing import Any

import pytest

from eventplane.api.runtime_config import RetryRules, RuntimeConfig
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.processing import FILTERED, UNCHANGED, NewData, Processed, Processor
from eventplane.events.record import Header, PlainRecord

BINARY = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"))


def event(value: bytes | None = b'{"amount": 5}', *headers: Header) -> Event:
    made = decode_record(PlainRecord(body=value, notes=(*BINARY, *headers)))
    assert isinstance(made, Event)
    return made


def processor(filter_: str | None = None, transform: str | None = None) -> Processor:
    retry = RetryRules(attempts=1)
    return Processor(
        RuntimeConfig(
            namespace="n", name="s", group="g", topics=("t",), retry=retry, filter=filter_, transform=transform
        ),
        lambda _name, _key: None,
    )


@pytest.mark.parametrize(
    ("filter_", "transform", "expected"),
    [
        pytest.param(None, None, UNCHANGED, id="nothing asked"),
        pytest.param("event.type == 't'", None, UNCHANGED, id="attributes, kept"),
        pytest.param("event.type == 'x'", None, FILTERED, id="attributes, filtered"),
        pytest.param("event.datacontenttype == 'application/json'", None, UNCHANGED, id="a header of another name"),
        pytest.param("event.type == 't' && event.data.amount > 4", None, UNCHANGED, id="attributes and data"),
        pytest.param("true", None, UNCHANGED, id="nothing of the event"),
        pytest.param("event.data.amount > 4", None, UNCHANGED, id="data"),
        pytest.param("event.headers.mine == 'yes'", None, UNCHANGED, id="headers"),
        pytest.param("event.time < timestamp('2025-01-01T00:00:00Z')", None, UNCHANGED, id="time is a moment"),
        pytest.param("'type' in event && size(event.data) == 1", None, UNCHANGED, id="the whole event"),
        pytest.param("event.topic == 'topic' && !has(event.key)", None, UNCHANGED, id="where it was, without a key"),
        pytest.param("event.extensions.tenant == 'a'", None, UNCHANGED, id="an extension attribute"),
        pytest.param("event.type == 'x'", "event.data.nothing", FILTERED, id="filtered before it is transformed"),
        pytest.param(None, "{'n': event.data.amount}", NewData(b'{"n":5}'), id="transform"),
        pytest.param(None, "event.type", NewData(b'"t"'), id="transform, attributes"),
        pytest.param(None, "b'abc'", NewData(b'"abc"'), id="transform, bytes"),
        pytest.param(
            "event.data",
            None,
            Failure("ExpressionFailed", "filter: it is neither true nor false but a dict"),
            id="no answer",
        ),
        pytest.param(
            "event.data.none == 1",
            None,
            Failure("ExpressionFailed", "filter: line 1, column 11: no such key: none"),
            id="filter fails, with its place",
        ),
        pytest.param(
            None,
            "event.data.none",
            Failure("ExpressionFailed", "transform: line 1, column 11: no such key: none"),
            id="transform fails",
        ),
        pytest.param(
            None,
            "duration('1s')",
            Failure(
                "ExpressionFailed",
                "transform: its result is no JSON: Type is not JSON serializable: datetime.timedelta",
            ),
            id="transform to what is no JSON",
        ),
    ],
)
def test_processing(filter_: str | None, transform: str | None, expected: Processed) -> None:
    made = processor(filter_, transform).process(
        event(
            b'{"amount": 5}',
            ("mine", b"yes"),
            ("ce_time", b"2024-01-01T00:00:00Z"),
            ("ce_tenant", b"a"),
            ("content-type", b"application/json"),
        )
    )
    assert made == expected


def test_data_that_are_none() -> None:
    made = processor("event.data.amount > 1").process(event(b"{"))
    assert isinstance(made, Failure)
    assert (made.reason, made.message) == ("Undecodable", "the data are not JSON: unexpected end of data at byte 1")


def test_attributes_of_other_forms() -> None:
    service = decode_record(PlainRecord(body=b'{"event_id": "1", "event_type": "t"}'))
    assert isinstance(service, Event)
    assert processor("event.type == 't'").process(service) == UNCHANGED


def test_an_attribute_that_is_no_text() -> None:
    made = processor("event.subject == 'x'").process(event(b"{}", ("ce_subject", b"\xff")))
    assert isinstance(made, Failure)
    assert made.reason == "Undecodable"


def test_a_time_that_is_none_stays_a_text() -> None:
    assert processor("event.time == 'noon'").process(event(b"{}", ("ce_time", b"noon"))) == UNCHANGED
    assert processor("has(event.time)").process(event()) is FILTERED


@pytest.mark.parametrize(
    ("filter_", "transform", "reads"),
    [
        pytest.param("event.type == 't'", None, False, id="attributes"),
        pytest.param("event.data.a == 1", None, True, id="filter"),
        pytest.param(None, "event.data", True, id="transform"),
        pytest.param("size(event) > 1", None, True, id="everything"),
    ],
)
def test_data_are_decoded_only_where_they_are_read(filter_: str | None, transform: str | None, reads: bool) -> None:  # noqa: FBT001
    assert processor(filter_, transform).reads_data is reads
    if not reads:
        processor(filter_, transform).process(event(b"{ broken"))


def test_what_is_remembered_is_by_value_and_bounded() -> None:
    kept = processor("event.subject.startsWith('9')")
    made: list[Any] = [kept.process(event(b"{}", ("ce_subject", str(number).encode()))) for number in range(5_000)]
    again = kept.process(event(b"{}", ("ce_subject", b"9")))
    assert [each is UNCHANGED for each in made] == [str(number)[0] == "9" for number in range(5_000)]
    assert again is UNCHANGED
