"""Who refers to whom, what of a resource those look at, and what a topic says of its Schemas."""

from typing import Any

import pytest
from builders import (
    condition_of,
    dead_letter_policy,
    event_topic,
    publication,
    schema,
    settled,
    settled_schema,
    subscription,
)

from eventplane.api.conditions import Status
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import LabelSelector
from eventplane.api.event_topic import BoundSchema, BoundSchemas, EventTopicStatus
from eventplane.api.resource import Managed, ManagedSpec, ManagedStatus
from eventplane.api.schema import Schema
from eventplane.planning.dependencies import EVERY, Place, needs_of, outward, selects_topic
from eventplane.planning.topic_schemas import Bound, bound_schemas, unready_schema

BARE = Managed(metadata=schema().metadata, spec=ManagedSpec(), status=ManagedStatus())
UNMANAGED = {"unmanaged_config": ["cleanup.policy"]}
BOTH = {"value": {"name": "order"}, "key": {"name": "order-key"}}


@pytest.mark.parametrize(
    ("resource", "needs"),
    [
        (event_topic(), set()),
        (event_topic(schemas=BOTH), {("Schema", ("shop", "order")), ("Schema", ("shop", "order-key"))}),
        (schema(), set()),
        (
            schema(
                references=[
                    {"name": "a", "schema_ref": {"name": "a"}},
                    {"name": "b", "schema_ref": {"name": "b", "namespace": "other"}},
                ]
            ),
            {("Schema", ("shop", "a")), ("Schema", ("other", "b"))},
        ),
        (
            schema(subject=None, subject_naming="Topic", topic={"name": "orders"}),
            {("EventTopic", ("shop", "orders"))},
        ),
        (
            publication(topics=[{"name": "a"}, {"name": "b"}]),
            {("EventTopic", ("shop", "a")), ("EventTopic", ("shop", "b"))},
        ),
        (subscription(), {("EventTopic", ("shop", "orders"))}),
        (subscription(topic_selector={}), {("EventTopic", ("shop", EVERY))}),
        (
            subscription(dead_letter_policy_ref={"name": "careful"}, sink={"topic_ref": {"name": "bills"}}),
            {
                ("EventTopic", ("shop", "orders")),
                ("EventTopic", ("shop", "bills")),
                ("DeadLetterPolicy", ("shop", "careful")),
            },
        ),
        (
            subscription(
                sink={"http": {"url": "http://billing"}},
                lookups=[
                    {"name": "customer", "key": "event.key", "topic_ref": {"name": "customers"}},
                    {"name": "rate", "key": "event.key", "http": {"url": "http://rates/{key}"}},
                ],
            ),
            {("EventTopic", ("shop", "orders")), ("EventTopic", ("shop", "customers"))},
        ),
        (dead_letter_policy(), set()),
        (BARE, set()),
    ],
)
def test_needs(resource: Managed | DeadLetterPolicy, needs: set[Place]) -> None:
    assert needs_of(resource) == needs


def test_outward() -> None:
    registered = settled_schema(schema("order"), version=2)
    assert outward(schema()) == (None, None, None, None, None)
    assert outward(registered) == ("shop/main", "order", 102, 2, "True")
    assert outward(registered) != outward(settled_schema(schema("order"), version=3))
    named = event_topic(status=EventTopicStatus(topic_name="orders", bus="shop/main", partitions=3))
    unsaid = (None, None, False)
    assert outward(named) == ("orders", "shop/main", False, False, (), unsaid)
    labelled = outward(settled(event_topic(labels={"a": "b"})))
    assert labelled == ("shop.orders", "shop/main", True, False, (("a", "b"),), unsaid)
    assert outward(settled(event_topic(schemas=BOTH))) == ("shop.orders", "shop/main", True, True, (), unsaid)
    cleanups: tuple[dict[str, Any], ...] = (
        {},
        {"cleanup": ["compact"]},
        {"config": {"cleanup.policy": "compact"}},
        UNMANAGED,
    )
    assert len({outward(event_topic(**each)) for each in cleanups}) == len(cleanups)
    assert outward(dead_letter_policy()) != outward(dead_letter_policy(generation=2))
    assert outward(BARE) == ()


def test_what_has_no_thing_outside_leaves_nothing_behind() -> None:
    assert BARE.thing == (None, None)
    assert not BARE.spec.deletion_must_act


def ready(status: Status = "True") -> Schema:
    made = settled_schema(schema("order"))
    return made.model_copy(
        update={"status": made.status.model_copy(update={"conditions": (condition_of("Ready", status),)})}
    )


TOPIC = event_topic(schemas=BOTH)


@pytest.mark.parametrize(
    ("schemas", "waits_for"),
    [
        ({}, None),
        ({"value": ready()}, None),
        ({"value": ready("Unknown")}, None),
        ({"value": schema("order")}, "Schema shop/order of its values is not ready: see its status"),
        (
            {"key": None, "value": ready()},
            "Schema shop/order-key of its keys does not exist: create it, or correct spec.schemas.key",
        ),
        (
            {"value": None},
            "Schema shop/order of its values does not exist: create it, or correct spec.schemas.value",
        ),
    ],
)
def test_a_topic_waits_for_its_schemas(schemas: Bound, waits_for: str | None) -> None:
    assert unready_schema(TOPIC, schemas) == waits_for


def test_a_topic_shows_its_schemas() -> None:
    assert bound_schemas(event_topic(), {}) is None
    assert bound_schemas(TOPIC, {"value": ready(), "key": None}) == BoundSchemas(
        value=BoundSchema(name="order", subject="order", id=101, version=1), key=BoundSchema(name="order-key")
    )


def test_what_was_made_for_failures_is_selected_by_nobody() -> None:
    everything = LabelSelector()
    assert selects_topic(everything, event_topic())
    assert not selects_topic(everything, event_topic(labels={"events.sindhan.ai/subscription": "billing"}))
    assert not selects_topic(LabelSelector(match_labels={"a": "b"}), event_topic())
