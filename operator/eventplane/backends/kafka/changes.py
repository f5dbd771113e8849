"""Each type of change as one batch of requests, harmless twice."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not exported to type checkers
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.batches import errors_of, in_batches, topics_with_code
from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.creation import create_topics
from eventplane.backends.kafka.descriptions import topic_id
from eventplane.backends.kafka.freshness import FreshTopics
from eventplane.backends.kafka.ledger import Ledger
from eventplane.backends.kafka.topic_creator import TopicCreator
from eventplane.backends.waves import Batch, TopicOutcome
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    DeleteTopic,
    ReleaseTopic,
    TopicChange,
)


def batches(
    client: KafkaClient, creator: TopicCreator, fresh: FreshTopics, ledger: Ledger
) -> Mapping[type[TopicChange], Batch]:
    """Say what makes which type of change, on one cluster."""

    async def create(changes: Sequence[CreateTopic]) -> Sequence[TopicOutcome]:
        return await create_topics(client, creator, fresh, ledger, changes)

    async def claim(changes: Sequence[ClaimTopic]) -> Sequence[TopicOutcome]:
        losses = await ledger.claim(changes)
        return [Outcome(change, loss) for change, loss in zip(changes, losses, strict=True)]

    async def release(changes: Sequence[ReleaseTopic]) -> Sequence[TopicOutcome]:
        await ledger.release(changes)
        return [Outcome(change) for change in changes]

    return {
        ClaimTopic: claim,
        CreateTopic: create,
        AddPartitions: lambda changes: _add_partitions(client, fresh, changes),
        AlterConfig: lambda changes: _alter(client, fresh, changes),
        DeleteTopic: lambda changes: _delete(client, fresh, changes),
        ReleaseTopic: release,
    }


async def _add_partitions(
    client: KafkaClient, fresh: FreshTopics, changes: Sequence[AddPartitions]
) -> Sequence[TopicOutcome]:
    answers = await in_batches(
        client,
        "CreatePartitions",
        "Alter on the topics",
        changes,
        lambda admin, part: admin.create_partitions(
            [NewPartitions(change.topic, change.total) for change in part], request_timeout=client.timeout_seconds
        ),
    )
    errors = errors_of(answers, "Alter")
    refused = topics_with_code(answers, (KafkaError.INVALID_PARTITIONS,))
    described = await fresh.describe(sorted(refused)) if refused else {}
    for change in changes:
        if change.topic in described and len(described[change.topic].partitions) == change.total:
            del errors[change.topic]  # it was grown before
        if change.topic not in errors:
            fresh.grown(change.topic, change.total)
    return _outcomes(changes, errors)


async def _alter(client: KafkaClient, fresh: FreshTopics, changes: Sequence[AlterConfig]) -> Sequence[TopicOutcome]:
    answers = await in_batches(
        client,
        "IncrementalAlterConfigs",
        "AlterConfigs on the topics",
        changes,
        lambda admin, part: {
            resource.name: future
            for resource, future in admin.incremental_alter_configs(
                [_alteration(change) for change in part], request_timeout=client.timeout_seconds
            ).items()
        },
    )
    errors = errors_of(answers, "AlterConfigs")
    for change in changes:
        if change.topic not in errors:
            fresh.altered(change)
    return _outcomes(changes, errors)


def _alteration(change: AlterConfig) -> ConfigResource:
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in change.values.items()
    ]
    entries += [ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE) for key in change.resets]
    return ConfigResource(ConfigResource.Type.TOPIC, change.topic, incremental_configs=entries)


async def _delete(client: KafkaClient, fresh: FreshTopics, changes: Sequence[DeleteTopic]) -> Sequence[TopicOutcome]:
    described = await fresh.describe([change.topic for change in changes])
    ids = {topic: topic_id(description) for topic, description in described.items()}
    errors: dict[str, BackendError] = {
        change.topic: Rejected(
            Reason.TOPIC_REPLACED, f"topic {change.topic} is no longer the one to delete: somebody created it again"
        )
        for change in changes
        if ids.get(change.topic, change.topic_id) != change.topic_id
    }
    lagging = fresh.lagging([change.topic for change in changes], described)  # made by us, and no proof that it is gone
    errors |= {topic: Unavailable(f"topic {topic} was created and does not show yet") for topic in lagging}
    doomed = [change for change in changes if change.topic in ids and change.topic not in errors]
    answers = await in_batches(
        client,
        "DeleteTopics",
        "Delete on the topics",
        doomed,
        lambda admin, part: admin.delete_topics(
            [change.topic for change in part], request_timeout=client.timeout_seconds
        ),
    )
    gone = topics_with_code(answers, (KafkaError.UNKNOWN_TOPIC_OR_PART,))
    errors |= {topic: error for topic, error in errors_of(answers, "Delete").items() if topic not in gone}
    for change in doomed:
        if change.topic not in errors:
            fresh.deleted(change.topic, change.topic_id)
    return _outcomes(changes, errors)


def _outcomes(changes: Sequence[TopicChange], errors: Mapping[str, BackendError]) -> list[TopicOutcome]:
    return [Outcome(change, errors.get(change.topic)) for change in changes]
