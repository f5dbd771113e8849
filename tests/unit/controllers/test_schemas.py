"""Passes over Schemas and the lane of a registry, from what users do to what stands in it and in the status."""

import asyncio
import itertools
from collections.abc import Collection, Iterable
from typing import Any

import pytest
from builders import REGISTRY, avro, definition, event_bus, event_topic, migration, schema, subscription
from unit.controllers.world import BUS, SHOP, World, registry_bus, schema_world

from eventplane.api import FINALIZER
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.backends.memory_schemas import MemoryRegistry
from eventplane.controllers import queue
from eventplane.events.majors import record_subject
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.schema_changes import DeleteSubject, RegisterVersion
from eventplane.planning.schema_state import SubjectQuery

STALLED = ConditionType.STALLED
ADDRESS, INVOICE = ("shop", "address"), ("shop", "invoice")
V2 = avro("id", "note?")
IMPORTS_ADDRESS = (
    '{"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "to", "type": "shop.Address"}]}'
)
IMPORTS_ORDER = (
    '{"type": "record", "name": "Invoice", "namespace": "shop", "fields": [{"name": "order", "type": "shop.Order"}]}'
)


def chain() -> list[Schema]:
    """Make an invoice, which imports an order, which imports an address."""
    return [
        schema("address", definition=avro("street", name="Address")),
        schema("orders", definition=IMPORTS_ADDRESS, references=[imports("shop.Address", "address")]),
        schema("invoice", definition=IMPORTS_ORDER, references=[imports("shop.Order", "orders")]),
    ]


def imports(name: str, of: str) -> dict[str, object]:
    return {"name": name, "schema_ref": {"name": of}}


def from_config_map() -> Schema:
    return schema(definition_from={"config_map_key_ref": {"name": "schemas", "key": "order.avsc"}})


def versions(world: World, subject: str = "orders") -> list[str]:
    return [each.definition.text for each in world.registry.versions(subject)]


# --- create


async def test_a_schema_under_retain_costs_one_write() -> None:
    world = schema_world()
    async with world.operator() as operator:
        await world.until_schema_ready()
        await operator.settle()
        status = world.schema_status()
    assert versions(world) == [avro()]
    assert (status.subject, status.id, status.version, status.major) == ("orders", 1, 1, 1)
    assert (status.bus, status.compatibility, status.observed_generation) == ("shop/main", "BACKWARD", 1)
    assert [(each.version, each.id, each.fingerprint) for each in status.versions] == [(1, 1, status.fingerprint)]
    assert world.written() == ["status"]
    assert world.posted() == []


async def test_a_finalizer_is_set_before_the_subject_exists() -> None:
    world = schema_world(schema(deletion_policy="Soft"))
    world.gates["registry apply"] = asyncio.Event()
    async with world.operator() as operator:
        await world.until(lambda: world.waiting["registry apply"])
        assert world.schema().metadata.finalizers == (FINALIZER,)
        assert versions(world) == []
        world.gates.pop("registry apply").set()
        await world.until_schema_ready()
        await operator.settle()
    assert world.written() == ["finalizers", "status"]


async def test_a_second_pass_and_a_resync_write_nothing() -> None:
    world = schema_world(*chain())
    world.kubernetes.put(event_topic(schemas={"value": {"name": "orders"}}))
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until_schema_ready(INVOICE)
        await world.until_ready()
        await operator.settle()
        writes, looks = len(world.kubernetes.writes), world.registry_backends[0].calls["observe"]
        await world.until(lambda: world.registry_backends[0].calls["observe"] > looks + 3)
        assert len(world.kubernetes.writes) == writes
        assert world.registry_backends[0].calls["RegisterVersion"] == 3


async def test_a_batch_shares_its_requests() -> None:
    world = schema_world(*(schema(f"s{number}") for number in range(50)))
    async with world.operator():
        await world.until(lambda: all(world.schema_says(key=("shop", f"s{n}"))[0] == "True" for n in range(50)))
    assert world.registry_backends[0].calls["apply"] <= 3


async def test_a_new_definition_is_asked_about_and_registered() -> None:
    world = schema_world()
    async with world.operator() as operator:
        await world.until_schema_ready()
        world.kubernetes.put(schema(definition=V2))
        await world.until(lambda: world.schema_status().version == 2)
        await operator.settle()
    assert versions(world) == [avro(), V2]
    assert world.posted() == ["RegisterVersion"]


