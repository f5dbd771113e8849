"""The Subscriptions that a bench creates, as the API server takes them, and what becomes of them in Kafka."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from bench.manifests import BUS, kind_path, names, topic_name
from eventplane.api import API_VERSION
from eventplane.api.subscription import Subscription
from eventplane.planning.access_desired import DesiredAccess, user_prefix
from eventplane.planning.access_state import AccessQuery, Grant, PrincipalQuery

TOPICS: Final = names("read-", 5)
"""The EventTopics that are read."""
FLOOR_CLUSTER: Final = "0" * 8
"""Stands in the names of the floor's users, so that no operator takes them for its own."""
_SETTINGS: Final = ("bootstrap.servers", "security.protocol", "sasl.mechanism", "ssl.ca.pem")


def subscriptions_path(namespace: str) -> str:
    """Return the path of a namespace's Subscriptions."""
    return kind_path(namespace, Subscription.plural)


def secret_path(namespace: str, name: str) -> str:
    """Return the path of a Subscription's Secret."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}-subscription"


def user_name(cluster: str, namespace: str, name: str) -> str:
    """Name the user of a Subscription."""
    return f"{user_prefix(cluster)}{namespace}.{name}.subscription"


def topic_read(name: str) -> str:
    """Tell which EventTopic a Subscription reads, by the number at the end of its name."""
    return TOPICS[int(name.rpartition("-")[2]) % len(TOPICS)]


def subscription(name: str) -> dict[str, Any]:
    """Return a Subscription to one topic."""
    return {
        "apiVersion": API_VERSION,
        "kind": Subscription.kind,
        "metadata": {"name": name},
        "spec": {"busRef": {"name": BUS}, "topics": [{"name": topic_read(name)}]},
    }


def grants(namespace: str, name: str) -> tuple[Grant, Grant]:
    """Return what a Subscription's user may do: read its topic, in its group."""
    topic = Grant("TOPIC", topic_name(namespace, topic_read(name)), "READ")
    return topic, Grant("GROUP", f"{namespace}.{name}", "READ")


def floor_secret(namespace: str, name: str, uid: str, password: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Secret with all that the operator's has in it.

    Args:
        namespace: where.
        name: of the Subscription.
        uid: of the Subscription, with which it goes.
        password: of its user.
        client: settings with which Kafka can be reached.
    """
    user, may = user_name(FLOOR_CLUSTER, namespace, name), grants(namespace, name)
    settings = {key: str(client[key]) for key in _SETTINGS} | {"sasl.username": user, "group.id": may[1].name}
    query = AccessQuery(namespace, f"{name}-subscription", PrincipalQuery(user, "SCRAM-SHA-512"))
    data = DesiredAccess(query, frozenset(may), (may[0].name,), (), settings, None).secret_data(password)
    owner = {"apiVersion": API_VERSION, "kind": Subscription.kind, "name": name, "uid": uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "servicebinding.io/kafka",
        "metadata": {
            "name": query.secret_name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "eventplane"},
            "ownerReferences": [owner],
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def floor_status(namespace: str, name: str) -> dict[str, Any]:
    """Return a status of the size that the operator writes."""
    secret = f"{name}-subscription"
    messages = {
        "Ready": f"Secret {secret} has what a client needs",
        "Reconciling": f"Secret {secret} has what a client needs",
        "Stalled": f"Secret {secret} has what a client needs",
        "TopicsReady": "every topic has been made",
        "AccessGranted": "the user may do what is asked for, and no more",
    }
    conditions = [
        {
            "type": kind,
            "status": "False" if kind in {"Reconciling", "Stalled"} else "True",
            "reason": "Ready",
            "message": message,
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, message in messages.items()
    ]
    return {
        "status": {
            "observedGeneration": 1,
            "bus": f"{namespace}/{BUS}",
            "principal": user_name(FLOOR_CLUSTER, namespace, name),
            "binding": {"name": secret},
            "grants": [grant.describe() for grant in grants(namespace, name)],
            "group": f"{namespace}.{name}",
            "applied": "0" * 16,
            "conditions": conditions,
        }
    }
