"""JSON Schema: who breaks on which change; what only some registries mind is said only once one has refused."""

import json
from typing import Any

import pytest

from eventplane.api.schema import CompatibilityLevel
from eventplane.planning.compatibility import explain, explain_with
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, Reference, RegisteredVersion

REFUSED = {3: CompatibilityVerdict(compatible=False)}
NEW_READERS = "readers on the new definition cannot read events of version 3."
OLD_CONSUMERS = "consumers still on version 3 cannot read new events."
S, W, N = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def obj(properties: Any = None, **keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties or {}, **keywords}


def closed(properties: Any = None) -> dict[str, Any]:
    return obj(properties, additionalProperties=False)


def definition(schema: Any, *references: Reference) -> Definition:
    return Definition("JSON", json.dumps(schema), references)


def said(level: CompatibilityLevel, old: Any, new: Any) -> list[tuple[str, str]]:
    violations = explain(level, definition(new), (RegisteredVersion(3, 7, definition(old)),))
    return [(each.path, each.rule) for each in violations]


def said_once_refused(level: CompatibilityLevel, old: Any, new: Any) -> list[tuple[str, str]]:
    versions = (RegisteredVersion(3, 7, definition(old)),)
    return [(each.path, each.rule) for each in explain_with(level, definition(new), versions, REFUSED)]


RULES = [
    ("required", obj({"a": S}), obj({"a": S}, required=["a"]), "a", "RequiredPropertyAdded", "RequiredPropertyRemoved"),
    ("type", obj({"a": S}), obj({"a": W}), "a", "TypeChanged", None),
    ("number to integer", N, W, "", "TypeNarrowed", "TypeWidened"),
    ("null is gone", {"type": ["string", "null"]}, S, "", "TypeNarrowed", "TypeWidened"),
    ("any to string", {}, S, "", "TypeNarrowed", None),
    ("enum", {"enum": ["x", "y"]}, {"enum": ["x"]}, "", "EnumValueRemoved", "EnumValueAdded"),
    ("many", {"enum": [*"abcdefgh"]}, {"enum": ["a"]}, "", "EnumValueRemoved", "EnumValueAdded"),
    ("const", S, {**S, "const": "x"}, "", "ValuesLimited", "ValuesLimited"),
    ("minLength", S, {**S, "minLength": 2}, "", "LimitNarrowed", "LimitWidened"),
    ("maxLength", {**S, "maxLength": 5}, {**S, "maxLength": 4}, "", "LimitNarrowed", "LimitWidened"),
    ("pattern", S, {**S, "pattern": "a"}, "", "LimitNarrowed", "LimitWidened"),
    ("minimum", {**W, "minimum": 1}, {**W, "minimum": 2}, "", "LimitNarrowed", "LimitWidened"),
    ("exclusive", {**W, "minimum": 1}, {**W, "exclusiveMinimum": 1}, "", "LimitNarrowed", None),
    ("maximum", N, {**N, "maximum": 2}, "", "LimitNarrowed", "LimitWidened"),
    ("multipleOf", {**W, "multipleOf": 2}, {**W, "multipleOf": 3}, "", "LimitNarrowed", None),
    ("minItems", {"type": "array"}, {"type": "array", "minItems": 1}, "", "LimitNarrowed", "LimitWidened"),
    ("unique", {"type": "array"}, {"type": "array", "uniqueItems": True}, "", "LimitNarrowed", "LimitWidened"),
    ("maxProperties", obj(), obj(maxProperties=1), "", "LimitNarrowed", "LimitWidened"),
    ("items", {"type": "array", "items": S}, {"type": "array", "items": W}, "[]", "TypeChanged", None),
    ("open", obj(), obj({"a": S}), "a", "PropertyAddedToOpenObject", "PropertyRemovedFromOpenObject"),
    ("closed", closed({"a": S}), closed(), "a", "PropertyRemovedFromClosedObject", "PropertyAddedToClosedObject"),
    ("closing", obj(), closed(), "", "ObjectClosed", "ObjectOpened"),
    ("others", obj(additionalProperties=S), obj(additionalProperties=W), "{}", "TypeChanged", None),
    ("false", obj({"a": S}), obj({"a": False}), "a", "ValuesForbidden", "ValuesForbidden"),
    ("false now", obj({"a": True}), obj({"a": S}), "a", "TypeNarrowed", None),
    ("nested", obj({"o": obj({"a": S})}), obj({"o": obj({"a": W})}), "o.a", "TypeChanged", None),
    ("reference", obj({"a": S}), {**obj({"a": {"$ref": "#/$defs/i"}}), "$defs": {"i": W}}, "a", "TypeChanged", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "path", "rule", "forward"), [row[1:] for row in RULES], ids=[r[0] for r in RULES]
)
def test_each_rule_is_found_in_its_direction(old: Any, new: Any, path: str, rule: str, forward: str | None) -> None:
    assert (path, rule) in said("BACKWARD", old, new)
    if forward is not None:
        assert (path, forward) in said("FORWARD", new, old)


