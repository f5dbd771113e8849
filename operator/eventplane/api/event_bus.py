"""EventBus: one messaging installation, and the rules for those who use it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from eventplane.api.authentication import Authentication
from eventplane.api.conditions import Condition
from eventplane.api.gateway import Gateway, GatewayStatus
from eventplane.api.metadata import Metadata, SecretKeyRef, SecretRef
from eventplane.api.model import ApiModel, rules
from eventplane.api.printing import AGE, READY, REASON, Column, condition_column
from eventplane.api.quantities import Duration

ConfigKey = Annotated[str, Field(min_length=1, max_length=128)]
ConfigValue = Annotated[str, Field(max_length=1024)]


class Tls(ApiModel):
    """Encryption of the connection, and the client's certificate where the bus asks for one."""

    ca_secret_ref: SecretKeyRef | None = None
    """The certificates to trust, PEM; default: the trust store of the operator's image."""
    certificate_secret_ref: SecretRef | None = None
    """A Secret of type kubernetes.io/tls with the client's certificate and key (tls.crt, tls.key)."""


_NAMESPACE: Final = "{{ namespace }}"
_NAME: Final = "{{ name }}"
_KIND: Final = "{{ kind }}"


class Principals(ApiModel):
    """Which principals applications have that prove who they are by something that Kafka does not keep.

    A principal follows from where its resource is and what it is called, so no namespace can name that of another.
    """

    template: str = Field(
        min_length=1,
        max_length=256,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"size(self.split('{_NAMESPACE}')) == 2 && size(self.split('{_NAME}')) == 2",
                    "message": f"a template has {_NAMESPACE} once and {_NAME} once, or principals would be shared",
                },
                {
                    "rule": (
                        f"!self.replace('{_NAMESPACE}', '').replace('{_NAME}', '').replace('{_KIND}', '')"
                        ".matches('[{}]')"
                    ),
                    "message": f"a template knows {_NAMESPACE}, {_NAME} and {_KIND}, written like that, and no more",
                },
                {
                    "rule": f"self.replace('{_KIND}', '').matches('[}}][}}][^{{}}]*[^a-z0-9{{}}-][^{{}}]*[{{][{{]')",
                    "message": (
                        f"between {_NAMESPACE} and {_NAME} there has to be a dot, or anything else that is no letter in"
                        " lower case, digit or hyphen: else two resources could have one principal"
                    ),
                },
                {
                    "rule": "!self.startsWith('User:')",
                    "message": "leave out User: with which Kafka's principals begin, it is meant",
                },
            ]
        },
    )
    """The name of a resource's principal, without `User:`, such as `CN={{ name }}.{{ namespace }}`. It has
    `{{ namespace }}` and `{{ name }}` once each, may have `{{ kind }}`, which is publication or subscription, and is
    taken literally for the rest: as Kafka's ssl.principal.mapping.rules leave it, or as it is in the claim of a token
    that the brokers read (sasl.oauthbearer.sub.claim.name)."""


class Kafka(ApiModel):
    """The connection to Kafka."""

    model_config = rules(
        (
            (
                "!has(self.principals)"
                " || (has(self.authentication) && self.authentication.type in ['TLS', 'PLAIN', 'OAUTHBEARER'])"
            ),
            "principals go with authentication of type TLS, PLAIN or OAUTHBEARER: with SCRAM, users are made",
        ),
        (
            (
                "!has(self.authentication) || self.authentication.type != 'TLS'"
                " || (has(self.tls) && has(self.tls.certificateSecretRef))"
            ),
            "authentication of type TLS needs tls.certificateSecretRef",
        ),
    )

    bootstrap_servers: tuple[
        Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$", max_length=261)], ...
    ] = Field(min_length=1, max_length=32)
    """Addresses (host:port) to find the cluster by."""
    tls: Tls | None = None
    """Present where the listener speaks TLS; absent means plaintext."""
    authentication: Authentication | None = None
    """Absent means that the listener asks for no credentials."""
    principals: Principals | None = None
    """Which principals applications have where Kafka can be given no users, which is with TLS, PLAIN and OAUTHBEARER;
    absent means that Publications and Subscriptions are refused there."""


