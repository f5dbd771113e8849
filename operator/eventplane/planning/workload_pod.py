"""The pod of a Subscription: its container, what is mounted into it, and that it may do nothing else."""

from collections.abc import Mapping
from typing import Any, Final

from eventplane.api.subscription import Subscription
from eventplane.api.workload import Probe, Resources, Workload
from eventplane.planning.access_desired import DesiredAccess

BINDINGS: Final = "/bindings"
"""Where bindings are, each a folder (servicebinding.io)."""
CONFIG_DIR: Final = "/etc/eventplane"
CONFIG_FILE: Final = f"{CONFIG_DIR}/runtime.json"
PORT: Final = 8080
"""Where Eventplane's own consumer serves probes and metrics."""
CONTAINER: Final = "consumer"

_FROM_SECRET: Final = {
    "KAFKA_BOOTSTRAP_SERVERS": "bootstrapServers",
    "KAFKA_SECURITY_PROTOCOL": "securityProtocol",
    "KAFKA_SASL_MECHANISM": "saslMechanism",
    "KAFKA_SASL_USERNAME": "username",
    "KAFKA_SASL_PASSWORD": "password",
    "KAFKA_GROUP_ID": "group",
    "KAFKA_TOPICS": "topics",
    "SCHEMA_REGISTRY_URL": "schemaRegistryUrl",
    "SCHEMA_REGISTRY_USERNAME": "schemaRegistryUsername",
    "SCHEMA_REGISTRY_PASSWORD": "schemaRegistryPassword",
}
"""Variables of every container, and the keys of the Secret that they are taken from."""
_RUNTIME_GRACE_SECONDS: Final = 60
_STARTUP_FAILURES: Final = 60


def pod_of(
    subscription: Subscription, access: DesiredAccess, object_name: str, runtime_image: str, selector: Mapping[str, str]
) -> dict[str, Any]:
    """Write the spec of the pod: the user's container, or Eventplane's own.

    Args:
        subscription: whose.
        access: by which Secret it reaches what.
        object_name: name of its ServiceAccount and of its ConfigMap.
        runtime_image: the image of Eventplane's own consumer.
        selector: the labels of its pods.
    """
    workload, secret_name = subscription.spec.workload, access.query.secret_name
    volumes: list[dict[str, Any]] = [{"name": "kafka", "secret": {"secretName": secret_name}}]
    if workload is not None:
        container, grace = _own_container(workload, secret_name), workload.termination_grace_seconds
        pull = [{"name": each.name} for each in workload.image_pull_secrets]
    else:
        container, grace, pull = _runtime_container(runtime_image, secret_name), _RUNTIME_GRACE_SECONDS, []
        volumes += [
            {"name": "config", "configMap": {"name": object_name}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ]
        token = _token_of(subscription)
        if token is not None:
            volumes.append({"name": "sink", "secret": {"secretName": token}})
            container["volumeMounts"].append(_mount("sink", f"{BINDINGS}/sink"))
    for folder, secret in own_credentials(subscription, access).items():
        volumes.append({"name": folder, "secret": {"secretName": secret}})
        container["volumeMounts"].append(_mount(folder, f"{BINDINGS}/{folder}"))
    return {
        "serviceAccountName": object_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": volumes,
        "topologySpreadConstraints": [
            _spread(key, selector) for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ],
        **({"imagePullSecrets": pull} if pull else {}),
    }


def own_credentials(subscription: Subscription, access: DesiredAccess) -> Mapping[str, str]:
    """Name the Secrets with which its principal comes, where Kafka keeps none, by the folder that pods have them in."""
    credentials, by_token = subscription.spec.credentials, access.settings.get("sasl.mechanism") == "OAUTHBEARER"
    references = {
        "certificate": credentials.certificate_secret_ref,
        "oauth": credentials.oauth_secret_ref if by_token else None,
    }
    given = {folder: reference.name for folder, reference in references.items() if reference is not None}
    return given if access.mark is not None else {}


def _token_of(subscription: Subscription) -> str | None:
    http = subscription.spec.sink.http if subscription.spec.sink is not None else None
    token = http.bearer_token_secret_ref if http is not None else None
    return token.name if token is not None else None


def _own_container(workload: Workload, secret_name: str) -> dict[str, Any]:
    """Write the user's container.

    Its root file system is writable: the restricted standard asks for no more, and images that know nothing of us
    write to all kinds of places.
    """
    given = {each.name: {"name": each.name, "value": each.value} for each in workload.env}
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": workload.image,
        "env": list({**_environment(secret_name), **given}.values()),
        "resources": _resources(workload.resources),
        "securityContext": _security(),
        "volumeMounts": [_mount("kafka", f"{BINDINGS}/kafka")],
    }
    if workload.command:
        container["command"] = list(workload.command)
    if workload.args:
        container["args"] = list(workload.args)
    if workload.env_from_secrets:
        container["envFrom"] = [{"secretRef": {"name": each.name}} for each in workload.env_from_secrets]
    if workload.liveness is not None:
        container |= _liveness(workload.liveness)
    if workload.readiness is not None:
        container["readinessProbe"] = _probe(workload.readiness, seconds=5)
    return container


def _runtime_container(image: str, secret_name: str) -> dict[str, Any]:
    """Write the container of Eventplane's own consumer, whose image is the operator's."""
    config = {"name": "EVENTPLANE_RUNTIME_CONFIG", "value": CONFIG_FILE}
    return {
        "name": CONTAINER,
        "image": image,
        "command": ["python3"],
        "args": ["-m", "eventplane.runtime"],
        "env": [*_environment(secret_name).values(), config],
        "ports": [{"name": "http", "containerPort": PORT}],
        **_liveness(Probe(path="/healthz", port=PORT)),
        "readinessProbe": _probe(Probe(path="/readyz", port=PORT), seconds=5),
        "resources": _resources(Resources()),
        "securityContext": {**_security(), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            _mount("kafka", f"{BINDINGS}/kafka"),
            _mount("config", CONFIG_DIR),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
        ],
    }


def _environment(secret_name: str) -> dict[str, dict[str, Any]]:
    taken = {
        name: {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key, "optional": True}}}
        for name, key in _FROM_SECRET.items()
    }
    return {"SERVICE_BINDING_ROOT": {"name": "SERVICE_BINDING_ROOT", "value": BINDINGS}, **taken}


def _mount(volume: str, path: str) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, "readOnly": True}


def _resources(asked: Resources) -> dict[str, Any]:
    return {"requests": dict(asked.requests), "limits": dict(asked.limits)}


def _security() -> dict[str, Any]:
    """Meet the restricted standard (kubernetes.io, "Pod Security Standards")."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _liveness(probe: Probe) -> dict[str, Any]:
    """Restart a container that has started and does not answer any more; it may take five minutes to start."""
    startup = {**_probe(probe, seconds=5), "failureThreshold": _STARTUP_FAILURES}
    return {"livenessProbe": _probe(probe, seconds=10), "startupProbe": startup}


def _probe(probe: Probe, *, seconds: int) -> dict[str, Any]:
    http = {"path": probe.path, "port": probe.port, "scheme": "HTTP"}
    return {"httpGet": http, "periodSeconds": seconds, "timeoutSeconds": 5, "failureThreshold": 3}


def _spread(topology_key: str, selector: Mapping[str, str]) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": topology_key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(selector)},
    }