MESSAGES = [
    (
        "BACKWARD", obj({"a": S}), obj({"a": S}, required=["a"]),
        (f"property `a` is now required: {NEW_READERS} Take `a` out of required, or write it in every event for a while"
        " before it is required"),
    ),
    (
        "FORWARD", obj({"a": S}, required=["a"]), obj({"a": S}),
        f"property `a` is no longer required, and they require it: {OLD_CONSUMERS} Keep `a` in required",
    ),
    (
        "BACKWARD", obj({"a": {"enum": ["x", "y"]}}), obj({"a": {"enum": ["x"]}}),
        f'`a` no longer takes "y": {NEW_READERS} Keep "y" among its values',
    ),
    (
        "FORWARD", obj({"a": {"enum": ["x"]}}), obj({"a": {"enum": ["x", "y"]}}),
        (f'`a` now also takes "y": {OLD_CONSUMERS} Register a version that knows the value and move the consumers to it'
        " before it is written"),
    ),
    (
        "BACKWARD", {"type": ["string", "null"]}, S,
        f"the schema was `string` or `null` and is now `string`: {NEW_READERS} Allow null again",
    ),
    (
        "FORWARD", W, N,
        f"the schema was `integer` and is now `number`: {OLD_CONSUMERS} Do not allow number: they do not know it",
    ),
    (
        "BACKWARD", {**S, "maxLength": 5}, {**S, "maxLength": 4},
        f"maxLength of the schema was 5 and is now 4: {NEW_READERS} Keep 5",
    ),
    (
        "BACKWARD", obj(), obj({"a": S}),
        (f"property `a` was added where properties of any kind were allowed before: {NEW_READERS} Events may hold a `a`"
        " of another kind already: close the object with additionalProperties false before properties are added, or"
        " leave the new one without a type"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("level", "old", "new", "message"), MESSAGES)
def test_the_message_says_who_breaks_and_what_to_do(
    level: CompatibilityLevel, old: Any, new: Any, message: str
) -> None:
    violations = explain(level, definition(new), (RegisteredVersion(3, 7, definition(old)),))
    assert [each.message for each in violations] == [message]


PROBABLE = [
    ("with a default", obj({"a": S}), obj({"a": {**S, "default": "x"}}, required=["a"]), "RequiredPropertyAdded"),
    ("format", S, {**S, "format": "date"}, "LimitNarrowed"),
    ("no limit at all", S, {**S, "minLength": 0}, "LimitNarrowed"),
    ("looser, but new", {**W, "exclusiveMinimum": 5}, {**W, "minimum": 3}, "LimitNarrowed"),
    ("step of a step", {**W, "multipleOf": 4}, {**W, "multipleOf": 2}, "LimitNarrowed"),
    ("integers already", {**N, "multipleOf": 1}, W, "TypeNarrowed"),
    ("listed values", {"enum": ["x"]}, S, "TypeNarrowed"),
    ("combined", {"oneOf": [S, W]}, {"oneOf": [S]}, "CombinationChanged"),
    ("beside combined", {**S, "allOf": [{}]}, {**W, "allOf": [{}]}, "TypeChanged"),
    ("parts beside combined", {**obj({"a": S}), "not": {}}, {**obj({"a": W}), "not": {}}, "TypeChanged"),
    ("out of the others", obj(additionalProperties=S), obj({"a": W}, additionalProperties=S), "TypeChanged"),
    ("into the others", obj({"a": W}), obj(additionalProperties=S), "TypeChanged"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule"), [row[1:] for row in PROBABLE], ids=[row[0] for row in PROBABLE])
def test_what_some_registries_mind_is_said_once_one_refuses(old: Any, new: Any, rule: str) -> None:
    assert rule not in [each for path, each in said("BACKWARD", old, new) if path != "{}"]
    assert rule in [each for _, each in said_once_refused("BACKWARD", old, new)]


CYCLE = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
TREE = obj({"left": {"$ref": "#"}, "a": S})
COMPATIBLE = [
    ("wider type", "BACKWARD", W, N),
    ("looser limit", "BACKWARD", {**S, "minLength": 2}, {**S, "minLength": 1}),
    ("looser bound", "BACKWARD", {**W, "minimum": 2}, {**W, "minimum": 1}),
    ("required before", "FULL", obj({"a": S}, required=["a"]), obj({"a": S}, required=["a"])),
    ("to anything", "BACKWARD", S, {}),
    ("from nothing", "BACKWARD", obj({"a": False}), obj({"a": S})),
    ("both nothing", "BACKWARD", closed({"a": False}), closed()),
    ("added without a type", "BACKWARD", obj(), obj({"a": {}})),
    ("added to closed", "BACKWARD", closed(), closed({"a": S})),
    ("a symbol more", "BACKWARD", {"enum": ["x"]}, {"enum": ["x", "y"]}),
    ("circle of references", "FULL", CYCLE, S),
    ("reference to nowhere", "FULL", {"$ref": "#/no"}, S),
    ("reference beside others", "FULL", {"$ref": "#/$defs/a", "minLength": 1, "$defs": {"a": S}}, W),
    ("recursive", "FULL", TREE, TREE),
    ("items by position", "FULL", {"type": "array", "items": [S]}, {"type": "array", "items": W}),
    ("draft 4", "FULL", {**W, "minimum": 1, "exclusiveMinimum": True}, {**W, "minimum": 2, "exclusiveMinimum": True}),
    ("no schema at all", "FULL", {"properties": {"a": 1}}, {"properties": {"a": 2}}),
    ("odd keywords", "FULL", {"properties": 1, "required": 2}, {"properties": 3, "required": 4}),
]  # fmt: skip


@pytest.mark.parametrize(("level", "old", "new"), [row[1:] for row in COMPATIBLE], ids=[row[0] for row in COMPATIBLE])
def test_what_breaks_nobody_is_not_explained(level: CompatibilityLevel, old: Any, new: Any) -> None:
    assert said(level, old, new) == []


def test_references_between_definitions_are_followed() -> None:
    def order(money: Any) -> Definition:
        reference = Reference("money.json", "money", 1, definition(money))
        return definition(obj({"price": {"$ref": "money.json"}}), reference)

    violations = explain("BACKWARD", order(obj({"cents": S})), (RegisteredVersion(3, 7, order(obj({"cents": W}))),))
    assert [(each.path, each.rule) for each in violations] == [("price.cents", "TypeChanged")]
