"""Names of subjects, where definitions come from, and what they import."""

from typing import Any

import pytest
from builders import SUBJECT, avro, event_bus, event_topic, observed_subject, registered, schema, settled_schema

from eventplane.api.conditions import Reason
from eventplane.api.schema import Schema
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_desired import (
    definition_of,
    desire_subject,
    resolve_references,
    subject_name,
    with_definition,
)
from eventplane.planning.schema_state import Reference

FIRST = avro()
BUS = event_bus()
ORDERS = event_topic()


def derived(naming: str | None, **fields: Any) -> Schema:
    topic = {"topic": {"name": "orders"} | fields.pop("topic", {})} if naming in {"Topic", "TopicRecord"} else {}
    return schema(subject=None, subject_naming=naming, **topic, **fields)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(schema(subject="given"), "given", id="given"),
        pytest.param(derived(None), "orders", id="the resource's name"),
        pytest.param(derived("Topic"), "shop.orders-value", id="Topic"),
        pytest.param(derived("Topic", topic={"part": "Key"}), "shop.orders-key", id="Topic, the keys"),
        pytest.param(derived("Record"), "shop.Order", id="Record"),
        pytest.param(derived("TopicRecord"), "shop.orders-shop.Order", id="TopicRecord"),
        pytest.param(
            settled_schema(derived("Record", definition=avro(name="Other"))), "shop.Other", id="as applied before"
        ),
    ],
)
def test_subject_name(resource: Schema, expected: str) -> None:
    assert subject_name(resource, BUS, ORDERS, FIRST) == expected


def test_a_name_that_cannot_be_derived_says_what_to_do() -> None:
    for naming in ("Record", "TopicRecord"):
        nameless = subject_name(derived(naming), BUS, ORDERS, '"string"')
        assert isinstance(nameless, Refusal)
        assert nameless.reason is Reason.INVALID_NAME
        assert "set subject, or name the record" in nameless.message
    waiting = subject_name(derived("Topic"), BUS, None, FIRST)
    assert isinstance(waiting, Unavailable)
    assert (waiting.reason, waiting.message) == (
        Reason.REFERENCE_NOT_READY,
        "EventTopic shop/orders, after which the subject is named, does not exist: create it, or correct spec.topic",
    )
    unnamed = subject_name(derived("Topic"), event_bus(naming={"topic": "no spaces {{ name }}"}), ORDERS, FIRST)
    assert isinstance(unnamed, Refusal)
    assert unnamed.reason is Reason.INVALID_NAME


def test_our_own_subjects_are_nobody_elses() -> None:
    refused = subject_name(schema(subject="__eventplane.orders-value"), BUS, None, FIRST)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.INVALID_NAME


# --- definitions


def test_a_definition_stands_in_the_resource_or_in_a_config_map() -> None:
    assert definition_of(schema(), None) == FIRST
    kept = schema(definition_from={"config_map_key_ref": {"name": "avro", "key": "order"}})
    assert definition_of(kept, {"order": FIRST}) == FIRST
    missing = Refusal(Reason.DEFINITION_NOT_FOUND, "ConfigMap shop/avro does not exist")
    assert definition_of(kept, missing) == missing
    assert definition_of(kept, {"other": FIRST}) == Refusal(
        Reason.DEFINITION_NOT_FOUND, "ConfigMap shop/avro has no order: add the key, or correct definitionFrom"
    )


def test_what_is_asked_for_has_a_fingerprint() -> None:
    asked = desire_subject(schema(), SUBJECT, FIRST, ())
    same = desire_subject(schema(), SUBJECT, FIRST.replace(":", " : "), ())
    assert asked.fingerprint() == same.fingerprint()
    step = {"from_": 1, "to": 2, "up": "event.data", "down": "event.data", "samples": [{"data": {}}]}
    others = [
        desire_subject(schema(compatibility="FULL"), SUBJECT, FIRST, ()),
        desire_subject(schema(), "other", FIRST, ()),
        desire_subject(schema(evolution={"migrations": [step]}), SUBJECT, FIRST, ()),
        desire_subject(schema(), SUBJECT, '"string"', ()),
        desire_subject(schema(), SUBJECT, FIRST, (Reference("shop.Address", "address", 1),)),
    ]
    assert len({asked.fingerprint(), *(each.fingerprint() for each in others)}) == 6


# --- references


def importing(name: str = "orders", *imports: str, **fields: Any) -> Schema:
    references = [{"name": f"shop.{each}", "schema_ref": {"name": each}, **fields} for each in imports]
    return schema(name, references=references)


def known(*schemas: Schema, missing: str | None = None) -> dict[tuple[str, str], Schema | None]:
    found: dict[tuple[str, str], Schema | None] = {each.metadata.key: each for each in schemas}
    return found | ({("shop", missing): None} if missing else {})


READY = settled_schema(schema("address", subject=SUBJECT), version=3)


def test_references_are_resolved_to_subject_and_version() -> None:
    assert resolve_references(schema(), {}, "shop/main") == ()
    assert resolve_references(importing("orders", "address"), known(READY), "shop/main") == (
        Reference("shop.address", SUBJECT, 3),
    )
    pinned = resolve_references(importing("orders", "address", version=2), known(READY), "shop/main")
    assert pinned == (Reference("shop.address", SUBJECT, 2),)


@pytest.mark.parametrize(
    ("schemas", "bus", "reason", "words"),
    [
        (known(missing="address"), "shop/main", Reason.SCHEMA_NOT_FOUND, "does not exist: create it"),
        (known(schema("address")), "shop/main", Reason.REFERENCE_NOT_READY, "is not registered yet"),
        (known(READY), "shop/other", Reason.REFERENCE_NOT_READY, "is on another bus"),
    ],
)
def test_an_import_that_is_not_there_yet_is_waited_for(
    schemas: dict[tuple[str, str], Schema | None], bus: str, reason: Reason, words: str
) -> None:
    waiting = resolve_references(importing("orders", "address"), schemas, bus)
    assert isinstance(waiting, Unavailable)
    assert waiting.reason is reason
    assert words in waiting.message


@pytest.mark.parametrize(
    ("resource", "schemas", "path"),
    [
        pytest.param(importing("a", "a"), known(importing("a", "a")), "shop/a -> shop/a", id="itself"),
        pytest.param(importing("a", "b"), known(importing("b", "a")), "shop/a -> shop/b -> shop/a", id="each other"),
        pytest.param(
            importing("a", "b", "c"),
            known(importing("b", "c"), importing("c", "b", "a")),
            "shop/a -> shop/c -> shop/a",
            id="the shortest way, and past a circle of others",
        ),
    ],
)
def test_a_circle_is_refused(resource: Schema, schemas: dict[tuple[str, str], Schema | None], path: str) -> None:
    assert resolve_references(resource, schemas, "shop/main") == Refusal(
        Reason.REFERENCE_CYCLE,
        f"schemas refer to each other in a circle ({path}), so none can be registered first: take one of the references"
        " away",
    )


def test_a_circle_of_others_is_not_ours() -> None:
    schemas = known(importing("b", "c"), importing("c", "b"))
    waiting = resolve_references(importing("a", "b"), schemas, "shop/main")
    assert isinstance(waiting, Unavailable)


def test_a_reference_carries_the_text_that_the_registry_has() -> None:
    reference = Reference("shop.Order", SUBJECT, 1)
    assert with_definition(reference, observed_subject(registered())).definition == registered().definition
    assert with_definition(reference, observed_subject()).definition is None
    assert with_definition(reference, None).definition is None
