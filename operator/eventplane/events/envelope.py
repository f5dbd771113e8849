"""Records of Kafka to events. Bytes that are no event are a Failure, never an exception.

| # | the record | the event |
|---|---|---|
| 1 | content-type `application/cloudevents+json` | CloudEvents, structured |
| 2 | content-type `application/cloudevents...`, another | Undecodable: the Kafka binding has no batches |
| 3 | header `ce_specversion` | CloudEvents, binary: the value is the data |
| 4 | a value that begins with a zero byte, with a registry | plain, the data in the registry's wire format |
| 5 | a JSON object with `event_type` and `event_id` | the messaging service's envelope |
| 6 | other JSON, no value at all, or a header content-type | plain |
| 7 | anything else | Undecodable |

A plain record gets the attributes that CloudEvents require from where it was: type `ai.sindhan.events.record`, source
`/topics/<topic>`, id `<topic>/<partition>/<offset>`.

Sources: CloudEvents' Kafka protocol binding and JSON format 1.0.2.
"""

import base64
import binascii
from typing import Any, Final

import msgspec
import orjson

from eventplane.events.dead_letters import Origin, origin_of
from eventplane.events.delivery import Failure
from eventplane.events.event import JSON, REQUIRED, Event, is_json
from eventplane.events.record import Record

PLAIN_TYPE: Final = "ai.sindhan.events.record"
_CLOUD_EVENTS: Final = "application/cloudevents"
_CONTENT_TYPE: Final = "content-type"
_CONTENT_TYPE_TOO: Final = "Content-Type"
_VERSION: Final = b"1.0"
_MAGIC: Final = b"\x00"
_HEAD: Final = 5


class Envelope(msgspec.Struct):
    """The messaging service's envelope; the data stay bytes until somebody looks."""

    event_id: str
    event_type: str
    event_version: str | int | float | None = None
    source: str | None = None
    timestamp: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    subject: Any = None
    dataschema: Any = None
    datacontenttype: Any = None
    extensions: Any = None
    """These four are there where an event has what the service had no name for; others may mean anything by them."""


_OF_ENVELOPE: Final = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", "eventversion", "correlationid", "traceid"}
)
"""Attributes that have a key of their own."""
_ENVELOPE: Final = msgspec.json.Decoder(Envelope)


def decode_record(record: Record, origin: Origin | None = None, *, has_registry: bool = False) -> Event | Failure:
    """Make an event of a record, by the table above.

    Args:
        record: what was read.
        origin: where it was read at first; default: where it is.
        has_registry: whether a registry's wire format can be read.
    """
    headers = dict(record.headers() or ())
    content_type = headers.get(_CONTENT_TYPE) or headers.get(_CONTENT_TYPE_TOO)
    try:
        told = None if content_type is None else content_type.decode()
    except UnicodeDecodeError:
        return _undecodable("the header content-type is not UTF-8")
    if told is not None and told.startswith(_CLOUD_EVENTS):
        return _structured(record, told)
    if "ce_specversion" in headers:
        return _binary(record, headers, told, has_registry=has_registry)
    return _bare(record, origin, told, has_registry=has_registry)


def _binary(
    record: Record, headers: dict[str, bytes | None], content_type: str | None, *, has_registry: bool
) -> Event | Failure:
    version = headers["ce_specversion"]
    if version != _VERSION and not (version or b"").startswith(b"1."):
        return _undecodable(f"CloudEvents {(version or b'').decode('utf-8', 'replace')} are not supported")
    if not (headers.get("ce_id") and headers.get("ce_source") and headers.get("ce_type")):
        return _missing([name for name in REQUIRED if not headers.get(f"ce_{name}")])
    value = record.value()
    framed = has_registry and _is_framed(value)
    return Event(record, "Binary", None, value, content_type, is_framed=framed, raw=headers)


def _structured(record: Record, content_type: str) -> Event | Failure:
    if content_type.partition(";")[0].strip() != "application/cloudevents+json":
        return _undecodable(f"records of {content_type.partition(';')[0]} are not supported, only of +json")
    try:
        document = orjson.loads(record.value() or b"")
    except orjson.JSONDecodeError as error:
        return _undecodable(f"the CloudEvent is not JSON: {error.msg} at byte {error.pos}")
    if not isinstance(document, dict):
        return _undecodable("the CloudEvent is no JSON object")
    data, encoded = document.pop("data", None), document.pop("data_base64", None)
    attributes = {name: _attribute_text(value) for name, value in document.items() if value is not None}
    return _attributes_fault(attributes) or _structured_event(record, attributes, data, encoded)


