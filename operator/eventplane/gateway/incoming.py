"""A request's body to events: CloudEvents' three content modes, and the messaging service's JSON.

| # | content-type | headers | body |
|---|---|---|---|
| 1 | application/cloudevents-batch+json | | an array of CloudEvents |
| 2 | application/cloudevents+json | | one CloudEvent |
| 3 | application/cloudevents..., another | | refused: 415 |
| 4 | any, or none | ce-specversion | the data of one CloudEvent |
| 5 | JSON, or none | none of CloudEvents | the service's envelope, or an array of them |
| 6 | another | none of CloudEvents | refused: 415 |

An envelope needs event_type and source; what else it lacks is filled in as the service's Event does.
Source: CloudEvents' HTTP protocol binding 1.0.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import orjson

from eventplane.client.codec import from_cloudevent, from_envelope, read_document
from eventplane.client.errors import InvalidEventError
from eventplane.client.event import Event
from eventplane.events.event import is_json
from eventplane.events.record import Header, PlainRecord
from eventplane.gateway.problems import Problem, ProblemError, problem_of

Found: TypeAlias = Event[Any] | Problem
"""An event, or why it is none."""
PARTITION_KEY: Final = "partitionkey"
"""CloudEvents' extension attribute for what becomes the record's key."""
_CLOUD_EVENTS: Final = "application/cloudevents"
_PREFIX: Final = "ce-"
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE: Final = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Incoming:
    """The events of a request, in order."""

    found: tuple[Found, ...]
    is_batch: bool


def read_request(headers: Mapping[str, str], body: bytes, new_id: str, most: int) -> Incoming:
    """Read a body by the table above.

    Args:
        headers: by names in small letters.
        body: as it came.
        new_id: for envelopes without event_id; in a batch with its place behind it.
        most: events in a batch.

    Raises:
        ProblemError: it cannot be read at all: 400, 413, 415.
    """
    told = headers.get("content-type", "")
    media_type = told.partition(";")[0].strip().lower()
    if media_type == f"{_CLOUD_EVENTS}-batch+json":
        documents = _array(_json(body), most)
        return Incoming(tuple(_cloud_event(each) for each in documents), is_batch=True)
    if media_type == f"{_CLOUD_EVENTS}+json":
        return Incoming((_cloud_event(_json(body)),), is_batch=False)
    if media_type.startswith(_CLOUD_EVENTS):
        raise _unsupported(media_type)
    if f"{_PREFIX}specversion" in headers:
        return Incoming((_binary(headers, told, body),), is_batch=False)
    if not is_json(told or None):
        raise _unsupported(media_type)
    document = _json(body)
    if not isinstance(document, list):
        return Incoming((_envelope(document, new_id),), is_batch=False)
    numbered = enumerate(_array(document, most))
    return Incoming(tuple(_envelope(each, f"{new_id}-{at}") for at, each in numbered), is_batch=True)


def key_of_request(event: Event[Any], asked: str | None) -> str | None:
    """Return the key of an event's record: its attribute partitionkey, else what the request asks for."""
    return event.extensions.get(PARTITION_KEY) or asked


def callers_span(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that name the caller's span, if they do (W3C Trace Context, 3.2 and 3.3)."""
    parent = headers.get("traceparent", "")
    if not _TRACEPARENT.fullmatch(parent):
        return {}
    state = headers.get("tracestate", "")
    return {"traceparent": parent} | ({"tracestate": state} if _TRACESTATE.fullmatch(state) else {})


def _binary(headers: Mapping[str, str], content_type: str, body: bytes) -> Found:
    notes: list[Header] = [
        (f"ce_{name.removeprefix(_PREFIX)}", _text(value))
        for name, value in headers.items()
        if name.startswith(_PREFIX) and name != f"{_PREFIX}datacontenttype"
    ]
    if content_type:
        notes.append(("content-type", content_type.encode()))
    record = PlainRecord(("", 0), 0, body or None, None, tuple(notes))
    try:
        return read_document(record)
    except InvalidEventError as error:
        return problem_of(error)


def _text(value: str) -> bytes:
    """Undo what a header cannot hold (3.1.3.3): percent-encoding, and quotes around all of it."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return unquote(value, errors="replace").encode("utf-8", "replace")


def _cloud_event(document: Any) -> Found:
    if not isinstance(document, dict):
        return Problem(HTTPStatus.BAD_REQUEST, "a CloudEvent is a JSON object")
    try:
        return from_cloudevent(document)
    except InvalidEventError as error:
        return problem_of(error)


def _envelope(document: Any, new_id: str) -> Found:
    if not isinstance(document, dict):
        return Problem(HTTPStatus.BAD_REQUEST, "an event is a JSON object")
    for name in ("event_type", "source"):
        if not document.get(name):
            return Problem(HTTPStatus.BAD_REQUEST, f"{name}: an event has one")
    try:
        return from_envelope({**document, "event_id": document.get("event_id") or new_id})
    except InvalidEventError as error:
        return problem_of(error)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = f"the body is not JSON: {error.msg} at byte {error.pos}"
        raise ProblemError(HTTPStatus.BAD_REQUEST, problem) from error


def _array(document: Any, most: int) -> list[Any]:
    if not isinstance(document, list):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "a batch is a JSON array")
    if len(document) > most:
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a batch has at most {most} events")
    return document


def _unsupported(media_type: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"{media_type} is no event: send application/cloudevents+json, application/cloudevents-batch+json,"
        " the headers of a CloudEvent, or the service's JSON",
    )
