"""Events to CloudEvents and to the messaging service's envelope, and back, without loss; read as the runtime reads.

| form | value of the record | attributes |
|---|---|---|
| Binary | the data | headers `ce_...`, `content-type` |
| Structured | one JSON document, CloudEvents' JSON format | in the document |
| Envelope | the messaging service's JSON document, and beside its eight keys the rest | in the document |

Times are kept to the microsecond. The envelope holds JSON only.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import orjson
from pydantic import BaseModel

from eventplane.client.errors import InvalidEventError
from eventplane.client.event import OF_FIELDS, Event, Received
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import JSON, UndecodableError, is_json
from eventplane.events.event import Event as ReadEvent
from eventplane.events.outgoing import STRUCTURED
from eventplane.events.record import Header, PlainRecord, Record

WrittenForm: TypeAlias = Literal["Binary", "Structured", "Envelope"]
"""How events are written: CloudEvents' two content modes, or the messaging service's envelope."""
_UTC_TAIL: Final = "+00:00"
_VERSION: Final[Header] = ("ce_specversion", b"1.0")
_HEADERS: Final = tuple((f"ce_{name}", of) for name, of in OF_FIELDS.items() if of != "content_type")
_NO_FIELD: Final = frozenset({"specversion", "time"})
_ABSENT: Final[Mapping[str, Any]] = {**dict.fromkeys(OF_FIELDS.values()), "event_version": "", "content_type": ""}
_BESIDE: Final = ("subject", "dataschema")
"""Attributes that the envelope has beside its eight keys."""


def to_cloudevent(event: Event[Any]) -> dict[str, Any]:
    """Return an event as a document of CloudEvents' JSON format 1.0.2.

    Raises:
        InvalidEventError: data that are no JSON.
    """
    document: dict[str, Any] = attributes_of(event)
    if isinstance(event.data, bytes):
        document["data_base64"] = base64.b64encode(event.data).decode()
    elif event.data is not None:
        document["data"] = orjson.loads(_json(event)) if is_json(event.content_type) else event.data
    return document


def from_cloudevent(document: Mapping[str, Any] | bytes, of: type[Event[Any]] = Event) -> Event[Any]:
    """Read a document of CloudEvents' JSON format, as bytes or as it was decoded.

    Raises:
        InvalidEventError: it is none, or its data do not fit the type `of`.
    """
    header = ("content-type", STRUCTURED.encode())
    return read_document(PlainRecord(("", 0), 0, _bytes(document), None, (header,)), of)


def to_envelope(event: Event[Any]) -> dict[str, Any]:
    """Return an event as the messaging service writes it.

    Raises:
        InvalidEventError: data that are no JSON.
    """
    if not is_json(event.content_type):
        raise InvalidEventError(f"the envelope holds JSON only, not {event.content_type}: write CloudEvents")
    document = {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "event_version": event.event_version,
        "source": event.source,
        "timestamp": event.timestamp.isoformat(),
        "correlation_id": event.correlation_id,
        "trace_id": event.trace_id,
        "data": orjson.loads(_json(event)),
    }
    attributes = attributes_of(event)
    document |= {name: attributes[name] for name in _BESIDE if name in attributes}
    if event.content_type != JSON:
        document["datacontenttype"] = event.content_type
    if event.extensions:
        document["extensions"] = dict(event.extensions)
    return document


def from_envelope(document: Mapping[str, Any] | bytes, of: type[Event[Any]] = Event) -> Event[Any]:
    """Read what the messaging service has written, as bytes or as it was decoded.

    Raises:
        InvalidEventError: it is no envelope, or its data do not fit the type `of`.
    """
    record = PlainRecord(("", 0), 0, _bytes(document))
    read = decode_record(record)
    if isinstance(read, ReadEvent) and read.form != "Envelope":
        raise InvalidEventError("an envelope has event_id and event_type")
    return read_document(record, of)


def to_record(event: Event[Any], form: WrittenForm) -> tuple[bytes | None, list[Header]]:
    """Return value and headers of the record that holds an event.

    Raises:
        InvalidEventError: data that are no JSON, or that the form cannot hold.
    """
    try:
        if form == "Structured":
            return orjson.dumps(to_cloudevent(event)), [("content-type", STRUCTURED.encode())]
        if form == "Envelope":
            return orjson.dumps(to_envelope(event)), []
        return body_of(event), headers_of(event)
    except (UnicodeEncodeError, orjson.JSONEncodeError) as error:
        raise InvalidEventError(f"an attribute of the event cannot be written: {error}") from error


def headers_of(event: Event[Any], content_type: str | None = None) -> list[Header]:
    """Return the headers of CloudEvents' binary mode; content_type: of the value, where it is not the data's."""
    headers: list[Header] = [_VERSION]
    for name, of in _HEADERS:
        value = getattr(event, of)
        if value is not None and (value or of != "event_version"):
            headers.append((name, value.encode()))
    headers.append(("ce_time", _time(event).encode()))
    headers += [(f"ce_{name}", value.encode()) for name, value in event.extensions.items()]
    headers.append(("content-type", (content_type or event.content_type).encode()))
    return headers


def body_of(event: Event[Any]) -> bytes | None:
    """Return the data as bytes; no data of a type that is no JSON are none.

    Raises:
        InvalidEventError: they are no JSON.
    """
    if is_json(event.content_type):
        return _json(event)
    data: str | bytes | None = event.data
    return data.encode() if isinstance(data, str) else data


def attributes_of(event: Event[Any]) -> dict[str, str]:
    """Return CloudEvents' attributes of an event."""
    fields = {name: getattr(event, of) for name, of in OF_FIELDS.items()}
    found = {name: value for name, value in fields.items() if value is not None and (value or name != "eventversion")}
    return {"specversion": "1.0", **found, "time": _time(event), **event.extensions}