async def test_formatting_registers_nothing() -> None:
    world = schema_world()
    async with world.operator():
        await world.until_schema_ready()
        world.kubernetes.put(schema(definition=avro().replace(" ", "\n")))
        await world.until(lambda: world.schema_status().observed_generation == 2)
    assert versions(world) == [avro()]
    assert world.schema_status().version == 1


# --- the gate


async def test_a_breaking_definition_stalls_and_what_stands_stays_ready() -> None:
    world = schema_world()
    async with world.operator() as operator:
        await world.until_schema_ready()
        world.kubernetes.put(schema(definition=avro("id:int")))
        await world.until(lambda: world.schema_says(STALLED) == ("True", "Incompatible"))
        await operator.settle()
        status = world.schema_status()
        assert world.schema_says() == ("True", "Ready")
        assert world.schema_message() == (
            "version 1 of subject orders is registered with id 1; the new definition is refused"
        )
        assert [(each.version, each.path) for each in status.violations] == [(1, "id")]
        assert status.violations[0].message in world.schema_message(STALLED)
        assert world.posted() == ["Incompatible"]
        assert versions(world) == [avro()]
        world.kubernetes.put(schema(definition=V2))
        await world.until(lambda: world.schema_status().version == 2)
        assert world.schema_says(STALLED) == ("-", "-")
        assert world.schema_status().violations == ()


async def test_a_major_is_opened_on_purpose() -> None:
    world = schema_world()
    async with world.operator():
        await world.until_schema_ready()
        breaking: dict[str, Any] = {"definition": avro("id:int"), "evolution": {"on_incompatible": "NewMajor"}}
        world.kubernetes.put(schema(**breaking))
        await world.until(lambda: world.schema_says(STALLED) == ("True", "MigrationMissing"))
        assert world.schema_says() == ("True", "Ready")
        breaking["evolution"] = {
            "on_incompatible": "NewMajor",
            "migrations": [migration(up='{"id": 1}', down='{"id": "a"}')],
        }
        world.kubernetes.put(schema(**breaking))
        await world.until(lambda: world.schema_status().major == 2)
    assert [each.major for each in world.schema_status().versions] == [1, 2]
    assert world.registry.level("orders") == "BACKWARD"
    assert len(world.registry.versions(record_subject("orders"))) == 1


async def test_what_the_registry_refuses_on_its_own_stalls() -> None:
    world = schema_world()
    async with world.operator():
        await world.until_schema_ready()
        world.registry_backends[0].fail_next(RegisterVersion, Rejected(Reason.INCOMPATIBLE, "409: it says no"))
        world.kubernetes.put(schema(definition=V2))
        await world.until(lambda: world.schema_says(STALLED) == ("True", "Incompatible"))
        assert world.schema_says() == ("True", "Ready")
        assert world.schema_message(STALLED) == "409: it says no"


async def test_a_subject_that_changes_while_it_is_looked_at_is_looked_at_again() -> None:
    world = schema_world()
    async with world.operator():
        await world.until_schema_ready()
        backend, last = world.registry_backends[0], avro("id", "note?", "more?")
        observe = backend.observe

        async def overtaken(keys: Collection[SubjectQuery]) -> object:
            if any(key.candidate is not None for key in keys):
                world.registry.register("orders", definition("id", "note?"))
            return await observe(keys)

        backend.observe = overtaken  # type: ignore[method-assign]
        world.kubernetes.put(schema(definition=last))
        await world.until(lambda: versions(world) == [avro(), V2, last])
        await world.until(lambda: world.schema_status().version == 3)


async def test_mode_plan_shows_the_outcome_and_waits_for_its_approval() -> None:
    world = schema_world(schema(mode="Plan"))
    async with world.operator():
        await world.until(lambda: world.schema_says() == ("False", "AwaitingApproval"))
        plan = world.schema_status().plan
        assert plan is not None
        assert versions(world) == []
        world.kubernetes.annotate(Schema, SHOP, {"events.sindhan.ai/approve": plan.hash})
        await world.until_schema_ready()
    assert versions(world) == [avro()]


async def test_a_level_changed_behind_our_back_is_put_back_with_an_event() -> None:
    world = schema_world(schema(compatibility="FULL"))
    async with world.operator(resync_seconds=0.02):
        await world.until_schema_ready()
        world.registry.set_level("orders", "NONE")
        await world.until(lambda: world.posted() == ["DriftRepaired"])
    assert world.registry.level("orders") == "FULL"


