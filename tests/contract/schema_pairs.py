"""Pairs of definitions, the second made of the first by a few changes such as developers make, or by chance."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

Pair = tuple[str, str]

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_AVRO_FIXED = st.builds(
    lambda name, size: {"type": "fixed", "name": name, "size": size}, st.sampled_from("FG"), st.integers(1, 2)
)
_AVRO_LOGICAL = st.sampled_from(
    [{"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"}]
)
_DEFAULTS: dict[str, Any] = {
    "null": None,
    "boolean": False,
    "int": 1,
    "long": 2,
    "float": 1.5,
    "double": 2,
    "bytes": "a",
    "string": "b",
}


@st.composite
def avro_pairs(draw: Any) -> Pair:
    """Two AVRO schemas, which need not be valid."""
    old = draw(_avro_record(3))
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(0, 3))):
        new = draw(_avro_changed(new))
    if draw(st.integers(0, 9)) == 0:
        new = draw(_avro_record(2))
    if draw(st.booleans()):
        old, new = new, old
    return json.dumps(_defined_once(old, set())), json.dumps(_defined_once(new, set()))


@st.composite
def _avro_record(draw: Any, depth: int) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=3))
    return {
        "type": "record",
        "name": draw(st.sampled_from(["R", "S", "x.R"])),
        **draw(_avro_aliases(["R", "S", "x.R", "y.R"])),
        "fields": [draw(_avro_field(name, depth)) for name in names],
    }


@st.composite
def _avro_field(draw: Any, name: str, depth: int) -> dict[str, Any]:
    type_ = draw(_avro_type(depth - 1))
    field = {"name": name, "type": type_, **draw(_avro_aliases(list("abcd")))}
    if draw(st.booleans()):
        field["default"] = _avro_default(type_)
    return field


@st.composite
def _avro_aliases(draw: Any, names: list[str]) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if draw(st.integers(0, 4)) == 0 else []
    return {"aliases": chosen} if chosen else {}


def _avro_type(depth: int) -> st.SearchStrategy[Any]:
    flat = [st.sampled_from(_PRIMITIVES)] * 4 + [_avro_enum(), _AVRO_FIXED, _AVRO_LOGICAL]
    if depth <= 0:
        return st.one_of(flat)
    inner = st.deferred(lambda: _avro_type(depth - 1))
    unions = st.lists(inner, min_size=1, max_size=3).map(_flat)
    containers = st.sampled_from(["items", "values"]).flatmap(
        lambda key: inner.map(lambda item: {"type": "array" if key == "items" else "map", key: item})
    )
    return st.one_of(*flat, _avro_record(depth), containers, containers, unions, unions)


@st.composite
def _avro_enum(draw: Any) -> dict[str, Any]:
    symbols = draw(st.lists(st.sampled_from("XYZ"), unique=True, min_size=1))
    enum = {"type": "enum", "name": draw(st.sampled_from(["E", "x.E"])), "symbols": symbols}
    return {**enum, "default": draw(st.sampled_from(symbols))} if draw(st.integers(0, 2)) == 0 else enum


def _flat(branches: list[Any]) -> list[Any]:
    """Make a union of types none of which is a union, and none of which is there twice."""
    seen: dict[str, Any] = {}
    for each in branches:
        for branch in each if isinstance(each, list) else [each]:
            label = branch if isinstance(branch, str) else branch.get("name", branch["type"])
            seen.setdefault(label, branch)
    return list(seen.values())


def _avro_default(type_: Any) -> Any:
    """Return a value of a type."""
    if isinstance(type_, list):
        return _avro_default(type_[0])
    kind = type_ if isinstance(type_, str) else type_["type"]
    if kind == "record" and isinstance(type_, dict):
        return {each["name"]: _avro_default(each["type"]) for each in type_["fields"]}
    if kind == "enum":
        return type_["symbols"][0]
    if kind == "fixed":
        return "a" * type_["size"]
    return {"array": [], "map": {}, **_DEFAULTS}.get(kind)


def _defined_once(schema: Any, seen: set[str]) -> Any:
    """Replace the second definition of a name by the name: that makes types recursive and shared."""
    if isinstance(schema, list):
        return [_defined_once(each, seen) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = schema.get("name")
    if "fields" in schema or "symbols" in schema or "size" in schema:
        if name in seen:
            return name
        seen.add(str(name))
    return {
        key: _defined_once(value, seen) if key in {"type", "items", "values", "fields"} else value
        for key, value in schema.items()
    }


@st.composite
def _avro_changed(draw: Any, schema: Any) -> Any:
    """Change one thing somewhere in a schema."""
    if isinstance(schema, list) and schema:
        at = draw(st.integers(0, len(schema) - 1))
        rest = schema[:at] + schema[at + 1 :]
        changes = [
            _flat([*schema, draw(_avro_type(1))]),
            _flat([*rest, draw(_avro_changed(schema[at]))]),
            rest or schema,
            schema[at],
        ]
        return draw(st.sampled_from(changes))
    match schema:
        case {"type": "record"}:
            return draw(_avro_record_changed(schema))
        case {"type": "enum"}:
            return draw(
                st.sampled_from(
                    [{**schema, "symbols": draw(_avro_enum())["symbols"], "default": None}, draw(_avro_enum())]
                )
            )
        case {"type": "array", "items": inner} if draw(st.booleans()):
            return {**schema, "items": draw(_avro_changed(inner))}
        case {"type": "map", "values": inner} if draw(st.booleans()):
            return {**schema, "values": draw(_avro_changed(inner))}
    return draw(
        st.one_of(
            _avro_type(1), st.just(_flat(["null", schema])), st.sampled_from(["long", "double", "string", "bytes"])
        )
    )


@st.composite
def _avro_record_changed(draw: Any, schema: dict[str, Any]) -> dict[str, Any]:
    fields = list(schema["fields"])
    at = draw(st.integers(0, len(fields)))
    if at == len(fields):
        free = sorted(set("abcd") - {each["name"] for each in fields})
        if not free or draw(st.integers(0, 3)) == 0:
            return {**schema, "name": draw(st.sampled_from(["R", "S", "x.R"])), **draw(_avro_aliases([schema["name"]]))}
        return {**schema, "fields": [*fields, draw(_avro_field(draw(st.sampled_from(free)), 2))]}
    field = fields.pop(at)
    match draw(st.sampled_from(["remove", "rename", "default", "type", "type", "type"])):
        case "rename":
            free = sorted(set("abcdz") - {each["name"] for each in fields})
            name = draw(st.sampled_from(free))
            fields.insert(at, {**field, "name": name, **({"aliases": [field["name"]]} if draw(st.booleans()) else {})})
        case "default":
            fields.insert(at, {key: value for key, value in field.items() if key != "default"})
        case "type":
            type_ = draw(_avro_changed(field["type"]))
            changed = {**field, "type": type_}
            fields.insert(at, {**changed, "default": _avro_default(type_)} if "default" in field else changed)
        case _:
            pass  # removed
    return {**schema, "fields": fields}


_TEXT = st.just({"type": "string"})
_NUMBER = st.sampled_from([{"type": "number"}, {"type": "integer"}])
_DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@st.composite
def json_pairs(draw: Any) -> Pair:
    """Two JSON Schemas of draft 7, or of none."""
    old = draw(_json_object(2))
    new = draw(_json_changed(copy.deepcopy(old))) if draw(st.integers(0, 9)) else draw(_json_object(2))
    if draw(st.booleans()):
        old, new = new, old
    dialect = {"$schema": _DRAFT_7}
    return json.dumps({**dialect, **old}), json.dumps({**dialect, **new})


@st.composite
def _json_object(draw: Any, depth: int) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3))
    schema: dict[str, Any] = {"type": "object", "properties": {name: draw(_json_schema(depth - 1)) for name in names}}
    schema["required"] = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    rest = draw(st.sampled_from([None, None, True, False, {"type": "string"}, {"type": "integer"}]))
    if rest is not None:
        schema["additionalProperties"] = rest
    for keyword in ("minProperties", "maxProperties"):
        if draw(st.integers(0, 5)) == 0:
            schema[keyword] = draw(st.integers(0, 3))
    if not schema["required"]:
        del schema["required"]
    return schema


def _json_schema(depth: int) -> st.SearchStrategy[Any]:
    values = st.lists(st.sampled_from(["x", "y", "z"]), unique=True, min_size=1)
    types = st.lists(st.sampled_from(["string", "null", "integer", "number"]), unique=True, min_size=1)
    flat = [
        _merged(_TEXT, _limits("minLength", "maxLength"), _some("pattern", ["a", "b"])),
        _merged(_TEXT, _limits("minLength", "maxLength"), _some("format", ["date", "email"])),
        _merged(_NUMBER, _limits("minimum", "maximum"), _some("multipleOf", [1, 2, 3, 4])),
        _merged(_NUMBER, _limits("exclusiveMinimum", "exclusiveMaximum"), _limits("minimum", "maximum")),
        _merged(_some("type", ["string"]), values.map(lambda listed: {"enum": listed})),
        _merged(_some("type", ["string"]), st.sampled_from("xy").map(lambda value: {"const": value})),
        types.map(lambda listed: {"type": listed}),
        st.sampled_from([{}, True, {"title": "t"}, {"type": "boolean"}]),
    ]
    if depth <= 0:
        return st.one_of(flat)
    inner = st.deferred(lambda: _json_schema(depth - 1))
    items = inner.map(lambda schema: {"type": "array", "items": schema})
    arrays = _merged(items, _limits("minItems", "maxItems"), _some("uniqueItems", [True, False]))
    combined = st.sampled_from(["oneOf", "anyOf"]).flatmap(
        lambda key: st.lists(inner, min_size=1, max_size=3).map(lambda schemas: {key: schemas})
    )
    return st.one_of(*flat, _json_object(depth), arrays, combined)


def _merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda drawn: {key: value for part in drawn for key, value in part.items()})


@st.composite
def _limits(draw: Any, *keywords: str) -> dict[str, Any]:
    return {keyword: draw(st.integers(0, 4)) for keyword in keywords if draw(st.integers(0, 3)) == 0}


@st.composite
def _some(draw: Any, keyword: str, values: list[Any]) -> dict[str, Any]:
    return {keyword: draw(st.sampled_from(values))} if draw(st.integers(0, 3)) == 0 else {}


@st.composite
def _json_changed(draw: Any, schema: dict[str, Any]) -> dict[str, Any]:
    properties = dict(schema["properties"])
    if properties and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(properties)))
        inner = properties[name]
        if isinstance(inner, dict) and "properties" in inner:
            return {**schema, "properties": {**properties, name: draw(_json_changed(inner))}}
        return {**schema, "properties": {**properties, name: draw(_json_schema(1))}}
    fresh = draw(_json_object(1))
    keyword = draw(
        st.sampled_from(["properties", "required", "additionalProperties", "minProperties", "maxProperties"])
    )
    kept = {key: value for key, value in schema.items() if key != keyword}
    if keyword == "properties":
        return {**kept, "properties": {**properties, **fresh["properties"]}}
    return {**kept, keyword: fresh[keyword]} if keyword in fresh else kept


_SCALARS = ["int32", "int64", "uint32", "sint32", "bool", "string", "bytes", "double", "fixed32", "sfixed32"]


@st.composite
def proto_pairs(draw: Any) -> Pair:
    """Two files of protocol buffers, which need not be valid."""
    syntax = draw(st.sampled_from(["proto3", "proto2"]))
    old = draw(_proto_fields(syntax))
    new = [each for each in old if draw(st.integers(0, 4))]
    new += draw(_proto_fields(syntax)) if draw(st.booleans()) else []
    new = [draw(_proto_changed(each, syntax)) for each in new]
    reserved = draw(st.sampled_from([None, None, *"abcd"]))
    files = [draw(_proto_file(syntax, _distinct(fields), reserved)) for fields in (old, new)]
    return (files[1], files[0]) if draw(st.booleans()) else (files[0], files[1])


_ProtoField = tuple[str, str, str, int]


def _distinct(fields: list[_ProtoField]) -> list[_ProtoField]:
    """Keep the first of each name and of each number."""
    kept: list[_ProtoField] = []
    for each in fields:
        if all(each[2] != other[2] and each[3] != other[3] for other in kept):
            kept.append(each)
    return kept


@st.composite
def _proto_fields(draw: Any, syntax: str) -> list[_ProtoField]:
    names = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=3))
    return [(draw(_proto_label(syntax)), draw(_proto_type()), name, "abcd".index(name) + 1) for name in names]


def _proto_label(syntax: str) -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["optional", "repeated", "required"] if syntax == "proto2" else ["", "", "optional", "repeated"]
    )


def _proto_type() -> st.SearchStrategy[str]:
    return st.sampled_from([*_SCALARS, "N", "E", "N", "E"])


@st.composite
def _proto_changed(draw: Any, field: _ProtoField, syntax: str) -> _ProtoField:
    label, type_, name, number = field
    match draw(st.sampled_from(["keep"] * 6 + ["type", "label", "name", "number"])):
        case "type":
            return label, draw(_proto_type()), name, number
        case "label":
            return draw(_proto_label(syntax)), type_, name, number
        case "name":
            return label, type_, name + "x", number
        case "number":
            return label, type_, name, number + 10
        case _:
            return field


@st.composite
def _proto_file(draw: Any, syntax: str, fields: list[_ProtoField], reserved: str | None) -> str:
    lines = [f'syntax = "{syntax}";', *(["package p;"] * draw(st.booleans()) if draw(st.integers(0, 4)) == 0 else [])]
    members = [f"  {' '.join(part for part in each[:2] if part)} {each[2]} = {each[3]};" for each in fields]
    if reserved and all(reserved not in each[2] for each in fields) and draw(st.booleans()):
        members = [*members, f'  reserved {"abcd".index(reserved) + 1}; reserved "{reserved}";']
    if not draw(st.integers(0, 2)):
        plain = [
            member for member in members if member.split()[0] not in {"optional", "repeated", "required", "reserved"}
        ]
        inside = [member.replace("optional ", "") for member in members if member.split()[0] == "optional"] + plain
        members = [m for m in members if m not in plain and not m.startswith("  optional ")]
        members += ["  oneof o {", *inside, "  }"] if inside else []
    constants = draw(st.sampled_from(["Z = 0;", "Z = 0; Y = 1;", "Z = 0; Y = 2;", "Z = 0; X = 1;"]))
    nested = draw(st.sampled_from(["string s = 1;", "", "int32 s = 1;", "string s = 1; string t = 2;"]))
    nested = (
        nested.replace("string", "optional string").replace("int32", "optional int32") if syntax == "proto2" else nested
    )
    lines += ["message M {", *members, "}", f"message N {{ {nested} }}", f"enum E {{ {constants} }}"]
    return "\n".join(lines)
