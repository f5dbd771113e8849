"""Records to events: CloudEvents as their makers' library writes them, the service's envelope, and what is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka as oracle
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.dead_letters import Origin
from eventplane.events.delivery import Failure
from eventplane.events.envelope import PLAIN_TYPE, decode_record
from eventplane.events.event import Event, UndecodableError
from eventplane.events.record import Header, PlainRecord

PLACE = ("orders", 2)
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
SERVICE = {
    "event_id": "e-1",
    "event_type": "order.created",
    "event_version": "1.2",
    "source": "order-service",
    "timestamp": "2024-01-15T10:30:00.123456",
    "correlation_id": "req-abc-123",
    "trace_id": None,
    "data": {"order_id": "o-1", "amount": 99.5},
}


def record(value: bytes | None, *headers: Header) -> PlainRecord:
    return PlainRecord(PLACE, 7, value, b"k", headers)


def decoded(value: bytes | None, *headers: Header, has_registry: bool = False) -> Event:
    event = decode_record(record(value, *headers), has_registry=has_registry)
    assert isinstance(event, Event), event
    return event


def fault(value: bytes | None, *headers: Header, has_registry: bool = False) -> str:
    failure = decode_record(record(value, *headers), has_registry=has_registry)
    assert isinstance(failure, Failure)
    assert failure.reason == "Undecodable"
    return failure.message


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
EXTENSIONS = st.dictionaries(st.from_regex(r"ext[a-z0-9]{1,8}", fullmatch=True), TEXT, max_size=3)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(TEXT, TEXT, TEXT, EXTENSIONS, st.none() | TEXT, st.dictionaries(TEXT, DATA, max_size=3))
def test_cloud_events_as_their_library_writes_them(
    id_: str, type_: str, source: str, extensions: dict[str, str], subject: str | None, data: dict[str, Any]
) -> None:
    """Both content modes: the same attributes, unknown extensions among them, and the same data."""
    attributes: dict[str, Any] = {"id": id_, "type": type_, "source": source, "specversion": "1.0", **extensions}
    attributes |= {"time": datetime(2024, 1, 15, 10, 30, tzinfo=UTC), "datacontenttype": "application/json"}
    if subject is not None:
        attributes["subject"] = subject
    theirs = CloudEvent(attributes, data)
    expected = {**attributes, "time": "2024-01-15T10:30:00Z"}
    for form, message in (
        ("Binary", oracle.to_binary(theirs, JSONFormat())),
        ("Structured", oracle.to_structured(theirs, JSONFormat())),
    ):
        event = decoded(message.value, *message.headers.items())
        assert (event.form, event.attributes, event.data()) == (form, expected, data)


def test_structured_with_bytes() -> None:
    document = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": "/w==", "count": 3}
    event = decoded(json.dumps({**document, "flag": True, "none": None}).encode(), *STRUCTURED)
    assert (event.data(), event.attributes["count"], event.attributes["flag"]) == (b"\xff", "3", "true")
    assert "none" not in event.attributes


def test_the_service_s_envelope() -> None:
    event = decoded(json.dumps(SERVICE).encode())
    assert event.form == "Envelope"
    assert event.attributes == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "order-service",
        "type": "order.created",
        "datacontenttype": "application/json",
        "time": "2024-01-15T10:30:00.123456Z",
        "eventversion": "1.2",
        "correlationid": "req-abc-123",
    }
    assert event.data() == {"order_id": "o-1", "amount": 99.5}


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        pytest.param("2024-01-15T10:30:00", "2024-01-15T10:30:00Z", id="naive: UTC"),
        pytest.param("2024-01-15T10:30:00Z", "2024-01-15T10:30:00Z", id="UTC"),
        pytest.param("2024-01-15T10:30:00+02:00", "2024-01-15T10:30:00+02:00", id="east"),
        pytest.param("2024-01-15T10:30:00-02:00", "2024-01-15T10:30:00-02:00", id="west"),
        pytest.param("2024-01-15", "2024-01-15", id="no time of day"),
    ],
)
def test_time_of_an_envelope(timestamp: str, expected: str) -> None:
    assert decoded(json.dumps({**SERVICE, "timestamp": timestamp}).encode()).attributes["time"] == expected


def test_an_envelope_with_the_least() -> None:
    event = decoded(b'{"event_id": "1", "event_type": "t", "trace_id": "x"}')
    assert event.attributes["source"] == "/topics/orders"
    assert event.attributes["traceid"] == "x"
    assert event.data() is None


@pytest.mark.parametrize(
    ("value", "headers", "data"),
    [
        pytest.param(b'{"a": 1}', (), {"a": 1}, id="JSON"),
        pytest.param(b"[1, 2]", (), [1, 2], id="a list"),
        pytest.param(None, (("ce_none", None),), None, id="a tombstone"),
        pytest.param(b"hello", (("Content-Type", b"text/plain"),), "hello", id="text"),
        pytest.param(b"\xff", (("content-type", b"image/png"),), b"\xff", id="bytes of a type that was told"),
    ],
)
def test_plain(value: bytes | None, headers: tuple[Header, ...], data: Any) -> None:
    event = decoded(value, *headers)
    assert event.form == "Plain"
    assert event.data() == data
    told = {"specversion": "1.0", "id": "orders/2/7", "source": "/topics/orders", "type": PLAIN_TYPE}
    assert event.attributes == told


def test_plain_from_a_retry_topic_is_named_by_where_it_was_first() -> None:
    event = decode_record(record(b"{}"), Origin(("first", 0), 1))
    assert isinstance(event, Event)
    assert event.attributes["id"] == "first/0/1"
    service = decode_record(record(b'{"event_id": "1", "event_type": "t"}'), Origin(("first", 0), 1))
    assert isinstance(service, Event)
    assert service.attributes["source"] == "/topics/first"


BINARY = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"))


def test_a_registry_s_wire_format() -> None:
    framed = b"\x00\x00\x00\x00\x05data"
    plain = decoded(framed, has_registry=True)
    assert (plain.form, plain.is_framed, plain.has_data) == ("Plain", True, False)
    plain.set_data({"a": 1})
    assert (plain.has_data, plain.data()) == (True, {"a": 1})
    assert decoded(framed, *BINARY, has_registry=True).is_framed
    assert not decoded(framed, *BINARY).is_framed


@pytest.mark.parametrize(
    ("value", "headers", "message"),
    [
        pytest.param(b"\xff\xfe", (), "neither a CloudEvent nor JSON", id="7: noise"),
        pytest.param(b"", (), "neither a CloudEvent nor JSON", id="7: nothing"),
        pytest.param(b"\x00\x00\x00\x00\x01x", (), "no registry", id="7: wire format, and no registry"),
        pytest.param(b'{"event_id": "1", "event_type": 7}', (), "the envelope is broken", id="an envelope, broken"),
        pytest.param(
            b"{}", (("content-type", b"application/cloudevents-batch+json"),), "not supported", id="2: a batch"
        ),
        pytest.param(b"{", STRUCTURED, "is not JSON", id="structured, cut off"),
        pytest.param(None, STRUCTURED, "is not JSON", id="structured, empty"),
        pytest.param(b"[]", STRUCTURED, "no JSON object", id="structured, a list"),
        pytest.param(b'{"specversion": "0.3"}', STRUCTURED, "CloudEvents 0.3 are not supported", id="an old version"),
        pytest.param(b'{"id": "1"}', STRUCTURED, "without specversion", id="structured, no version"),
        pytest.param(
            b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": 7}',
            STRUCTURED,
            "not base64",
            id="structured, bytes that are none",
        ),
        pytest.param(b"{}", BINARY[:2], "has no source and no type", id="binary, attributes are missing"),
        pytest.param(b"{}", (("content-type", b"\xff"),), "not UTF-8", id="a header that is no text"),
        pytest.param(b"{}", (("ce_specversion", b"0.3"),), "CloudEvents 0.3 are", id="binary, an old version"),
        pytest.param(b"{}", (("ce_specversion", None),), "CloudEvents  are not", id="binary, no version"),
    ],
)
def test_undecodable(value: bytes | None, headers: tuple[Header, ...], message: str) -> None:
    assert message in fault(value, *headers)


@given(
    st.none() | st.binary(max_size=60),
    st.lists(st.tuples(st.sampled_from(["ce_id", "content-type", "x"]), st.binary())),
)
def test_no_bytes_are_an_exception(value: bytes | None, headers: list[Header]) -> None:
    assert isinstance(decode_record(record(value, *headers)), Event | Failure)


@pytest.mark.parametrize(
    ("body", "content_type", "framed", "message"),
    [
        pytest.param(b"{", "application/json", False, "not JSON", id="no JSON"),
        pytest.param(b"\x00", None, True, "no registry is known", id="wire format"),
    ],
)
def test_data_that_cannot_be_read(body: bytes, content_type: str | None, framed: bool, message: str) -> None:  # noqa: FBT001
    event = Event(record(body), "Binary", {}, body, content_type, is_framed=framed)
    with pytest.raises(UndecodableError, match=message):
        event.data()


def test_an_attribute_that_is_no_text_is_found_when_somebody_looks() -> None:
    event = decoded(b"{}", *BINARY, ("ce_subject", b"\xff"))
    with pytest.raises(UndecodableError, match="an attribute is not UTF-8"):
        _ = event.attributes


def test_headers_are_texts_and_no_attributes() -> None:
    event = decoded(b"{}", *BINARY, ("a", b"1"), ("a", b"2"), ("b", None))
    assert event.headers() == {"a": "2", "b": ""}


def test_an_envelope_may_say_what_the_service_has_no_name_for() -> None:
    """As the SDK writes it; of whoever means something else by these keys, nothing is taken."""
    beside = {"subject": "o-1", "dataschema": "urn:s", "datacontenttype": "application/x+json"}
    told = decoded(json.dumps({**SERVICE, **beside, "extensions": {"ext": "1", "id": "not mine", "n": 1}}).encode())
    assert {name: told.attributes.get(name) for name in beside} == beside
    assert (told.attributes["ext"], told.attributes["id"], "n" in told.attributes) == ("1", "e-1", False)
    odd = {"subject": {"a": 1}, "dataschema": 7, "datacontenttype": "text/plain", "extensions": [1]}
    assert (
        decoded(json.dumps({**SERVICE, **odd}).encode()).attributes == decoded(json.dumps(SERVICE).encode()).attributes
    )
