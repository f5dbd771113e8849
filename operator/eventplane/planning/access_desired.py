"""Publications and Subscriptions to the access they ask for: every name, grant and piece of a Secret is made here."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata, SecretRef
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.planning.access_state import AccessQuery, Grant, PrincipalQuery, ScramMechanism
from eventplane.planning.binding import Binding, holds, without_secrets
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection
from eventplane.planning.delivery import refuse_delivery
from eventplane.planning.mapped_principals import USERS, maps_principals, mark_of, principal_name
from eventplane.planning.plan import Refusal, fingerprint

Topics = Mapping[str, EventTopic | None]
"""EventTopics by the name that a resource calls them; None where one does not exist."""

_CLUSTER_DIGITS: Final = 8
_LEAST_ITERATIONS: Final = 4096
"""What Kafka demands; it takes four times as many, which would make many users at once slow."""
_ITERATIONS_RANGE: Final = 2048
_SCRAM: Final = frozenset({"SCRAM-SHA-512", "SCRAM-SHA-256"})
_WAYS_OUT: Final[Mapping[str | None, str]] = {
    "TLS": "set credentials.certificateSecretRef",
    "OAUTHBEARER": "set credentials.oauthSecretRef",
}
"""How Eventplane's own consumer gets credentials, by the authentication of the bus."""


@dataclass(frozen=True, slots=True)
class DesiredAccess:
    """An application's access as it shall be."""

    query: AccessQuery
    grants: frozenset[Grant]
    topics: tuple[str, ...]
    """Names in Kafka of the topics that can be granted now, in order."""
    missing: tuple[Refusal, ...]
    """Why other topics that it asks for cannot be granted yet."""
    settings: Mapping[str, str]
    """What its client has to be told beside the password, by librdkafka's names."""
    registry: RegistryConnection | None
    """How its client reaches the schema registry, if the bus has one."""
    transactional_id_prefix: str | None = None
    mark: Grant | None = None
    """What says that a principal is this application's, where that is mapped; one of its grants."""
    rival: str | None = None
    """The elder resource that the same principal is mapped to, if there is one."""

    @property
    def user(self) -> str | None:
        """Its first user; None where the bus asks for no credentials."""
        return self.query.principal.user if self.query.principal else None

    @property
    def has_password(self) -> bool:
        """Whether its user is one that Kafka keeps: then it has a password, and takes turns with another."""
        return self.query.principal is not None and self.query.principal.mechanism is not None

    @property
    def group(self) -> str | None:
        """Its consumer group, if it has one."""
        return self.settings.get("group.id")

    def secret_data(self, password: str, user: str | None = None) -> Mapping[str, str]:
        """Write its Secret, as the Service Binding Specification (servicebinding.io) would have it.

        Args:
            password: the user's.
            user: one of its two users; by default the first.
        """
        return {key: value for key, value in self._entries(password, user).items() if value is not None}

    def is_in(self, secret: Mapping[str, str], password: str, user: str | None = None) -> bool:
        """Tell whether a Secret holds what `secret_data` says; what others have added to it is theirs."""
        return holds(secret, self._entries(password, user))

    def public_data(self) -> Mapping[str, str]:
        """Write its Secret without what nobody else may know: neither its password nor the registry's."""
        return replace(self, registry=without_secrets(self.registry)).secret_data("")

    def _entries(self, password: str, user: str | None) -> Mapping[str, str | None]:
        settings = dict(self.settings)
        if self.has_password:
            settings |= {"sasl.username": user or self.user or "", "sasl.password": password}
        mapped = self.user if self.mark is not None else None
        return Binding(settings, self.topics, self.transactional_id_prefix, self.registry, mapped).entries()

    def fingerprint(self) -> str:
        """Reduce to a short text that changes when anything asked for changes; passwords are nothing asked for."""
        return fingerprint(
            self.query.secret_name,
            *(grant.describe() for grant in sorted(self.grants)),
            *(f"{key}={value}" for key, value in sorted(self.public_data().items())),
        )