def _structured_event(record: Record, attributes: dict[str, str], data: Any, encoded: Any) -> Event | Failure:
    content_type = attributes.get("datacontenttype")
    if encoded is None:
        event = Event(record, "Structured", attributes, None, content_type)
        event.set_data(data)
        return event
    try:
        body = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return _undecodable("data_base64 of the CloudEvent is not base64")
    return Event(record, "Structured", attributes, body, content_type or "application/octet-stream")


def _bare(record: Record, origin: Origin | None, content_type: str | None, *, has_registry: bool) -> Event | Failure:
    value = record.value()
    if has_registry and _is_framed(value):
        return Event(record, "Plain", _plain_attributes(origin or origin_of(record)), value, None, is_framed=True)
    if value is None or (content_type is not None and not is_json(content_type)):
        return Event(record, "Plain", _plain_attributes(origin or origin_of(record)), value, content_type)
    try:
        found = _ENVELOPE.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _other_json(record, origin, value, error)
    attributes = _envelope_attributes(found, (origin.place[0] if origin else record.topic()) or "")
    return Event(record, "Envelope", attributes, bytes(found.data), attributes["datacontenttype"])


def _other_json(record: Record, origin: Origin | None, value: bytes, envelope_fault: Exception) -> Event | Failure:
    """Tell a broken envelope from JSON that is none, and from what is no JSON."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        if _is_framed(value):
            return _undecodable(
                "the value is in a schema registry's wire format, and the topic's bus names no registry"
            )
        return _undecodable(f"neither a CloudEvent nor JSON: {error.msg} at byte {error.pos}")
    if isinstance(document, dict) and "event_type" in document and "event_id" in document:
        return _undecodable(f"the envelope is broken: {envelope_fault}")
    event = Event(record, "Plain", _plain_attributes(origin or origin_of(record)), value, JSON)
    event.set_data(document)
    return event


def _envelope_attributes(envelope: Envelope, topic: str) -> dict[str, str]:
    attributes = {
        "specversion": "1.0",
        "id": envelope.event_id,
        "source": envelope.source or f"/topics/{topic}",
        "type": envelope.event_type,
        "datacontenttype": JSON,
        **_beside(envelope),
    }
    if envelope.timestamp is not None:
        attributes["time"] = _with_zone(envelope.timestamp)
    if envelope.event_version is not None:
        attributes["eventversion"] = str(envelope.event_version)
    if envelope.correlation_id is not None:
        attributes["correlationid"] = envelope.correlation_id
    if envelope.trace_id is not None:
        attributes["traceid"] = envelope.trace_id
    return attributes


def _beside(envelope: Envelope) -> dict[str, str]:
    """Return what is beside the service's eight keys, as far as it can be what we write there."""
    extensions = envelope.extensions if isinstance(envelope.extensions, dict) else {}
    found = {name: value for name, value in extensions.items() if isinstance(value, str) and name not in _OF_ENVELOPE}
    if isinstance(envelope.datacontenttype, str) and is_json(envelope.datacontenttype):
        found["datacontenttype"] = envelope.datacontenttype
    known = {"subject": envelope.subject, "dataschema": envelope.dataschema}
    return found | {name: value for name, value in known.items() if isinstance(value, str)}


def _with_zone(timestamp: str) -> str:
    """Name the zone: the service writes Python's naive UTC."""
    tail = timestamp[10:]
    return timestamp if not tail or tail[-1] in "zZ" or "+" in tail or "-" in tail else f"{timestamp}Z"


def _plain_attributes(origin: Origin) -> dict[str, str]:
    topic, partition = origin.place
    return {
        "specversion": "1.0",
        "id": f"{topic}/{partition}/{origin.offset}",
        "source": f"/topics/{topic}",
        "type": PLAIN_TYPE,
    }


def _attributes_fault(attributes: dict[str, str]) -> Failure | None:
    if not attributes.get("specversion", "").startswith("1."):
        return _undecodable(f"CloudEvents {attributes.get('specversion') or 'without specversion'} are not supported")
    missing = [name for name in REQUIRED if not attributes.get(name)]
    return _missing(missing) if missing else None


def _missing(names: list[str]) -> Failure:
    return _undecodable(f"the CloudEvent has no {' and no '.join(names)}")


def _attribute_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_framed(value: bytes | None) -> bool:
    return value is not None and value[:1] == _MAGIC and len(value) >= _HEAD


def _undecodable(message: str) -> Failure:
    return Failure("Undecodable", message)
