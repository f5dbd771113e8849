"""Why AVRO data written with one schema cannot be read with another: schema resolution as Avro 1.12 decides it.

The verdicts are those of Java's SchemaCompatibility, which registries ask: types are resolved as the specification
says, but named types match by their unqualified name or by an alias.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from eventplane.planning.compatibility.finding import Direction, Finding
from eventplane.planning.definitions.avro_types import AvroField, AvroType
from eventplane.planning.definitions.fault import MAX_NESTING

_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "long": frozenset({"int"}),
    "float": frozenset({"int", "long"}),
    "double": frozenset({"int", "long", "float"}),
    "bytes": frozenset({"string"}),
    "string": frozenset({"bytes"}),
}
"""By the reader's type, the writer's types that are read as it."""

_MOST_PAIRS: Final = 100_000
"""Pairs of types compared before a comparison is given up: no schema made by people has so many."""

_Findings = tuple[Finding, ...]


class TooManyTypesError(Exception):
    """The comparison was given up: the registry must decide alone."""


def avro_findings(reader: AvroType, writer: AvroType, direction: Direction) -> _Findings:
    """Say what of the writer's data the reader cannot read.

    | reader        | writer          | read if                                                               |
    |---------------|-----------------|-----------------------------------------------------------------------|
    | any           | union           | each of the union's types can be read                                 |
    | union         | other           | one of the union's types reads it                                     |
    | record        | record          | names match, fields of both can be read, others have defaults         |
    | enum          | enum            | names match, symbols are known or there is a default symbol           |
    | fixed         | fixed           | names match, sizes are equal                                          |
    | array, map    | the same        | what they hold can be read                                            |
    | primitive     | the same, or one promoted to it | always                                                |

    Raises:
        TooManyTypesError: the schemas are too large to be compared.
    """
    return _Comparison(direction).compare(reader, writer, "", 0)


@dataclass(slots=True)
class _Comparison:
    direction: Direction
    known: dict[tuple[AvroType, AvroType], _Findings] = field(default_factory=dict)
    """What was found already; nothing for a pair that is being compared: recursion holds unless disproved."""

    def compare(self, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        pair = (reader, writer)
        if pair not in self.known:
            if len(self.known) > _MOST_PAIRS or depth > MAX_NESTING:
                raise TooManyTypesError
            self.known[pair] = ()
            self.known[pair] = self._resolve(reader, writer, path, depth + 1)
        return self.known[pair]

    def _resolve(self, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        if writer.kind == "union":
            return self._from_union(reader, writer, path, depth)
        if reader.kind == "union":
            return self._into_union(reader, writer, path, depth)
        if reader.kind == writer.kind:
            return self._same_kind(reader, writer, path, depth)
        return () if writer.kind in _PROMOTIONS.get(reader.kind, ()) else (self._type_changed(reader, writer, path),)

    def _from_union(self, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        found = (self.compare(reader, branch, path, depth) for branch in writer.branches)
        return _once(chain.from_iterable(found))

    def _into_union(self, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        likeliest: _Findings = ()
        for branch in reader.branches:
            found = self.compare(branch, writer, path, depth)
            if not found:
                return ()
            if branch.kind == writer.kind and (not branch.name or _names_match(branch, writer)):
                likeliest = found
        return likeliest or (self._type_changed(reader, writer, path),)

    def _same_kind(self, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        if reader.item is not None and writer.item is not None:
            suffix = "[]" if reader.kind == "array" else "{}"
            return self.compare(reader.item, writer.item, path + suffix, depth)
        renamed = () if not reader.name or _names_match(reader, writer) else (self._renamed(reader, writer, path),)
        match reader.kind:
            case "record":
                return (*renamed, *self._fields(reader, writer, path, depth))
            case "enum":
                return (*renamed, *self._symbols(reader, writer, path))
            case "fixed" if reader.size != writer.size:
                return (*renamed, self._resized(reader, writer, path))
            case _:
                return renamed

    def _fields(self, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        return _once(
            found for each in reader.fields.values() for found in self._field(each, reader, writer, path, depth)
        )

    def _field(self, wanted: AvroField, reader: AvroType, writer: AvroType, path: str, depth: int) -> _Findings:
        where = f"{path}.{wanted.name}" if path else wanted.name
        names = (wanted.name, *dict.fromkeys(wanted.aliases))
        written = [writer.fields[name] for name in names if name in writer.fields]
        if len(written) > 1:
            return (_ambiguous(wanted, written, writer, where),)
        if written:
            return self.compare(wanted.type, written[0].type, where, depth)
        return () if wanted.has_default else (self._missing(wanted, reader, where),)

    def _symbols(self, reader: AvroType, writer: AvroType, path: str) -> _Findings:
        unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if not unknown or reader.default is not None:
            return ()
        symbols, enum = " and ".join(f"`{each}`" for each in unknown[:5]), reader.label
        if self.direction == "Backward":
            problem = f"enum `{enum}` no longer has {symbols}"
            remedy = f"Keep {symbols}, or give the enum a `default` symbol that stands for what it does not know"
            return (Finding(path, "EnumSymbolRemoved", problem, remedy),)
        problem = f"enum `{enum}` has gained {symbols}, and the enum they know has no `default` symbol"
        remedy = f"Register a version that gives `{enum}` a `default` symbol and move the consumers to it first"
        return (Finding(path, "EnumSymbolAdded", problem, remedy),)

    def _missing(self, wanted: AvroField, record: AvroType, path: str) -> Finding:
        name, of = f"`{wanted.name}`", f"`{record.label}`"
        if self.direction == "Backward":
            problem = f"field {name} of {of} was added without a default"
            remedy = f"Give {name} a default, or make it nullable: {_nullable(wanted)}"
            return Finding(path, "FieldAddedWithoutDefault", problem, remedy)
        problem = f"field {name} of {of} was removed, and the definition they know has no default for it"
        remedy = f"Keep {name}, or register a version that gives it a default and move the consumers to it first"
        return Finding(path, "FieldRemovedWithoutDefault", problem, remedy)

    def _type_changed(self, reader: AvroType, writer: AvroType, path: str) -> Finding:
        old, new = (writer, reader) if self.direction == "Backward" else (reader, writer)
        problem = f"{_place(path)} was `{_type(old)}` and is now `{_type(new)}`"
        if "union" in (old.kind, new.kind):
            remedy = (
                f"Keep `{writer.label}` among its types"
                if self.direction == "Backward"
                else f"Take `{writer.label}` away again, or carry it in another field that has a default"
            )
            return Finding(path, "UnionBranchMissing", problem, remedy)
        remedy = "Keep the type, or add another field with the new type and a default"
        return Finding(path, "TypeChanged", problem, remedy)

    def _renamed(self, reader: AvroType, writer: AvroType, path: str) -> Finding:
        old, new = (writer, reader) if self.direction == "Backward" else (reader, writer)
        problem = f"{old.kind} `{old.label}` is now called `{new.label}`"
        if self.direction == "Backward":
            remedy = f"Keep the name, or give `{new.label}` the alias `{old.label}`"
        else:
            remedy = f"Keep the name: an alias of `{new.label}` does not help those who do not have it"
        return Finding(path, "NameChanged", problem, remedy)

    def _resized(self, reader: AvroType, writer: AvroType, path: str) -> Finding:
        old, new = (writer, reader) if self.direction == "Backward" else (reader, writer)
        problem = f"fixed `{new.label}` had {old.size} bytes and now has {new.size}"
        return Finding(path, "FixedSizeChanged", problem, "Keep the size, or add another field with another fixed")


def _ambiguous(wanted: AvroField, written: Iterable[AvroField], writer: AvroType, path: str) -> Finding:
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(each.name for each in written))
    problem = f"field `{wanted.name}` stands, by its name and aliases, for {names} of `{writer.label}` more than once"
    return Finding(path, "AliasAmbiguous", problem, "Keep one name for it: take the alias away")


def _names_match(reader: AvroType, writer: AvroType) -> bool:
    return reader.simple_name == writer.simple_name or writer.name in reader.aliases


def _nullable(wanted: AvroField) -> str:
    labels = [branch.label for branch in wanted.type.branches] or [wanted.type.label]
    types = ", ".join(f'"{label}"' for label in ["null", *(each for each in labels if each != "null")])
    return f'"type": [{types}], "default": null'


def _type(type_: AvroType) -> str:
    return " | ".join(branch.label for branch in type_.branches) if type_.kind == "union" else type_.label


def _place(path: str) -> str:
    return f"field `{path}`" if path else "the schema"


def _once(findings: Iterable[Finding]) -> _Findings:
    return tuple(dict.fromkeys(findings))
