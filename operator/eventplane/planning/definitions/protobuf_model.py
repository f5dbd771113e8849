"""What a PROTOBUF file defines.

It knows nothing of the parser, which takes 13 MiB and 0.2 s and is loaded when there is something to parse.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SCALARS: Final = frozenset(
    {
        *("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes"),
    }
)
MOST_NUMBER: Final = 2**29 - 1
"""The greatest number of a field."""


@dataclass(frozen=True, slots=True)
class ProtoField:
    """A field of a message."""

    name: str
    number: int
    type: str
    """A scalar; the full name of a message or enum, with a dot before it where the file itself defines it, else as it
    is written; or map<key, value>."""
    label: str = ""
    """required, optional, repeated, or nothing."""
    oneof: str | None = None


@dataclass(frozen=True, slots=True)
class ProtoMessage:
    """A message; nested ones stand beside it under their path."""

    fields: tuple[ProtoField, ...] = ()
    reserved_numbers: tuple[range, ...] = ()
    reserved_names: frozenset[str] = frozenset()

    def reserves(self, number: int) -> bool:
        """Tell whether the number must not be used."""
        return any(number in each for each in self.reserved_numbers)


@dataclass(frozen=True, slots=True)
class ProtoFile:
    """What a definition defines, by path within its package."""

    package: str = ""
    syntax: str = "proto2"
    messages: Mapping[str, ProtoMessage] = field(default_factory=dict)
    enums: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    """Constants and their numbers."""
    defined: tuple[str, ...] = ()
    """Paths of messages and enums as often as they are defined."""
    methods: Mapping[str, str] = field(default_factory=dict)
    """Signatures by Service.Method."""
