"""PROTOBUF: data to bytes and back by messages that are made from the schema's text, in a pool of their own."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message

from eventplane.events.protobuf_file import PROVIDED, file_descriptor
from eventplane.events.validation import DataError, SchemaText, SchemaTextError

_MAIN: Final = "__main__.proto"
_LEAVES: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})


class ProtobufSchema:
    """A file of messages."""

    def __init__(self, schema: SchemaText) -> None:
        pool = descriptor_pool.DescriptorPool()
        files: dict[str, Any] = {}
        for name, each in {**schema.imported(), _MAIN: schema}.items():
            files[name] = file_descriptor(name, each.text, [*files.values(), *PROVIDED.values()])
        try:
            for described in {**PROVIDED, **files}.values():
                pool.Add(described)
            self._file = pool.FindFileByName(_MAIN)
            self._messages = [self._file.message_types_by_name[each.name] for each in files[_MAIN].message_type]
        except (TypeError, KeyError) as error:
            raise SchemaTextError(f"not a PROTOBUF schema: {' '.join(str(error).split())}") from error
        if not self._messages:
            raise SchemaTextError("not a PROTOBUF schema: it defines no message")

    def codec(self, index: tuple[int, ...] = (0,)) -> "ProtobufCodec":
        """Return one message's codec; `index` leads to it: its place in the file, in that message, and so on.

        Raises:
            DataError: there is none at that place.
        """
        try:
            found = self._messages[index[0]]
            for step in index[1:]:
                found = found.nested_types[step]
        except IndexError as error:
            raise DataError(f"the schema has no message at index {list(index)}") from error
        return ProtobufCodec(found)

    def index_of(self, message: str) -> tuple[int, ...]:
        """Tell where a message is, by its name or full name; raises DataError."""
        for at, each in enumerate(self._messages):
            if message in (each.name, each.full_name):
                return (at,)
        raise DataError(f"the schema has no message {message}: {', '.join(each.name for each in self._messages)}")


class ProtobufCodec:
    """A message at work; data have the names of the schema, enums are text, 64-bit numbers stay numbers."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._class = message_factory.GetMessageClass(descriptor)

    def encode(self, data: Any) -> bytes:
        """See Codec."""
        try:
            return bytes(self._message(data).SerializeToString(deterministic=True))
        except EncodeError as error:
            raise DataError(f"data do not fit the message: {error}") from error

    def decode(self, payload: bytes) -> Any:
        """See Codec."""
        try:
            message = self._class.FromString(payload)
        except DecodeError as error:
            raise DataError(f"the bytes are not of the PROTOBUF message: {error}") from error
        return _read(message)

    def problem(self, data: Any) -> str | None:
        """See Codec."""
        try:
            self._message(data)
        except DataError as error:
            return str(error)
        return None

    def _message(self, data: Any) -> Message:
        if not isinstance(data, Mapping):
            raise DataError(f"data must be a map, not {type(data).__name__}")
        try:
            return json_format.ParseDict(_written(data), self._class())
        except (json_format.ParseError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"data do not fit the message: {' '.join(str(error).split())}") from error


def _written(value: Any) -> Any:
    """Turn what protobuf's JSON has no type for into its text."""
    match value:
        case Mapping():
            return {key: _written(each) for key, each in value.items()}
        case list() | tuple():
            return [_written(each) for each in value]
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return _span(value)
        case _:
            return value


def _span(span: timedelta) -> str:
    sign, size = ("-", -span) if span < timedelta() else ("", span)
    return f"{sign}{size // timedelta(seconds=1)}.{size.microseconds:06d}s"


def _read(message: Any) -> Any:
    """Return a message as plain values: fields without presence always, the others where they are set."""
    if message.DESCRIPTOR.full_name in _LEAVES:
        return _moment(message)
    data: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if _is_map(field):
            of = field.message_type.fields_by_name["value"]
            data[field.name] = {key: _read_one(of, value[key]) for key in sorted(value)}
        elif field.is_repeated:
            data[field.name] = [_read_one(field, each) for each in value]
        else:
            data[field.name] = _read_one(field, value)
    return data


def _read_one(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _read(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return value


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _moment(message: Any) -> Any:
    if message.DESCRIPTOR.name == "Timestamp":
        return message.ToDatetime(tzinfo=UTC)
    return message.ToTimedelta()