async def test_a_version_registered_behind_our_back_is_told_and_stays() -> None:
    world = schema_world()
    async with world.operator(resync_seconds=0.02):
        await world.until_schema_ready()
        world.registry.register("orders", definition("id", "note?"), author="ann")
        await world.until(lambda: world.schema_says(ConditionType.DRIFTED) == ("True", "Drifted"))
        assert world.schema_says() == ("True", "Ready")
        assert world.schema_message(ConditionType.DRIFTED) == (
            "changed behind our back: latest version is 2, registered by ann, asked for is 1"
        )
    assert versions(world) == [avro(), V2]


# --- references


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_references_in_any_order_of_creation(order: Iterable[int]) -> None:
    schemas = chain()
    world = schema_world(schemas[next(iter(order))])
    async with world.operator() as operator:
        for number in order:
            await operator.settle()
            world.kubernetes.put(schemas[number])
        await world.until_schema_ready(INVOICE)
        await operator.settle()
        assert world.schema_status().used_by == ("Schema shop/invoice",)
        assert world.schema_status(ADDRESS).used_by == ("Schema shop/orders",)
    for subject in ("address", "orders", "invoice"):
        assert len(versions(world, subject)) == 1, subject


async def test_an_import_that_does_not_exist_is_waited_for() -> None:
    world = schema_world(chain()[1])
    async with world.operator():
        await world.until(lambda: world.schema_says() == ("False", "SchemaNotFound"))
        assert world.schema_says(ConditionType.RECONCILING) == ("True", "SchemaNotFound")
        world.kubernetes.put(chain()[0])
        await world.until_schema_ready()


async def test_a_circle_of_references_is_refused_for_all_of_it() -> None:
    one = schema("address", definition=IMPORTS_ORDER, references=[imports("shop.Order", "orders")])
    world = schema_world(one, chain()[1])
    async with world.operator():
        await world.until(lambda: world.schema_says(STALLED) == ("True", "ReferenceCycle"))
        await world.until(lambda: world.schema_says(STALLED, ADDRESS) == ("True", "ReferenceCycle"))
        assert "shop/orders -> shop/address -> shop/orders" in world.schema_message()
        world.kubernetes.put(chain()[0])
        await world.until_schema_ready()


# --- topics


async def test_a_topic_waits_for_its_schema_and_is_ready_the_moment_it_is_registered() -> None:
    world = schema_world()
    world.kubernetes.put(event_topic(schemas={"value": {"name": "orders"}}))
    world.gates["registry apply"] = asyncio.Event()
    async with world.operator() as operator:
        await world.until(lambda: world.ready() == ("False", "SchemaNotReady"))
        assert world.kafka.topics() == {"shop.orders"}
        assert world.message() == (
            "topic shop.orders is as desired; Schema shop/orders of its values is not ready: see its status"
        )
        world.gates.pop("registry apply").set()
        await world.until_ready()
        bound = world.status().schemas
        assert bound is not None
        assert bound.value is not None
        assert (bound.value.name, bound.value.subject, bound.value.id, bound.value.version) == (
            "orders", "orders", 1, 1,
        )  # fmt: skip
        await operator.settle()
        assert world.schema_status().used_by == ("EventTopic shop/orders",)


async def test_the_applications_of_its_topics_use_a_schema_too() -> None:
    world = schema_world(schema("orders"))
    world.kubernetes.put(event_topic(schemas={"value": {"name": "orders"}}))
    both = ("EventTopic shop/orders", "Subscription shop/billing")
    async with world.operator():
        await world.until(lambda: world.schema_status().used_by == both[:1])
        world.kubernetes.put(subscription("billing"))
        await world.until(lambda: world.schema_status().used_by == both)
        world.kubernetes.delete(Subscription, ("shop", "billing"))
        await world.until(lambda: world.schema_status().used_by == both[:1])


async def test_a_topic_stays_ready_while_the_registry_is_away() -> None:
    world = schema_world()
    world.kubernetes.put(event_topic(schemas={"value": {"name": "orders"}}))
    async with world.operator(refresh_seconds=0.01, resync_seconds=0.1) as operator:
        await world.until_ready()
        world.registry.available = False
        await world.until(lambda: world.schema_says() == ("Unknown", "RegistryUnavailable"))
        await operator.settle()
        assert world.ready() == ("True", "Ready"), "what is registered is registered"


