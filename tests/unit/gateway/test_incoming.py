"""Bodies to events: the table, row by row, and what is no event."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from spans import PARENT

from eventplane.client import Event, to_cloudevent, to_envelope
from eventplane.gateway.incoming import Found, callers_span, key_of_request, read_request
from eventplane.gateway.problems import Problem, ProblemError

EVENT: Event[Any] = Event("order.created", "1.0", "/shop", {"amount": 5}, event_id="1", correlation_id="c")


def read(body: Any, content_type: str | None = None, **headers: str) -> tuple[Found, ...]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        told["content-type"] = content_type
    return read_request(told, body if isinstance(body, bytes) else json.dumps(body).encode(), "new", 3).found


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ([to_cloudevent(EVENT)], "application/cloudevents-batch+json"),
        (to_cloudevent(EVENT), "application/cloudevents+json; charset=utf-8"),
        (to_envelope(EVENT), "application/json"),
        (to_envelope(EVENT), None),
        ([to_envelope(EVENT)], "application/json"),
    ],
    ids=["batch", "structured", "envelope", "untold", "envelopes"],
)
def test_every_form_is_the_same_event(body: Any, content_type: str | None) -> None:
    assert read(body, content_type) == (EVENT,)


def test_binary_mode_with_what_headers_cannot_hold() -> None:
    (event,) = read(
        b'{"amount": 5}',
        "application/json",
        ce_specversion="1.0",
        ce_id="1",
        ce_source="/shop",
        ce_type="order.created",
        ce_subject="K%C3%B6ln%20%25",
        ce_quoted='"a \\" b"',
        ce_datacontenttype="ignored/here",
        accept="*/*",
    )
    assert isinstance(event, Event)
    assert (event.subject, event.extensions, event.data) == ("Köln %", {"quoted": 'a " b'}, {"amount": 5})
    assert event.content_type == "application/json"


def test_binary_mode_takes_data_that_are_no_json_and_none_at_all() -> None:
    told = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t"}
    (picture,) = read(b"\x89PNG", "image/png", **told)
    (empty,) = read(b"", None, **told)
    assert isinstance(picture, Event)
    assert isinstance(empty, Event)
    assert (picture.data, picture.content_type) == (b"\x89PNG", "image/png")
    assert empty.data is None


def test_an_envelope_is_filled_in_as_the_service_does() -> None:
    first, second = read([{"event_type": "t", "source": "s"}, {"event_type": "t", "source": "s", "event_id": "2"}])
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert (first.event_id, second.event_id) == ("new-0", "2")
    assert first.timestamp.utcoffset() is not None


@pytest.mark.parametrize(
    ("body", "content_type", "detail"),
    [
        ({"specversion": "1.0"}, "application/cloudevents+json", "no id"),
        ({"specversion": "0.3", "id": "1"}, "application/cloudevents+json", "0.3"),
        (["x"], "application/cloudevents-batch+json", "JSON object"),
        (["x"], None, "JSON object"),
        ("x", None, "JSON object"),
        ({"source": "s"}, None, "event_type"),
        ({"event_type": "t"}, None, "source"),
        ({"event_type": "t", "source": "s", "timestamp": "soon"}, None, "time"),
    ],
)
def test_what_is_no_event_is_a_problem_of_that_event(body: Any, content_type: str | None, detail: str) -> None:
    (problem,) = read(body, content_type)
    assert isinstance(problem, Problem)
    assert problem.status is HTTPStatus.BAD_REQUEST
    assert detail in problem.detail


def test_attributes_that_no_event_may_have_are_a_problem_too() -> None:
    (problem,) = read(b"{}", None, ce_specversion="1.0", ce_id="1", ce_source="/s", ce_type="t", ce_a_b="x")
    assert isinstance(problem, Problem)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", None, HTTPStatus.BAD_REQUEST),
        ({}, "application/cloudevents-batch+json", HTTPStatus.BAD_REQUEST),
        ([{}] * 4, "application/cloudevents-batch+json", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ([{}] * 4, None, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (b"<a/>", "application/cloudevents+xml", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        (b"a", "text/plain", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ],
)
def test_what_cannot_be_read_at_all_is_refused(body: Any, content_type: str | None, status: HTTPStatus) -> None:
    with pytest.raises(ProblemError) as refused:
        read(body, content_type)
    assert refused.value.problem.status is status


@pytest.mark.parametrize(
    ("attribute", "asked", "key"), [("a", "b", "a"), ("", "b", "b"), (None, "b", "b"), (None, None, None)]
)
def test_the_key(attribute: str | None, asked: str | None, key: str | None) -> None:
    extensions = {} if attribute is None else {"partitionkey": attribute}
    assert key_of_request(Event("t", "1", "s", {}, extensions=extensions), asked) == key


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"traceparent": PARENT}, {"traceparent": PARENT}, id="a span"),
        pytest.param({"traceparent": PARENT, "tracestate": "a=b,c=d"}, ..., id="with its state"),
        pytest.param({"tracestate": "a=b"}, {}, id="a state alone"),
        pytest.param({"traceparent": PARENT, "tracestate": "x" * 513}, {"traceparent": PARENT}, id="a long state"),
        pytest.param({"traceparent": PARENT, "tracestate": "\xe4"}, {"traceparent": PARENT}, id="a state that is none"),
        pytest.param({"traceparent": f"{PARENT}, {PARENT}"}, {}, id="two"),
        pytest.param({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, {}, id="of no trace"),
        pytest.param({"traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01"}, {}, id="no span"),
        pytest.param({"traceparent": PARENT.upper()}, {}, id="capitals"),
    ],
)
def test_the_callers_span(headers: dict[str, str], found: Any) -> None:
    assert callers_span(headers) == (headers if found is ... else found)
