"""What breaks between two JSON Schemas: certain where a document is no longer valid, probable where that is not known.

A reader reads what is valid by its own schema. Registries decide by keyword, not by sets of documents; what is found
here as certain is what they all refuse. Combined schemas (oneOf, anyOf, allOf, not, if) are compared by their text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from eventplane.planning.compatibility.finding import Direction, Finding
from eventplane.planning.compatibility.json_keywords import (
    array_findings,
    number_findings,
    object_findings,
    string_findings,
    type_findings,
    types_of,
    value_findings,
)
from eventplane.planning.definitions.fault import MAX_NESTING
from eventplane.planning.definitions.json_schema import JsonSchema
from eventplane.planning.definitions.json_text import to_canonical_json

_COMBINING: Final = (
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies", "patternProperties"),
    *("propertyNames", "prefixItems", "additionalItems", "contains", "unevaluatedProperties", "unevaluatedItems"),
)
"""Keywords whose meaning is not that of one part of the document."""

_MOST_PAIRS: Final = 20_000
"""Pairs of schemas compared before the rest is left to the registry."""


def json_findings(reader: JsonSchema, writer: JsonSchema, direction: Direction) -> tuple[Finding, ...]:
    """Say which documents that are valid for the writer are not for the reader."""
    comparison = _Comparison(reader, writer, direction)
    return tuple(dict.fromkeys(comparison.compare(_At(reader.root, reader.base), _At(writer.root, writer.base), "")))


@dataclass(frozen=True, slots=True)
class _At:
    """A schema within a document."""

    schema: Any
    base: str

    def inner(self, schema: Any) -> "_At":
        return _At(schema, self.base)


@dataclass(slots=True)
class _Comparison:
    reader: JsonSchema
    writer: JsonSchema
    direction: Direction
    seen: set[tuple[int, int]] = field(default_factory=set)

    def compare(self, reader: _At, writer: _At, path: str, depth: int = 0) -> Iterator[Finding]:
        read, written = _resolve(reader, self.reader), _resolve(writer, self.writer)
        if read is None or written is None or read.schema is True or read.schema == {}:
            return
        pair = (id(read.schema), id(written.schema))
        if pair in self.seen or len(self.seen) > _MOST_PAIRS or depth > MAX_NESTING:
            return
        self.seen.add(pair)
        if read.schema is False or written.schema is False:
            if written.schema is not False:
                yield self._forbidden(path)
            return
        yield from self._objects(read, written.inner({}) if written.schema is True else written, path, depth)

    def _objects(self, reader: _At, writer: _At, path: str, depth: int) -> Iterator[Finding]:
        read, written = reader.schema, writer.schema
        combined = [key for key in _COMBINING if key in read or key in written]
        for keyword in combined:
            if to_canonical_json(read.get(keyword)) != to_canonical_json(written.get(keyword)):
                yield self._recombined(keyword, path)
        certain = not combined
        for finding in self._keywords(read, written, path):
            yield finding if certain else _uncertain(finding)
        for finding in self._parts(reader, writer, path, depth):
            yield finding if certain else _uncertain(finding)

    def _keywords(self, read: Mapping[str, Any], written: Mapping[str, Any], path: str) -> Iterator[Finding]:
        yield from type_findings(read, written, path, self.direction)
        yield from value_findings(read, written, path, self.direction)
        kinds = types_of(read) & types_of(written)
        if "string" in kinds:
            yield from string_findings(read, written, path, self.direction)
        if "number" in kinds or "integer" in kinds:
            yield from number_findings(read, written, path, self.direction)
        if "array" in kinds:
            yield from array_findings(read, written, path, self.direction)
        if "object" in kinds:
            yield from object_findings(read, written, path, self.direction)

    def _parts(self, reader: _At, writer: _At, path: str, depth: int) -> Iterator[Finding]:
        kinds = types_of(reader.schema) & types_of(writer.schema)
        if "object" in kinds:
            yield from self._required(reader.schema, writer.schema, path)
            yield from self._properties(reader, writer, path, depth)
            yield from self._others(reader, writer, path, depth)
        if "array" in kinds and isinstance(reader.schema.get("items"), dict | bool):
            items = writer.schema.get("items", True)
            if isinstance(items, dict | bool):
                yield from self.compare(
                    reader.inner(reader.schema["items"]), writer.inner(items), f"{path}[]", depth + 1
                )

    def _required(self, read: Mapping[str, Any], written: Mapping[str, Any], path: str) -> Iterator[Finding]:
        for name in _names(read.get("required")):
            if name in _names(written.get("required")):
                continue
            declared = _mapping(read.get("properties")).get(name)
            certain = not (isinstance(declared, dict) and "default" in declared)
            if self.direction == "Backward":
                problem = f"property `{name}` is now required"
                remedy = f"Take `{name}` out of required, or write it in every event for a while before it is required"
                yield Finding(_join(path, name), "RequiredPropertyAdded", problem, remedy, certain)
            else:
                problem = f"property `{name}` is no longer required, and they require it"
                remedy = f"Keep `{name}` in required"
                yield Finding(_join(path, name), "RequiredPropertyRemoved", problem, remedy, certain)

    def _properties(self, reader: _At, writer: _At, path: str, depth: int) -> Iterator[Finding]:
        read, written = _mapping(reader.schema.get("properties")), _mapping(writer.schema.get("properties"))
        rest = writer.schema.get("additionalProperties", True)
        for name, schema in read.items():
            where = _join(path, name)
            if name in written:
                yield from self.compare(reader.inner(schema), writer.inner(written[name]), where, depth + 1)
            elif rest is True or rest == {}:
                if schema is not True and schema != {}:
                    yield self._into_open(name, where)
            else:
                found = self.compare(reader.inner(schema), writer.inner(rest), where, depth + 1)
                yield from map(_uncertain, found)
        yield from self._left_out(reader, writer, path, depth)

    def _left_out(self, reader: _At, writer: _At, path: str, depth: int) -> Iterator[Finding]:
        read, written = _mapping(reader.schema.get("properties")), _mapping(writer.schema.get("properties"))
        rest = reader.schema.get("additionalProperties", True)
        for name, schema in written.items():
            if name in read or schema is False:
                continue
            if rest is False:
                yield self._not_allowed(name, _join(path, name))
            else:
                found = self.compare(reader.inner(rest), writer.inner(schema), _join(path, name), depth + 1)
                yield from map(_uncertain, found)

    def _others(self, reader: _At, writer: _At, path: str, depth: int) -> Iterator[Finding]:
        rest, before = (each.schema.get("additionalProperties", True) for each in (reader, writer))
        if rest is False and before is not False:
            yield self._closed(path)
        elif rest is not False:
            yield from self.compare(reader.inner(rest), writer.inner(before), f"{path}{{}}", depth + 1)

    def _into_open(self, name: str, path: str) -> Finding:
        if self.direction == "Backward":
            problem = f"property `{name}` was added where properties of any kind were allowed before"
            remedy = (
                f"Events may hold a `{name}` of another kind already: close the object with additionalProperties false"
                " before properties are added, or leave the new one without a type"
            )
            return Finding(path, "PropertyAddedToOpenObject", problem, remedy)
        problem = f"property `{name}` was removed where properties of any kind are allowed"
        remedy = f"Keep `{name}`, or set additionalProperties to false so that nothing else takes its place"
        return Finding(path, "PropertyRemovedFromOpenObject", problem, remedy)

    def _not_allowed(self, name: str, path: str) -> Finding:
        if self.direction == "Backward":
            problem = f"property `{name}` was removed where additionalProperties is false"
            return Finding(path, "PropertyRemovedFromClosedObject", problem, f"Keep `{name}` as an optional property")
        problem = f"property `{name}` was added, and their additionalProperties is false"
        remedy = "Register a version that allows additionalProperties and move the consumers to it first"
        return Finding(path, "PropertyAddedToClosedObject", problem, remedy)

    def _closed(self, path: str) -> Finding:
        if self.direction == "Backward":
            problem = f"{_place(path)} no longer takes properties that it does not name"
            return Finding(path, "ObjectClosed", problem, "Leave additionalProperties as it was")
        problem = f"{_place(path)} now takes properties that it does not name, and theirs takes none"
        return Finding(path, "ObjectOpened", problem, "Leave additionalProperties false")

    def _forbidden(self, path: str) -> Finding:
        now = "no longer allows" if self.direction == "Backward" else "now allows"
        return Finding(path, "ValuesForbidden", f"{_place(path)} {now} any value", "Leave it as it was")

    def _recombined(self, keyword: str, path: str) -> Finding:
        problem = f"{keyword} of {_place(path)} has changed"
        remedy = "Add alternatives and keep those that are there"
        return Finding(path, "CombinationChanged", problem, remedy, certain=False)


def _resolve(at: _At, schema: JsonSchema) -> _At | None:
    """Follow $ref; None where it leads nowhere, or in circles, or stands beside other demands."""
    for _ in range(MAX_NESTING):
        if not isinstance(at.schema, dict) or not isinstance(at.schema.get("$ref"), str):
            return at if isinstance(at.schema, dict | bool) else None
        if at.schema.keys() - {"$ref", "$id", "$schema", "title", "description", "default", "$defs", "definitions"}:
            return None
        found = schema.find(at.schema["$ref"], at.base)
        if found is None:
            return None
        at = _At(*found)
    return None


def _uncertain(finding: Finding) -> Finding:
    return replace(finding, certain=False)


def _names(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _place(path: str) -> str:
    return f"`{path}`" if path else "the schema"