async def test_a_schema_named_after_a_topic_waits_for_it() -> None:
    world = schema_world(schema(subject_naming="Topic", topic={"name": "orders"}))
    async with world.operator():
        await world.until(lambda: world.schema_says() == ("False", "ReferenceNotReady"))
        world.kubernetes.put(event_topic())
        await world.until_schema_ready()
    assert versions(world, "shop.orders-value") == [avro()]


# --- definitions in ConfigMaps


async def test_a_definition_is_read_from_a_config_map_and_again_with_every_resync() -> None:
    world = schema_world(from_config_map())
    async with world.operator(resync_seconds=0.02):
        await world.until(lambda: world.schema_says() == ("False", "DefinitionNotFound"))
        assert world.schema_message() == ("ConfigMap shop/schemas does not exist: create it, or correct definitionFrom")
        world.kubernetes.put_config_map("shop", "schemas", {"order.json": "{}"})
        await world.until(lambda: "has no order.avsc" in world.schema_message())
        world.kubernetes.put_config_map("shop", "schemas", {"order.avsc": avro()})
        await world.until_schema_ready()
        world.kubernetes.put_config_map("shop", "schemas", {"order.avsc": V2})
        await world.until(lambda: world.schema_status().version == 2)


async def test_a_config_map_that_could_not_be_read_is_read_again_soon() -> None:
    world = schema_world(from_config_map())
    world.kubernetes.put_config_map("shop", "schemas", {"order.avsc": avro()})
    world.kubernetes.fail_next("/configmaps/")
    async with world.operator():
        await world.until_schema_ready()


async def test_a_config_map_that_may_not_be_read_is_told() -> None:
    world = schema_world(from_config_map())
    world.kubernetes.put_config_map("shop", "schemas", Rejected(Reason.INTERNAL_ERROR, "403: no right"))
    async with world.operator():
        await world.until(lambda: world.schema_says(STALLED) == ("True", "InternalError"))
        assert world.schema_message() == "403: no right"


# --- deletion


@pytest.mark.parametrize(
    ("policy", "hidden", "gone"), [("Retain", False, False), ("Soft", True, False), ("Hard", True, True)]
)
async def test_deletion_does_what_its_policy_says(policy: str, *, hidden: bool, gone: bool) -> None:
    world = schema_world(schema(deletion_policy=policy))
    async with world.operator() as operator:
        await world.until_schema_ready()
        world.kubernetes.delete(Schema, SHOP)
        await world.until(lambda: not world.schema_exists())
        await operator.settle()
    assert (versions(world) == []) is hidden
    assert (world.registry.version("orders", 1) is None) is gone


@pytest.mark.parametrize("policy", ["Soft", "Hard"])
async def test_deletion_waits_for_the_last_that_refers_to_it(policy: str) -> None:
    world = schema_world(schema(deletion_policy=policy))
    world.kubernetes.put(event_topic(schemas={"key": {"name": "orders"}}))
    async with world.operator():
        await world.until_schema_ready()
        await world.until_ready()
        world.kubernetes.delete(Schema, SHOP)
        await world.until(lambda: world.schema_says(STALLED) == ("True", "InUse"))
        assert world.schema_message() == (
            "subject orders is referred to by EventTopic shop/orders: take the reference away, or set deletionPolicy to"
            " Retain to keep the subject"
        )
        assert versions(world) == [avro()]
        world.kubernetes.put(event_topic())
        await world.until(lambda: not world.schema_exists())
    assert versions(world) == []


async def test_the_finalizer_goes_only_after_the_subject() -> None:
    world = schema_world(schema(deletion_policy="Hard"))
    async with world.operator():
        await world.until_schema_ready()
        world.registry_backends[0].fail_next(DeleteSubject, Rejected(Reason.AUTHORIZATION_FAILED, "no right"))
        world.kubernetes.delete(Schema, SHOP)
        await world.until(lambda: world.schema_says()[1] == "AuthorizationFailed")
        assert world.schema().metadata.finalizers == (FINALIZER,)
        assert versions(world) == [avro()]
        world.kubernetes.annotate(Schema, SHOP, {"events.sindhan.ai/again": "1"})
        await world.until(lambda: not world.schema_exists())
    assert versions(world) == []


async def orphaned(world: World) -> None:
    """Delete the Schema while the registry is away for longer than the bus is patient."""
    await world.until_schema_ready()
    world.registry.available = False
    await world.until(lambda: world.registry_ready()[1] == "RegistryUnavailable")
    world.kubernetes.delete(Schema, SHOP)
    await world.until(lambda: world.schema().metadata.deleting)
    world.pass_time(3600)
    await world.until(lambda: not world.schema_exists())


