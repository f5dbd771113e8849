"""What a Subscription does with topics beside reading its own: it delivers to some, and looks into others."""

from dataclasses import replace

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.subscription import Subscription
from eventplane.planning.access_desired import DesiredAccess, Topics, with_topic
from eventplane.planning.desired import CLEANUP, settings_of
from eventplane.planning.plan import Refusal


def with_sink_topics(access: DesiredAccess, subscription: Subscription, topics: Topics, bus: EventBus) -> DesiredAccess:
    """Let a Subscription write to the topics that it delivers to."""
    for ref in subscription.spec.sink_topics:
        access = with_topic(access, subscription, ref, topics.get(ref), bus, "WRITE")
    return access


def with_lookup_topics(
    access: DesiredAccess, subscription: Subscription, topics: Topics, bus: EventBus
) -> DesiredAccess:
    """Let a Subscription read the topics that it looks into, which have to be compacted."""
    for ref in subscription.spec.lookup_topics:
        topic = topics.get(ref)
        access = with_topic(access, subscription, ref, topic, bus, "READ")
        if topic is not None and not _is_compacted(topic, bus):
            access = replace(access, missing=(*access.missing, _not_compacted(topic)))
    return access


def _is_compacted(topic: EventTopic, bus: EventBus) -> bool:
    """Tell whether a topic keeps the last value of each key; of one whose setting is left alone nobody knows."""
    settings = settings_of(topic.spec, bus)
    return (CLEANUP in settings and settings[CLEANUP] is None) or "compact" in (settings.get(CLEANUP) or "")


def _not_compacted(topic: EventTopic) -> Refusal:
    name = "/".join(topic.metadata.key)
    return Refusal(
        Reason.TOPIC_NOT_COMPACTED,
        f"EventTopic {name} is not said to be compacted, so the last value of a key may be deleted: set its cleanup to"
        " [compact], or take it out of lookups",
    )
