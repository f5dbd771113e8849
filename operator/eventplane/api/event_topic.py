"""EventTopic: a Kafka topic that a team asks for."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from eventplane.api.event_bus import ConfigKey, ConfigValue
from eventplane.api.metadata import DeletionPolicy
from eventplane.api.model import ApiModel, immutable, rules
from eventplane.api.printing import AGE, BUS, MESSAGE, READY, REASON, Column
from eventplane.api.quantities import RetentionSize, RetentionTime
from eventplane.api.resource import KeptSpec, Managed, ManagedStatus

TOPIC_NAME_PATTERN = r"^[a-zA-Z0-9._-]{1,249}$"

PartitionGrowth = Literal["Allow", "IfUnkeyed", "Never"]


class Retention(ApiModel):
    """How long and how much a topic keeps."""

    time: RetentionTime | None = None
    """Age at which records are deleted, such as 7d, or unlimited: the setting retention.ms."""
    size: RetentionSize | None = None
    """Size of a partition at which its oldest records are deleted, such as 50Gi, or unlimited: retention.bytes."""


def _not_twice(field: str, present: str, key: str) -> tuple[str, str]:
    return (
        f"!({present}) || !has(self.config) || !('{key}' in self.config)",
        f"{field} and config['{key}'] say the same thing: keep one of them",
    )


class TopicSchemaRef(ApiModel):
    """A Schema of the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the Schema."""


class TopicSchemas(ApiModel):
    """The Schemas of a topic's records."""

    value: TopicSchemaRef | None = None
    """The Schema of the values."""
    key: TopicSchemaRef | None = None
    """The Schema of the keys."""


class EventTopicSpec(KeptSpec):
    """What a team asks for."""

    model_config = rules(
        immutable("topicName", "EventTopic"),
        immutable("busRef", "EventTopic"),
        _not_twice("retention.time", "has(self.retention) && has(self.retention.time)", "retention.ms"),
        _not_twice("retention.size", "has(self.retention) && has(self.retention.size)", "retention.bytes"),
        (
            "!has(self.unmanagedConfig) || !has(self.config) || !self.unmanagedConfig.exists(key, key in self.config)",
            "a setting is either in config or in unmanagedConfig: keep one of them",
        ),
        _not_twice("cleanup", "has(self.cleanup)", "cleanup.policy"),
    )

    topic_name: Annotated[str, Field(pattern=TOPIC_NAME_PATTERN)] | None = Field(
        default=None,
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self != '.' && self != '..'", "message": "Kafka does not allow a topic named . or .."},
                {
                    "rule": "!self.startsWith('__')",
                    "message": "names that start with __ belong to Kafka and to Eventplane",
                },
            ]
        },
    )
    """The topic's name in Kafka; default: from the bus's naming. Immutable."""
    partitions: int | None = Field(default=None, ge=1, le=10_000)
    """Partitions; default: from the bus. Kafka cannot shrink a topic."""
    partition_growth: PartitionGrowth = "IfUnkeyed"
    """Whether more partitions may be added later, which re-maps keys to partitions. IfUnkeyed refuses it on compacted
    topics and on those whose latest records have keys."""
    replication_factor: int | None = Field(default=None, ge=1, le=32_767)
    """Replicas of each partition; default: from the bus. A later change is refused until reassignment is built."""
    retention: Retention | None = None
    """How long and how much the topic keeps; default: from the bus's config, else the broker's."""
    cleanup: tuple[Literal["delete", "compact"], ...] | None = Field(
        default=None, min_length=1, max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """What happens to old records: the setting cleanup.policy."""
    config: Mapping[ConfigKey, ConfigValue | None] = Field(default_factory=dict, max_length=100)
    """Topic settings by their Kafka names; null leaves a setting alone, whoever sets it. A setting that is not named
    here, nor in the bus's defaults, is the broker's default. Client-side `kubectl apply` drops nulls before the API
    server sees them: apply with --server-side, or name the setting in unmanagedConfig."""
    unmanaged_config: tuple[ConfigKey, ...] = Field(
        default=(), max_length=100, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Topic settings that are left alone, whoever sets them: what null in config says, in a form that every client
    keeps."""
    schemas: TopicSchemas = TopicSchemas()
    """The Schemas of the topic's records; the topic is Ready once they are."""
    deletion_policy: DeletionPolicy = "Retain"
    """What becomes of the topic when this resource is deleted. DeleteIfEmpty: deleted only without records.
    DeleteIfIdle: only without active consumer group and recent writes."""


class BoundSchema(ApiModel):
    """What the registry has of a Schema of the topic's records."""

    name: str
    """Name of the Schema."""
    subject: str | None = None
    """Its subject in the registry."""
    id: int | None = None
    """Id, in the whole registry, of its version."""
    version: int | None = None
    """Number of that version in the subject."""


class BoundSchemas(ApiModel):
    """What the registry has of the Schemas of the topic's records."""

    value: BoundSchema | None = None
    """Of the values."""
    key: BoundSchema | None = None
    """Of the keys."""


class EventTopicStatus(ManagedStatus):
    """What is the case."""

    topic_name: str | None = None
    """The topic's name in Kafka."""
    topic_id: str | None = None
    """Kafka's id of the topic; another id means another topic."""
    partitions: int | None = None
    """Partitions that the topic has."""
    replication_factor: int | None = None
    """Replicas that each partition has, at least."""
    schemas: BoundSchemas | None = None
    """The Schemas of the topic's records, as registered."""


_NO_PARTITIONS_ASKED = "!has(self.spec.partitions)"
_PARTITIONS_UNCHANGED = "(has(oldSelf.spec.partitions) && self.spec.partitions == oldSelf.spec.partitions)"
_NO_PARTITIONS_YET = "!has(oldSelf.status) || !has(oldSelf.status.partitions)"


class EventTopic(Managed):
    """A Kafka topic: partitions, replication, settings, ownership, safe deletion."""

    model_config = rules(
        (
            (
                f"{_NO_PARTITIONS_ASKED} || {_PARTITIONS_UNCHANGED} || {_NO_PARTITIONS_YET}"
                " || self.spec.partitions >= oldSelf.status.partitions"
            ),
            "Kafka cannot take partitions away: create another EventTopic with fewer and move over",
        ),
    )
    kind: ClassVar[str] = "EventTopic"
    plural: ClassVar[str] = "eventtopics"
    short_names: ClassVar[tuple[str, ...]] = ("etopic",)
    printer_columns: ClassVar[tuple[Column, ...]] = (
        {"name": "Topic", "type": "string", "jsonPath": ".status.topicName"},
        READY,
        REASON,
        {"name": "Partitions", "type": "integer", "jsonPath": ".status.partitions"},
        {"name": "Replicas", "type": "integer", "jsonPath": ".status.replicationFactor"},
        BUS,
        MESSAGE,
        AGE,
    )

    spec: EventTopicSpec
    status: EventTopicStatus = EventTopicStatus()

    @property
    def thing(self) -> tuple[str | None, str | None]:
        """Name and id of the topic."""
        return self.status.topic_name, self.status.topic_id