def orphans(world: World) -> list[str]:
    bus = world.kubernetes.show(EventBus, BUS)
    assert bus is not None
    return [f"{each.kind} {each.thing}" for each in bus.status.orphans]


async def test_an_orphan_is_dealt_with_when_the_registry_is_back() -> None:
    world = schema_world(schema(deletion_policy="Hard"))
    async with world.operator(refresh_seconds=0.01):
        await orphaned(world)
        assert orphans(world) == ["Schema orders"]
        assert world.bus_ready() == ("True", "Ready"), "Kafka answers"
        world.registry.available = True
        await world.until(lambda: orphans(world) == [])
    assert world.registry.version("orders", 1) is None


async def test_an_orphan_to_which_something_refers_is_kept() -> None:
    world = schema_world(schema(deletion_policy="Hard"))
    world.kubernetes.put(event_topic(schemas={"value": {"name": "orders"}}))
    async with world.operator(refresh_seconds=0.01):
        await orphaned(world)
        world.registry.available = True
        await world.until(lambda: orphans(world) == [])
    assert versions(world) == [avro()]


async def test_an_orphan_that_has_found_another_resource_is_kept() -> None:
    world = schema_world(schema(deletion_policy="Hard"))
    async with world.operator(refresh_seconds=0.01):
        await orphaned(world)
        world.kubernetes.put(schema("heir", subject="orders"))
        await world.until(lambda: world.schema_says(key=("shop", "heir"))[1] == "RegistryUnavailable")
        world.registry.available = True
        await world.until(lambda: orphans(world) == [])
        await world.until_schema_ready(("shop", "heir"))
    assert versions(world) == [avro()]


async def test_an_orphan_that_could_not_be_dealt_with_is_tried_again() -> None:
    world = schema_world(schema(deletion_policy="Hard"))
    async with world.operator(refresh_seconds=0.01):
        await orphaned(world)
        for error in (Unavailable("no answer"), Rejected(Reason.REJECTED, "no")):
            world.registry_backends[0].fail_next(DeleteSubject, error)
        world.registry.available = True
        await world.until(lambda: orphans(world) == [])
    assert world.registry.version("orders", 1) is None


# --- the registry of a bus


async def test_schemas_wait_for_a_registry_that_does_not_answer_and_topics_go_on() -> None:
    world = schema_world()
    world.registry.available = False
    world.kubernetes.put(event_topic("billing"))
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until(lambda: world.schema_says() == ("False", "RegistryUnavailable"))
        await world.until(lambda: world.registry_ready() == ("False", "RegistryUnavailable"))
        await world.until_ready(("shop", "billing"))
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
        await operator.settle()
        assert world.schema_says(ConditionType.RECONCILING) == ("True", "RegistryUnavailable")
        assert world.schema_says(STALLED) == ("-", "-")
        assert world.posted() == []


async def test_all_are_ready_right_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    world = schema_world(*chain())
    world.registry.available = False
    async with world.operator(refresh_seconds=0.01):
        await world.until(lambda: world.schema_says(key=ADDRESS) == ("False", "RegistryUnavailable"))
        monkeypatch.setattr(queue, "FIRST_RETRY_SECONDS", 3600)
        monkeypatch.setattr(queue, "LAST_RETRY_SECONDS", 3600)
        world.registry.available = True
        await world.until_schema_ready(INVOICE)
        await world.until(lambda: world.registry_ready() == ("True", "Ready"))


async def test_kafka_away_leaves_schemas_alone() -> None:
    world = schema_world()
    world.kafka.available = False
    async with world.operator():
        await world.until_schema_ready()
        await world.until(lambda: world.bus_ready() == ("False", "BusUnavailable"))
        assert world.registry_ready() == ("True", "Ready")


async def test_two_lanes_of_a_bus_report_without_undoing_each_other() -> None:
    world = schema_world()
    async with world.operator(refresh_seconds=0.01) as operator:
        await world.until_schema_ready()
        await world.until(lambda: (world.bus_ready()[0], world.registry_ready()[0]) == ("True", "True"))
        for kafka, registry in [(False, True), (False, False), (True, False), (True, True)]:
            gate = world.kubernetes.gates["eventbuses"] = asyncio.Event()
            world.kafka.available, world.registry.available = kafka, registry
            await world.until(lambda: operator.lane().problem is None or not world.kafka.available)
            del world.kubernetes.gates["eventbuses"]  # what both have to say is said at once
            gate.set()
            said = (str(kafka), str(registry))
            await world.until(
                lambda said=said: (world.bus_ready()[0], world.registry_ready()[0]) == said,  # type: ignore[misc]
                f"{said}",
            )
        await operator.settle()
        assert (world.bus_ready()[0], world.registry_ready()[0]) == ("True", "True")