def desire_access(
    resource: Access,
    bus: EventBus,
    connection: AccessConnection,
    topics: Topics,
    cluster: str,
    twin: Access | None = None,
) -> DesiredAccess | Refusal:
    """Resolve what a Publication or Subscription asks for on its bus.

    Args:
        resource: who asks.
        bus: where.
        connection: what its access is made with.
        topics: the EventTopics that it names.
        cluster: identity of the Kubernetes cluster, see `Owner.cluster`.
        twin: the resource of the other kind that has its name, on the same bus.
    """
    kafka, user = connection.kafka, user_name(resource, cluster)
    principal = _no_sense(resource) or _principal(resource, bus, kafka, user)
    if isinstance(principal, Refusal):
        return principal
    mark = mark_of(user) if principal is not None and principal.mechanism is None else None
    names = {ref: topic_to_grant(topic, bus) for ref, topic in topics.items()}
    granted = tuple(sorted({name for name in names.values() if name is not None}))
    prefix = f"{user}." if _writes_in_transactions(resource) else None
    group = group_name(resource.metadata) if isinstance(resource, Subscription) else None
    return DesiredAccess(
        query=AccessQuery(resource.metadata.namespace, resource.secret_name, principal),
        grants=frozenset(_grants(granted, group, prefix, mark)) if principal is not None else frozenset(),
        topics=granted,
        missing=tuple(missing_topic(resource, topics, ref, bus) for ref, name in names.items() if name is None)
        or _none_selected(resource, topics),
        settings=client_settings(kafka, principal.user if principal is not None else None, group),
        registry=connection.registry,
        transactional_id_prefix=prefix,
        mark=mark,
        rival=_rival(resource, bus, twin) if mark is not None else None,
    )


# --- names


def user_prefix(cluster: str) -> str:
    """Return what the names of all users begin with that the operators of a Kubernetes cluster make."""
    return f"{USERS}{cluster[:_CLUSTER_DIGITS]}."


def user_name(resource: Access, cluster: str) -> str:
    """Name the first user of a resource: no two resources of any kind and cluster have the same."""
    metadata = resource.metadata
    return f"{user_prefix(cluster)}{metadata.namespace}.{metadata.name}.{resource.kind.lower()}"


def group_name(metadata: Metadata) -> str:
    """Name the consumer group of a Subscription: a namespace has no dots, so no other Subscription has the same."""
    return f"{metadata.namespace}.{metadata.name}"


def iterations_of(password: str) -> int:
    """Derive the rounds of hashing for a password from it, so that Kafka, which tells only them, tells which it is.

    A password of 256 random bits loses 11 of them by that. Another password has the same rounds in one of 2,048 cases.
    """
    digest = int.from_bytes(hashlib.sha256(password.encode()).digest())
    return _LEAST_ITERATIONS + digest % _ITERATIONS_RANGE


# --- topics


def topic_to_grant(topic: EventTopic | None, bus: EventBus) -> str | None:
    """Name the topic behind an EventTopic that made it on this bus.

    One that only looks at a topic, or is refused it, gives nobody a right to it.
    """
    if topic is None or topic.status.bus != "/".join(bus.metadata.key):
        return None
    status = topic.status
    return status.topic_name if status.applied is not None and status.topic_id is not None else None


def missing_topic(resource: Access, topics: Topics, ref: str, bus: EventBus) -> Refusal:
    """Say why a topic cannot be granted yet."""
    name = f"EventTopic {resource.metadata.namespace}/{ref}"
    if topics[ref] is None:
        return Refusal(Reason.TOPIC_NOT_FOUND, f"{name} does not exist: create it, or name it no more")
    where = "/".join(bus.metadata.key)
    return Refusal(Reason.TOPIC_NOT_READY, f"{name} has not been made on EventBus {where}: its status says why")


def with_topic(
    access: DesiredAccess, resource: Access, ref: str, topic: EventTopic | None, bus: EventBus, *operations: str
) -> DesiredAccess:
    """Let a resource do this with a topic that is none of its `topics`; until that has been made it is missing."""
    name = topic_to_grant(topic, bus)
    if name is None:
        refusal = missing_topic(resource, {ref: topic}, ref, bus)
        return replace(access, missing=tuple(dict.fromkeys((*access.missing, refusal))))
    if access.user is None:
        return access
    return replace(access, grants=access.grants | {Grant("TOPIC", name, each) for each in operations})


def _none_selected(resource: Access, topics: Topics) -> tuple[Refusal, ...]:
    if topics:
        return ()
    where = f"no EventTopic of namespace {resource.metadata.namespace} has the labels of topicSelector"
    return (Refusal(Reason.TOPIC_NOT_FOUND, f"{where}: label one, or correct topicSelector"),)


# --- what is granted


def _grants(
    topics: tuple[str, ...], group: str | None, transactional_ids: str | None, mark: Grant | None
) -> Iterator[Grant]:
    """Grant the least that works.

    READ and WRITE imply DESCRIBE, and whoever may write to a topic may produce idempotently (KIP-679).
    """
    operation = "WRITE" if group is None else "READ"
    yield from (Grant("TOPIC", topic, operation) for topic in topics)
    if group is not None:
        yield Grant("GROUP", group, "READ")
    if transactional_ids is not None:
        yield Grant("TRANSACTIONAL_ID", transactional_ids, "WRITE", prefixed=True)
    if mark is not None:
        yield mark


# --- who is granted it


