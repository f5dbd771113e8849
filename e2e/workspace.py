"""A namespace on a real cluster, with what tests and demo do there: apply, read, wait, annotate, delete."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from kubernetes import client, config

from e2e.installation import NAMESPACE as OPERATOR_NAMESPACE
from e2e.installation import RELEASE
from eventplane.api.crd import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from e2e.cluster import Cluster
    from e2e.servers import Kafka

Resource: TypeAlias = "dict[str, Any]"
GROUP, VERSION = "events.sindhan.ai", "v1alpha1"
_PLURALS = {kind.kind: kind.plural for kind in KINDS}
_LOOK_SECONDS = 0.1
_GONE = 404


class NotReachedError(AssertionError):
    """What was waited for did not come; the message holds what was there instead."""


class Workspace:
    """A namespace; what is in it is applied by kubectl, as users do, and read through a client that stays open."""

    def __init__(self, cluster: Cluster, namespace: str, connection: client.ApiClient | None = None) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._client = connection or config.new_client_from_config(str(cluster.kubeconfig))
        self.objects = client.CustomObjectsApi(self._client)
        self.core = client.CoreV1Api(self._client)

    def create(self, labels: Mapping[str, str] | None = None) -> None:
        """Create the namespace unless it exists."""
        metadata = {"name": self.namespace, "labels": dict(labels or {})}
        self.kubectl("apply", "--filename=-", feed=[{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])

    def beside(self, namespace: str) -> Workspace:
        """Return another namespace, reached through the same client."""
        return Workspace(self.cluster, namespace, self._client)

    def close(self) -> None:
        """Close the client, also for those beside."""
        self._client.close()

    def delete(self) -> None:
        """Ask for the deletion of the namespace and all that is in it."""
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    def exists(self) -> bool:
        """Tell whether the namespace is there, and be it on its way out."""
        try:
            self.core.read_namespace(self.namespace)
        except client.ApiException as error:
            if error.status == _GONE:
                return False
            raise
        return True

    def kubectl(self, *words: str, feed: Sequence[Resource] = (), timeout: float = 120) -> str:
        """Run kubectl in the namespace, with resources as its input; raises CommandError."""
        content = "\n---\n".join(json.dumps(each) for each in feed).encode() or None
        return self.cluster.kubectl("--namespace", self.namespace, *words, feed=content, timeout=timeout)

    def apply(self, *resources: Resource) -> None:
        """Apply resources server-side, as a GitOps tool would; raises CommandError where they are refused."""
        words = ("apply", "--server-side", "--force-conflicts", "--filename=-")
        # a document each: in a List, kubectl itself refuses every null
        self.kubectl(*words, feed=resources)

    def annotate(self, name: str, kind: str = "EventTopic", **annotations: str | None) -> None:
        """Set annotations of our group on a resource, such as `paused`; None takes one away."""
        words = [f"{GROUP}/{key}-" if value is None else f"{GROUP}/{key}={value}" for key, value in annotations.items()]
        self.kubectl("annotate", "--overwrite", kind.lower(), name, *words)

    def remove(self, name: str, kind: str = "EventTopic") -> None:
        """Ask for the deletion of a resource."""
        self.kubectl("delete", kind.lower(), name, "--wait=false")

    def allow_secrets(self) -> None:
        """Let the operator read this namespace's Secrets, as the chart's README tells its owner to."""
        self._consent("eventplane", "secret-reader")

    def allow_applications(self) -> None:
        """Let the operator keep the Secrets of applications in this namespace, as the chart's README tells."""
        self._consent("eventplane-application", "application")

    def allow_gateway(self) -> None:
        """Let the operator keep the gateway of a bus in this namespace, as the chart's README tells."""
        self.allow_applications()
        self._consent("eventplane-gateway", "gateway")

    def _consent(self, name: str, to: str) -> None:
        subject = {"kind": "ServiceAccount", "name": RELEASE, "namespace": OPERATOR_NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{RELEASE}-{to}"}
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
        self.apply({**binding, "metadata": {"name": name}, "roleRef": role, "subjects": [subject]})

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str) -> Resource | None:
        """Return a resource, None where there is none."""
        place = (GROUP, VERSION, self.namespace, _PLURALS[kind])
        try:
            return cast("Resource", self.objects.get_namespaced_custom_object(*place, name))
        except client.ApiException as error:
            if error.status == _GONE:
                return None
            raise

    def secret(self, name: str) -> Mapping[str, str] | None:
        """Return the contents of a Secret, None where there is none."""
        try:
            data = self.core.read_namespaced_secret(name, self.namespace).data or {}
        except client.ApiException as error:
            if error.status == _GONE:
                return None
            raise
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def every(self, kind: str) -> list[Resource]:
        """Return all resources of a kind."""
        place = (GROUP, VERSION, self.namespace, _PLURALS[kind])
        answer = cast("Resource", self.objects.list_namespaced_custom_object(*place))
        return list(answer["items"])

    def events(self, name: str) -> list[tuple[str, str]]:
        """Return reason and message of each Event about a resource."""
        found = self.core.list_namespaced_event(self.namespace, field_selector=f"involvedObject.name={name}").items
        return [(event.reason or "", event.message or "") for event in found]

    # --- waiting -----------------------------------------------------------------------------------------------------

    def until(self, kind: str, name: str, holds: Callable[[Resource], bool], seconds: float = 30) -> Resource:
        """Return a resource once something holds of it; raises NotReachedError with what it was instead."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(kind, name)
            if found is not None and holds(found):
                return found
            if time.monotonic() > deadline:
                seen = "absent" if found is None else json.dumps(found.get("status", {}))
                raise NotReachedError(f"{kind} {self.namespace}/{name} after {seconds:.0f} s: {seen}")
            time.sleep(_LOOK_SECONDS)

    def until_reason(self, name: str, reason: str, kind: str = "EventTopic", seconds: float = 30) -> Resource:
        """Return a resource once its Ready has a reason and speaks of the spec as it is."""
        return self.until(kind, name, lambda found: is_current(found) and ready(found).get("reason") == reason, seconds)

    def until_ready(self, name: str, kind: str = "EventTopic", seconds: float = 30) -> Resource:
        """Return a resource once it is Ready and speaks of the spec as it is."""
        return self.until(kind, name, lambda found: is_current(found) and is_ready(found), seconds)

    def until_gone(self, name: str, kind: str = "EventTopic", seconds: float = 30) -> None:
        """Return once a resource is gone."""
        deadline = time.monotonic() + seconds
        while (found := self.get(kind, name)) is not None:
            if time.monotonic() > deadline:
                raise NotReachedError(f"{kind} {self.namespace}/{name} is still there: {json.dumps(found)}")
            time.sleep(_LOOK_SECONDS)


def condition(resource: Resource, kind: str) -> Mapping[str, str]:
    """Return a condition by its type; empty where it has none of that type."""
    conditions: list[dict[str, str]] = resource.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def ready(resource: Resource) -> Mapping[str, str]:
    """Return the condition Ready; empty where it has none yet."""
    return condition(resource, "Ready")


def is_ready(resource: Resource) -> bool:
    """Tell whether Ready is True."""
    return ready(resource).get("status") == "True"


def is_current(resource: Resource) -> bool:
    """Tell whether the status speaks of the spec as it is."""
    return bool(resource.get("status", {}).get("observedGeneration") == resource["metadata"]["generation"])


def topic(name: str, bus: Resource | None = None, **spec: Any) -> Resource:
    """Return an EventTopic; `bus` is its busRef, with None it takes the namespace's own."""
    reference = {"busRef": bus} if bus else {}
    return {**_head("EventTopic", name), "spec": {**reference, **spec}}


