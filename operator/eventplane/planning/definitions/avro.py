"""AVRO definitions: parsed by the rules of Avro 1.12, with what is wrong named by its path."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eventplane.planning.definitions.avro_default import default_fault
from eventplane.planning.definitions.avro_types import NAMED, PRIMITIVES, AvroField, AvroType
from eventplane.planning.definitions.fault import MAX_NESTING, DefinitionFault
from eventplane.planning.definitions.json_text import parse_json, to_canonical_json
from eventplane.planning.schema_state import Definition

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_avro(definition: Definition) -> AvroType:
    """Parse a definition and what it refers to.

    Raises:
        DefinitionFault: it is no schema of Avro 1.12.
    """
    return _Parser().parse(definition)


def avro_record_name(root: AvroType) -> str | None:
    """Return the full name of the top-level record, enum or fixed; None where the top is none of them."""
    return root.name or None


def canonical_avro(text: str) -> str:
    """Write a valid definition so that formatting, order of keys and the way names are qualified leave no trace.

    Other than the Parsing Canonical Form of the specification it keeps all that matters to readers: docs, defaults,
    aliases, logical types and attributes of its own.
    """
    return to_canonical_json(_canonical(parse_json(text), ""))


@dataclass(slots=True)
class _Parser:
    """One definition and its references, which share their names."""

    names: dict[str, AvroType] = field(default_factory=dict)
    loaded: set[int] = field(default_factory=set)
    """Definitions, by identity, whose names are known already."""

    def parse(self, definition: Definition, depth: int = 0) -> AvroType:
        if depth > MAX_NESTING:
            raise DefinitionFault(f"references lead further than {MAX_NESTING} definitions: shorten the chain")
        for reference in definition.references:
            imported = reference.definition
            if imported is not None and id(imported) not in self.loaded:
                self.loaded.add(id(imported))
                self._import(reference.name, imported, depth)
        return self._type(parse_json(definition.text), "", "")

    def _import(self, name: str, imported: Definition, depth: int) -> None:
        try:
            self.parse(imported, depth + 1)
        except DefinitionFault as fault:
            raise DefinitionFault(f"reference {name}: {fault}") from fault

    def _type(self, schema: Any, space: str, path: str) -> AvroType:
        match schema:
            case str():
                return self._by_name(schema, space, path)
            case list():
                return self._union(schema, space, path)
            case {"type": str(kind)} if kind in NAMED:
                return self._named(kind, schema, space, path)
            case {"type": "array"}:
                return self._container("array", "items", schema, space, path)
            case {"type": "map"}:
                return self._container("map", "values", schema, space, path)
            case {"type": inner}:
                return self._type(inner, space, path)
            case _:
                what = "an object without a type" if isinstance(schema, dict) else f"{_shown(schema)} is no type"
                raise _fault(path, what)

    def _by_name(self, name: str, space: str, path: str) -> AvroType:
        if name in PRIMITIVES:
            return AvroType(name)
        for candidate in (_qualified(name, space), name):
            if candidate in self.names:
                return self.names[candidate]
        raise _fault(path, f"type {name} is defined neither here, before its use, nor by a reference")

    def _union(self, branches: Sequence[Any], space: str, path: str) -> AvroType:
        union = AvroType("union")
        seen: set[str] = set()
        parsed = []
        for branch in branches:
            parsed.append(self._type(branch, space, path))
            label = parsed[-1].label
            if label == "union":
                raise _fault(path, "a union directly within a union: make it one union")
            if label in seen:
                raise _fault(path, f"the union has {label} twice: keep one")
            seen.add(label)
        union.branches = tuple(parsed)
        return _measured(union, parsed, path)

    def _container(self, kind: str, key: str, schema: Mapping[str, Any], space: str, path: str) -> AvroType:
        if key not in schema:
            raise _fault(path, f"{kind} without {key}: say what it holds")
        item = self._type(schema[key], space, f"{path}[]" if kind == "array" else f"{path}{{}}")
        return _measured(AvroType(kind, item=item), [item], path)

    def _named(self, kind: str, schema: Mapping[str, Any], space: str, path: str) -> AvroType:
        name, space = _full_name(kind, schema, space, path)
        if name in self.names:
            raise _fault(path, f"{name} is defined twice: define it once and use its name elsewhere")
        aliases = _aliases(schema, path, f"{kind} {name}")
        built = AvroType(kind, name=name, aliases=frozenset(_qualified(alias, space) for alias in aliases))
        self.names[name] = built
        if kind in {"record", "error"}:
            self._fill_record(built, schema, space, path)
        elif kind == "enum":
            _fill_enum(built, schema, path)
        else:
            built.size = _size(schema, path, name)
        return built

    def _fill_record(self, record: AvroType, schema: Mapping[str, Any], space: str, path: str) -> None:
        fields = schema.get("fields")
        if not isinstance(fields, list):
            raise _fault(path, f"record {record.name} has no list of fields")
        record.kind, record.complete = "record", False
        built: dict[str, AvroField] = {}
        for each in fields:
            parsed = self._field(record, each, space, path)
            if parsed.name in built:
                raise _fault(path, f"record {record.name} has field {parsed.name} twice: keep one")
            built[parsed.name] = parsed
        record.fields = built
        record.complete = True
        _measured(record, [each.type for each in built.values()], path)

    def _field(self, record: AvroType, schema: Any, space: str, path: str) -> AvroField:
        if not isinstance(schema, dict):
            raise _fault(
                path, f"record {record.name}: {_shown(schema)} is no field, but an object with name and type is"
            )
        name = schema.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _fault(path, f"record {record.name}: {_shown(name)} is no name of a field: letters, digits and _")
        where = _join(path, name)
        if "type" not in schema:
            raise _fault(where, f"field {name} has no type")
        type_ = self._type(schema["type"], space, where)
        if "default" in schema and (wrong := default_fault(type_, schema["default"])):
            raise _fault(where, f"the default does not fit the type: {wrong}")
        return AvroField(
            name=name,
            type=type_,
            aliases=_aliases(schema, where, f"field {name}"),
            has_default="default" in schema,
        )


def _fill_enum(enum: AvroType, schema: Mapping[str, Any], path: str) -> None:
    symbols = schema.get("symbols")
    if not isinstance(symbols, list):
        raise _fault(path, f"enum {enum.name} has no list of symbols")
    for symbol in symbols:
        if not isinstance(symbol, str) or not _NAME.fullmatch(symbol):
            raise _fault(path, f"enum {enum.name}: {_shown(symbol)} is no symbol: letters, digits and _")
    if len(set(symbols)) < len(symbols):
        twice = next(symbol for at, symbol in enumerate(symbols) if symbol in symbols[:at])
        raise _fault(path, f"enum {enum.name} has symbol {twice} twice: keep one")
    enum.symbols, enum.default = tuple(symbols), schema.get("default")
    if enum.default is not None and enum.default not in symbols:
        raise _fault(path, f"enum {enum.name}: its default {_shown(enum.default)} is none of its symbols")


def _size(schema: Mapping[str, Any], path: str, name: str) -> int:
    size = schema.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _fault(path, f"fixed {name} has no size in bytes")
    return size


def _full_name(kind: str, schema: Mapping[str, Any], space: str, path: str) -> tuple[str, str]:
    """Return the full name and the namespace within which the type's own parts are read."""
    name, given = schema.get("name"), schema.get("namespace", space)
    if not isinstance(name, str) or not isinstance(given, str | None):
        raise _fault(path, f"{kind} without a name")
    full = _qualified(name, given or "")
    if not all(_NAME.fullmatch(part) for part in full.split(".")):
        raise _fault(path, f"{_shown(full)} is no name: letters, digits and _, with dots between namespaces")
    if full in PRIMITIVES:
        raise _fault(path, f"{full} is the name of a primitive type: choose another")
    return full, full.rpartition(".")[0]


