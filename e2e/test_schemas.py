"""Schemas on a real registry, through the chart: registered, guarded, evolved, repaired, deleted only when told."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from e2e.cluster.commands import CommandError
from e2e.servers.polling import poll
from e2e.workspace import Resource, condition, is_current, is_ready, ready, schema, topic

if TYPE_CHECKING:
    from e2e.registry_view import RegistryView
    from e2e.workspace import Workspace

pytestmark = pytest.mark.cluster

Fields = dict[str, Any]
ID, AMOUNT, CURRENCY = {"id": "string"}, {"amount": "double"}, {"currency": "string"}


def record(fields: Fields, name: str = "Order", **defaults: Any) -> str:
    """Write a record of fields by name and type; what has a default gets it."""
    made = [
        {"name": field, "type": kind} | ({"default": defaults[field]} if field in defaults else {})
        for field, kind in fields.items()
    ]
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": made})


FIRST = record(ID | AMOUNT)
COMPATIBLE = record(ID | AMOUNT | CURRENCY, currency="EUR")
BREAKING = record(ID | AMOUNT | CURRENCY)


def is_used(found: Resource) -> bool:
    """Tell whether a Schema's status, if it has one yet, names who uses it."""
    return bool(found.get("status", {}).get("usedBy"))


@pytest.fixture
def subject() -> str:
    """A subject that no other test uses."""
    return f"e2e-{uuid.uuid4().hex[:8]}-value"


def stalled(resource: Resource) -> str | None:
    return condition(resource, "Stalled").get("reason")


def until_stalled(place: Workspace, name: str, reason: str, kind: str = "Schema") -> Resource:
    return place.until(kind, name, lambda found: is_current(found) and stalled(found) == reason)


def put_config_map(place: Workspace, name: str, **data: str) -> None:
    place.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def guarded(place: Workspace, main_bus: Resource, subject: str, **spec: Any) -> None:
    """Register FIRST from a ConfigMap, whose changes no webhook sees."""
    put_config_map(place, "definitions", order=FIRST)
    source = {"configMapKeyRef": {"name": "definitions", "key": "order"}}
    place.apply(schema("order", main_bus, subject=subject, definitionFrom=source, **spec))
    place.until_ready("order", "Schema")


# --- registration


def test_a_schema_becomes_a_subject_and_its_status_says_which(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST, compatibility="FULL"))
    status = place.until_ready("order", "Schema")["status"]
    assert registry.versions(subject) == [1]
    assert registry.definition(subject) == json.loads(FIRST)
    assert registry.level(subject) == status["compatibility"] == "FULL"
    assert (status["subject"], status["version"], status["major"]) == (subject, 1, 1)
    assert status["versions"] == [{"version": 1, "id": status["id"], "major": 1, "fingerprint": status["fingerprint"]}]


def test_formatting_registers_nothing_and_a_new_field_does(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST))
    place.until_ready("order", "Schema")
    pretty = json.dumps(json.loads(FIRST), indent=4, sort_keys=True)
    place.apply(schema("order", main_bus, subject=subject, definition=pretty))
    place.until_ready("order", "Schema")
    assert registry.versions(subject) == [1]
    place.apply(schema("order", main_bus, subject=subject, definition=COMPATIBLE))
    assert place.until_ready("order", "Schema")["status"]["version"] == 2
    assert registry.versions(subject) == [1, 2]


@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("JSON", json.dumps({"title": "Order", "type": "object", "properties": {"id": {"type": "string"}}})),
        ("PROTOBUF", 'syntax = "proto3";\npackage shop;\nmessage Order {\n  string id = 1;\n}\n'),
    ],
)
def test_other_languages_are_registered_too(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str, kind: str, definition: str
) -> None:
    place.apply(schema("order", main_bus, type=kind, subject=subject, definition=definition))
    place.until_ready("order", "Schema")
    assert "id" in str(registry.definition(subject))


