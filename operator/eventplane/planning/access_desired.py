"""Publications and Subscriptions to the access they ask for: every name, grant and piece of a Secret is made here."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.planning.access_state import AccessQuery, Grant, PrincipalQuery, ScramMechanism
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.delivery import refuse_delivery
from eventplane.planning.plan import Refusal, fingerprint

Topics = Mapping[str, EventTopic | None]
"""EventTopics by the name that a resource calls them; None where one does not exist."""

_CLUSTER_DIGITS: Final = 8
_LEAST_ITERATIONS: Final = 4096
"""What Kafka demands; it takes four times as many, which would make many users at once slow."""
_ITERATIONS_RANGE: Final = 2048
_SCRAM: Final = frozenset({"SCRAM-SHA-512", "SCRAM-SHA-256"})
_LOGIN_MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"


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
    registry_url: str | None
    transactional_id_prefix: str | None = None

    @property
    def user(self) -> str | None:
        """Its first user; None where the bus asks for no credentials."""
        return self.query.principal.user if self.query.principal else None

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
        return {key: value for key, value in self._secret_entries(password, user).items() if value is not None}

    def is_in(self, secret: Mapping[str, str], password: str, user: str | None = None) -> bool:
        """Tell whether a Secret holds what `secret_data` says; what others have added to it is theirs."""
        return all(secret.get(key) == value for key, value in self._secret_entries(password, user).items())

    def _secret_entries(self, password: str, user: str | None) -> Mapping[str, str | None]:
        user = user or self.user
        settings = dict(self.settings)
        if user is not None:
            settings |= {"sasl.username": user, "sasl.password": password}
        return {
            "type": "kafka",
            "provider": "eventplane",
            "bootstrapServers": settings["bootstrap.servers"],
            "securityProtocol": settings["security.protocol"],
            "saslMechanism": settings.get("sasl.mechanism"),
            "user": user,
            "username": user,
            "password": password if user else None,
            "ca.crt": settings.get("ssl.ca.pem"),
            "topics": ",".join(self.topics),
            "group": self.group,
            "transactionalIdPrefix": self.transactional_id_prefix,
            "schemaRegistryUrl": self.registry_url,
            "librdkafka.json": json.dumps(settings, indent=1, sort_keys=True),
            "client.properties": _java_properties(settings),
        }

    def fingerprint(self) -> str:
        """Reduce to a short text that changes when anything asked for changes; the password is nothing asked for."""
        data = self.secret_data("")
        return fingerprint(
            self.query.secret_name,
            *(grant.describe() for grant in sorted(self.grants)),
            *(f"{key}={value}" for key, value in sorted(data.items())),
        )


def desire_access(
    resource: Access, bus: EventBus, connection: KafkaConnection, topics: Topics, cluster: str
) -> DesiredAccess | Refusal:
    """Resolve what a Publication or Subscription asks for on its bus.

    Args:
        resource: who asks.
        bus: where.
        connection: how the operator itself reaches that bus; of its credentials nothing is passed on.
        topics: the EventTopics that it names.
        cluster: identity of the Kubernetes cluster, see `Owner.cluster`.
    """
    refusal = _no_identity(bus, connection) or _no_sense(resource)
    if refusal is not None:
        return refusal
    mechanism = cast("ScramMechanism | None", connection.mechanism)  # `_no_identity` has refused PLAIN
    user = user_name(resource, cluster)
    names = {ref: topic_to_grant(topic, bus) for ref, topic in topics.items()}
    granted = tuple(sorted({name for name in names.values() if name is not None}))
    prefix = f"{user}." if _writes_in_transactions(resource) else None
    group = group_name(resource.metadata) if isinstance(resource, Subscription) else None
    return DesiredAccess(
        query=AccessQuery(
            resource.metadata.namespace, resource.secret_name, PrincipalQuery(user, mechanism) if mechanism else None
        ),
        grants=frozenset(_grants(granted, group, prefix)) if mechanism else frozenset(),
        topics=granted,
        missing=tuple(missing_topic(resource, topics, ref, bus) for ref, name in names.items() if name is None)
        or _none_selected(resource, topics),
        settings=_client_settings(connection, user, group),
        registry_url=bus.spec.schema_registry.url if bus.spec.schema_registry else None,
        transactional_id_prefix=prefix,
    )


# --- names


def user_prefix(cluster: str) -> str:
    """Return what the names of all users begin with that the operators of a Kubernetes cluster make."""
    return f"eventplane.{cluster[:_CLUSTER_DIGITS]}."


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
        return Refusal(Reason.TOPIC_NOT_FOUND, f"{name} does not exist: create it, or take it out of topics")
    where = "/".join(bus.metadata.key)
    return Refusal(Reason.TOPIC_NOT_READY, f"{name} has not been made on EventBus {where}: its status says why")


def _none_selected(resource: Access, topics: Topics) -> tuple[Refusal, ...]:
    if topics:
        return ()
    where = f"no EventTopic of namespace {resource.metadata.namespace} has the labels of topicSelector"
    return (Refusal(Reason.TOPIC_NOT_FOUND, f"{where}: label one, or correct topicSelector"),)


# --- what is granted


def _grants(topics: tuple[str, ...], group: str | None, transactional_ids: str | None) -> Iterator[Grant]:
    """Grant the least that works.

    READ and WRITE imply DESCRIBE, and whoever may write to a topic may produce idempotently (KIP-679).
    """
    operation = "WRITE" if group is None else "READ"
    yield from (Grant("TOPIC", topic, operation) for topic in topics)
    if group is not None:
        yield Grant("GROUP", group, "READ")
    if transactional_ids is not None:
        yield Grant("TRANSACTIONAL_ID", transactional_ids, "WRITE", prefixed=True)


# --- what a client has to know


def _no_identity(bus: EventBus, connection: KafkaConnection) -> Refusal | None:
    if connection.certificate_pem is None and (connection.mechanism is None or connection.mechanism in _SCRAM):
        return None
    return Refusal(
        Reason.IDENTITY_NOT_SUPPORTED,
        f"EventBus {'/'.join(bus.metadata.key)} knows its users by client certificates or by PLAIN, and Kafka can be"
        " given new users only with SCRAM: its owner can name a listener with SCRAM in spec.kafka",
    )


def _no_sense(resource: Access) -> Refusal | None:
    return refuse_delivery(resource.spec) if isinstance(resource, Subscription) else None


def _writes_in_transactions(resource: Access) -> bool:
    if isinstance(resource, Publication):
        return resource.spec.transactional
    return isinstance(resource, Subscription) and resource.spec.delivery.guarantee == "ExactlyOnce"


def _client_settings(connection: KafkaConnection, user: str, group: str | None) -> Mapping[str, str]:
    settings = {
        "bootstrap.servers": ",".join(connection.bootstrap_servers),
        "security.protocol": connection.protocol,
        "ssl.ca.pem": connection.ca_pem,
        "sasl.mechanism": connection.mechanism,
        "sasl.username": user if connection.mechanism else None,
        "group.id": group,
    }
    return {key: value for key, value in settings.items() if value is not None}


def _java_properties(settings: Mapping[str, str]) -> str:
    """Write settings as the file that Java's clients and Kafka's own tools read (`--command-config`)."""
    rest = dict(settings)
    ca, user, password = (rest.pop(key, None) for key in ("ssl.ca.pem", "sasl.username", "sasl.password"))
    if ca is not None:
        rest |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": ca}
    if user is not None:
        rest["sasl.jaas.config"] = f"{_LOGIN_MODULE} required username={_quoted(user)} password={_quoted(password)};"
    return "".join(f"{key}={_escaped(value)}\n" for key, value in sorted(rest.items()))


def _quoted(value: str | None) -> str:
    """Quote as JAAS does; somebody may have put a password of his own into the Secret."""
    escaped = (value or "").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
