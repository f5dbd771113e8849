"""Conditions as kstatus reads them, and the closed set of reasons a condition may carry.

A message is actionable and deterministic: no timestamps, no counters that move by themselves. The time of a
transition is Kubernetes' own field and is set where the status is written, not here.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from eventplane.api.model import ApiModel

Status = Literal["True", "False", "Unknown"]


class Reason(StrEnum):
    """Why a condition is what it is: facts, each with one meaning."""

    # progress
    READY = "Ready"
    """Everything is as asked for."""
    RECONCILING = "Reconciling"
    """A change was seen and is being worked on."""
    AWAITING_APPROVAL = "AwaitingApproval"
    """Mode Plan: changes wait for the annotation that approves their hash."""
    PAUSED = "Paused"
    """The annotation that pauses is set: nothing is written."""
    OUT_OF_SYNC = "OutOfSync"
    """Mode Observe: the topic is not as the resource says."""
    DRIFTED = "Drifted"
    """The topic was changed or deleted behind our back, and driftPolicy leaves it so."""
    DELETING = "Deleting"
    """The resource goes, and the topic is dealt with as deletionPolicy says."""
    # the user must act: looked up in the cluster
    BUS_NOT_FOUND = "BusNotFound"
    """There is no EventBus of that name, or none to use by default."""
    BUS_AMBIGUOUS = "BusAmbiguous"
    """Several EventBuses could be meant: name one."""
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    """The EventBus does not allow this namespace."""
    INVALID_SPEC = "InvalidSpec"
    """Parts of the spec contradict each other, or what the bus adds to them."""
    INVALID_NAME = "InvalidName"
    """Kafka does not take the topic's name."""
    LIMIT_EXCEEDED = "LimitExceeded"
    """The EventBus gives a namespace no more topics, or a topic no more partitions."""
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, not a secret
    """A Secret that the EventBus names does not exist."""
    SECRET_NOT_READABLE = "SecretNotReadable"  # noqa: S105 - a reason, not a secret
    """The operator may not read a Secret that the EventBus names."""
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 - a reason, not a secret
    """A Secret lacks a key, or holds what the Kafka client cannot use."""
    # the user must act: found in the bus
    OWNED_BY_ANOTHER = "OwnedByAnother"
    """Another resource, named in the message, owns the topic."""
    TOPIC_EXISTS = "TopicExists"
    """The topic exists, belongs to no resource, and adoption is Never."""
    TOPIC_REPLACED = "TopicReplaced"
    """Somebody deleted the topic and created another of its name."""
    CONFIG_NOT_DECLARED = "ConfigNotDeclared"
    """An adopted topic has settings of which the resource says nothing."""
    PARTITIONS_NOT_SHRINKABLE = "PartitionsNotShrinkable"
    """Fewer partitions are asked for than there are."""
    PARTITION_GROWTH_REFUSED = "PartitionGrowthRefused"
    """More partitions would re-map keys, and partitionGrowth forbids it."""
    REPLICATION_FACTOR_NOT_CHANGEABLE = "ReplicationFactorNotChangeable"
    """Another replication factor is asked for than there is."""
    INTERNAL_TOPIC = "InternalTopic"
    """The topic is Kafka's or Eventplane's own."""
    NOT_EMPTY = "NotEmpty"
    """DeleteIfEmpty: the topic holds records."""
    IN_USE = "InUse"
    """DeleteIfIdle: the topic is written to or read from."""
    CLUSTER_CHANGED = "ClusterChanged"
    """The bus's addresses lead to another Kafka cluster than before."""
    # what the bus answered
    REJECTED = "Rejected"
    """Kafka refused a change; the message holds its words."""
    AUTHORIZATION_FAILED = "AuthorizationFailed"
    """The bus's user lacks a right in Kafka."""
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    """Kafka refused the bus's credentials or certificate."""
    BUS_UNAVAILABLE = "BusUnavailable"
    """Kafka does not answer; it is tried again."""
    # the operator's own fault, said aloud
    INTERNAL_ERROR = "InternalError"
    """The operator failed; its log has more, and it is tried again."""


class ConditionType(StrEnum):
    """The conditions a kind may show; Ready, Reconciling and Stalled are those that kstatus reads."""

    READY = "Ready"
    """The resource is as asked for."""
    RECONCILING = "Reconciling"
    """The operator is at work, or waits for a bus that does not answer."""
    STALLED = "Stalled"
    """Somebody must act; the message says who and how."""
    DRIFTED = "Drifted"
    """Changes made behind our back stand."""


class Condition(ApiModel):
    """One observation of a resource's state, in the form of metav1.Condition."""

    type: str
    """What the condition is about."""
    status: Status
    """Whether it holds."""
    reason: str
    """Why, in one CamelCase word."""
    message: str = ""
    """What is the case and what to do about it, for a human."""
    observed_generation: int | None = None
    """The metadata.generation that was looked at."""
    last_transition_time: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When the status last changed, RFC 3339."""