def test_what_is_imported_is_registered_first_in_whatever_order_it_is_applied(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    order = record(ID | {"to": "shop.Address"})
    imports = [{"name": "shop.Address", "schemaRef": {"name": "address"}}]
    place.apply(schema("order", main_bus, subject=subject, definition=order, references=imports))
    waiting = place.until_reason("order", "SchemaNotFound", "Schema")
    assert (
        f"Schema {place.namespace}/address, which the definition imports, does not exist" in ready(waiting)["message"]
    )
    assert registry.versions(subject) == []
    address = record({"city": "string"}, "Address")
    place.apply(schema("address", main_bus, subject=f"{subject}-address", definition=address))
    place.until_ready("order", "Schema")
    users = place.until("Schema", "address", is_used)["status"]["usedBy"]
    assert users == [f"Schema {place.namespace}/order"]


def test_a_circle_of_references_is_refused_and_says_where(place: Workspace, main_bus: Resource, subject: str) -> None:
    def part(name: str, other: str, **spec: Any) -> Resource:
        imports = [{"name": f"shop.{other}", "schemaRef": {"name": other}}]
        return schema(name, main_bus, subject=f"{subject}-{name}", definition=FIRST, references=imports, **spec)

    place.apply(part("a", "b"))
    circle = f"{place.namespace}/b -> {place.namespace}/a -> {place.namespace}/b"
    with pytest.raises(CommandError, match="ReferenceCycle") as refused:
        place.apply(part("b", "a"))
    assert circle in str(refused.value)
    place.apply(part("b", "a", mode="Plan"))
    assert circle in ready(until_stalled(place, "b", "ReferenceCycle"))["message"]


def test_subjects_are_named_as_the_clients_of_the_registry_name_them(
    place: Workspace, main_bus: Resource, registry: RegistryView
) -> None:
    place.apply(topic("orders", main_bus))
    side = {"name": "orders"}
    place.apply(
        schema("value", main_bus, definition=FIRST, subjectNaming="Topic", topic=side),
        schema("key", main_bus, definition='"string"', subjectNaming="Topic", topic=side | {"part": "Key"}),
        schema("both", main_bus, definition=FIRST, subjectNaming="TopicRecord", topic=side),
    )
    named = {name: place.until_ready(name, "Schema")["status"]["subject"] for name in ("value", "key", "both")}
    in_kafka = f"{place.namespace}.orders"
    assert named == {"value": f"{in_kafka}-value", "key": f"{in_kafka}-key", "both": f"{in_kafka}-shop.Order"}
    assert set(named.values()) <= set(registry.subjects())


# --- the gate


def test_a_breaking_change_is_stopped_at_admission_with_words(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST))
    place.until_ready("order", "Schema")
    with pytest.raises(CommandError) as refused:
        place.apply(schema("order", main_bus, subject=subject, definition=BREAKING))
    said = str(refused.value)
    assert "Incompatible" in said
    assert "currency" in said
    assert registry.versions(subject) == [1]


def test_a_breaking_change_that_no_webhook_saw_leaves_what_works(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    guarded(place, main_bus, subject)
    put_config_map(place, "definitions", order=BREAKING)
    found = until_stalled(place, "order", "Incompatible")
    assert is_ready(found)
    assert found["status"]["version"] == 1
    (violation,) = found["status"]["violations"]
    assert violation["version"] == 1
    assert "currency" in violation["message"]
    assert registry.versions(subject) == [1]
    assert poll(lambda: any(reason == "Incompatible" for reason, _ in place.events("order")), 10)
    put_config_map(place, "definitions", order=COMPATIBLE)
    found = place.until("Schema", "order", lambda each: each["status"].get("version") == 2)
    assert stalled(found) is None
    assert "violations" not in found["status"]


def test_mode_plan_shows_the_outcome_and_registers_nothing_until_it_is_approved(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST))
    place.until_ready("order", "Schema")
    place.apply(schema("order", main_bus, subject=subject, definition=BREAKING, mode="Plan"))
    assert "currency" in until_stalled(place, "order", "Incompatible")["status"]["violations"][0]["message"]
    place.apply(schema("order", main_bus, subject=subject, definition=COMPATIBLE, mode="Plan"))
    found = place.until_reason("order", "AwaitingApproval", "Schema")
    plan = found["status"]["plan"]
    assert plan["changes"][0].startswith(f"register a version of subject {subject}")
    assert registry.versions(subject) == [1]
    place.annotate("order", "Schema", approve=plan["hash"])
    place.until_ready("order", "Schema")
    assert registry.versions(subject) == [1, 2]


def test_a_definition_that_is_no_schema_says_where(place: Workspace, main_bus: Resource, subject: str) -> None:
    with pytest.raises(CommandError, match="DefinitionInvalid"):
        place.apply(schema("order", main_bus, subject=subject, definition='{"type": "record", "fields": [}'))


def test_json_schemas_that_name_draft_2020_12_are_guarded_though_this_registry_cannot_compare_them(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    def order(**properties: str) -> Resource:
        document = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Order",
            "type": "object",
            "properties": {name: {"type": kind} for name, kind in properties.items()},
            "additionalProperties": False,
        }
        definition = json.dumps(document)
        return schema("order", main_bus, type="JSON", subject=subject, definition=definition, compatibility="BACKWARD")

    place.apply(order(id="string"))
    place.until_ready("order", "Schema")
    with pytest.raises(CommandError, match="Incompatible"):
        place.apply(order(id="integer"))
    place.apply(order(id="string", note="string"))
    assert place.until_ready("order", "Schema")["status"]["version"] == 2
    assert registry.level(subject) == "BACKWARD"


# --- majors