def event_to_handle(read: ReadEvent, new_data: bytes | None, of: type[Event[Any]]) -> Event[Any] | Failure:
    """Make the event that a function is called with, or say why there is none, whatever the bytes do.

    Args:
        read: as it was read.
        new_data: JSON in place of its data; None: they stay.
        of: the class of events that the function wants.
    """
    try:
        return event_of(read, of, new_data)
    except (InvalidEventError, UndecodableError) as error:
        return Failure("Undecodable", str(error))
    except Exception as error:  # noqa: BLE001 - the partition moves on
        return Failure("Undecodable", f"{type(error).__name__}: {error}")


def event_of(read: ReadEvent, of: type[Event[Any]] = Event, new_data: bytes | None = None) -> Event[Any]:
    """Make an application's event of one that was read; its data are replaced where new ones are given, JSON.

    Raises:
        InvalidEventError: its data do not fit, or its time is none.
        UndecodableError: attributes or data are not what they are said to be.
    """
    fields, extensions = dict(_ABSENT), {}
    for name, text in read.attributes.items():
        field = OF_FIELDS.get(name)
        if field is not None:
            fields[field] = text
        elif name not in _NO_FIELD:
            extensions[name] = text
    if read.is_framed or new_data is not None:
        fields["content_type"] = ""  # what the data are now, not what the bytes were
    fields["timestamp"] = _moment(read.attributes.get("time"), read.record)
    data = read.data() if new_data is None else orjson.loads(new_data)
    return of.of_fields({**fields, "data": data, "extensions": extensions, "received": _received(read.record)})


def read_document(record: Record, of: type[Event[Any]] = Event) -> Event[Any]:
    """Make an event of a document, told as the record that it would be; it was read nowhere.

    Raises:
        InvalidEventError: it is no event, or its data do not fit the type `of`.
    """
    read = decode_record(record)
    if isinstance(read, Failure):
        raise InvalidEventError(read.message)
    try:
        event = event_of(read, of)
    except UndecodableError as error:
        raise InvalidEventError(str(error)) from error
    object.__setattr__(event, "received", None)  # a document was read nowhere
    return event


def _time(event: Event[Any]) -> str:
    return event.timestamp.isoformat().removesuffix(_UTC_TAIL) + "Z"


def _received(record: Record) -> Received:
    kind, timestamp_ms = record.timestamp()
    return Received(
        record.topic() or "",
        record.partition() or 0,
        record.offset() or 0,
        record.key(),
        timestamp_ms if kind else None,
        tuple(record.headers() or ()),
    )


def _moment(text: str | None, record: Record) -> datetime | None:
    if text is not None:
        try:
            return datetime.fromisoformat(text.upper())
        except ValueError as error:
            raise InvalidEventError("time: it is no time as RFC 3339 has it") from error
    kind, timestamp_ms = record.timestamp()
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC) if kind and timestamp_ms else None


def _json(event: Event[Any]) -> bytes:
    data = event.data
    try:
        if isinstance(data, BaseModel):
            return data.model_dump_json(by_alias=True).encode()
        return orjson.dumps(data)
    except (TypeError, ValueError) as error:
        raise InvalidEventError(f"data of {event.event_type} are no JSON: {error}") from error


def _bytes(document: Mapping[str, Any] | bytes) -> bytes:
    if isinstance(document, bytes):
        return document
    try:
        return orjson.dumps(dict(document))
    except TypeError as error:
        raise InvalidEventError(f"the document is no JSON: {error}") from error
