"""Definitions: what is refused and where it says so, what counts as the same, and what things are called."""

import json
import time
from typing import Any

import pytest

from eventplane.api.conditions import Reason
from eventplane.api.schema import SchemaType
from eventplane.planning import definitions
from eventplane.planning.definitions import check, fingerprint, record_name
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_state import Definition, Reference


def avro(schema: Any, *references: Reference) -> Definition:
    return Definition("AVRO", schema if isinstance(schema, str) else json.dumps(schema), references)


def record(*fields: Any, **attributes: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Order", "fields": list(fields), **attributes}


def field(type_: Any, **attributes: Any) -> dict[str, Any]:
    return {"name": "f", "type": type_, **attributes}


def reference(name: str, definition: Definition | None) -> Reference:
    return Reference(name, f"{name}-value", 1, definition)


def chain(type_: SchemaType, first: str, link: str) -> Definition:
    """Return a definition at the end of a chain of references that is too long."""
    definition = Definition(type_, first.format(0))
    for number in range(1, 70):
        text = link.format(number, number - 1)
        definition = Definition(type_, text, (reference(f"d{number - 1}", definition),))
    return definition


ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
INNER = {
    "type": "record",
    "name": "Inner",
    "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 1}],
}
NESTED = '{"type":"array","items":' * 70 + '"int"' + "}" * 70
LONG_CHAIN = json.dumps([record(name="A0"), *(record(field(f"A{n - 1}"), name=f"A{n}") for n in range(1, 70))])

MAP: dict[str, Any] = {"type": "map", "values": "null"}
AVRO_FAULTS = [
    ("{", "it is not JSON: line 1, column 2: Expecting property name enclosed in double quotes"),
    ('{"a": NaN}', "it is not JSON: NaN is no number of JSON"),
    ("1" * 5000, "it is not JSON that can be read: Exceeds the limit (4300 digits) for integer string conversion:"),
    ("[" * 300 + "]" * 300, "it is nested deeper than 128 levels: flatten it"),
    ("[" * 100_000, "it is nested deeper than 128 levels: flatten it"),
    (NESTED, "types are nested deeper than 64 levels"),
    (LONG_CHAIN, "types are nested deeper than 64 levels: flatten them"),
    ("7", "7 is no type"),
    ({"name": "x"}, "an object without a type"),
    (record(field("Money")), "at f: type Money is defined neither here, before its use, nor by a reference"),
    (record(field([["int"]])), "at f: a union directly within a union: make it one union"),
    (record(field(["int", "int"])), "at f: the union has int twice: keep one"),
    (record(field({"type": "array"})), "at f: array without items: say what it holds"),
    (record(field({"type": "map", "values": "X"})), "at f{}: type X is defined neither here"),
    (record(field({"type": "array", "items": "X"})), "at f[]: type X is defined neither here"),
    (record(field(record())), "at f: Order is defined twice: define it once and use its name elsewhere"),
    ({"type": "record", "name": "A"}, "record A has no list of fields"),
    (record(field("int"), field("int")), "record Order has field f twice: keep one"),
    (record("f"), 'record Order: "f" is no field, but an object with name and type is'),
    (record({"name": "a-b", "type": "int"}), 'record Order: "a-b" is no name of a field: letters, digits and _'),
    (record({"name": "f"}), "at f: field f has no type"),
    ({"type": "enum", "name": "E"}, "enum E has no list of symbols"),
    ({**ENUM, "symbols": ["a-b"]}, 'enum E: "a-b" is no symbol: letters, digits and _'),
    ({**ENUM, "symbols": ["A", "A"]}, "enum E has symbol A twice: keep one"),
    ({**ENUM, "default": "C"}, 'enum E: its default "C" is none of its symbols'),
    ({"type": "fixed", "name": "F"}, "fixed F has no size in bytes"),
    ({"type": "fixed", "name": "F", "size": True}, "fixed F has no size in bytes"),
    ({"type": "record", "fields": []}, "record without a name"),
    (record(name="a..b"), '"a..b" is no name: letters, digits and _, with dots between namespaces'),
    (record(name="x" * 99 + "-"), f'"{"x" * 59}... is no name'),
    (record(name="int"), "int is the name of a primitive type: choose another"),
    (record(aliases="x"), "aliases of record Order are no list of names"),
    (record(field("int", default="1")), 'at f: the default does not fit the type: "1" is no int'),
    (record(field("int", default=2**31)), "at f: the default does not fit the type: 2147483648 is no int"),
    (record(field("long", default=True)), "at f: the default does not fit the type: true is no long"),
    (record(field("double", default=None)), "at f: the default does not fit the type: null is no double"),
    (record(field("string", default={})), "at f: the default does not fit the type: an object is no string"),
    (record(field("boolean", default=[])), "at f: the default does not fit the type: a list is no boolean"),
    (record(field(["null", "int"], default="x")), 'at f: the default does not fit the type: "x" is none of null, int'),
    (record(field({"type": "array", "items": "int"}, default=["x"])), "at f: the default does not fit the type"),
    (record(field({"type": "map", "values": "int"}, default={"k": "x"})), "at f: the default does not fit the type"),
    (record(field(ENUM, default="C")), 'at f: the default does not fit the type: "C" is no E'),
    (record(field(FIXED, default="a")), 'at f: the default does not fit the type: "a" is no F'),
    (record(field(INNER, default={})), "at f: the default does not fit the type: it lacks a of Inner"),
    (record(field(INNER, default={"a": "x"})), 'at f: the default does not fit the type: a: "x" is no int'),
    (record(field("Order", default={})), "Order cannot have a default within its own definition"),
    (record(field(["Order", MAP], default={})), "Order cannot have a default within its own definition"),
]


@pytest.mark.parametrize(("schema", "message"), AVRO_FAULTS)
def test_avro_faults_are_named_with_their_place(schema: Any, message: str) -> None:
    refusal = check(avro(schema))
    assert refusal is not None
    assert refusal.reason is Reason.DEFINITION_INVALID
    assert refusal.message.startswith("correct the definition, it is no valid AVRO schema: ")
    assert message in refusal.message


@pytest.mark.parametrize(
    "schema",
    [
        "int",
        {"type": {"type": "string"}},
        record(field(ENUM, default="A"), {"name": "g", "type": "E"}),
        record(field(["null", "Order"], default=None)),
        record(field([MAP, "Order"], default={})),
        record(field(INNER, default={"a": 1})),
        record(field({"type": "map", "values": "double"}, default={"k": 1})),
        record(field(FIXED, default="ab"), namespace="shop", aliases=["Old"], doc="d"),
        {"type": "error", "name": "Failed", "fields": []},
        record(field({"type": "bytes", "logicalType": "decimal", "precision": 4}, default="x"), name="shop.Order"),
    ],
)
def test_valid_avro_is_not_refused(schema: Any) -> None:
    assert check(avro(json.dumps(schema))) is None


def test_avro_references_bring_their_names_along() -> None:
    money = avro({"type": "record", "name": "shop.Money", "fields": []})
    again = reference("shop.Money", money)
    assert check(avro(record(field("shop.Money")), again, again, reference("unknown", None))) is None
    broken = check(avro(record(), reference("shop.Money", avro("{"))))
    assert broken is not None
    assert "reference shop.Money: it is not JSON: line 1" in broken.message


JSON_FAULTS = [
    ("[]", "a JSON Schema is an object, or true or false"),
    ('{"type": "txt"}', "at #/type: \"txt\" is not valid under any of the schemas listed in the 'anyOf' keyword"),
    ('{"properties": {"a": {"minLength": -1}}}', "at #/properties/a/minLength: -1 is less than the minimum of 0"),
    ('{"$schema": "urn:mine"}', "at #/$schema: urn:mine is no draft of JSON Schema that is known: use https://json-"),
    ('{"properties": {"a": {"$ref": "#/$defs/b"}}}', "at #/properties/a: #/$defs/b is defined neither here nor by a"),
    ('{"allOf": [{"$ref": "money.json"}]}', "at #/allOf/0: money.json is defined neither here nor by a reference"),
    ('{"$ref": "#/enum/3", "enum": ["' + "x" * 400 + '"]}', "at #: #/enum/3 is defined neither here"),
    ('{"type": "' + "x" * 400 + '"}', "..."),
    ('{"$ref": "#nowhere"}', "at #: #nowhere is defined neither here"),
]


@pytest.mark.parametrize(("text", "message"), JSON_FAULTS)
def test_json_schema_faults_are_named_with_their_place(text: str, message: str) -> None:
    refusal = check(Definition("JSON", text))
    assert refusal is not None
    assert message in refusal.message


@pytest.mark.parametrize(
    "text",
    [
        "true",
        '{"$defs": {"a/b": {"type": "string"}}, "$ref": "#/$defs/a~1b"}',
        '{"$defs": {"a": {"$anchor": "here"}}, "$ref": "#here"}',
        '{"$id": "https://x.org/a", "$defs": {"b": {"$id": "b"}}, "$ref": "b"}',
        '{"allOf": [{}], "properties": {"x": {"$ref": "#/allOf/0"}}}',
        '{"$ref": "https://json-schema.org/draft/2020-12/schema"}',
        '{"$schema": "http://json-schema.org/draft-07/schema#", "enum": [{"$ref": "#/no"}]}',
    ],
)
def test_valid_json_schema_is_not_refused(text: str) -> None:
    assert check(Definition("JSON", text)) is None


def test_json_references_are_found_by_name_and_by_id() -> None:
    named = reference("money.json", Definition("JSON", '{"$id": "https://x.org/m", "$defs": {"a": {"$anchor": "k"}}}'))
    flag = reference("flag.json", Definition("JSON", "true"))
    for target in ("money.json", "https://x.org/m", "money.json#/$defs/a", "money.json#k", "flag.json"):
        text = json.dumps({"properties": {"a": {"$ref": target}}})
        assert check(Definition("JSON", text, (named, named, flag, reference("unknown", None)))) is None
    broken = check(Definition("JSON", "{}", (reference("money.json", Definition("JSON", "{")),)))
    assert broken is not None
    assert "reference money.json: it is not JSON" in broken.message


PROTO = 'syntax = "proto3";\n'
PROTO_FAULTS = [
    (PROTO + "message M {\n  string a 1;\n}", "line 3, column 12: missing '=' at '1'"),
    ("message M { string a = }", "line 1, column"),
    ("message M { optional string a = 0x1; }", "it is not in the language of protocol buffers"),
    ("message A {" * 70, "line 1, column 715: it is nested deeper than 64 levels: flatten it"),
    (";" * 50_000, "it is longer than 40000 words: split it"),
    (PROTO + 'import "money.proto";', 'import "money.proto" is provided by no reference: add it to references'),
    (PROTO + "message M {} message M {}", "the file defines M twice: keep one"),
    (PROTO + "message M { string a = 1; string a = 2; }", "message M has field a twice: keep one"),
    (PROTO + "message M { string a = 1; string b = 1; }", "message M has number 1 twice: keep one"),
    (PROTO + "message M { string a = 19000; }", "field a of M has number 19000: choose one from 1 to 18999"),
    (PROTO + "message M { string a = 3; reserved 2 to 4; }", "field a of M uses what the message reserves"),
    (PROTO + 'message M { string a = 1; reserved "a"; }', "field a of M uses what the message reserves"),
    (PROTO + "message M { required string a = 1; }", "field a of M is required, which proto3 does not have"),
    (PROTO + "message M { Money a = 1; }", "field a of M has type Money, which is defined neither here nor by an"),
    (PROTO + "message M { map<string, Money> a = 1; }", "field a of M has type Money, which is defined neither here"),
    (PROTO + "message M { .x.Money a = 1; }", "field a of M has type x.Money, which is defined neither here"),
    (PROTO + "enum E { A = 1; }", "enum E begins with A = 1: in proto3 the first must be 0"),
    (PROTO + "enum E { A = 0; A = 1; }", "enum E has constant A twice: keep one"),
    (PROTO + "enum E { option allow_alias = true; }", "enum E has no constants: add one"),
]


@pytest.mark.parametrize(("text", "message"), PROTO_FAULTS)
def test_protobuf_faults_are_named_with_their_place(text: str, message: str) -> None:
    refusal = check(Definition("PROTOBUF", text))
    assert refusal is not None
    assert message in refusal.message


WHOLE = """syntax = "proto2"; package shop;
import "google/protobuf/timestamp.proto"; import "money.proto";
message M { reserved 30, 40 to 42, 100 to max; reserved "x"; optional group Res = 7 { optional int32 a = 1; }
  oneof o { string s = 8; } map<string, Inner> m = 9; optional google.protobuf.Timestamp t = 10;
  optional pay.Money price = 11; message Inner {} enum E { A = 0; } optional E e = 12; optional .shop.M self = 13; }
service S { rpc X (stream M) returns (M) { option (a.b) = {x: 1 y: [1, 2]}; } option deprecated = true; }
"""
MONEY = reference("money.proto", Definition("PROTOBUF", "package pay; message Money {}"))


def test_valid_protobuf_is_not_refused() -> None:
    again = Reference("again.proto", "again", 1, MONEY.definition)
    assert check(Definition("PROTOBUF", WHOLE + 'import "again.proto";', (MONEY, again))) is None


def test_what_an_unknown_import_may_bring_is_not_refused() -> None:
    text = PROTO + 'import "later.proto"; enum E { A = 0; B = 1; } message M { later.Type a = 1; E b = 2; }'
    assert check(Definition("PROTOBUF", text, (reference("later.proto", None),))) is None


def test_a_broken_import_is_named() -> None:
    refusal = check(Definition("PROTOBUF", WHOLE, (reference("money.proto", Definition("PROTOBUF", "message {")),)))
    assert refusal is not None
    assert "reference money.proto: line 1, column 9" in refusal.message


@pytest.mark.parametrize(
    "definition",
    [
        chain(
            "AVRO",
            '{{"type":"record","name":"A{}","fields":[]}}',
            '{{"type":"record","name":"A{}","fields":[],"doc":"{}"}}',
        ),
        chain("JSON", '{{"title": "{}"}}', '{{"title": "{}", "$ref": "d{}"}}'),
        chain("PROTOBUF", "message M{} {{}}", 'import "d{1}"; message M{0} {{}}'),
    ],
)
def test_a_chain_of_references_without_end_is_refused(definition: Definition) -> None:
    refusal = check(definition)
    assert refusal is not None
    assert "references lead further than 64 definitions: shorten the chain" in refusal.message


OPTIONS_FIRST = 'option y = 2; option x = 1; import "b"; import "a";'


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("AVRO", '"string"', '{ "type": "string" }'),
        (
            "AVRO",
            record(field("int"), namespace="shop"),
            {"fields": [field("int", order="ascending", aliases=[])], "name": "shop.Order", "type": "record"},
        ),
        (
            "AVRO",
            record(field(["null", "Order"]), name="s.Order"),
            record(field(["null", "s.Order"]), name="Order", namespace="s"),
        ),
        ("AVRO", record(aliases=["B", "A"], name="s.O"), record(aliases=["s.A", "s.B"], name="s.O")),
        ("AVRO", {"type": "map", "values": {"type": "int"}}, {"values": "int", "type": "map"}),
        ("JSON", '{"a": 1, "b": 2}', '{\n"b": 2, "a": 1}'),
        (
            "PROTOBUF",
            "message M { optional string a = 1; /* b */ optional string b = 2; }",
            "// c\nmessage M {\n optional string b = 2;\noptional string a = 1; }",
        ),
        (
            "PROTOBUF",
            'import "a"; import "b"; option x = 1; option y = 2;',
            'option y = 2; option x = 1; import "b"; import "a";',
        ),
    ],
)
def test_formatting_leaves_the_fingerprint_alone(type_: SchemaType, one: Any, other: Any) -> None:
    texts = [text if isinstance(text, str) else json.dumps(text) for text in (one, other)]
    assert fingerprint(Definition(type_, texts[0])) == fingerprint(Definition(type_, texts[1]))


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("AVRO", record(field("int", default=1)), record(field("int", default=2))),
        ("AVRO", record(doc="a"), record(doc="b")),
        ("AVRO", record(field({"type": "int", "logicalType": "date"})), record(field("int"))),
        ("AVRO", record(field("int"), field("int")), record(field("int"))),
        ("AVRO", "{", "{ "),
        (
            "AVRO",
            {"type": "record", "name": "A", "fields": [{"name": "a"}]},
            {"type": "record", "name": "A", "fields": [{}]},
        ),
        ("AVRO", {"type": "record", "name": "A"}, {"type": "record", "name": "B"}),
        ("AVRO", "7", "8"),
        ("JSON", '{"required": ["a"]}', '{"required": ["b"]}'),
        ("PROTOBUF", "message A {} message B {}", "message B {} message A {}"),
        ("PROTOBUF", "message A { repeated string a = 1; }", "message A { optional string a = 1; }"),
    ],
)
def test_what_matters_changes_the_fingerprint(type_: SchemaType, one: Any, other: Any) -> None:
    texts = [text if isinstance(text, str) else json.dumps(text) for text in (one, other)]
    prints = {fingerprint(Definition(type_, text)) for text in texts}
    assert len(prints) == 2
    assert all(len(each) == 16 for each in prints)