def _aliases(schema: Mapping[str, Any], path: str, whose: str) -> tuple[str, ...]:
    aliases = schema.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise _fault(path, f"aliases of {whose} are no list of names")
    return tuple(aliases)


def _measured(built: AvroType, parts: Sequence[AvroType], path: str) -> AvroType:
    built.height = 1 + max((part.height for part in parts), default=0)
    if built.height > MAX_NESTING:
        raise _fault(path, f"types are nested deeper than {MAX_NESTING} levels: flatten them")
    return built


def _qualified(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(value: Any) -> str:
    text = to_canonical_json(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 - as much as fits a message


def _fault(path: str, message: str) -> DefinitionFault:
    return DefinitionFault(f"at {path}: {message}" if path else message)


def _canonical(schema: Any, space: str) -> Any:
    match schema:
        case str():
            return schema if schema in PRIMITIVES else _qualified(schema, space)
        case list():
            return [_canonical(branch, space) for branch in schema]
        case {"type": inner} if len(schema) == 1:
            return _canonical(inner, space)
        case {"type": str(kind), "name": str()} if kind in NAMED:
            return dict(_canonical_named(schema, space))
        case dict():
            return _canonical_rest(schema, space)
        case _:
            raise _fault("", f"{_shown(schema)} is no type")


def _canonical_rest(schema: Mapping[str, Any], space: str) -> dict[str, Any]:
    parts = {key: _canonical(schema[key], space) for key in ("type", "items", "values") if key in schema}
    return {**schema, **parts}


def _canonical_named(schema: Mapping[str, Any], space: str) -> Iterator[tuple[str, Any]]:
    full, inner = _full_name("type", schema, space, "")
    yield from ((key, value) for key, value in schema.items() if key not in {"namespace", "aliases", "fields"})
    yield "name", full
    aliases = _aliases(schema, "", full)
    if aliases:
        yield "aliases", sorted(_qualified(alias, inner) for alias in aliases)
    if isinstance(schema.get("fields"), list):
        yield "fields", [_canonical_field(each, inner) for each in schema["fields"]]


def _canonical_field(schema: Any, space: str) -> Any:
    if not isinstance(schema, dict) or "type" not in schema:
        raise _fault("", "a field without a type")
    kept = {
        key: value for key, value in schema.items() if (key, value) not in (("order", "ascending"), ("aliases", []))
    }
    return {**kept, "type": _canonical(schema["type"], space)}