class RegistryAuthentication(ApiModel):
    """How somebody proves who they are to the schema registry."""

    secret_ref: SecretRef
    """A Secret with the keys username and password, for HTTP basic authentication."""


class RegistryApplications(ApiModel):
    """As whom applications reach the schema registry. All of them share it, so it should be let read and nothing else.

    The operator's own credentials are never passed on.
    """

    authentication: RegistryAuthentication | None = None
    """Credentials that every Publication and Subscription of the bus gets into its Secret; absent means that the
    registry asks those who read for no password."""
    tls: Tls | None = None
    """Whom applications trust, by default those whom the operator trusts, and a certificate that they all share."""


class SchemaRegistry(ApiModel):
    """The connection to a schema registry that speaks Confluent's API."""

    model_config = rules(
        (
            (
                "!has(self.authentication) || !has(self.applications) || !has(self.applications.authentication)"
                " || self.applications.authentication.secretRef.name != self.authentication.secretRef.name"
            ),
            "applications must not get the Secret of the operator itself: name another, of a user that may only read",
        ),
        (
            (
                "!has(self.tls) || !has(self.tls.certificateSecretRef) || !has(self.applications)"
                " || !has(self.applications.tls) || !has(self.applications.tls.certificateSecretRef)"
                " || self.applications.tls.certificateSecretRef.name != self.tls.certificateSecretRef.name"
            ),
            "applications must not get the certificate of the operator itself: name another, of who may only read",
        ),
    )

    url: str = Field(pattern=r"^https?://[^\s?#]+$", max_length=1024)
    """Base address of the API: what clients call schema.registry.url."""
    tls: Tls | None = None
    """Whom to trust, and the client's certificate; default: the trust store of the operator's image."""
    authentication: RegistryAuthentication | None = None
    """How the operator logs in; absent means that the registry asks for no password."""
    applications: RegistryApplications | None = None
    """As whom applications reach it; absent means that nobody has said so. An empty one says that everybody may
    read."""


class LabelSelectorRequirement(ApiModel):
    """One expression of a label selector, as in metav1.LabelSelectorRequirement."""

    model_config = rules(
        (
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "values go with In and NotIn, and only with them",
        ),
    )

    key: str = Field(min_length=1, max_length=317)
    """Label key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """Relation of the label to the values."""
    values: tuple[Annotated[str, Field(max_length=63)], ...] = Field(default=(), max_length=100)
    """Values for In and NotIn."""


class LabelSelector(ApiModel):
    """Labels that something must carry to be selected, as in metav1.LabelSelector; an empty one selects everything."""

    match_labels: Mapping[str, str] = Field(default_factory=dict)
    """Labels with exact values."""
    match_expressions: tuple[LabelSelectorRequirement, ...] = Field(default=(), max_length=100)
    """Expressions that all must hold."""


class AllowedNamespaces(ApiModel):
    """Which namespaces may use this bus."""

    model_config = rules(
        ("(self.from == 'Selector') == has(self.selector)", "selector goes with from: Selector, and only with it"),
    )

    from_: Literal["Same", "All", "Selector"] = Field(default="Same", alias="from")
    """Same: the bus's own namespace; All: every namespace; Selector: those whose labels match."""
    selector: LabelSelector | None = None
    """Labels of the namespaces that may use this bus."""


class Naming(ApiModel):
    """Names for what resources do not name themselves."""

    topic: str = Field(
        default="{{ namespace }}.{{ name }}",
        max_length=512,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": r"self.matches('\\{\\{.*\\bname\\b.*\\}\\}')",
                    "message": "a template without the resource's name gives one name to all",
                }
            ]
        },
    )
    """Jinja2 template of a topic's name; it knows namespace, name and labels of the EventTopic, conditions, and the
    filters default, lower, replace, trim and upper."""


