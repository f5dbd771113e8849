"""Who hangs on whom by name, what of it they look at, and what a topic says of its Schemas."""

from typing import Any

import pytest
from builders import condition_of, event_bus, event_topic, schema, settled, settled_schema

from eventplane.api.event_topic import BoundSchema, BoundSchemas, EventTopic
from eventplane.api.resource import Managed, ManagedSpec, ManagedStatus
from eventplane.api.schema import Schema
from eventplane.planning.dependencies import Place, needs_of, outward
from eventplane.planning.topic_schemas import Bound, bound_schemas, unready_schema

BOTH = event_topic(schemas={"value": {"name": "order"}, "key": {"name": "id"}})
VALUE = event_topic(schemas={"value": {"name": "order"}})
KEY = event_topic(schemas={"key": {"name": "order"}})


class Other(Managed):
    """A kind that hangs on nothing."""

    kind = "Other"
    plural = "others"
    spec: ManagedSpec
    status: ManagedStatus = ManagedStatus()


OTHER = Other(metadata=schema().metadata, spec=ManagedSpec())


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(event_topic(), set(), id="a topic without schemas"),
        pytest.param(BOTH, {("Schema", ("shop", "order")), ("Schema", ("shop", "id"))}, id="a topic with both"),
        pytest.param(schema(), set(), id="a schema that imports nothing"),
        pytest.param(
            schema(references=[{"name": "a", "schema_ref": {"name": "a"}}]), {("Schema", ("shop", "a"))}, id="an import"
        ),
        pytest.param(
            schema(references=[{"name": "a", "schema_ref": {"name": "a", "namespace": "other"}}]),
            {("Schema", ("other", "a"))},
            id="an import from elsewhere",
        ),
        pytest.param(
            schema(subject_naming="Topic", topic={"name": "orders"}),
            {("EventTopic", ("shop", "orders"))},
            id="named after a topic",
        ),
        pytest.param(OTHER, set(), id="another kind"),
    ],
)
def test_needs(resource: Managed, expected: set[Place]) -> None:
    assert needs_of(resource) == expected


def with_status(resource: Any, **fields: Any) -> Any:
    return resource.model_copy(update={"status": resource.status.model_copy(update=fields)})


@pytest.mark.parametrize(
    ("resource", "fields", "seen"),
    [
        pytest.param(settled_schema(schema()), {"version": 2}, True, id="a version"),
        pytest.param(settled_schema(schema()), {"id": 9}, True, id="an id"),
        pytest.param(settled_schema(schema()), {"subject": "s"}, True, id="a subject"),
        pytest.param(settled_schema(schema()), {"conditions": (condition_of("Ready", "False"),)}, True, id="readiness"),
        pytest.param(settled_schema(schema()), {"conditions": ()}, True, id="no readiness"),
        pytest.param(settled_schema(schema()), {"used_by": ("EventTopic a/b",)}, False, id="its users"),
        pytest.param(settled(event_topic()), {"topic_name": "t"}, True, id="a topic's name"),
        pytest.param(settled(event_topic()), {"bus": "a/b"}, True, id="a topic's bus"),
        pytest.param(settled(event_topic()), {"partitions": 9}, False, id="a topic's partitions"),
        pytest.param(OTHER, {"bus": "a/b"}, False, id="another kind"),
    ],
)
def test_outward(
    resource: Managed,
    fields: dict[str, Any],
    seen: bool,  # noqa: FBT001 - a row
) -> None:
    assert (outward(with_status(resource, **fields)) != outward(resource)) is seen


def test_import_on_another_bus_is_looked_at_again_when_it_moves() -> None:
    moved = with_status(settled_schema(schema()), bus="shop/other")
    assert outward(moved) != outward(settled_schema(schema(), event_bus()))


# --- what a topic says

ORDER = settled_schema(schema("order"))
UNREADY = with_status(ORDER, conditions=(condition_of("Ready", "False", "Drifted"),))
UNKNOWN = with_status(ORDER, conditions=(condition_of("Ready", "Unknown", "RegistryUnavailable"),))


@pytest.mark.parametrize(
    ("topic", "schemas", "expected"),
    [
        pytest.param(event_topic(), {}, None, id="no schema"),
        pytest.param(VALUE, {"value": ORDER}, None, id="ready"),
        pytest.param(VALUE, {"value": UNKNOWN}, None, id="ready before the registry went away"),
        pytest.param(
            VALUE,
            {"value": None},
            "Schema shop/order of its values does not exist: create it, or correct spec.schemas.value",
            id="missing",
        ),
        pytest.param(
            KEY,
            {"key": None},
            "Schema shop/order of its keys does not exist: create it, or correct spec.schemas.key",
            id="missing, of its keys",
        ),
        pytest.param(
            VALUE, {"value": UNREADY}, "Schema shop/order of its values is not ready: see its status", id="not ready"
        ),
        pytest.param(
            VALUE, {"value": schema("order")}, "Schema shop/order of its values is not ready: see its status", id="new"
        ),
        pytest.param(
            BOTH,
            {"value": None, "key": None},
            "Schema shop/id of its keys does not exist: create it, or correct spec.schemas.key",
            id="both missing: one at a time",
        ),
    ],
)
def test_unready(topic: EventTopic, schemas: Bound, expected: str | None) -> None:
    assert unready_schema(topic, schemas) == expected


def test_bound_schemas_show_what_the_registry_has() -> None:
    assert bound_schemas(event_topic(), {}) is None
    shown = BoundSchema(name="order", subject="order", id=101, version=1)
    assert bound_schemas(VALUE, {"value": ORDER}) == BoundSchemas(value=shown)
    assert bound_schemas(BOTH, {"value": ORDER, "key": None}) == BoundSchemas(value=shown, key=BoundSchema(name="id"))
    assert bound_schemas(KEY, {"key": None}) == BoundSchemas(key=BoundSchema(name="order"))


def test_dangling_part_has_no_name() -> None:
    assert bound_schemas(event_topic(), {"key": None}) == BoundSchemas(key=BoundSchema(name=""))


def test_thing_of_a_schema_is_its_subject() -> None:
    assert ORDER.thing == ("order", None)
    assert OTHER.thing == (None, None)
    assert isinstance(ORDER, Schema)
