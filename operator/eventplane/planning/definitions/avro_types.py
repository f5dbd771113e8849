"""The types of AVRO as a tree in which a named type is one object, however often it is used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED: Final = frozenset({"record", "error", "enum", "fixed"})


@dataclass(frozen=True, slots=True)
class AvroField:
    """A field of a record."""

    name: str
    type: "AvroType"
    aliases: tuple[str, ...] = ()
    has_default: bool = False


@dataclass(eq=False, slots=True)
class AvroType:
    """One type; equal only to itself, so that recursive types can be compared and remembered."""

    kind: str
    """A primitive type, array, map, union, record, enum or fixed."""
    name: str = ""
    """Full name; empty for types without names."""
    aliases: frozenset[str] = frozenset()
    """Full names."""
    item: "AvroType | None" = None
    """What an array or a map holds."""
    branches: tuple["AvroType", ...] = ()
    """Of a union."""
    fields: Mapping[str, AvroField] = field(default_factory=dict)
    """Of a record, by name."""
    symbols: tuple[str, ...] = ()
    """Of an enum."""
    default: str | None = None
    """The symbol that stands for those an enum does not know."""
    size: int = 0
    """Bytes of a fixed."""
    complete: bool = True
    """False while a record's fields are being parsed: nothing can be a value of it yet."""
    height: int = 1
    """Levels of types within it, itself included; recursion counts once."""

    @property
    def label(self) -> str:
        """What a developer calls it."""
        return self.name or self.kind

    @property
    def simple_name(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(".")[2]