class TopicDefaults(ApiModel):
    """What EventTopics get where they say nothing."""

    partitions: int | None = Field(default=None, ge=1, le=10_000)
    """Partitions of new topics; default: the broker's num.partitions. A change leaves existing topics alone."""
    replication_factor: int | None = Field(default=None, ge=1, le=32_767)
    """Replicas of each partition of new topics; default: the broker's default.replication.factor. A change leaves
    existing topics alone."""
    config: Mapping[ConfigKey, ConfigValue] = Field(default_factory=dict, max_length=100)
    """Topic settings by their Kafka names."""


class Limits(ApiModel):
    """What one namespace may take. A limit refuses creation and growth, never what exists."""

    topics_per_namespace: int | None = Field(default=None, ge=0)
    """EventTopics of one namespace on this bus; default: no limit."""
    partitions_per_topic: int | None = Field(default=None, ge=1)
    """Partitions of one topic; default: no limit."""


class EventBusSpec(ApiModel):
    """What the owner of a bus asks for."""

    kafka: Kafka
    """The connection to Kafka."""
    schema_registry: SchemaRegistry | None = None
    """The connection to the schema registry; absent means that the bus has none."""
    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()
    """Which namespaces may use this bus."""
    naming: Naming = Naming()
    """Names for what resources do not name themselves."""
    defaults: TopicDefaults = TopicDefaults()
    """What EventTopics get where they say nothing."""
    limits: Limits = Limits()
    """What one namespace may take."""
    orphan_after: Duration = "15m"
    """How long a deleted resource waits for an unreachable bus before it is let go and recorded in status.orphans."""
    gateway: Gateway | None = None
    """The gateway to run in this namespace, for events over HTTP; absent means none."""


class Orphan(ApiModel):
    """Something whose resource was let go while the bus was unreachable; it is dealt with when the bus is back."""

    kind: str
    """Kind of the resource that is gone."""
    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    uid: str
    """Its uid."""
    thing: str
    """The topic or subject that it leaves behind."""
    thing_id: str | None = None
    """Id of that topic: another topic of this name is never touched."""
    deletion_policy: str
    """What it asked for on deletion."""


class EventBusStatus(ApiModel):
    """What is the case."""

    observed_generation: int | None = None
    """The metadata.generation that this status speaks of."""
    cluster_id: str | None = None
    """Kafka's id of the cluster behind the addresses."""
    brokers: int | None = None
    """Brokers that are alive."""
    orphans: tuple[Orphan, ...] = ()
    """What waits to be dealt with when the bus is back."""
    gateway: GatewayStatus | None = None
    """What has become of the gateway; none where there is none, and nothing is left of one."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra={"x-list-map-keys": ["type"]})
    """Ready, Reconciling and Stalled, as kstatus reads them, SchemaRegistryReady where the bus has a registry, and
    GatewayReady where it has a gateway."""


class EventBus(ApiModel):
    """One messaging installation: the connections, the naming, the defaults, the limits, and who may use it."""

    kind: ClassVar[str] = "EventBus"
    plural: ClassVar[str] = "eventbuses"
    short_names: ClassVar[tuple[str, ...]] = ("ebus",)
    printer_columns: ClassVar[tuple[Column, ...]] = (
        READY,
        REASON,
        {"name": "Brokers", "type": "integer", "jsonPath": ".status.brokers"},
        condition_column("Registry", "SchemaRegistryReady", "status"),
        {"name": "Gateway", "type": "string", "jsonPath": ".status.gateway.url", "priority": 1},
        {"name": "Cluster", "type": "string", "jsonPath": ".status.clusterId", "priority": 1},
        AGE,
    )

    metadata: Metadata
    spec: EventBusSpec
    status: EventBusStatus = EventBusStatus()
