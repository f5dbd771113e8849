"""Schemas of three types: data there and back, and what is wrong with data in words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eventplane.events.protobuf import ProtobufSchema
from eventplane.events.validation import DataError, SchemaText, SchemaTextError, codec_for, validator_for

MONEY = {"type": "record", "name": "Money", "namespace": "shop", "fields": [{"name": "cents", "type": "long"}]}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "total", "type": ["null", "Money"], "default": None},
        {"name": "lines", "type": {"type": "array", "items": "Money"}, "default": []},
        {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}},
        {"name": "size", "type": {"type": "enum", "name": "Size", "symbols": ["S", "L"]}, "default": "S"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {"name": "any", "type": ["null", "string", {"type": "array", "items": "int"}], "default": None},
    ],
}
AVRO = SchemaText("AVRO", json.dumps(ORDER), (("shop.Money", SchemaText("AVRO", json.dumps(MONEY))),))
JSON = SchemaText(
    "JSON",
    '{"type": "object", "properties": {"total": {"$ref": "money.json"}, "lines": {"items": {"type": "integer"}}}}',
    (("money.json", SchemaText("JSON", '{"type": "object", "required": ["cents"]}')),),
)
PROTO_MONEY = SchemaText(
    "PROTOBUF",
    'syntax = "proto3"; package shop; enum Unit { EURO = 0; } message Money { int64 cents = 1; Unit unit = 2; }',
)
PROTOBUF = SchemaText(
    "PROTOBUF",
    """
    syntax = "proto3";
    package shop.orders;
    import "money.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/duration.proto";
    option java_package = "x";
    enum Colour { option allow_alias = true; RED = 0; ROT = 0; }
    message Order {
      string id = 1;
      repeated Line lines = 2;
      map<string, int64> cent_tags = 3;
      optional int32 count = 4;
      oneof payment { option x = true; Card card = 5; string iban = 6; }
      enum Kind { NONE = 0; GIFT = 1; }
      repeated Kind kinds = 7 [packed = true];
      message Line { string sku = 1 [json_name = "stock"]; }
      shop.Money total = 8;
      google.protobuf.Timestamp at = 9;
      google.protobuf.Duration took = 10;
      bytes raw = 11;
      Colour colour = 12;
      reserved 13;
    }
    message Card { string number = 1; }
    """,
    (("money.proto", PROTO_MONEY),),
)
PROTO_PROBLEM = (
    "data do not fit the message: Failed to parse id field: expected string or bytes-like object, got 'int'."
)
AT = datetime(2026, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schema", "data", "read"),
    [
        (
            AVRO,
            {
                "id": "a",
                "total": {"cents": 2**53 + 1},
                "lines": [{"cents": 1}],
                "tags": {"k": "v"},
                "size": "L",
                "at": AT,
                "any": [1],
            },
            {},
        ),
        (
            AVRO,
            {"id": "a"},
            {"total": None, "lines": [], "tags": {}, "size": "S", "at": datetime(1970, 1, 1, tzinfo=UTC), "any": None},
        ),
        (JSON, {"total": {"cents": 2**53 + 1}, "lines": [1]}, {}),
        (
            PROTOBUF,
            {
                "id": "a",
                "lines": [{"sku": "s"}],
                "cent_tags": {"k": 2**53 + 1},
                "count": 0,
                "iban": "i",
                "kinds": ["GIFT"],
                "total": {"cents": 1, "unit": "EURO"},
                "at": AT,
                "took": timedelta(seconds=-1.5),
                "raw": b"\0",
                "colour": "RED",
            },
            {},
        ),
        (
            PROTOBUF,
            {"card": {"number": "1"}, "took": timedelta(seconds=1.5), "raw": bytearray(b"x")},
            {"id": "", "lines": [], "cent_tags": {}, "kinds": [], "raw": b"x", "colour": "RED"},
        ),
    ],
)
def test_data_come_back_as_they_went(schema: SchemaText, data: Any, read: Any) -> None:
    codec = codec_for(schema)
    assert codec.problem(data) is None or schema.type == "JSON"
    assert codec.decode(codec.encode(data)) == data | read


@pytest.mark.parametrize(
    ("schema", "data", "problem"),
    [
        (AVRO, {"id": 1}, "id must be string, not int"),
        (AVRO, {}, "id is missing"),
        (AVRO, [], "data must be shop.Order, not list"),
        (AVRO, None, "data must be shop.Order, not null"),
        (AVRO, {"id": "a", "ide": 1}, "ide is no field of shop.Order"),
        (AVRO, {"id": "a", "total": {"cents": "x"}}, "total.cents must be long, not str"),
        (AVRO, {"id": "a", "total": 5}, "total must be null or shop.Money, not int"),
        (AVRO, {"id": "a", "lines": [{"cents": 1}, {}]}, "lines[1].cents is missing"),
        (AVRO, {"id": "a", "lines": 5}, "lines must be array, not int"),
        (AVRO, {"id": "a", "tags": {"k": 1}}, "tags.k must be string, not int"),
        (AVRO, {"id": "a", "tags": 5}, "tags must be map, not int"),
        (AVRO, {"id": "a", "size": "M"}, "size must be shop.Size, not str"),
        (AVRO, {"id": "a", "any": [1, "x"]}, "any[1] must be int, not str"),
        (AVRO, {"id": "a", "at": "soon"}, "at must be timestamp-millis, not str"),
        (JSON, {"total": {}}, 'total: "cents" is a required property'),
        (JSON, {"lines": [1, "x"]}, 'lines[1]: "x" is not of type "integer"'),
        (JSON, 5, 'data: 5 is not of type "object"'),
        (JSON, {1, 2}, "data: Unsupported type: 'set'"),
        (PROTOBUF, [], "data must be a map, not list"),
        (PROTOBUF, {"id": 1}, PROTO_PROBLEM),
    ],
)
def test_what_is_wrong_with_data_names_the_place(schema: SchemaText, data: Any, problem: str) -> None:
    assert validator_for(schema.type, schema.text, schema.references)(data) == problem
    with pytest.raises(DataError):
        codec_for(schema).encode(data)


@pytest.mark.parametrize(
    ("schema", "payload", "problem"),
    [
        (AVRO, b"\xff", "the bytes are not of the AVRO schema"),
        (AVRO, codec_for(AVRO).encode({"id": "a"}) + b"x", "1 bytes are left over"),
        (JSON, b"{", "the bytes are not JSON"),
        (JSON, b"5", "is not of type"),
        (PROTOBUF, b"\xff", "the bytes are not of the PROTOBUF message"),
    ],
)
def test_bytes_that_are_no_data(schema: SchemaText, payload: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        codec_for(schema).decode(payload)


def proto(body: str, syntax: str = 'syntax = "proto3";') -> SchemaText:
    return SchemaText("PROTOBUF", syntax + body)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (SchemaText("AVRO", '{"type": "record"}'), "not an AVRO schema"),
        (SchemaText("AVRO", '"Unknown"'), "not an AVRO schema"),
        (SchemaText("AVRO", "{"), "not an AVRO schema"),
        (SchemaText("JSON", '{"$ref": "absent.json"}'), "not a JSON schema"),
        (SchemaText("JSON", '{"type": 5}'), "not a JSON schema"),
        (proto("message A { int32 a = ; }"), "not a PROTOBUF schema: ValueError"),
        (proto("message A { B b = 1; }"), "not a PROTOBUF schema: B is neither defined nor imported"),
        (proto("message A { .a.B b = 1; }"), "not a PROTOBUF schema: .a.B is neither defined nor imported"),
        (proto("message A { int32 a = 1; int32 b = 1; }"), "not a PROTOBUF schema"),
        (proto("enum A { B = 0; }"), "it defines no message"),
        (proto("message A { optional group G = 1 { } }", 'syntax = "proto2";'), "groups are not supported: G"),
    ],
)
def test_texts_that_are_no_schema(schema: SchemaText, problem: str) -> None:
    with pytest.raises(SchemaTextError, match=problem):
        codec_for(schema)


def test_proto2_has_required_fields_and_defaults() -> None:
    schema = proto(
        "message A { required string a = 1; optional int32 b = 2 [default = 5]; "
        "optional bool c = 3 [default = true, deprecated = true]; "
        "optional E e = 4 [default = Y]; extensions 100 to 199; } enum E { X = 1; Y = 2; reserved 3; }",
        'syntax = "proto2";',
    )
    codec = codec_for(schema)
    assert codec.decode(codec.encode({"a": "x"})) == {"a": "x"}
    with pytest.raises(DataError, match="missing required fields: a"):
        codec.encode({})


def test_an_enum_of_a_newer_version_stays_a_number() -> None:
    newer = codec_for(proto("message A { E e = 1; } enum E { X = 0; Y = 1; }"))
    older = codec_for(proto("message A { E e = 1; } enum E { X = 0; }"))
    assert older.decode(newer.encode({"e": "Y"})) == {"e": 1}


def test_messages_are_found_by_their_place_and_name() -> None:
    file = ProtobufSchema(PROTOBUF)
    assert file.codec((0, 1)).decode(b"\n\x01s") == {"sku": "s"}
    assert file.index_of("Card") == file.index_of("shop.orders.Card") == (1,)
    with pytest.raises(DataError, match="no message at index \\[7\\]"):
        file.codec((7,))
    with pytest.raises(DataError, match="no message Nope: Order, Card"):
        file.index_of("Nope")


def test_what_several_import_is_compiled_once_and_first() -> None:
    base = SchemaText("PROTOBUF", 'syntax = "proto3"; message Base { int32 a = 1; }')
    left, right = (
        SchemaText("PROTOBUF", f'syntax = "proto3"; import "b"; message {name} {{ Base b = 1; }}', (("b", base),))
        for name in ("Left", "Right")
    )
    text = 'syntax = "proto3"; import "l"; import "r"; message A { Left l = 1; Right r = 2; }'
    diamond = SchemaText("PROTOBUF", text, (("l", left), ("r", right)))
    assert list(diamond.imported()) == ["b", "l", "r"]
    assert codec_for(diamond).problem({"l": {"b": {"a": 1}}, "r": {}}) is None
