"""Schemas to desired subjects: the rows of `subject_name`, the definition, and what it imports."""

from collections.abc import Mapping
from typing import Any

import pytest
from builders import (
    avro,
    definition,
    event_bus,
    event_topic,
    migration,
    observed_subject,
    refusal,
    registered,
    schema,
    settled_schema,
    wanted_subject,
)

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.schema import Schema, SchemaStatus
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_desired import definition_of, resolve_references, subject_name, with_definition
from eventplane.planning.schema_state import Definition, Reference

TOPIC = {"name": "orders"}
NO_RECORD = '{"type": "array", "items": "string"}'


def named(resource: Schema, topic: EventTopic | None = None, bus: EventBus | None = None) -> object:
    return subject_name(resource, bus or event_bus(), topic, resource.spec.definition)


def settled_as(subject: str, resource: Schema) -> Schema:
    status = SchemaStatus(subject=subject, applied="f00", bus="shop/main")
    return resource.model_copy(update={"status": status})


@pytest.mark.parametrize(
    ("resource", "topic", "expected"),
    [
        pytest.param(schema(subject="s"), None, "s", id="given"),
        pytest.param(settled_as("t", schema(subject="s")), None, "s", id="given, and another so far"),
        pytest.param(settled_as("t", schema()), None, "t", id="absent, so far"),
        pytest.param(settled_as("t", schema(subject_naming="Record")), None, "t", id="derived, so far"),
        pytest.param(
            schema(status=SchemaStatus(subject="t", bus="shop/main")), None, "orders", id="so far, never applied"
        ),
        pytest.param(schema(), None, "orders", id="the resource's name"),
        pytest.param(
            schema(subject_naming="Topic", topic=TOPIC), event_topic(), "shop.orders-value", id="Topic: the value"
        ),
        pytest.param(
            schema(subject_naming="Topic", topic={"name": "orders", "part": "Key"}),
            event_topic(topic_name="o"),
            "o-key",
            id="Topic: the key",
        ),
        pytest.param(schema(subject_naming="Record"), None, "shop.Order", id="Record"),
        pytest.param(
            schema(subject_naming="TopicRecord", topic=TOPIC), event_topic(), "shop.orders-shop.Order", id="TopicRecord"
        ),
    ],
)
def test_subject_name(resource: Schema, topic: EventTopic | None, expected: str) -> None:
    assert named(resource, topic) == expected


@pytest.mark.parametrize("naming", ["Topic", "TopicRecord"])
def test_topic_that_does_not_exist_is_waited_for(naming: str) -> None:
    waiting = named(schema(subject_naming=naming, topic=TOPIC))
    assert isinstance(waiting, Unavailable)
    assert (waiting.reason, waiting.message) == (
        Reason.REFERENCE_NOT_READY,
        "EventTopic shop/orders, after which the subject is named, does not exist: create it, or correct spec.topic",
    )


def test_topic_that_has_no_name_is_refused() -> None:
    bus = event_bus(naming={"topic": "{{ name"})
    refused = named(schema(subject_naming="Topic", topic=TOPIC), event_topic(), bus)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.INVALID_NAME


@pytest.mark.parametrize("naming", [{"subject_naming": "Record"}, {"subject_naming": "TopicRecord", "topic": TOPIC}])
def test_definition_without_a_record_names_nothing(naming: dict[str, Any]) -> None:
    assert named(schema(definition=NO_RECORD, **naming), event_topic()) == Refusal(
        Reason.INVALID_NAME,
        f"subjectNaming {naming['subject_naming']} names the subject after the record, and the definition has none with"
        " a name (AVRO: a record; PROTOBUF: a message; JSON: a title): set subject, or name the record",
    )


def test_unknown_text_names_nothing_yet() -> None:
    assert isinstance(subject_name(schema(subject_naming="Record"), event_bus(), None, None), Refusal)


def test_names_of_our_own_are_refused() -> None:
    assert named(schema(subject="__eventplane.orders")) == Refusal(
        Reason.INVALID_NAME,
        "subject __eventplane.orders is Eventplane's own: create a Schema whose subject is another",
    )


# --- the definition

FROM = {"config_map_key_ref": {"name": "schemas", "key": "order.avsc"}}
MISSING = Refusal(
    Reason.DEFINITION_NOT_FOUND,
    "ConfigMap shop/schemas has no order.avsc: add the key, or correct definitionFrom",
)


@pytest.mark.parametrize(
    ("resource", "data", "expected"),
    [
        pytest.param(schema(), None, avro(), id="in the resource"),
        pytest.param(schema(definition=None), None, "", id="nowhere: CEL forbids it"),
        pytest.param(schema(definition_from=FROM), {"order.avsc": "text"}, "text", id="in the ConfigMap"),
        pytest.param(schema(definition_from=FROM), {"other": "text"}, MISSING, id="no such key"),
        pytest.param(schema(definition_from=FROM), {"order.avsc": ""}, MISSING, id="an empty one"),
        pytest.param(schema(definition_from=FROM), None, MISSING, id="no data at all"),
        pytest.param(schema(definition_from=FROM), refusal(), refusal(), id="no ConfigMap"),
    ],
)
def test_definition(resource: Schema, data: Mapping[str, str] | Refusal | None, expected: str | Refusal) -> None:
    assert definition_of(resource, data) == expected


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"definition": avro().replace(" ", "\n")}, True, id="formatting"),
        pytest.param({"deletion_policy": "Hard", "mode": "Plan"}, True, id="what is not of the subject"),
        pytest.param({"definition": avro("id", "x?")}, False, id="the definition"),
        pytest.param({"compatibility": "FULL"}, False, id="the level"),
        pytest.param({"subject": "other"}, False, id="the subject"),
        pytest.param({"evolution": {"migrations": [migration()]}}, False, id="a migration"),
    ],
)
def test_fingerprint_changes_with_what_is_asked_for(
    fields: dict[str, Any],
    same: bool,  # noqa: FBT001 - a row
) -> None:
    assert (wanted_subject(schema(**fields)).fingerprint() == wanted_subject(schema()).fingerprint()) is same


