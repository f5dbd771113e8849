"""The event: what it takes, that it stays as it is, and that it comes back as it was from every form."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from cloudevents.core.bindings import kafka as oracle
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from eventplane.client import (
    Event,
    InvalidEventError,
    from_cloudevent,
    from_envelope,
    to_cloudevent,
    to_envelope,
)
from eventplane.client.codec import event_of, to_record
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event as ReadEvent
from eventplane.events.record import PlainRecord

if TYPE_CHECKING:
    from collections.abc import Callable


class Money(BaseModel):
    """A part of what happened."""

    cents: int


class OrderCreated(BaseModel):
    """What happened, with a name of its own on the wire."""

    order: str = Field(serialization_alias="orderId", validation_alias="orderId")
    total: Money


def event(**fields: Any) -> Event[Any]:
    told: dict[str, Any] = {"event_type": "order.created", "event_version": "1.0", "source": "shop", "data": {"a": 1}}
    return Event(**{**told, **fields})


# --- the event itself


def test_the_services_own_call() -> None:
    """Its fields, in its order, with its defaults."""
    made = Event("user.registered", "1.0", "user-service", {"id": 1}, correlation_id="req-1")
    assert (made.event_type, made.event_version, made.source, made.data) == (
        "user.registered",
        "1.0",
        "user-service",
        {"id": 1},
    )
    assert (made.correlation_id, made.trace_id) == ("req-1", None)
    assert len(made.event_id) == 36
    assert made.timestamp.utcoffset() == timedelta(0)
    assert made != Event("user.registered", "1.0", "user-service", {"id": 1}, correlation_id="req-1")


def test_times_are_aware_and_utc() -> None:
    assert event(timestamp=datetime(2026, 1, 1, 12)).timestamp == datetime(2026, 1, 1, 12, tzinfo=UTC)  # noqa: DTZ001
    eastern = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=-5)))
    assert event(timestamp=eastern).timestamp.isoformat() == "2026-01-01T17:00:00+00:00"
    with pytest.raises(InvalidEventError, match="timestamp"):
        event(timestamp=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))


def test_it_cannot_be_changed_but_made_anew() -> None:
    made = event(data={"a": [1, {"b": 2}]})
    with pytest.raises(AttributeError):
        made.source = "other"  # type: ignore[misc]
    changes: list[Callable[[], object]] = [
        lambda: made.data.update(a=1),
        lambda: made.data.__setitem__("x", 1),
        lambda: made.data["a"].append(3),
        lambda: made.data["a"][1].pop("b"),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="with_data"):
            change()
    other = made.with_data({**made.data, "version": 2})
    assert (other.data, made.data) == ({"a": [1, {"b": 2}], "version": 2}, {"a": [1, {"b": 2}]})
    assert (other.event_id, other.timestamp) == (made.event_id, made.timestamp)
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made  # noqa: S301 - our own
    assert len({made, copy.copy(made), other}) == 2


def test_what_was_given_may_change_afterwards() -> None:
    given = {"a": [1]}
    made = event(data=given)
    given["a"].append(2)
    assert made.data == {"a": [1]}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"event_type": ""}, "event_type"),
        ({"source": None}, "source"),
        ({"event_version": 1}, "event_version"),
        ({"extensions": {"No": "x"}}, "No"),
        ({"extensions": {"type": "x"}}, "type"),
        ({"extensions": {"n": 1}}, "extensions.n"),
        ({"data": b"{}", "content_type": "application/json"}, "bytes cannot be application/json"),
        ({"data": {"a": 1}, "content_type": "application/xml"}, "cannot be application/xml"),
        ({"data": b"x", "content_type": "text/plain"}, "cannot be text/plain"),
    ],
)
def test_what_is_no_event_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidEventError, match=problem):
        event(**fields)


def test_payloads_are_not_in_its_representation() -> None:
    assert "secret" not in repr(event(data={"a": "secret"}))


# --- typed events


def test_typed_events_are_validated() -> None:
    typed = Event[OrderCreated]("order.created", "1.0", "shop", {"orderId": "o", "total": {"cents": 1}})  # type: ignore[arg-type]
    assert typed.data == OrderCreated(orderId="o", total=Money(cents=1))
    assert typed.with_data(OrderCreated(orderId="p", total=Money(cents=2))).data.order == "p"
    with pytest.raises(InvalidEventError, match=r"total\.cents: Input should be a valid integer") as caught:
        Event[OrderCreated]("order.created", "1.0", "shop", {"orderId": "o", "total": {"cents": "secret"}})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    assert isinstance(typed, Event)
    assert Event[OrderCreated] is Event[OrderCreated]


def test_a_model_that_was_changed_is_found_out_at_publish() -> None:
    typed = Event[OrderCreated]("order.created", "1.0", "shop", OrderCreated(orderId="o", total=Money(cents=1)))
    assert typed.checked() == typed
    typed.data.total.cents = "many"  # type: ignore[assignment]
    with pytest.raises(InvalidEventError, match=r"total\.cents"):
        typed.checked()


def test_typed_events_are_read_typed() -> None:
    typed = Event[OrderCreated]("order.created", "1.0", "shop", OrderCreated(orderId="o", total=Money(cents=1)))
    document = to_cloudevent(typed)
    assert document["data"] == {"orderId": "o", "total": {"cents": 1}}
    assert from_cloudevent(document, Event[OrderCreated]) == typed
    assert from_envelope(to_envelope(typed), Event[OrderCreated]) == typed
    with pytest.raises(InvalidEventError, match="orderId"):
        from_cloudevent({**document, "data": {}}, Event[OrderCreated])


# --- forms

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
OPTIONAL = st.none() | TEXT
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
JSON_EVENTS = st.builds(
    Event,
    event_type=TEXT,
    event_version=st.just("") | TEXT,
    source=TEXT,
    data=DATA,
    timestamp=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    event_id=TEXT,
    correlation_id=OPTIONAL,
    trace_id=OPTIONAL,
    subject=OPTIONAL,
    data_schema=OPTIONAL,
    content_type=st.sampled_from(["", "application/json", "application/vnd.order+json"]),
    extensions=st.dictionaries(st.from_regex(r"ext[a-z0-9]{1,5}", fullmatch=True), TEXT, max_size=2),
)
OTHER_EVENTS = st.one_of(
    st.builds(lambda data: event(data=data), st.binary()),
    st.builds(lambda data: event(data=data, content_type="text/plain"), TEXT),
)


def read_back(made: Event[Any], form: Any) -> Event[Any]:
    value, headers = to_record(made, form)
    read = decode_record(PlainRecord(("orders", 1), 5, value, b"k", tuple(headers), 7))
    assert isinstance(read, ReadEvent), read
    assert read.form == form
    return event_of(read)


@given(JSON_EVENTS)
@settings(max_examples=60)
def test_every_form_gives_back_the_same_event(made: Event[Any]) -> None:
    for form in ("Binary", "Structured", "Envelope"):
        back = read_back(made, form)
        assert back == made
        assert back.received is not None
        assert (back.received.topic, back.received.partition, back.received.offset) == ("orders", 1, 5)
    assert from_cloudevent(to_cloudevent(made)) == made
    assert from_envelope(to_envelope(made)) == made


@given(OTHER_EVENTS)
@settings(max_examples=30)
def test_bytes_and_text_come_back_in_both_modes_and_not_in_the_envelope(made: Event[Any]) -> None:
    assert read_back(made, "Binary") == read_back(made, "Structured") == made
    with pytest.raises(InvalidEventError, match="the envelope holds JSON only"):
        to_envelope(made)


@given(JSON_EVENTS.filter(lambda made: made.data is not None))
@settings(max_examples=30)
def test_cloud_events_own_library_reads_both_modes(made: Event[Any]) -> None:
    expected = to_cloudevent(made)
    for form in ("Binary", "Structured"):
        value, headers = to_record(made, form)
        message = oracle.KafkaMessage(dict(headers), None, value or b"")  # type: ignore[arg-type]
        read = (oracle.from_binary if form == "Binary" else oracle.from_structured)(message, JSONFormat())
        told = {name: str(each) for name, each in read.get_attributes().items() if name != "time"}
        assert told == {name: each for name, each in expected.items() if name not in {"time", "data"}}
        assert json.loads(orjson.dumps(read.get_data())) == expected["data"]


def test_the_services_own_envelope_is_read_and_written() -> None:
    """Eight keys, as the seed writes them, with its naive time."""
    document = {
        "event_id": "e-1",
        "event_type": "order.created",
        "event_version": "1.2",
        "source": "order-service",
        "timestamp": "2024-01-15T10:30:00.123456",
        "correlation_id": "req-abc-123",
        "trace_id": None,
        "data": {"order_id": "o-1", "amount": 99.5},
    }
    read = from_envelope(document)
    assert read.timestamp == datetime(2024, 1, 15, 10, 30, 0, 123456, tzinfo=UTC)
    assert to_envelope(read) == {**document, "timestamp": "2024-01-15T10:30:00.123456+00:00"}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"specversion": "1.0", "id": "1", "source": "s"}, "no type"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "soon"}, "time"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": object()}, "no JSON"),
        (b"{", "not JSON"),
    ],
)
def test_what_is_no_cloud_event_is_refused(document: Any, problem: str) -> None:
    with pytest.raises(InvalidEventError, match=problem):
        from_cloudevent(document)


def test_what_is_no_envelope_is_refused() -> None:
    with pytest.raises(InvalidEventError, match="event_id and event_type"):
        from_envelope({"a": 1})


def test_data_that_are_no_json_are_refused() -> None:
    for form in ("Binary", "Structured", "Envelope"):
        with pytest.raises(InvalidEventError, match="no JSON"):
            to_record(event(data={"a": object()}), form)
    with pytest.raises(InvalidEventError, match="cannot be written"):
        to_record(event(subject="\ud800"), "Binary")


def test_an_event_without_a_time_happened_when_it_was_written() -> None:
    attributes = {"id": b"1", "source": b"s", "type": b"t", "specversion": b"1.0"}
    headers = tuple((f"ce_{name}", value) for name, value in attributes.items())
    read = decode_record(PlainRecord(("orders", 0), 0, b"1", None, headers, 1_700_000_000_000))
    assert isinstance(read, ReadEvent)
    made = event_of(read)
    assert (made.timestamp, made.event_version) == (datetime.fromtimestamp(1_700_000_000, UTC), "")