def _principal(resource: Access, bus: EventBus, kafka: KafkaConnection, user: str) -> PrincipalQuery | Refusal | None:
    """Tell who a resource is to Kafka; the first row that fits wins.

    | the operator logs in with | principals of the bus | who                                         |
    |---------------------------|-----------------------|---------------------------------------------|
    | nothing                   | any                   | nobody: anybody may do everything           |
    | SCRAM, and no certificate | any                   | a user that is made for it                  |
    | TLS, PLAIN or OAUTHBEARER | a template            | the principal that is mapped to it          |
    | else                      | any                   | refuse IdentityNotSupported                 |
    """
    if takes_users(kafka):
        return made_user(kafka, user)
    if not maps_principals(bus):
        return Refusal(
            Reason.IDENTITY_NOT_SUPPORTED,
            f"EventBus {'/'.join(bus.metadata.key)} knows its users by client certificates, by PLAIN or by"
            " OAUTHBEARER, and Kafka can be given new users only with SCRAM: its owner can name a listener with SCRAM"
            " in spec.kafka, or a template in spec.kafka.principals for those that it has",
        )
    name = principal_name(resource, bus)
    if isinstance(name, Refusal):
        return name
    return _not_ours_to_issue(resource, bus) or PrincipalQuery(name, None)


def takes_users(kafka: KafkaConnection) -> bool:
    """Tell whether a Kafka can be given users, or needs none."""
    return kafka.certificate_pem is None and (kafka.mechanism is None or kafka.mechanism in _SCRAM)


def made_user(kafka: KafkaConnection, user: str) -> PrincipalQuery | None:
    """Name a user that is made in a Kafka that takes users; None where nobody is asked who he is."""
    mechanism = cast("ScramMechanism | None", kafka.mechanism)
    return PrincipalQuery(user, mechanism) if mechanism is not None else None


def _not_ours_to_issue(resource: Access, bus: EventBus) -> Refusal | None:
    """Refuse what takes credentials that nobody has told of, or that Eventplane would have to issue."""
    where, credentials = "/".join(bus.metadata.key), resource.spec.credentials
    if credentials.rotate_every is not None:
        return Refusal(
            Reason.INVALID_SPEC,
            f"there is no password to rotate on EventBus {where}, whose users come with their own credentials: take"
            " credentials.rotateEvery out, and renew them where they are issued",
        )
    instead = _instead_of_our_process(resource)
    kind = bus.spec.kafka.authentication.type if bus.spec.kafka.authentication is not None else None
    given: dict[str | None, SecretRef | None] = {
        "TLS": credentials.certificate_secret_ref,
        "OAUTHBEARER": credentials.oauth_secret_ref,
    }
    if instead is not None and given.get(kind) is None:
        return Refusal(
            Reason.IDENTITY_NOT_SUPPORTED,
            f"EventBus {where} has users that come with their own credentials, and Eventplane's own process has none: "
            + _WAYS_OUT.get(kind, instead),
        )
    return None


def _instead_of_our_process(resource: Access) -> str | None:
    """Say what to do where no process of Eventplane's can have the credentials of a resource; None: it wants none."""
    if isinstance(resource, Publication) and resource.spec.relay is not None:
        return "run the relay by yourself"
    if isinstance(resource, Subscription) and resource.spec.sinks:
        return f"take workload instead of {'sink' if resource.spec.routes is None else 'routes'}"
    return None


def _rival(resource: Access, bus: EventBus, twin: Access | None) -> str | None:
    """Name the elder resource that has the same principal: of another name none has it."""
    if twin is None or twin.metadata.seniority > resource.metadata.seniority:
        return None
    shared = principal_name(twin, bus) == principal_name(resource, bus)
    return f"{twin.kind} {'/'.join(twin.metadata.key)}" if shared else None


# --- what a client has to know


def _no_sense(resource: Access) -> Refusal | None:
    return refuse_delivery(resource.spec) if isinstance(resource, Subscription) else None


def _writes_in_transactions(resource: Access) -> bool:
    if isinstance(resource, Publication):
        return resource.spec.transactional
    return isinstance(resource, Subscription) and resource.spec.delivery.guarantee == "ExactlyOnce"


def client_settings(connection: KafkaConnection, user: str | None, group: str | None = None) -> Mapping[str, str]:
    """Tell what a client has to know beside its password, by librdkafka's names."""
    has_username = connection.mechanism is not None and connection.tokens is None
    settings = {
        "bootstrap.servers": ",".join(connection.bootstrap_servers),
        "security.protocol": connection.protocol,
        "ssl.ca.pem": connection.ca_pem,
        "sasl.mechanism": connection.mechanism,
        "sasl.username": user if has_username else None,
        "group.id": group,
        **(connection.tokens.public_settings() if connection.tokens is not None else {}),
    }
    return {key: value for key, value in settings.items() if value is not None}
