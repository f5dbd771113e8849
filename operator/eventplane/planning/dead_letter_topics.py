"""The EventTopics of a Subscription's failures: their names, their labels, what they look like, who is one of them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from eventplane.api import API_VERSION, DELAY_LABEL, MANAGED_BY_LABEL, MANAGER, ROLE_LABEL, SUBSCRIPTION_LABEL
from eventplane.api.dead_letter_policy import DeadLetterPolicySpec
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.quantities import UNLIMITED, milliseconds
from eventplane.api.subscription import Subscription
from eventplane.events.waits import child_names, duration_text, waits_ms
from eventplane.planning.access_desired import Topics

ChildRole: TypeAlias = Literal["dead-letter", "retry"]

_LABEL_LENGTH: Final = 63
_HASH_DIGITS: Final = 16
_LEAST_RETRY_RETENTION_MS: Final = milliseconds("7d")
_MOST_DAYS: Final = 999_999_999
_HEADROOM_BYTES: Final = 65_536
"""What a dead letter may be longer than the event: headers say where it comes from and what went wrong."""
_MESSAGE_BYTES: Final = "max.message.bytes"


def name_label(name: str) -> str:
    """Write a resource's name as the value of a label, which is at most 63 characters long."""
    if len(name) <= _LABEL_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{name[: _LABEL_LENGTH - _HASH_DIGITS - 1].rstrip('-.')}-{digest}"


def children_of(subscription: Subscription, topics: Iterable[EventTopic]) -> tuple[EventTopic, ...]:
    """Find the EventTopics that were made for a Subscription, in order: its label says so, in its namespace."""
    metadata = subscription.metadata
    label = name_label(metadata.name)
    found = (
        topic
        for topic in topics
        if topic.metadata.labels.get(SUBSCRIPTION_LABEL) == label and topic.metadata.namespace == metadata.namespace
    )
    return tuple(sorted(found, key=_order))


def role_of(topic: EventTopic) -> ChildRole:
    """Tell what an EventTopic is for that was made for a Subscription."""
    return "retry" if topic.metadata.labels.get(ROLE_LABEL) == "retry" else "dead-letter"


def delay_of(topic: EventTopic) -> int | None:
    """Tell for how long events wait in a retry topic, milliseconds; None where its label does not say."""
    try:
        return milliseconds(topic.metadata.labels.get(DELAY_LABEL, ""))
    except ValueError:
        return None


def _order(topic: EventTopic) -> tuple[bool, int, str]:
    return (role_of(topic) == "retry", delay_of(topic) or 0, topic.metadata.name)


def topic_manifests(
    subscription: Subscription,
    spec: DeadLetterPolicySpec,
    bus: EventBus,
    sources: Topics,
    children: Sequence[EventTopic],
) -> Iterator[Mapping[str, Any]]:
    """Write the EventTopics that a policy asks for.

    The time of a record is when it was put there: one with the time of the event would be deleted at once where the
    event is older than the retention. Sizes are not limited, whatever the bus says, since that would delete unread.
    """
    metadata = subscription.metadata
    config = {"message.timestamp.type": "LogAppendTime", **_long_enough(bus, sources)}
    partitions = {child.metadata.name: child.status.partitions or 0 for child in children}
    delays = iter(sorted(set(waits_ms(spec.retry))))
    for name in child_names(metadata.name, spec.retry):
        labels = {MANAGED_BY_LABEL: MANAGER, SUBSCRIPTION_LABEL: name_label(metadata.name)}
        retention = spec.dead_letter.retention
        if name == f"{metadata.name}.dlq":
            labels |= {ROLE_LABEL: "dead-letter"}
        else:
            delay_ms = next(delays)
            labels |= {ROLE_LABEL: "retry", DELAY_LABEL: duration_text(delay_ms)}
            retention = _retry_retention(retention, delay_ms)
        asked = {
            "partitions": max(spec.dead_letter.partitions, partitions.get(name, 0)),
            "partitionGrowth": "Allow",  # neither dead letters nor retries are looked up by key
            "retention": {"time": retention, "size": UNLIMITED},
            "cleanup": ["delete"],
            "config": config,
            "deletionPolicy": spec.dead_letter.deletion_policy,
            "adoption": "IfUnowned",
        }
        ref = subscription.spec.bus_ref
        yield {
            "apiVersion": API_VERSION,
            "kind": EventTopic.kind,
            "metadata": {"name": name, "namespace": metadata.namespace, "labels": labels},
            "spec": asked | ({"busRef": ref.to_wire()} if ref is not None else {}),
        }


def _retry_retention(retention: str, delay_ms: int) -> str:
    """Keep what waits as long as dead letters, so that a consumer that is away loses neither; in whole days.

    Unlimited is for dead letters only: what was tried again is never deleted by being read, only by its age.
    """
    kept_ms = max(_LEAST_RETRY_RETENTION_MS, milliseconds(retention)) + delay_ms
    return f"{min(_MOST_DAYS, -(-kept_ms // milliseconds('1d')))}d"


def _long_enough(bus: EventBus, sources: Topics) -> Mapping[str, str]:
    """Let a dead letter be as long as the longest event, and some more, where that is known."""
    configs = [topic.spec.config for topic in sources.values() if topic is not None] + [bus.spec.defaults.config]
    longest = [int(value) for config in configs if (value := config.get(_MESSAGE_BYTES) or "").isdecimal()]
    return {_MESSAGE_BYTES: str(max(longest) + _HEADROOM_BYTES)} if longest else {}
