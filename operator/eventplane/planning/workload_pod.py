"""The pod of a Subscription: its container, what is mounted into it, and that it may do nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from eventplane.api.access import Access
from eventplane.api.lookups import HttpLookup
from eventplane.api.metadata import SecretRef
from eventplane.api.quantities import size_bytes
from eventplane.api.runtime_config import Credential, credential_folder, lookup_credential_folder
from eventplane.api.sink import HttpSink, PythonSink
from eventplane.api.subscription import Subscription
from eventplane.api.workload import EnvVar, Probe, Resources, Workload
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
_ENTRY_BYTES: Final = 1024
"""Of memory for a key that is looked up and its value."""


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
        function = next((each.python for each in subscription.spec.sinks.values() if each.python is not None), None)
        resources = _runtime_resources(subscription) if function is None else function.resources
        container = _runtime_container(function, runtime_image, secret_name, resources)
        grace = _RUNTIME_GRACE_SECONDS
        pull = [{"name": each.name} for each in function.image_pull_secrets] if function is not None else []
        volumes += [
            {"name": "config", "configMap": {"name": object_name}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ]
        for volume in _service_volumes(subscription):
            volumes.append(volume)
            container["volumeMounts"].append(mount(volume["name"], f"{BINDINGS}/{volume['name']}"))
    for folder, secret in own_credentials(subscription, access).items():
        volumes.append({"name": folder, "secret": {"secretName": secret}})
        container["volumeMounts"].append(mount(folder, f"{BINDINGS}/{folder}"))
    return {
        **restricted_pod(object_name, container, volumes, selector),
        "terminationGracePeriodSeconds": grace,
        **({"imagePullSecrets": pull} if pull else {}),
    }


def restricted_pod(
    service_account: str,
    container: Mapping[str, Any],
    volumes: Sequence[Mapping[str, Any]],
    selector: Mapping[str, str],
) -> dict[str, Any]:
    """Write the spec of a pod of one container that may do nothing with the API server."""
    return {
        "serviceAccountName": service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": volumes,
        "topologySpreadConstraints": _spread_out(selector),
    }


def own_credentials(resource: Access, access: DesiredAccess) -> Mapping[str, str]:
    """Name the Secrets with which its principal comes, where Kafka keeps none, by the folder that pods have them in."""
    credentials, by_token = resource.spec.credentials, access.settings.get("sasl.mechanism") == "OAUTHBEARER"
    references = {
        "certificate": credentials.certificate_secret_ref,
        "oauth": credentials.oauth_secret_ref if by_token else None,
    }
    given = {folder: reference.name for folder, reference in references.items() if reference is not None}
    return given if access.mark is not None else {}


def _service_volumes(subscription: Subscription) -> Iterator[dict[str, Any]]:
    """Give each Secret that a service is spoken to with a volume, of the keys that it is needed for.

    What is absent keeps no container from starting: it ends and says what it misses, which is in the status then; what
    the kubelet says of volumes is not.
    """
    for route, sink in subscription.spec.sinks.items():
        for what, reference, files in _secrets(sink.http) if sink.http is not None else ():
            yield _secret_volume(credential_folder(what, route), reference, files)
    for lookup in subscription.spec.lookups:
        for what, reference, files in _secrets(lookup.http) if lookup.http is not None else ():
            yield _secret_volume(lookup_credential_folder(what, lookup.name), reference, files)


def _secret_volume(name: str, reference: SecretRef, files: Mapping[str, str]) -> dict[str, Any]:
    items = [{"key": key, "path": path} for key, path in files.items()]
    return {"name": name, "secret": {"secretName": reference.name, "items": items, "optional": True}}


def _secrets(http: HttpSink | HttpLookup) -> Iterator[tuple[Credential, SecretRef, Mapping[str, str]]]:
    """Give the folder for each Secret that is asked for, and the files there by the keys that they are from."""
    if http.bearer_token_secret_ref is not None:
        yield "token", http.bearer_token_secret_ref, {"token": "token"}
    if isinstance(http, HttpSink) and http.signature is not None:
        keys = {"secret": "secret", "previousSecret": "previousSecret"}
        yield "signature", http.signature.secret_ref, keys
    if http.tls is not None:
        authority, pair = http.tls.ca_secret_ref, http.tls.certificate_secret_ref
        if authority is not None:
            yield "ca", authority, {authority.key: "ca.crt"}
        if pair is not None:
            yield "certificate", pair, {"tls.crt": "tls.crt", "tls.key": "tls.key"}


def _own_container(workload: Workload, secret_name: str) -> dict[str, Any]:
    """Write the user's container.

    Its root file system is writable: the restricted standard asks for no more, and images that know nothing of us
    write to all kinds of places.
    """
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": workload.image,
        "env": list({**_environment(secret_name), **_variables(workload.env)}.values()),
        "resources": resources_of(workload.resources),
        "securityContext": container_security(),
        "volumeMounts": [mount("kafka", f"{BINDINGS}/kafka")],
    }
    if workload.command:
        container["command"] = list(workload.command)
    if workload.args:
        container["args"] = list(workload.args)
    container |= _env_from(workload.env_from_secrets)
    if workload.liveness is not None:
        container |= liveness(workload.liveness)
    if workload.readiness is not None:
        container["readinessProbe"] = http_probe(workload.readiness, seconds=5)
    return container


def _runtime_resources(subscription: Subscription) -> Resources:
    """Give Eventplane's own consumer memory for all that it may have to keep of what is looked up."""
    usual = Resources()
    lookups = subscription.spec.lookups
    entries = sum(each.topic_ref.max_entries for each in lookups if each.topic_ref is not None)
    entries += sum(each.http.cache.max_entries for each in lookups if each.http is not None)
    if not entries:
        return usual
    limit = size_bytes(usual.limits["memory"]) + entries * _ENTRY_BYTES
    request = size_bytes(usual.requests["memory"]) + entries * _ENTRY_BYTES
    return Resources(
        requests={**usual.requests, "memory": f"{request // 2**20}Mi"}, limits={"memory": f"{limit // 2**20}Mi"}
    )


