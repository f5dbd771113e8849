"""Schemas as text, what they make of data, and what is wrong with data in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from eventplane.api.schema import SchemaType

Validator: TypeAlias = Callable[[Any], str | None]
"""Says what is wrong with data, with the place; None where nothing is."""


class SchemaTextError(ValueError):
    """A text that is no schema of its type, or that refers to something unknown."""


class DataError(ValueError):
    """Data that does not fit its schema, or bytes that are no data of it; the message names the place."""


@dataclass(frozen=True, slots=True)
class SchemaText:
    """A schema as text, with what it refers to."""

    type: SchemaType
    text: str
    references: tuple[tuple[str, "SchemaText"], ...] = ()
    """What it imports, by the name that it gives to each; those have references of their own."""

    def imported(self) -> dict[str, "SchemaText"]:
        """Return all that it needs by name, what others need first."""
        found: dict[str, SchemaText] = {}
        for name, reference in self.references:
            found |= {key: each for key, each in reference.imported().items() if key not in found}
            found.setdefault(name, reference)
        return found


class Codec(Protocol):
    """One schema at work; may be used by several threads."""

    def encode(self, data: Any) -> bytes:
        """Return data as bytes; raises DataError where it does not fit."""
        ...

    def decode(self, payload: bytes) -> Any:
        """Return what `encode` was given, as whoever reads it sees it; raises DataError."""
        ...

    def problem(self, data: Any) -> str | None:
        """Say what is wrong with data, with the place; None where nothing is."""
        ...


def codec_for(schema: SchemaText) -> Codec:
    """Compile a schema.

    Raises:
        SchemaTextError: it is none.
    """
    # here, since each brings a library that is slow to import
    if schema.type == "AVRO":
        from eventplane.events.avro import AvroCodec  # noqa: PLC0415

        return AvroCodec(schema)
    if schema.type == "JSON":
        from eventplane.events.json_schema import JsonCodec  # noqa: PLC0415

        return JsonCodec(schema)
    from eventplane.events.protobuf import ProtobufSchema  # noqa: PLC0415

    return ProtobufSchema(schema).codec()


def validator_for(
    type: SchemaType,  # noqa: A002 - the word of the registry's API
    text: str,
    references: tuple[tuple[str, SchemaText], ...] = (),
) -> Validator:
    """Return what says whether data fits a schema.

    Raises:
        SchemaTextError: it is none.
    """
    return codec_for(SchemaText(type, text, references)).problem
