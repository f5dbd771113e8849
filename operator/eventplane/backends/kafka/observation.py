"""Topics as the brokers show them, made of descriptions and settings."""

from collections.abc import Container, Mapping

from confluent_kafka.admin import TopicDescription  # type: ignore[attr-defined]  # public

from eventplane.backends.kafka.descriptions import TopicSettings, topic_id
from eventplane.backends.kafka.freshness import FreshTopics
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC
from eventplane.planning.topic_state import ExistingTopic, TopicUsage


async def complete(
    fresh: FreshTopics,
    described: Mapping[str, TopicDescription],
    usages: Mapping[str, TopicUsage],
    with_settings: Container[str],
) -> dict[str, ExistingTopic]:
    """Make existing topics of descriptions.

    Args:
        fresh: where their settings are asked for.
        described: the descriptions, by name.
        usages: their use, where it was looked at.
        with_settings: whose settings are wanted; of these, one that was deleted meanwhile is left out.

    Raises:
        Unavailable, Rejected: see FreshTopics.settings.
    """
    unwanted: dict[str, TopicSettings] = {name: ({}, frozenset()) for name in described if name not in with_settings}
    settings = unwanted | await fresh.settings([name for name in described if name in with_settings])
    return {
        name: existing_topic(description, settings[name], usages.get(name))
        for name, description in described.items()
        if name in settings
    }


def existing_topic(
    description: TopicDescription, settings: TopicSettings, usage: TopicUsage | None = None
) -> ExistingTopic:
    """Make an existing topic of its description and its settings."""
    config, overrides = settings
    return ExistingTopic(
        topic_id=topic_id(description),
        partitions=len(description.partitions),
        replication_factor=min((len(partition.replicas) for partition in description.partitions), default=0),
        config=config,
        overrides=overrides,
        internal=description.is_internal or description.name == LEDGER_TOPIC,
        usage=usage,
    )
