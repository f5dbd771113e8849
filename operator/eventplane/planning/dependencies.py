"""Which resources another one hangs on by name, and what of a resource those that hang on it look at."""

from typing import TypeAlias

from eventplane.api.access import Access
from eventplane.api.conditions import ConditionType
from eventplane.api.event_topic import EventTopic
from eventplane.api.resource import Managed
from eventplane.api.schema import Schema
from eventplane.planning.verdicts import condition

Place: TypeAlias = tuple[str, tuple[str, str]]
"""A kind, and the namespace and name of a resource that may not exist."""


def needs_of(resource: Managed) -> frozenset[Place]:
    """Name the resources that a resource refers to."""
    namespace = resource.metadata.namespace
    match resource:
        case EventTopic():
            bound = (resource.spec.schemas.key, resource.spec.schemas.value)
            return frozenset((Schema.kind, (namespace, each.name)) for each in bound if each is not None)
        case Schema():
            needs = {(Schema.kind, key) for key in resource.imports}
            topic = resource.spec.topic
            return frozenset(needs | ({(EventTopic.kind, (namespace, topic.name))} if topic else set()))
        case Access():
            return frozenset((EventTopic.kind, (namespace, each.name)) for each in resource.spec.topics)
        case _:
            return frozenset()


def outward(resource: Managed) -> tuple[object, ...]:
    """Reduce a resource to what those that refer to it look at; they are looked at again when it changes."""
    match resource:
        case Schema():
            ready = condition(resource.status.conditions, ConditionType.READY)
            shown = resource.status
            return (shown.bus, shown.subject, shown.id, shown.version, ready.status if ready else None)
        case EventTopic():
            status = resource.status
            made = status.applied is not None and status.topic_id is not None
            return (status.topic_name, status.bus, made)
        case _:
            return ()
