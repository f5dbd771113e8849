"""AVRO: who breaks on which change, a row for each rule of schema resolution."""

import json
import time
from typing import Any

import pytest

from eventplane.api.schema import CompatibilityLevel
from eventplane.planning.compatibility import explain
from eventplane.planning.definitions.avro import parse_avro
from eventplane.planning.schema_state import Definition, RegisteredVersion


def avro(schema: Any) -> Definition:
    return Definition("AVRO", json.dumps(schema))


def order(*fields: dict[str, Any], name: str = "Order", **attributes: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **attributes}


def f(type_: Any, name: str = "f", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **attributes}


def said(level: CompatibilityLevel, old: Any, new: Any) -> list[tuple[str, str, str]]:
    violations = explain(level, avro(new), (RegisteredVersion(3, 7, avro(old)),))
    assert all(each.version == 3 for each in violations)
    return [(each.path, each.rule, each.message) for each in violations]


def enum(*symbols: str, **attributes: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **attributes}


NEW_READERS = "readers on the new definition cannot read events of version 3."
OLD_CONSUMERS = "consumers still on version 3 cannot read new events."

RULES = [
    (
        "BACKWARD", order(), order(f("string", "currency")), "currency", "FieldAddedWithoutDefault",
        (f"field `currency` of `Order` was added without a default: {NEW_READERS} Give `currency` a default, or make it"
        ' nullable: "type": ["null", "string"], "default": null'),
    ),
    (
        "BACKWARD", order(), order(f(["int", "null"], "n")), "n", "FieldAddedWithoutDefault",
        (f"field `n` of `Order` was added without a default: {NEW_READERS} Give `n` a default, or make it nullable:"
        ' "type": ["null", "int"], "default": null'),
    ),
    (
        "FORWARD", order(f("int", "n")), order(), "n", "FieldRemovedWithoutDefault",
        (f"field `n` of `Order` was removed, and the definition they know has no default for it: {OLD_CONSUMERS} Keep"
        " `n`, or register a version that gives it a default and move the consumers to it first"),
    ),
    (
        "BACKWARD", order(f("string")), order(f("int")), "f", "TypeChanged",
        (f"field `f` was `string` and is now `int`: {NEW_READERS} Keep the type, or add another field with the new type"
        " and a default"),
    ),
    (
        "FORWARD", "string", "int", "", "TypeChanged",
        (f"the schema was `string` and is now `int`: {OLD_CONSUMERS} Keep the type, or add another field with the new"
        " type and a default"),
    ),
    (
        "BACKWARD", order(f(["null", "int"])), order(f("int")), "f", "TypeChanged",
        (f"field `f` was `null` and is now `int`: {NEW_READERS} Keep the type, or add another field with the new type"
        " and a default"),
    ),
    (
        "BACKWARD", order(f("int")), order(f(["null", "string"])), "f", "UnionBranchMissing",
        f"field `f` was `int` and is now `null | string`: {NEW_READERS} Keep `int` among its types",
    ),
    (
        "FORWARD", order(f(["null", "int"])), order(f(["null", "int", "string"])), "f", "UnionBranchMissing",
        (f"field `f` was `null | int` and is now `string`: {OLD_CONSUMERS} Take `string` away again, or carry it in"
        " another field that has a default"),
    ),
    (
        "BACKWARD", order(f(enum("A", "B"))), order(f(enum("A"))), "f", "EnumSymbolRemoved",
        (f"enum `E` no longer has `B`: {NEW_READERS} Keep `B`, or give the enum a `default` symbol that stands for what"
        " it does not know"),
    ),
    (
        "FORWARD", order(f(enum("A"))), order(f(enum("A", "B", "C"))), "f", "EnumSymbolAdded",
        (f"enum `E` has gained `B` and `C`, and the enum they know has no `default` symbol: {OLD_CONSUMERS} Register a"
        " version that gives `E` a `default` symbol and move the consumers to it first"),
    ),
    (
        "BACKWARD", order(), order(name="Purchase"), "", "NameChanged",
        f"record `Order` is now called `Purchase`: {NEW_READERS} Keep the name, or give `Purchase` the alias `Order`",
    ),
    (
        "FORWARD", order(), order(name="Purchase", aliases=["Order"]), "", "NameChanged",
        (f"record `Order` is now called `Purchase`: {OLD_CONSUMERS} Keep the name: an alias of `Purchase` does not help"
        " those who do not have it"),
    ),
    (
        "BACKWARD", {"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 3}, "",
        "FixedSizeChanged",
        f"fixed `F` had 2 bytes and now has 3: {NEW_READERS} Keep the size, or add another field with another fixed",
    ),
    (
        "BACKWARD", order(f("int", "a"), f("int", "b")), order(f("int", "a", aliases=["b"])), "a", "AliasAmbiguous",
        (f"field `a` stands, by its name and aliases, for `a` and `b` of `Order` more than once: {NEW_READERS} Keep one"
        " name for it: take the alias away"),
    ),
    (
        "FORWARD", {"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 3}, "",
        "FixedSizeChanged",
        f"fixed `F` had 2 bytes and now has 3: {OLD_CONSUMERS} Keep the size, or add another field with another fixed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("level", "old", "new", "path", "rule", "message"), RULES)
def test_each_rule_says_who_breaks_and_what_to_do(
    level: CompatibilityLevel, old: Any, new: Any, path: str, rule: str, message: str
) -> None:
    assert said(level, old, new) == [(path, rule, message)]


INNER = order(f("int", "x"), name="Inner")
PLACES = [
    (order(f({"type": "array", "items": INNER})), order(f({"type": "array", "items": order(name="Inner")})), "f[].x"),
    (order(f({"type": "map", "values": INNER})), order(f({"type": "map", "values": order(name="Inner")})), "f{}.x"),
    (order(f(["null", INNER])), order(f(["null", order(name="Inner")])), "f.x"),
]


@pytest.mark.parametrize(("old", "new", "path"), PLACES)
def test_the_path_leads_through_what_holds_the_field(old: Any, new: Any, path: str) -> None:
    assert [where for where, _, _ in said("FORWARD", old, new)] == [path]


COMPATIBLE = [
    ("equal", "FULL", order(f("int")), order(f("int"))),
    ("field with default", "FULL", order(), order(f("int", default=1))),
    ("field removed", "BACKWARD", order(f("int")), order()),
    ("int to long", "BACKWARD", "int", "long"),
    ("int to double", "BACKWARD", "int", "double"),
    ("long to float", "BACKWARD", "long", "float"),
    ("string and bytes", "FULL", "string", "bytes"),
    ("into a union", "BACKWARD", "int", ["null", "int"]),
    ("promoted into a union", "BACKWARD", "int", ["null", "double"]),
    ("out of a union that was all int", "BACKWARD", ["int"], "int"),
    ("alias of a field", "BACKWARD", order(f("int", "a")), order(f("int", "b", aliases=["a"]))),
    ("alias of a record", "BACKWARD", order(), order(name="P", aliases=["Order"])),
    ("another namespace", "FULL", order(name="a.Order"), order(name="b.Order")),
    ("symbol with default", "BACKWARD", enum("A", "B"), enum("A", default="A")),
    ("symbol added", "BACKWARD", enum("A"), enum("A", "B")),
    ("recursive", "FULL", order(f(["null", "Order"])), order(f(["null", "Order"]))),
    ("logical type", "FULL", {"type": "int", "logicalType": "date"}, "int"),
    ("none", "NONE", order(), order(f("int"))),
]  # fmt: skip


@pytest.mark.parametrize(("level", "old", "new"), [row[1:] for row in COMPATIBLE], ids=[row[0] for row in COMPATIBLE])
def test_what_breaks_nobody_is_not_explained(level: CompatibilityLevel, old: Any, new: Any) -> None:
    assert said(level, old, new) == []


def test_two_recursive_types_too_far_apart_to_compare_are_left_to_the_registry() -> None:
    def cycle(length: int) -> Any:
        inner: Any = f(["null", "N0"])
        for number in range(length - 1, -1, -1):
            inner = f(["null", order(inner, name=f"N{number}", aliases=[f"N{n}" for n in range(30)])])
        return order(inner)

    assert parse_avro(avro(cycle(13))).fields
    assert said("BACKWARD", cycle(13), cycle(17)) == []


def test_a_hundred_fields_take_milliseconds() -> None:
    old = order(*(f(["null", "string"], f"f{n}", default=None) for n in range(100)))
    new = order(*(f(["null", "int"], f"f{n}", default=None) for n in range(100)))
    begun = time.process_time()
    assert len(said("FULL", old, new)) == 50
    assert time.process_time() - begun < 1
