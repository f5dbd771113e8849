"""The resources that a bench creates, as the API server takes them, and their paths."""

from collections.abc import Mapping
from typing import Any, Final

from e2e.servers import Kafka
from eventplane.api import API_VERSION, FINALIZER, GROUP, VERSION
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import DeletionPolicy

BUS: Final = "bench"
SECRET: Final = "kafka"  # noqa: S105 - the name of a Secret
PARTITIONS: Final = 3
CONFIG: Final[Mapping[str, str]] = {"retention.ms": "86400000", "max.message.bytes": "2000000"}
ALTERED: Final = ("retention.ms", "172800000")
"""The setting that an update changes, and to what."""

_API: Final = f"/apis/{GROUP}/{VERSION}"


def all_of(plural: str) -> str:
    """Return the path of a kind in all namespaces."""
    return f"{_API}/{plural}"


def kind_path(namespace: str, plural: str) -> str:
    """Return the path of a kind in a namespace."""
    return f"{_API}/namespaces/{namespace}/{plural}"


def topics_path(namespace: str) -> str:
    """Return the path of a namespace's EventTopics."""
    return kind_path(namespace, EventTopic.plural)


def bus_path(namespace: str) -> str:
    """Return the path of the bench's EventBus."""
    return f"{_API}/namespaces/{namespace}/{EventBus.plural}/{BUS}"


def names(prefix: str, count: int) -> list[str]:
    """Name EventTopics."""
    return [f"{prefix}{number}" for number in range(count)]


def topic_name(namespace: str, name: str) -> str:
    """Name the topic of an EventTopic as the bus's default template does."""
    return f"{namespace}.{name}"


def topic(name: str, policy: DeletionPolicy = "Retain", *, finalizer: bool = False) -> dict[str, Any]:
    """Return an EventTopic; with a finalizer only where no operator sets it."""
    metadata: dict[str, Any] = {"name": name}
    if finalizer:
        metadata["finalizers"] = [FINALIZER]
    return {
        "apiVersion": API_VERSION,
        "kind": EventTopic.kind,
        "metadata": metadata,
        "spec": {
            "busRef": {"name": BUS},
            "partitions": PARTITIONS,
            "config": dict(CONFIG),
            "deletionPolicy": policy,
        },
    }


def altered_spec() -> dict[str, Any]:
    """Return the merge patch that changes one setting."""
    key, value = ALTERED
    return {"spec": {"config": {key: value}}}


def secret(kafka: Kafka) -> dict[str, Any]:
    """Return the Secret to connect with."""
    data = {"username": kafka.admin.username, "password": kafka.admin.password, "ca.crt": kafka.ca_pem}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": data}


def bus(kafka: Kafka) -> dict[str, Any]:
    """Return the EventBus: TLS and SCRAM, and one replica of each partition."""
    connection = {
        "bootstrapServers": kafka.bootstrap("SASL_SSL").split(","),
        "tls": {"caSecretRef": {"name": SECRET}},
        "authentication": {"type": "SCRAM-SHA-512", "secretRef": {"name": SECRET}},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": EventBus.kind,
        "metadata": {"name": BUS},
        "spec": {"kafka": connection, "defaults": {"replicationFactor": 1}},
    }


def floor_status(namespace: str, name: str, generation: int) -> dict[str, Any]:
    """Return a status of the size that the operator writes."""
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": "Ready",
            "message": "the topic is as asked for",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, status in (("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False"))
    ]
    return {
        "status": {
            "observedGeneration": generation,
            "bus": f"{namespace}/{BUS}",
            "topicName": topic_name(namespace, name),
            "topicId": "AAAAAAAAAAAAAAAAAAAAAA",
            "partitions": PARTITIONS,
            "replicationFactor": 1,
            "applied": "0" * 16,
            "conditions": conditions,
        }
    }