def test_migrations_are_in_order() -> None:
    asked = wanted_subject(schema(evolution={"migrations": [migration(2), migration(1)]}))
    assert [each.from_ for each in asked.migrations] == [1, 2]


# --- what it imports

BUS = "shop/main"
ADDRESS = settled_schema(schema("address"), version=3)


def importing(*names: str, name: str = "orders", **fields: Any) -> Schema:
    references = [{"name": f"shop.{each}", "schema_ref": {"name": each, **fields}} for each in names]
    return schema(name, references=references)


def resolved(resource: Schema, *others: Schema) -> object:
    known: dict[tuple[str, str], Schema | None] = {each.metadata.key: each for each in others}
    wanted = {(each.schema_ref.namespace or "shop", each.schema_ref.name) for each in resource.spec.references}
    return resolve_references(resource, {**dict.fromkeys(wanted), **known}, BUS)


def test_references_are_to_what_their_schemas_have_registered() -> None:
    assert resolved(schema()) == ()
    assert resolved(importing("address"), ADDRESS) == (Reference("shop.address", "address", 3),)
    pinned = schema(references=[{"name": "a", "schema_ref": {"name": "address"}, "version": 1}])
    assert resolved(pinned, ADDRESS) == (Reference("a", "address", 1),)
    elsewhere = settled_schema(schema("address", "other"))
    assert resolved(importing("address", namespace="other"), elsewhere) == (Reference("shop.address", "address", 1),)


@pytest.mark.parametrize(
    ("others", "reason", "message"),
    [
        pytest.param(
            [],
            Reason.SCHEMA_NOT_FOUND,
            "Schema shop/address, which the definition imports, does not exist: create it, or correct the reference",
            id="it does not exist",
        ),
        pytest.param(
            [schema("address")],
            Reason.REFERENCE_NOT_READY,
            "Schema shop/address, which the definition imports, is not registered yet: see its status",
            id="it is not registered",
        ),
        pytest.param(
            [settled_schema(schema("address"), event_bus("other"))],
            Reason.REFERENCE_NOT_READY,
            "Schema shop/address, which the definition imports, is on another bus: refer to one on EventBus shop/main",
            id="it is on another bus",
        ),
    ],
)
def test_import_is_waited_for(others: list[Schema], reason: Reason, message: str) -> None:
    waiting = resolved(importing("address"), *others)
    assert isinstance(waiting, Unavailable)
    assert (waiting.reason, waiting.message) == (reason, message)


@pytest.mark.parametrize(
    ("others", "path"),
    [
        pytest.param([], "shop/orders -> shop/orders", id="itself"),
        pytest.param([importing("orders", name="a")], "shop/orders -> shop/a -> shop/orders", id="each other"),
        pytest.param(
            [importing("b", name="a"), importing("orders", "a", name="b")],
            "shop/orders -> shop/a -> shop/b -> shop/orders",
            id="further round",
        ),
        pytest.param(
            [importing("b", "c", name="a"), importing("c", name="b"), importing("orders", name="c")],
            "shop/orders -> shop/a -> shop/c -> shop/orders",
            id="the shortest way",
        ),
    ],
)
def test_circle_is_refused(others: list[Schema], path: str) -> None:
    first = others[0].metadata.name if others else "orders"
    assert resolved(importing(first), *others) == Refusal(
        Reason.REFERENCE_CYCLE,
        f"schemas refer to each other in a circle ({path}), so none can be registered first: take one of the"
        " references away",
    )


def test_circle_of_others_is_theirs() -> None:
    others = [importing("b", name="a"), importing("a", name="b")]
    assert isinstance(resolved(importing("a"), *others), Unavailable)


def test_two_ways_to_one_schema_are_no_circle() -> None:
    settled = [settled_schema(schema(name)) for name in ("a", "b")]
    shared = importing("c", name="a").spec, importing("c", name="b").spec
    others = [each.model_copy(update={"spec": spec}) for each, spec in zip(settled, shared, strict=True)]
    assert isinstance(resolved(importing("a", "b"), *others, schema("c")), tuple)


def test_text_of_an_import_is_what_the_registry_has() -> None:
    reference = Reference("shop.Order", "orders", 2)
    text = definition("id", "x?")
    seen = observed_subject(registered(1), registered(2, text))
    assert with_definition(reference, seen).definition == text
    assert with_definition(reference, observed_subject(registered(1))).definition is None
    assert with_definition(reference, None).definition is None
    assert isinstance(text, Definition)
