"""What a topic says of the Schemas of its records: which are registered as what, and which it still waits for."""

from collections.abc import Mapping
from typing import TypeAlias

from eventplane.api.conditions import ConditionType
from eventplane.api.event_topic import BoundSchema, BoundSchemas, EventTopic
from eventplane.api.schema import Schema
from eventplane.planning.verdicts import condition

Bound: TypeAlias = Mapping[str, Schema | None]
"""By part of a record, key or value: the Schema that the topic names for it, None where that does not exist."""


def bound_schemas(topic: EventTopic, schemas: Bound) -> BoundSchemas | None:
    """Say what the registry has of the Schemas that a topic names."""
    shown = {part: _bound(topic, part, schema) for part, schema in schemas.items()}
    return BoundSchemas(value=shown.get("value"), key=shown.get("key")) if shown else None


def _bound(topic: EventTopic, part: str, schema: Schema | None) -> BoundSchema:
    if schema is None:
        return BoundSchema(name=_named(topic, part))
    status = schema.status
    return BoundSchema(name=schema.metadata.name, subject=status.subject, id=status.id, version=status.version)


def unready_schema(topic: EventTopic, schemas: Bound) -> str | None:
    """Say which Schema of a topic is not registered yet, and what to do about it."""
    for part, schema in sorted(schemas.items()):
        if schema is None:
            missing = f"{topic.metadata.namespace}/{_named(topic, part)}"
            return f"Schema {missing} of its {part}s does not exist: create it, or correct spec.schemas.{part}"
        ready = condition(schema.status.conditions, ConditionType.READY)
        if ready is None or ready.status == "False":  # Unknown was ready before the registry went away
            return f"Schema {'/'.join(schema.metadata.key)} of its {part}s is not ready: see its status"
    return None


def _named(topic: EventTopic, part: str) -> str:
    reference = topic.spec.schemas.key if part == "key" else topic.spec.schemas.value
    return reference.name if reference is not None else ""