def _runtime_container(
    function: PythonSink | None, image: str, secret_name: str, resources: Resources
) -> dict[str, Any]:
    """Write the container of Eventplane's own consumer: in the operator's image, or in that of the user's function."""
    config = {"name": "EVENTPLANE_RUNTIME_CONFIG", "value": CONFIG_FILE}
    given = function.env if function is not None else ()
    environment = {**_environment(secret_name), **_variables(given), config["name"]: config}
    container = {
        "name": CONTAINER,
        "image": image if function is None else function.image,
        "command": ["python3"],
        "args": ["-m", "eventplane.runtime"],
        "env": list(environment.values()),
        "ports": [{"name": "http", "containerPort": PORT}],
        **liveness(Probe(path="/healthz", port=PORT)),
        "readinessProbe": http_probe(Probe(path="/readyz", port=PORT), seconds=5),
        "resources": resources_of(resources),
        "securityContext": container_security()
        if function is not None
        else {**container_security(), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            mount("kafka", f"{BINDINGS}/kafka"),
            mount("config", CONFIG_DIR),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
        ],
    }
    return container | _env_from(function.env_from_secrets if function is not None else ())


def _variables(given: tuple[EnvVar, ...]) -> dict[str, dict[str, Any]]:
    return {each.name: {"name": each.name, "value": each.value} for each in given}


def _env_from(secrets: tuple[SecretRef, ...]) -> dict[str, Any]:
    """Make variables of the keys of Secrets."""
    return {"envFrom": [{"secretRef": {"name": each.name}} for each in secrets]} if secrets else {}


def _environment(secret_name: str) -> dict[str, dict[str, Any]]:
    taken = {
        name: {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key, "optional": True}}}
        for name, key in _FROM_SECRET.items()
    }
    return {"SERVICE_BINDING_ROOT": {"name": "SERVICE_BINDING_ROOT", "value": BINDINGS}, **taken}


def mount(volume: str, path: str) -> dict[str, Any]:
    """Mount a volume, to be read."""
    return {"name": volume, "mountPath": path, "readOnly": True}


def resources_of(asked: Resources) -> dict[str, Any]:
    """Ask for what a container needs."""
    return {"requests": dict(asked.requests), "limits": dict(asked.limits)}


def container_security() -> dict[str, Any]:
    """Meet the restricted standard (kubernetes.io, "Pod Security Standards")."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def liveness(probe: Probe) -> dict[str, Any]:
    """Restart a container that has started and does not answer any more; it may take five minutes to start."""
    startup = {**http_probe(probe, seconds=5), "failureThreshold": _STARTUP_FAILURES}
    return {"livenessProbe": http_probe(probe, seconds=10), "startupProbe": startup}


def http_probe(probe: Probe, *, seconds: int) -> dict[str, Any]:
    """Ask a container by HTTP every so many seconds."""
    http = {"path": probe.path, "port": probe.port, "scheme": "HTTP"}
    return {"httpGet": http, "periodSeconds": seconds, "timeoutSeconds": 5, "failureThreshold": 3}


def _spread_out(selector: Mapping[str, str]) -> list[dict[str, Any]]:
    """Spread pods with these labels over nodes and zones, where that is possible."""
    return [_spread_over(key, selector) for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")]


def _spread_over(topology_key: str, selector: Mapping[str, str]) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": topology_key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(selector)},
    }
