"""Events to bytes and back, in Confluent's wire format, read in the major version that the reader was written for.

Own codecs over Confluent's registry client rather than Confluent's serializers: those drop fields that the schema does
not have, need generated classes for PROTOBUF and do not name the place of a wrong value.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka.serialization import Deserializer, MessageField, SerializationContext, Serializer

from eventplane.client.errors import DeserializationError, SerializationError
from eventplane.client.framing import frame, frame_index, unframe, unframe_index
from eventplane.client.registry import AbsentError, RegisteredText, SchemaReader
from eventplane.events.migrations import MigrationError, MigrationPath, compile_steps
from eventplane.events.protobuf import ProtobufSchema
from eventplane.events.validation import Codec, DataError, SchemaText, SchemaTextError, codec_for

_TTL_SECONDS: Final = 60.0
_ATTRIBUTE: Final = "ce_"  # how CloudEvents names its attributes in Kafka's headers


class _Codecs:
    """Compiled schemas, each once."""

    def __init__(self) -> None:
        self._plain: dict[SchemaText, Codec] = {}
        self._files: dict[SchemaText, ProtobufSchema] = {}

    def of(self, schema: SchemaText) -> Codec:
        if schema not in self._plain:
            self._plain[schema] = codec_for(schema)
        return self._plain[schema]

    def file(self, schema: SchemaText) -> ProtobufSchema:
        if schema not in self._files:
            self._files[schema] = ProtobufSchema(schema)
        return self._files[schema]


class EventSerializer(Serializer):
    """Writes data by a version of the topic's subject that is registered; it never registers one.

    Args:
        registry_conf: configuration of Confluent's SchemaRegistryClient: `url`, `basic.auth.user.info`, `ssl.*`.
        major: write by the newest version of this major version; default: by the newest of all.
        version: write by this version.
        subject: default: `<topic>-value`, or `<topic>-key`.
        message: for PROTOBUF, which message of the file; default: the first.
        ttl_seconds: for how long the newest version is believed to be it.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        registry_conf: Mapping[str, Any],
        *,
        major: int | None = None,
        version: int | None = None,
        subject: str | None = None,
        message: str | None = None,
        ttl_seconds: float = _TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if major is not None and version is not None:
            raise ValueError("major and version name the schema to write by: give one of them")
        self._reader = SchemaReader(registry_conf, ttl_seconds, clock)
        self._major = major
        self._version = version
        self._subject = subject
        self._message = message
        self._writers: dict[int, tuple[bytes, Codec]] = {}

    def __call__(self, obj: Any, ctx: SerializationContext | None = None) -> bytes | None:
        """Return data as bytes; None, a tombstone, stays None.

        Raises:
            SerializationError: the data do not fit, or there is no such schema.
            RegistryUnavailableError: no answer.
        """
        if obj is None:
            return None
        subject = _subject(self._subject, ctx, SerializationError)
        try:
            registered = self._registered(subject)
            head, codec = self._writer(registered)
            return head + codec.encode(obj)
        except AbsentError as error:
            raise SerializationError(f"there is no schema to write by: {error}; register one first") from error
        except (DataError, SchemaTextError) as error:
            raise SerializationError(f"subject {subject}: {error}") from error

    def close(self) -> None:
        """Close the connections to the registry."""
        self._reader.close()

    def _registered(self, subject: str) -> RegisteredText:
        if self._version is not None:
            return self._reader.version(subject, self._version)
        return self._reader.latest(subject, self._major)

    def _writer(self, registered: RegisteredText) -> tuple[bytes, Codec]:
        if registered.schema_id not in self._writers:
            self._writers[registered.schema_id] = writer_of(registered, self._message)
        return self._writers[registered.schema_id]


def writer_of(registered: RegisteredText, message: str | None = None) -> tuple[bytes, Codec]:
    """Return what stands before all data that a registered schema writes, and what writes them.

    Args:
        registered: the schema.
        message: for PROTOBUF, which message of the file; default: the first.

    Raises:
        SchemaTextError: it is none.
        DataError: there is no such message.
    """
    head = frame(registered.schema_id, b"")
    if registered.schema.type != "PROTOBUF":
        return head, codec_for(registered.schema)
    file = ProtobufSchema(registered.schema)
    index = (0,) if message is None else file.index_of(message)
    return head + frame_index(index), file.codec(index)


