"""Which resources another one hangs on by name, and what of a resource those that hang on it look at."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from eventplane.api import SUBSCRIPTION_LABEL
from eventplane.api.conditions import ConditionType
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import LabelSelector
from eventplane.api.event_topic import EventTopic
from eventplane.api.publication import Publication
from eventplane.api.resource import Managed
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.planning.buses import selects
from eventplane.planning.desired import CLEANUP
from eventplane.planning.verdicts import condition

Place: TypeAlias = tuple[str, tuple[str, str]]
"""A kind, and the namespace and name of a resource that may not exist."""
EVERY: Final = "*"
"""In place of a name: every resource of the kind in the namespace. No resource is called so."""


def selects_topic(selector: LabelSelector, topic: EventTopic) -> bool:
    """Tell whether a Subscription selects a topic; none selects what was made for the failures of one."""
    labels = topic.metadata.labels
    return selects(selector, labels) and SUBSCRIPTION_LABEL not in labels


def needs_of(resource: Managed | DeadLetterPolicy) -> frozenset[Place]:
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
        case Subscription():
            return frozenset((kind, (namespace, name)) for kind, name in _needs_of_subscription(resource))
        case Publication():
            relay = resource.spec.relay
            topics = (*resource.spec.topics, *((relay.positions,) if relay is not None else ()))
            return frozenset((EventTopic.kind, (namespace, each.name)) for each in topics)
        case _:
            return frozenset()


def _needs_of_subscription(subscription: Subscription) -> Iterator[tuple[str, str]]:
    """Name kind and name of the topics that it reads, delivers to or looks into, and of its policy."""
    spec = subscription.spec
    yield from ((EventTopic.kind, each.name) for each in spec.topics)
    if spec.topic_selector is not None:
        yield EventTopic.kind, EVERY
    yield from ((EventTopic.kind, name) for name in (*spec.sink_topics, *spec.lookup_topics))
    if spec.dead_letter_policy_ref is not None:
        yield DeadLetterPolicy.kind, spec.dead_letter_policy_ref.name


def outward(resource: Managed | DeadLetterPolicy) -> tuple[object, ...]:
    """Reduce a resource to what those that refer to it look at; they are looked at again when it changes."""
    match resource:
        case Schema():
            ready = condition(resource.status.conditions, ConditionType.READY)
            shown = resource.status
            return (shown.bus, shown.subject, shown.id, shown.version, ready.status if ready else None)
        case EventTopic():
            status = resource.status
            made = status.applied is not None and status.topic_id is not None
            has_schema, labels = resource.spec.schemas.value is not None, sorted(resource.metadata.labels.items())
            cleanup = (
                resource.spec.cleanup,
                resource.spec.config.get(CLEANUP),
                CLEANUP in resource.spec.unmanaged_config,
            )
            return (status.topic_name, status.bus, made, has_schema, tuple(labels), cleanup)
        case DeadLetterPolicy():
            return (resource.metadata.uid, resource.metadata.generation)
        case _:
            return ()
