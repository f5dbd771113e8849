"""How many pods consume: what KEDA is told, where it is installed, and what is done where it is not.

Source: https://keda.sh/docs/latest/scalers/apache-kafka-go/ and the Go types of ScaledObject, v1alpha1.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from eventplane.api.subscription import Subscription
from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.objects import Manifest
from eventplane.planning.workload_pod import own_credentials

KEDA_API: Final = "keda.sh/v1alpha1"
_SASL: Final[Mapping[str, str]] = {
    "SCRAM-SHA-512": "scram_sha512",
    "SCRAM-SHA-256": "scram_sha256",
    "OAUTHBEARER": "oauthbearer",
}
_OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "certificate": {"cert": "tls.crt", "key": "tls.key"},
    "oauth": {"username": "clientId", "password": "clientSecret"},
}
"""What KEDA calls the credentials that a principal comes with, see `own_credentials`, and where they are."""
_FAILURES_BEFORE_FALLBACK: Final = 3


def wants_autoscaling(subscription: Subscription) -> bool:
    """Tell whether the number of pods is to follow the lag."""
    scaling = subscription.spec.scaling
    consumes = bool(subscription.spec.sinks) or subscription.spec.workload is not None
    return scaling is not None and consumes and scaling.most > scaling.min


def replica_bounds(subscription: Subscription, partitions: Iterable[int]) -> tuple[int, int]:
    """Tell the least and the most pods: never none, and never more than there are partitions to consume.

    Args:
        subscription: what is asked for.
        partitions: of each topic.
    """
    scaling = subscription.spec.scaling
    if scaling is None:
        return 1, 1
    most = max(scaling.min, min(scaling.most, sum(partitions)))
    return scaling.min, most


def autoscaler(
    subscription: Subscription, desired: DesiredAccess, name: str, partitions: Mapping[str, int]
) -> tuple[Manifest, ...]:
    """Make what KEDA needs to scale a Deployment by the lag of its group.

    KEDA logs in as the application does, with what is in its Secret, so it can see the lag and no more.
    When it cannot see the lag, the pods stay as many as they are.

    Args:
        subscription: what is asked for.
        desired: its access: of a Secret that is there.
        name: of the Deployment, and of what is made.
        partitions: of each topic that is granted, by its name in Kafka.
    """
    authentication = _authentication(desired, name, own_credentials(subscription, desired))
    least, most = replica_bounds(subscription, partitions.values())
    scaled = {
        "apiVersion": KEDA_API,
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": subscription.metadata.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicaCount": least,
            "maxReplicaCount": most,
            "fallback": {
                "failureThreshold": _FAILURES_BEFORE_FALLBACK,
                "replicas": least,
                "behavior": "currentReplicasIfHigher",
            },
            "triggers": [_trigger(subscription, desired, topic, authentication) for topic in desired.topics],
        },
    }
    return (scaled,) if authentication is None else (authentication, scaled)


def _trigger(
    subscription: Subscription, desired: DesiredAccess, topic: str, authentication: Manifest | None
) -> dict[str, Any]:
    settings = desired.settings
    scaling = subscription.spec.scaling
    assert scaling is not None  # noqa: S101 - what asks for no autoscaling has no triggers
    metadata = {
        "bootstrapServers": settings["bootstrap.servers"],
        "consumerGroup": settings["group.id"],
        "topic": topic,
        "lagThreshold": str(scaling.lag_threshold),
        "offsetResetPolicy": "earliest" if subscription.spec.start_from == "Earliest" else "latest",
        "scaleToZeroOnInvalidOffset": "false",
        "sasl": _SASL.get(settings.get("sasl.mechanism", ""), "none"),
        "tls": "enable" if settings["security.protocol"] in {"SSL", "SASL_SSL"} else "disable",
    }
    trigger: dict[str, Any] = {"type": "kafka", "name": f"lag-{topic}", "metadata": metadata}
    if authentication is not None:
        trigger["authenticationRef"] = {"name": authentication["metadata"]["name"]}
    return trigger


def _authentication(desired: DesiredAccess, name: str, own: Mapping[str, str]) -> Manifest | None:
    """Point KEDA to the application's Secret, and to those with credentials of its own.

    Of a token endpoint KEDA is told nothing elsewhere; whom to trust there it does not ask.
    """
    keys = {"username": "username", "password": "password"} if desired.has_password else {}
    keys |= {"ca": "ca.crt"} if "ssl.ca.pem" in desired.settings else {}
    if "oauth" in own:
        keys |= {"oauthTokenEndpointUri": "oauthTokenEndpointUrl"}
        keys |= {"scopes": "oauthScope"} if "sasl.oauthbearer.scope" in desired.settings else {}
    found = [(parameter, desired.query.secret_name, key) for parameter, key in keys.items()]
    for folder, secret in own.items():
        found += [(parameter, secret, key) for parameter, key in _OWN[folder].items()]
    if not found:
        return None
    references = [{"parameter": parameter, "name": secret, "key": key} for parameter, secret, key in found]
    return {
        "apiVersion": KEDA_API,
        "kind": "TriggerAuthentication",
        "metadata": {"name": name, "namespace": desired.query.namespace},
        "spec": {"secretTargetRef": references},
    }
