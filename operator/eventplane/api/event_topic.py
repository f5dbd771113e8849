"""EventTopic: a Kafka topic that a team asks for."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from eventplane.api.conditions import Condition
from eventplane.api.event_bus import ConfigKey, ConfigValue
from eventplane.api.metadata import Adoption, BusRef, DeletionPolicy, DriftPolicy, Metadata, Mode
from eventplane.api.model import ApiModel, rules
from eventplane.api.quantities import RetentionSize, RetentionTime

TOPIC_NAME_PATTERN = r"^[a-zA-Z0-9._-]{1,249}$"

PartitionGrowth = Literal["Allow", "IfUnkeyed", "Never"]


class Retention(ApiModel):
    """How long and how much a topic keeps."""

    time: RetentionTime | None = None
    """Age at which records are deleted, such as 7d, or unlimited: the setting retention.ms."""
    size: RetentionSize | None = None
    """Size of a partition at which its oldest records are deleted, such as 50Gi, or unlimited: retention.bytes."""


def _immutable(field: str) -> tuple[str, str]:
    return (
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: create another EventTopic and move over",
    )


def _not_twice(field: str, present: str, key: str) -> tuple[str, str]:
    return (
        f"!({present}) || !has(self.config) || !('{key}' in self.config)",
        f"{field} and config['{key}'] say the same thing: keep one of them",
    )


class EventTopicSpec(ApiModel):
    """What a team asks for."""

    model_config = rules(
        _immutable("topicName"),
        _immutable("busRef"),
        _not_twice("retention.time", "has(self.retention) && has(self.retention.time)", "retention.ms"),
        _not_twice("retention.size", "has(self.retention) && has(self.retention.size)", "retention.bytes"),
        (
            "!has(self.unmanagedConfig) || !has(self.config) || !self.unmanagedConfig.exists(key, key in self.config)",
            "a setting is either in config or in unmanagedConfig: keep one of them",
        ),
        _not_twice("cleanup", "has(self.cleanup)", "cleanup.policy"),
    )

    bus_ref: BusRef | None = None
    """The bus; default: the namespace's only EventBus, of several the one annotated as default, of none the
    cluster's one that is annotated as default. Immutable."""
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
    mode: Mode = "Enforce"
    """Enforce makes it so. Plan computes status.plan and waits until the annotation events.sindhan.ai/approve carries
    the plan's hash. Observe never writes to the bus."""
    drift_policy: DriftPolicy = "Enforce"
    """What to do about changes made behind our back: Enforce undoes them, Warn reports them, Ignore does neither."""
    deletion_policy: DeletionPolicy = "Retain"
    """What becomes of the topic when this resource is deleted. DeleteIfEmpty: deleted only without records.
    DeleteIfIdle: only without active consumer group and recent writes."""
    adoption: Adoption = "IfUnowned"
    """Whether a topic that exists already and belongs to no other resource is taken over."""


class PendingPlan(ApiModel):
    """Changes that wait for approval, or that would be made."""

    hash: str
    """What the annotation events.sindhan.ai/approve must carry for these changes to be made."""
    changes: tuple[str, ...]
    """The changes, a line each."""


class DriftEntry(ApiModel):
    """One difference between what was asked for and what is, made behind our back."""

    setting: str
    """What differs: topic, partitions, replicationFactor, or config.<key>."""
    expected: str
    """What was asked for."""
    actual: str
    """What is the case."""


class EventTopicStatus(ApiModel):
    """What is the case."""

    observed_generation: int | None = None
    """The metadata.generation that this status speaks of."""
    bus: str | None = None
    """The bus in use, namespace/name."""
    topic_name: str | None = None
    """The topic's name in Kafka."""
    topic_id: str | None = None
    """Kafka's id of the topic; another id means another topic."""
    partitions: int | None = None
    """Partitions that the topic has."""
    replication_factor: int | None = None
    """Replicas that each partition has, at least."""
    applied: str | None = None
    """Fingerprint of what was last applied in full: a difference without a change of it is drift."""
    plan: PendingPlan | None = None
    """Changes that wait for approval (mode Plan) or would be made (mode Observe)."""
    drift: tuple[DriftEntry, ...] = ()
    """Differences made behind our back that stand (driftPolicy Warn, modes Plan and Observe)."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra={"x-list-map-keys": ["type"]})
    """Ready, Reconciling, Stalled, as kstatus reads them, and Drifted."""


_NO_PARTITIONS_ASKED = "!has(self.spec.partitions)"
_PARTITIONS_UNCHANGED = "(has(oldSelf.spec.partitions) && self.spec.partitions == oldSelf.spec.partitions)"
_NO_PARTITIONS_YET = "!has(oldSelf.status) || !has(oldSelf.status.partitions)"


class EventTopic(ApiModel):
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
    printer_columns: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"name": "Topic", "type": "string", "jsonPath": ".status.topicName"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
        {"name": "Partitions", "type": "integer", "jsonPath": ".status.partitions"},
        {"name": "Replicas", "type": "integer", "jsonPath": ".status.replicationFactor"},
        {"name": "Bus", "type": "string", "jsonPath": ".status.bus", "priority": 1},
        {
            "name": "Message",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].message',
            "priority": 1,
        },
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    )

    metadata: Metadata
    spec: EventTopicSpec
    status: EventTopicStatus = EventTopicStatus()
