"""What is delivered: requests of HTTP as CloudEvents' own library reads them, and records of topics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings import http as oracle
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.envelope import decode_record
from eventplane.events.event import Event, UndecodableError
from eventplane.events.outgoing import batch_item, batch_request, http_request, topic_record
from eventplane.events.record import Header, PlainRecord

if TYPE_CHECKING:
    from eventplane.api.sink import OneByOne

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
JSON_TYPE = ("content-type", b"application/json")


def binary(value: bytes | None, *headers: Header, **attributes: str) -> Event:
    told = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **attributes}
    notes = (*((f"ce_{name}", text.encode()) for name, text in told.items()), *headers)
    return known(PlainRecord(("orders", 0), 3, value, b"k", notes))


def known(record: PlainRecord, *, has_registry: bool = False) -> Event:
    event = decode_record(record, has_registry=has_registry)
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize("mode", ["Binary", "Structured"])
@given(TEXT, TEXT, st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, max_size=3))
def test_as_the_library_of_cloud_events_reads_it(mode: OneByOne, id_: str, subject: str, data: dict[str, Any]) -> None:
    event = binary(json.dumps(data).encode(), JSON_TYPE, id=id_, subject=subject)
    request = http_request(event, None, mode)
    theirs = oracle.from_http(oracle.HTTPMessage(dict(request.headers), request.body), JSONFormat())
    assert (theirs.get_id(), theirs.get_subject(), theirs.get_data()) == (id_, subject, data)
    assert theirs.get_datacontenttype() == "application/json"


@pytest.mark.parametrize(
    ("event", "new_data", "mode", "body", "content_type"),
    [
        pytest.param(
            binary(b"<x/>", ("content-type", b"text/xml")), None, "Binary", b"<x/>", "text/xml", id="as it is"
        ),
        pytest.param(binary(b"\xff"), None, "Binary", b"\xff", None, id="nobody told of what type"),
        pytest.param(binary(None), None, "Binary", b"", None, id="no data"),
        pytest.param(binary(b"1"), b"2", "Binary", b"2", "application/json", id="new data"),
        pytest.param(
            known(PlainRecord(body=b'{"event_id": "1", "event_type": "t", "data": {"a": 1}}')),
            None,
            "Binary",
            b'{"a": 1}',
            "application/json",
            id="the data of an envelope",
        ),
        pytest.param(
            known(PlainRecord(body=b"{}", notes=(("content-type", b"a\nb"),))),
            None,
            "Binary",
            b"{}",
            None,
            id="a line break",
        ),
    ],
)
def test_request(event: Event, new_data: bytes | None, mode: OneByOne, body: bytes, content_type: str | None) -> None:
    request = http_request(event, new_data, mode)
    assert (request.body, request.headers.get("content-type")) == (body, content_type)


@pytest.mark.parametrize(
    ("event", "new_data", "expected"),
    [
        pytest.param(binary(b'{"a":1}'), None, {"data": {"a": 1}, "datacontenttype": "application/json"}, id="JSON"),
        pytest.param(binary(b"x"), b"7", {"data": 7, "datacontenttype": "application/json"}, id="new data"),
        pytest.param(binary(None), None, {}, id="none"),
        pytest.param(
            binary(b"\xff", ("content-type", b"image/png")),
            None,
            {"data_base64": "/w==", "datacontenttype": "image/png"},
            id="bytes",
        ),
    ],
)
def test_document(event: Event, new_data: bytes | None, expected: dict[str, Any]) -> None:
    request = http_request(event, new_data, "Structured")
    told = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    assert json.loads(request.body) == {**told, **expected}
    assert request.headers["content-type"] == "application/cloudevents+json"


def test_document_of_data_that_are_none() -> None:
    with pytest.raises(UndecodableError):
        http_request(binary(b"{"), None, "Structured")
    with pytest.raises(UndecodableError):
        batch_item(binary(b"{"), None)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers()), min_size=1, max_size=5))
def test_a_batch_as_the_library_of_cloud_events_reads_it(told: list[tuple[str, str, int]]) -> None:
    events = [binary(str(number).encode(), JSON_TYPE, id=id_, subject=subject) for id_, subject, number in told]
    request = batch_request([batch_item(event, None) for event in events])
    documents = [json.dumps(each).encode() for each in json.loads(request.body)]
    headers = {"content-type": "application/cloudevents+json"}
    theirs = [oracle.from_http(oracle.HTTPMessage(headers, each), JSONFormat()) for each in documents]
    read: list[Any] = [(each.get_id(), each.get_subject(), each.get_data()) for each in theirs]
    assert read == told


def test_traces_of_a_batch_are_in_its_events() -> None:
    trace = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    own, others = binary(b"1", trace), binary(b"2", trace, traceparent="its own")
    request = batch_request([batch_item(own, b"7"), batch_item(others, None)])
    assert [each["traceparent"] for each in json.loads(request.body)] == [trace[1].decode(), "its own"]
    assert json.loads(request.body)[0]["data"] == 7
    assert request.headers == {"content-type": "application/cloudevents-batch+json"}


def test_only_what_headers_can_hold_travels() -> None:
    trace = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    event = binary(b"1", trace, ("tracestate", b"a\r\nb"), ("ce_Odd Name", b"x"), subject='50 % of "ü"')
    headers = http_request(event, None, "Binary").headers
    assert headers["ce-subject"] == "50%20%25%20of%20%22%C3%BC%22"
    assert headers["traceparent"] == trace[1].decode()
    assert set(headers) == {"traceparent", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject"}


@pytest.mark.parametrize("mode", ["Binary", "Structured"])
def test_what_was_read_with_a_registry_s_help_is_sent_as_json(mode: OneByOne) -> None:
    event = known(PlainRecord(body=b"\x00\x00\x00\x00\x01avro"), has_registry=True)
    event.set_data({"a": b"\xff", "b": {1: "x"}})
    body = http_request(event, None, mode).body
    expected = {"a": "/w==", "b": {"1": "x"}}
    assert (json.loads(body) if mode == "Binary" else json.loads(body)["data"]) == expected


def test_a_type_that_json_does_not_have_is_a_text() -> None:
    event = known(PlainRecord(body=b"\x00\x00\x00\x00\x01avro"), has_registry=True)
    event.set_data({"a": 1 + 2j})
    assert http_request(event, None, "Binary").body == b'{"a":"(1+2j)"}'


ASIDE = ("eventplane-reason", b"Rejected")


@pytest.mark.parametrize(
    ("event", "new_data", "value", "headers"),
    [
        pytest.param(binary(b"\xff", ("a", b"1"), ASIDE), None, b"\xff", [("a", b"1")], id="bytes stay as they are"),
        pytest.param(
            binary(b"1", ("eventplane-not-before", b"9"), ("eventplane-due", b"9")),
            None,
            b"1",
            [],
            id="its time has come",
        ),
        pytest.param(binary(b"1", ("Content-Type", b"text/plain")), b"2", b"2", [JSON_TYPE], id="new data"),
        pytest.param(
            known(PlainRecord(body=b'{"event_id":"1","event_type":"t","more":true,"data":1}')),
            b"[2]",
            b'{"event_id":"1","event_type":"t","more":true,"data":[2]}',
            [],
            id="new data in an envelope",
        ),
    ],
)
def test_record(event: Event, new_data: bytes | None, value: bytes, headers: list[Header]) -> None:
    made, notes = topic_record(event, new_data)
    assert made == value
    assert [each for each in notes if not each[0].startswith("ce_")] == headers


def test_record_of_a_document_stays_one() -> None:
    notes = (("content-type", b"application/cloudevents+json"),)
    document = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": 1}
    value, headers = topic_record(known(PlainRecord(body=json.dumps(document).encode(), notes=notes)), b"2")
    assert json.loads(value or b"") == {**document, "data": 2, "datacontenttype": "application/json"}
    assert tuple(headers) == notes
