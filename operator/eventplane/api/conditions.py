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
    """DeleteIfIdle: the topic is written to or read from. Soft and Hard: something refers to the schema."""
    CLUSTER_CHANGED = "ClusterChanged"
    """The bus's addresses lead to another Kafka cluster than before."""
    # the user must act: found in the registry, or about to be put there
    REGISTRY_NOT_CONFIGURED = "RegistryNotConfigured"
    """The EventBus names no schema registry."""
    REGISTRY_LOGIN_MISSING = "RegistryLoginMissing"
    """The EventBus does not say as whom applications read its schema registry, to which the operator logs in."""
    DEFINITION_NOT_FOUND = "DefinitionNotFound"
    """The ConfigMap that holds the definition, or its key, does not exist."""
    DEFINITION_INVALID = "DefinitionInvalid"
    """The definition is no schema of its type."""
    REFERENCE_CYCLE = "ReferenceCycle"
    """Schemas refer to each other in a circle: none of them can be registered first."""
    REFERENCE_NOT_READY = "ReferenceNotReady"
    """A Schema that the definition imports is not registered yet."""
    INCOMPATIBLE = "Incompatible"
    """The definition would break those who use the versions that its level protects."""
    NOT_COMPARABLE = "NotComparable"
    """The registry cannot compare definitions of this dialect."""
    MIGRATION_MISSING = "MigrationMissing"
    """The definition opens a major version, and no migration leads to it."""
    MIGRATION_FAILED = "MigrationFailed"
    """A migration does not make of its samples what both schemas demand."""
    SUBJECT_EXISTS = "SubjectExists"
    """The subject exists, belongs to no resource, and adoption is Never."""
    GATEWAY_NOT_CONFIGURED = "GatewayNotConfigured"
    """The EventBus has no gateway."""
    ISSUER_NOT_FOUND = "IssuerNotFound"
    """The gateway of the EventBus has no issuer of a name that the resource uses."""
    TOPIC_NOT_FOUND = "TopicNotFound"
    """An EventTopic that the resource names does not exist."""
    TOPIC_NOT_READY = "TopicNotReady"
    """An EventTopic that the resource names has not been made on this bus."""
    TOPIC_NOT_COMPACTED = "TopicNotCompacted"
    """An EventTopic that a Subscription looks into does not say that it keeps the last value of each key."""
    IDENTITY_NOT_SUPPORTED = "IdentityNotSupported"
    """The EventBus knows its users in a way in which none can be added."""
    PRINCIPAL_OWNED_BY_ANOTHER = "PrincipalOwnedByAnother"
    """Another resource, named in the message, has the principal that is mapped to this one."""
    PRINCIPAL_HAS_ACCESS = "PrincipalHasAccess"
    """The principal that is mapped to the resource may do more, and nothing says that Eventplane has granted it."""
    SECRET_OWNED_BY_ANOTHER = "SecretOwnedByAnother"  # noqa: S105 - a reason, not a secret
    """A Secret of the name that credentials were to be kept in exists, and belongs to somebody else."""
    EXPRESSION_INVALID = "ExpressionInvalid"
    """A filter or a transform is no expression, or reads what no event has."""
    OBJECT_OWNED_BY_ANOTHER = "ObjectOwnedByAnother"
    """An object of the name that a workload needs exists in the namespace, and belongs to somebody else."""
    NOT_PERMITTED = "NotPermitted"
    """The operator lacks a right in the namespace of the resource; the message says what to bind."""
    POLICY_NOT_FOUND = "PolicyNotFound"
    """A DeadLetterPolicy that the resource names does not exist."""
    SCHEMA_NOT_FOUND = "SchemaNotFound"
    """A Schema that the resource names does not exist."""
    SCHEMA_NOT_READY = "SchemaNotReady"
    """A Schema that the topic names is not registered."""
    # what becomes of a workload
    WORKLOAD_PROGRESSING = "WorkloadProgressing"
    """The Deployment is being rolled out."""
    WORKLOAD_UNAVAILABLE = "WorkloadUnavailable"
    """Pods of the Deployment run but are not at work, or fewer of them are than asked for."""
    PODS_NOT_STARTING = "PodsNotStarting"
    """Pods of the Deployment cannot be created, placed or started; the message says why."""
    AUTOSCALER_NOT_INSTALLED = "AutoscalerNotInstalled"
    """Pods are to follow the lag, and the cluster has no KEDA that could see to it."""
    AUTOSCALER_FAILING = "AutoscalerFailing"
    """Pods are to follow the lag, and KEDA says that it cannot see to it; the message has its words."""
    # what is in dead-letter topics
    ABOVE_THRESHOLD = "AboveThreshold"
    """There are as many dead letters, or as old ones, as the policy has its owner told of."""
    BELOW_THRESHOLD = "BelowThreshold"
    """There are fewer and younger dead letters than the policy has its owner told of."""
    NOT_MEASURED = "NotMeasured"
    """Topics could not be looked into yet."""
    # what the bus answered
    REJECTED = "Rejected"
    """Kafka or the registry refused a change; the message holds its words."""
    AUTHORIZATION_FAILED = "AuthorizationFailed"
    """The bus's user lacks a right in Kafka or in the registry."""
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    """Kafka or the registry refused the bus's credentials or certificate."""
    BUS_UNAVAILABLE = "BusUnavailable"
    """Kafka does not answer; it is tried again."""
    REGISTRY_UNAVAILABLE = "RegistryUnavailable"
    """The schema registry does not answer; it is tried again."""
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
    TOPICS_READY = "TopicsReady"
    """The topics that an application asks for exist."""
    ACCESS_GRANTED = "AccessGranted"
    """Kafka knows the application's user by the password in its Secret, and lets it do what it asks for."""
    WORKLOAD_READY = "WorkloadReady"
    """As many pods as asked for are at work, all of them as the resource says now."""
    AUTOSCALED = "Autoscaled"
    """The number of pods follows the lag."""
    REGISTRY_READABLE = "RegistryReadable"
    """Eventplane's own consumer has what it takes to read the schema registry, which its topics need."""
    CALLERS_KNOWN = "CallersKnown"
    """The gateway of the bus knows whom the resource lets in there. Readiness does not hang on it."""
    DEAD_LETTERS_PRESENT = "DeadLettersPresent"
    """Somebody should look at dead letters. Readiness does not hang on it."""
    SCHEMA_REGISTRY_READY = "SchemaRegistryReady"
    """The schema registry of a bus answers. Topics do not hang on it."""
    GATEWAY_READY = "GatewayReady"
    """All pods of the gateway of a bus are at work. Nothing else hangs on it."""


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