def schema(name: str, bus: Resource | None = None, **spec: Any) -> Resource:
    """Return a Schema, AVRO unless `spec` says otherwise; `bus` is its busRef."""
    reference = {"busRef": bus} if bus else {}
    return {**_head("Schema", name), "spec": {"type": "AVRO", **reference, **spec}}


def application(kind: str, name: str, *topics: str, bus: Resource | None = None, **spec: Any) -> Resource:
    """Return a Publication or Subscription of topics; `bus` is its busRef."""
    reference = {"busRef": bus} if bus else {}
    return {**_head(kind, name), "spec": {"topics": [{"name": each} for each in topics], **reference, **spec}}


def bus(name: str, servers: str, **spec: Any) -> Resource:
    """Return an EventBus; `kafka` in `spec` adds to how the servers are reached."""
    kafka = {"bootstrapServers": servers.split(","), **spec.pop("kafka", {})}
    return {**_head("EventBus", name), "spec": {"kafka": kafka, **spec}}


def scram_bus(name: str, kafka: Kafka, **spec: Any) -> tuple[Resource, ...]:
    """Return an EventBus that speaks TLS and logs in with SCRAM as the administrator, and its Secrets."""
    login = {"type": "SCRAM-SHA-512", "secretRef": {"name": f"{name}-login"}}
    connection = {"tls": {"caSecretRef": {"name": f"{name}-ca"}}, "authentication": login}
    return (
        secret(f"{name}-login", {"username": kafka.admin.username, "password": kafka.admin.password}),
        secret(f"{name}-ca", {"ca.crt": kafka.ca_pem}),
        bus(name, kafka.bootstrap("SASL_SSL"), kafka=connection, **spec),
    )


def secret(name: str, data: Mapping[str, str]) -> Resource:
    """Return a Secret."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def _head(kind: str, name: str) -> Resource:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}}