class EventDeserializer(Deserializer):
    """Reads data that any version of the topic's subject wrote, as those of one major version.

    Args:
        registry_conf: configuration of Confluent's SchemaRegistryClient.
        major: the major version that the application was written for; None: events stay as they were written.
        subject: default: `<topic>-value`, or `<topic>-key`.
        ttl_seconds: for how long it is believed what the newest version of a major version is.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        registry_conf: Mapping[str, Any],
        *,
        major: int | None = 1,
        subject: str | None = None,
        ttl_seconds: float = _TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = SchemaReader(registry_conf, ttl_seconds, clock)
        self._major = major
        self._subject = subject
        self._codecs = _Codecs()
        self._paths: dict[object, MigrationPath] = {}

    def __call__(self, value: bytes | None, ctx: SerializationContext | None = None) -> Any:
        """Return the data, as the major version asked for has them; None, a tombstone, stays None.

        Raises:
            DeserializationError: the bytes are no event of the subject, or cannot be migrated.
            UnknownMajorError: the record of major versions cannot be read.
            RegistryUnavailableError: no answer.
        """
        if value is None:
            return None
        subject = _subject(self._subject, ctx, DeserializationError)
        schema_id, body = unframe(value)
        try:
            schema = self._reader.by_id(schema_id)
            if self._major is None:
                return self._decoded(schema, body)[1]
            major = self._reader.major_of_id(subject, schema_id)
            index, data = self._decoded(schema, body)
            if major == self._major:
                return data
            return self._migrated(subject, {**_attributes(ctx), "data": data}, major, self._major, index)
        except AbsentError as error:
            raise DeserializationError(f"schema {schema_id}: {error}") from error
        except (DataError, SchemaTextError, MigrationError) as error:
            raise DeserializationError(f"subject {subject}, schema {schema_id}: {error}") from error

    def close(self) -> None:
        """Close the connections to the registry."""
        self._reader.close()

    def _decoded(self, schema: SchemaText, body: bytes) -> tuple[tuple[int, ...], Any]:
        if schema.type != "PROTOBUF":
            return (0,), self._codecs.of(schema).decode(body)
        index, body = unframe_index(body)
        return index, self._codecs.file(schema).codec(index).decode(body)

    def _migrated(self, subject: str, event: Mapping[str, Any], major: int, wanted: int, index: tuple[int, ...]) -> Any:
        """Migrate, and return the data as somebody would read them who had written them by the other major version."""
        steps = self._reader.majors(subject).record.steps
        if steps not in self._paths:
            self._paths[steps] = compile_steps(steps)
        data = self._paths[steps].migrate(event, major, wanted)
        schema = self._reader.latest(subject, wanted).schema
        codec = self._codecs.file(schema).codec(index) if schema.type == "PROTOBUF" else self._codecs.of(schema)
        try:
            return codec.decode(codec.encode(data))
        except DataError as error:
            raise MigrationError(f"migrated from major version {major} to {wanted}: {error}") from error


def _subject(
    given: str | None, ctx: SerializationContext | None, error: type[SerializationError | DeserializationError]
) -> str:
    if given is not None:
        return given
    if ctx is None or ctx.topic is None:
        raise error("which subject is meant? Give subject=, or a SerializationContext with the topic")
    return f"{ctx.topic}-{'key' if ctx.field == MessageField.KEY else 'value'}"


def _attributes(ctx: SerializationContext | None) -> dict[str, str]:
    """Return the CloudEvents attributes among the headers: an expression reads them as `event.type`."""
    headers = (ctx.headers if ctx is not None else None) or ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found = {}
    for name, value in pairs:
        if name.startswith(_ATTRIBUTE) and value is not None:
            found[name.removeprefix(_ATTRIBUTE)] = (
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            )
    return found