def test_a_breaking_change_on_purpose_opens_a_major_version(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    def order(definition: str, **spec: Any) -> Resource:
        level = "BACKWARD_TRANSITIVE"
        return schema("order", main_bus, subject=subject, definition=definition, compatibility=level, **spec)

    place.apply(order(FIRST))
    place.until_ready("order", "Schema")
    newer = {"onIncompatible": "NewMajor"}
    with pytest.raises(CommandError, match="MigrationMissing"):
        place.apply(order(BREAKING, evolution=newer))
    step = {
        "from": 1,
        "to": 2,
        "up": '{"id": event.data.id, "amount": event.data.amount, "currency": "EUR"}',
        "down": '{"id": event.data.id, "amount": event.data.amount}',
        "samples": [
            {"data": {"id": "o-1", "amount": 9.5}, "expected": {"id": "o-1", "amount": 9.5, "currency": "EUR"}}
        ],
    }
    wrong = step | {"up": '{"id": event.data.id}'}
    with pytest.raises(CommandError, match="MigrationFailed"):
        place.apply(order(BREAKING, evolution=newer | {"migrations": [wrong]}))
    evolution = newer | {"migrations": [step]}
    place.apply(order(BREAKING, evolution=evolution))
    status = place.until_ready("order", "Schema")["status"]
    assert (status["version"], status["major"]) == (2, 2)
    assert [each["major"] for each in status["versions"]] == [1, 2]
    assert registry.level(subject) == "BACKWARD"
    further = record(ID | AMOUNT | CURRENCY | {"note": "string"}, note="")
    place.apply(order(further, evolution=evolution))
    assert place.until_ready("order", "Schema")["status"]["major"] == 2


# --- adoption, drift, deletion


def test_an_existing_subject_is_adopted_or_not_as_the_resource_says(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    registry.register(subject, json.loads(FIRST))
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST, adoption="Never", mode="Plan"))
    until_stalled(place, "order", "SubjectExists")
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST))
    assert place.until_ready("order", "Schema")["status"]["version"] == 1
    assert registry.versions(subject) == [1]


def test_a_level_changed_behind_our_back_is_put_back_and_a_version_is_reported(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST, compatibility="BACKWARD"))
    place.until_ready("order", "Schema")
    registry.set_level(subject, "NONE")
    place.until("Schema", "order", lambda _: registry.level(subject) == "BACKWARD")
    place.until("Schema", "order", lambda _: any(reason == "DriftRepaired" for reason, _ in place.events("order")))
    registry.register(subject, json.loads(COMPATIBLE))
    found = place.until("Schema", "order", lambda each: bool(each["status"].get("drift")))
    assert found["status"]["drift"] == [{"setting": "latest version", "expected": "1", "actual": "2"}]
    assert is_ready(found)
    assert registry.versions(subject) == [1, 2]


def test_a_subject_is_never_deleted_while_a_topic_names_it(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST, deletionPolicy="Soft"))
    place.apply(topic("orders", main_bus, schemas={"value": {"name": "order"}}))
    place.until("Schema", "order", is_used)
    place.until_ready("order", "Schema")
    place.remove("order", "Schema")
    held = place.until("Schema", "order", lambda found: stalled(found) == "InUse")
    assert f"EventTopic {place.namespace}/orders" in condition(held, "Stalled")["message"]
    assert registry.versions(subject) == [1]
    place.apply(topic("orders", main_bus))
    place.until_gone("order", "Schema")
    assert registry.versions(subject) == []


def test_a_subject_outlives_its_resource_unless_it_was_told_to_go(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST))
    assert "finalizers" not in place.until_ready("order", "Schema")["metadata"]
    place.remove("order", "Schema")
    place.until_gone("order", "Schema")
    assert registry.versions(subject) == [1]
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST, deletionPolicy="Hard"))
    place.until_ready("order", "Schema")
    place.remove("order", "Schema")
    place.until_gone("order", "Schema")
    assert registry.versions(subject) == []


# --- topics know their schemas


def test_a_topic_shows_its_schemas_and_waits_for_them(
    place: Workspace, main_bus: Resource, registry: RegistryView, subject: str
) -> None:
    place.apply(topic("orders", main_bus, schemas={"value": {"name": "order"}}))
    waiting = place.until_reason("orders", "SchemaNotReady")
    assert f"Schema {place.namespace}/order of its values does not exist" in ready(waiting)["message"]
    assert waiting["status"]["partitions"] > 0, "the topic itself waits for nothing"
    place.apply(schema("order", main_bus, subject=subject, definition=FIRST))
    found = place.until_ready("orders")
    version = place.until_ready("order", "Schema")["status"]
    assert found["status"]["schemas"]["value"] == {
        "name": "order", "subject": subject, "id": version["id"], "version": 1
    }  # fmt: skip
    assert registry.versions(subject) == [1]
