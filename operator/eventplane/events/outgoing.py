"""Events as what is delivered: a request of HTTP, or a record of another topic.

Sources: CloudEvents' HTTP and Kafka protocol bindings and JSON format 1.0.2.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from eventplane.api.sink import OneByOne
from eventplane.events.dead_letters import NOT_BEFORE, PREFIX
from eventplane.events.event import JSON, Event, is_json
from eventplane.events.record import Header

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
_NOT_PLAIN: Final = re.compile(r"[^\x21\x23\x24\x26-\x7e]")
_PLAIN: Final = re.compile(r"[\x20-\x7e]*")
_NAME: Final = re.compile(r"[a-z0-9]+")
_TRACE: Final = ("traceparent", "tracestate")
_SET_ASIDE: Final = f"{PREFIX}reason"
_ENVELOPE_DATA: Final = "data"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent to a service."""

    headers: Mapping[str, str]
    body: bytes


def http_request(event: Event, new_data: bytes | None, mode: OneByOne) -> HttpRequest:
    """Make the request that delivers an event.

    Args:
        event: as it was read.
        new_data: JSON in place of its data; None: they stay.
        mode: CloudEvents' binary or structured content mode.

    Raises:
        UndecodableError: structured mode, and the data are not the JSON that they are said to be.
    """
    headers = _trace(event)
    if mode == "Structured":
        headers["content-type"] = STRUCTURED
        return HttpRequest(headers, _document(event, new_data))
    for name, value in event.attributes.items():
        if name != "datacontenttype" and _NAME.fullmatch(name):
            headers[f"ce-{name}"] = _percent_encoded(value)
    body, content_type = _body(event, new_data)
    if content_type is not None and _PLAIN.fullmatch(content_type):
        headers["content-type"] = content_type
    return HttpRequest(headers, body)


def batch_item(event: Event, new_data: bytes | None) -> bytes:
    """Make what delivers an event in a batch: its document, with its trace in CloudEvents' extension for that.

    Raises:
        UndecodableError: the data are not the JSON that they are said to be.
    """
    return _document(event, new_data, _trace(event))


def batch_request(items: Sequence[bytes]) -> HttpRequest:
    """Make the request that delivers events together (CloudEvents' JSON format, 4)."""
    return HttpRequest({"content-type": BATCHED}, b"[" + b",".join(items) + b"]")


def topic_record(event: Event, new_data: bytes | None) -> tuple[bytes | None, list[Header]]:
    """Return value and headers of the record that delivers an event, in the form in which it was written."""
    headers = list(event.record.headers() or ())
    if event.raw is None or _SET_ASIDE in event.raw or NOT_BEFORE in event.raw:
        headers = [each for each in headers if not each[0].startswith(PREFIX)]
    if new_data is None:
        return event.record.value(), headers
    if event.form == "Structured":
        return _document(event, new_data), headers
    if event.form == "Envelope":
        document = orjson.loads(event.record.value() or b"{}")
        document[_ENVELOPE_DATA] = orjson.Fragment(new_data)
        return orjson.dumps(document), headers
    headers = [each for each in headers if each[0].lower() != "content-type"]
    return new_data, [*headers, ("content-type", JSON.encode())]


def _body(event: Event, new_data: bytes | None) -> tuple[bytes, str | None]:
    """Return the data as bytes and what they are; None: nobody has told."""
    if new_data is not None:
        return new_data, JSON
    if event.has_data and (event.is_framed or event.body is None):
        return orjson.dumps(event.data(), default=_json_default, option=orjson.OPT_NON_STR_KEYS), JSON
    return event.body or b"", event.content_type


def _trace(event: Event) -> dict[str, str]:
    return {name: value for name, value in event.headers().items() if name in _TRACE and _PLAIN.fullmatch(value)}


def _document(event: Event, new_data: bytes | None, extensions: Mapping[str, str] = _NONE) -> bytes:
    document: dict[str, Any] = {**extensions, **event.attributes}
    body, content_type = _body(event, new_data)
    if not is_json(content_type):
        document["data_base64"] = base64.b64encode(body).decode()
    elif body:
        if new_data is None:
            event.data()  # whether it is JSON
        document["datacontenttype"] = content_type or JSON
        document["data"] = orjson.Fragment(body)
    return orjson.dumps(document)


def _percent_encoded(value: str) -> str:
    """Encode what a header cannot hold (CloudEvents' HTTP protocol binding, 3.1.3.2)."""
    return _NOT_PLAIN.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace")), value)


def _json_default(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