def test_references_count_in_the_fingerprint_and_their_order_does_not() -> None:
    a, b, newer = Reference("a", "a", 1), Reference("b", "b", 1), Reference("b", "b", 2)
    assert fingerprint(avro("int", a, b)) == fingerprint(avro("int", b, a))
    assert fingerprint(avro("int", a, b)) != fingerprint(avro("int", a, newer))


@pytest.mark.parametrize(
    ("type_", "text", "name"),
    [
        ("AVRO", json.dumps(record(namespace="shop")), "shop.Order"),
        ("AVRO", '"int"', None),
        ("AVRO", "{", None),
        ("JSON", '{"title": "Order"}', "Order"),
        ("JSON", '{"title": ""}', None),
        ("JSON", "true", None),
        ("PROTOBUF", "package shop; enum E { A = 0; } message M {} message N {}", "shop.M"),
        ("PROTOBUF", "message M {}", "M"),
        ("PROTOBUF", 'edition = "2023"; enum E { A = 0; }', None),
    ],
)
def test_definitions_are_called_as_the_clients_call_them(type_: SchemaType, text: str, name: str | None) -> None:
    assert record_name(Definition(type_, text)) == name


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("AVRO", json.dumps([record(name=f"A{n}") for n in range(8000)])),
        (
            "JSON",
            json.dumps({"properties": {f"p{n}": {"$ref": "#/$defs/x"} for n in range(15_000)}, "$defs": {"x": {}}}),
        ),
        ("PROTOBUF", "message A {" * 40_000),
        ("PROTOBUF", "/*" * 250_000),
    ],
)
def test_a_large_definition_is_dealt_with_soon(type_: SchemaType, text: str) -> None:
    begun = time.process_time()
    outcome = check(Definition(type_, text))
    assert outcome is None or isinstance(outcome, Refusal)
    assert time.process_time() - begun < 4


def test_what_is_remembered_is_bounded_and_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "_MOST_KNOWN", 2)
    texts = [json.dumps({"type": "enum", "name": f"E{number}", "symbols": ["A"]}) for number in range(5)]
    first = [fingerprint(Definition("AVRO", text)) for text in texts]
    assert [fingerprint(Definition("AVRO", text)) for text in texts] == first
    assert len(set(first)) == 5
