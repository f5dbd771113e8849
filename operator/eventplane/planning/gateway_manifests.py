"""The objects that the gateway of a bus becomes in the namespace of the bus: their names, and what is in them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eventplane.api import MANAGED_BY_LABEL, MANAGER
from eventplane.api.event_bus import EventBus
from eventplane.api.gateway import Gateway
from eventplane.api.workload import Probe
from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.objects import Manifest, ObjectKey, Owner, owned_head
from eventplane.planning.plan import fingerprint
from eventplane.planning.workload_desired import CONFIG_HASH_ANNOTATION, budget_of, deployment_spec
from eventplane.planning.workload_pod import (
    BINDINGS,
    CONFIG_DIR,
    container_security,
    http_probe,
    liveness,
    mount,
    resources_of,
    restricted_pod,
)

CONFIG: Final = "gateway.json"
CALLERS: Final = "grants.json"
CERTIFICATE_DIR: Final = "/etc/eventplane-tls"
_PORT: Final = 8443
_PROBE_PORT: Final = 8080
_GRACE_SECONDS: Final = 45
"""More than the gateway lingers and drains."""
_DEPLOYMENT: Final = ("apps/v1", "Deployment")
_KINDS: Final = (
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    _DEPLOYMENT,
)


def gateway_name(bus: EventBus) -> str:
    """Name everything that the gateway of a bus becomes."""
    return f"{bus.metadata.name}-gateway"


def gateway_url(bus: EventBus) -> str:
    """Tell where the gateway of a bus is reached."""
    return f"https://{gateway_name(bus)}.{bus.metadata.namespace}.svc"


def gateway_owner(bus: EventBus) -> Owner:
    """Name the bus as what its gateway goes with."""
    return (bus.kind, bus.metadata.name, bus.metadata.uid)


def gateway_keys(bus: EventBus) -> frozenset[ObjectKey]:
    """Name all objects that a gateway may need, its Secret aside."""
    return frozenset(_key(bus, version, kind) for version, kind in _KINDS)


def secret_key(bus: EventBus) -> ObjectKey:
    """Name the Secret with the credentials of a gateway."""
    return _key(bus, "v1", "Secret")


def _key(bus: EventBus, api_version: str, kind: str) -> ObjectKey:
    return ObjectKey(api_version, kind, bus.metadata.namespace, gateway_name(bus))


def deployment_key(bus: EventBus) -> ObjectKey:
    """Name the Deployment of a gateway."""
    return _key(bus, *_DEPLOYMENT)


def gateway_manifests(
    bus: EventBus, gateway: Gateway, access: DesiredAccess, files: Mapping[str, str], image: str
) -> tuple[Manifest, ...]:
    """Write all objects, in the order in which they are applied.

    Args:
        bus: whose gateway.
        gateway: how it is asked for.
        access: by which Secret it reaches Kafka.
        files: what it is told, `CONFIG`, and whom it lets in, `CALLERS`.
        image: the image of Eventplane.
    """
    return (
        {**_head(bus, "v1", "ServiceAccount"), "automountServiceAccountToken": False},
        {**_head(bus, "v1", "ConfigMap"), "data": dict(files)},
        _service(bus),
        *_budget(bus, gateway),
        _deployment(bus, gateway, access, files[CONFIG], image),
    )


def _selector(bus: EventBus) -> Mapping[str, str]:
    return {
        "app.kubernetes.io/name": "eventplane-gateway",
        "app.kubernetes.io/instance": bus.metadata.name,
        MANAGED_BY_LABEL: MANAGER,
    }


def _head(bus: EventBus, api_version: str, kind: str) -> dict[str, Any]:
    labels = {**_selector(bus), "app.kubernetes.io/component": "gateway"}
    return owned_head(_key(bus, api_version, kind), gateway_owner(bus), labels)


def _service(bus: EventBus) -> Manifest:
    port = {"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP", "appProtocol": "https"}
    spec = {"type": "ClusterIP", "selector": dict(_selector(bus)), "ports": [port]}
    return {**_head(bus, "v1", "Service"), "spec": spec}


def _budget(bus: EventBus, gateway: Gateway) -> Sequence[Manifest]:
    if gateway.replicas == 1:
        return ()
    return ({**_head(bus, "policy/v1", "PodDisruptionBudget"), "spec": budget_of(_selector(bus))},)


def _deployment(bus: EventBus, gateway: Gateway, access: DesiredAccess, config: str, image: str) -> Manifest:
    """Write the Deployment. Its pods read callers and certificate again by themselves: only the rest replaces them."""
    told = fingerprint(config, *(f"{key}={value}" for key, value in sorted(access.public_data().items())))
    head, selector = _head(bus, *_DEPLOYMENT), _selector(bus)
    annotations = {CONFIG_HASH_ANNOTATION: told}
    spec = deployment_spec(selector, head["metadata"]["labels"], annotations, _pod(bus, gateway, image, selector))
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {**head, "spec": {**spec, "strategy": strategy, "replicas": gateway.replicas}}


def _pod(bus: EventBus, gateway: Gateway, image: str, selector: Mapping[str, str]) -> dict[str, Any]:
    name = gateway_name(bus)
    volumes = [
        {"name": "kafka", "secret": {"secretName": name}},
        {"name": "config", "configMap": {"name": name}},
        {"name": "certificate", "secret": {"secretName": gateway.tls.secret_ref.name}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    pod = restricted_pod(name, _container(gateway, image), volumes, selector)
    return {**pod, "automountServiceAccountToken": True, "terminationGracePeriodSeconds": _GRACE_SECONDS}


def _container(gateway: Gateway, image: str) -> dict[str, Any]:
    environment = {
        "SERVICE_BINDING_ROOT": BINDINGS,
        "EVENTPLANE_GATEWAY_CONFIG": f"{CONFIG_DIR}/{CONFIG}",
        "EVENTPLANE_GATEWAY_GRANTS": f"{CONFIG_DIR}/{CALLERS}",
    }
    ports = {"https": _PORT, "probes": _PROBE_PORT}
    return {
        "name": "gateway",
        "image": image,
        "command": ["python3"],
        "args": ["-m", "eventplane.gateway"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"name": key, "containerPort": number, "protocol": "TCP"} for key, number in ports.items()],
        **liveness(Probe(path="/healthz", port=_PROBE_PORT)),
        "readinessProbe": http_probe(Probe(path="/readyz", port=_PROBE_PORT), seconds=5),
        "resources": resources_of(gateway.resources),
        "securityContext": {**container_security(), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            mount("kafka", f"{BINDINGS}/kafka"),
            mount("config", CONFIG_DIR),
            mount("certificate", CERTIFICATE_DIR),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
        ],
    }