async def test_a_bus_without_a_registry_says_so_until_it_has_one() -> None:
    world = schema_world(bus=event_bus())
    async with world.operator():
        await world.until(lambda: world.schema_says(STALLED) == ("True", "RegistryNotConfigured"))
        assert world.schema_message() == (
            "EventBus shop/main has no schema registry: its owner can name one in spec.schemaRegistry"
        )
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
        assert world.registry_ready() == ("-", "-")
        world.kubernetes.put(registry_bus())
        await world.until_schema_ready()
        await world.until(lambda: world.registry_ready() == ("True", "Ready"))
        world.kubernetes.put(event_bus())
        await world.until(lambda: world.schema_says() == ("Unknown", "RegistryUnavailable"))
        assert world.schema_message() == (
            "the schema registry of EventBus shop/main is unusable (RegistryNotConfigured): EventBus shop/main has no"
            " schema registry: its owner can name one in spec.schemaRegistry"
        )
        await world.until(lambda: world.registry_ready() == ("-", "-"))


async def test_a_schema_of_a_bus_without_registry_can_be_deleted() -> None:
    world = schema_world(schema(deletion_policy="Hard"))
    async with world.operator(refresh_seconds=0.01):
        await world.until_schema_ready()
        world.kubernetes.put(event_bus())
        await world.until(lambda: world.schema_says() == ("Unknown", "RegistryUnavailable"))
        world.kubernetes.delete(Schema, SHOP)
        await world.until(lambda: world.schema().metadata.deleting)
        world.pass_time(3600)
        world.kubernetes.put(event_bus(orphan_after="1s"))
        await world.until(lambda: not world.schema_exists())


async def test_a_registry_that_moved_is_connected_to_anew() -> None:
    world = schema_world()
    world.registries["http://second:8081"] = MemoryRegistry()
    async with world.operator():
        await world.until_schema_ready()
        world.kubernetes.put(event_bus(schema_registry={"url": "http://second:8081/"}))
        await world.until(lambda: len(world.registries["http://second:8081"].versions("orders")) == 1)
        assert [each.closed for each in world.registry_backends] == [True, False]
    assert [each.closed for each in world.registry_backends] == [True, True]


async def test_a_registry_takes_its_password_from_a_secret() -> None:
    authentication = {"type": "Basic", "secret_ref": {"name": "login"}}
    world = schema_world(bus=event_bus(schema_registry={**REGISTRY, "authentication": authentication}))
    async with world.operator(refresh_seconds=0.01):
        await world.until(lambda: "unusable (SecretNotFound)" in world.schema_message())
        await world.until(lambda: world.registry_ready() == ("False", "SecretNotFound"))
        world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "hunter2"})
        await world.until_schema_ready()
    assert world.registry_backends[0].connection.password == "hunter2"  # noqa: S105 - of nothing


async def test_rivals_have_one_owner_and_the_next_follows() -> None:
    world = schema_world(
        schema("a", subject="s", creation_timestamp="2026-01-01T00:00:00Z"),
        schema("b", subject="s", creation_timestamp="2026-01-02T00:00:00Z", definition=V2),
    )
    async with world.operator():
        await world.until_schema_ready(("shop", "a"))
        await world.until(lambda: world.schema_says(STALLED, ("shop", "b")) == ("True", "OwnedByAnother"))
        assert versions(world, "s") == [avro()]
        world.kubernetes.delete(Schema, ("shop", "a"))
        await world.until_schema_ready(("shop", "b"))
    assert versions(world, "s") == [avro(), V2]


async def test_a_topic_is_told_of_a_schema_that_goes() -> None:
    world = schema_world()
    world.kubernetes.put(event_topic(schemas={"value": {"name": "orders"}}))
    async with world.operator():
        await world.until_ready()
        world.kubernetes.delete(Schema, SHOP)
        await world.until(lambda: world.ready() == ("False", "SchemaNotReady"))
        assert "Schema shop/orders of its values does not exist" in world.message()
        assert world.kubernetes.exists(EventTopic, SHOP)
