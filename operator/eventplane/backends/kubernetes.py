"""The Kubernetes API, where the truth is reported: status, finalizers, Events; and the Secrets to connect with."""

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from eventplane.api import API_VERSION, GROUP, MANAGED_BY_LABEL, MANAGER, VERSION
from eventplane.api.conditions import Reason
from eventplane.api.metadata import Metadata
from eventplane.planning.access_changes import WriteSecret
from eventplane.planning.access_state import ObservedSecret
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal

TIMEOUT_SECONDS: Final = 15
CONNECTIONS: Final = 100
PAGE: Final = 1000
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_MERGE_PATCH: Final = "application/merge-patch+json"
_BINDING_TYPE: Final = "servicebinding.io/kafka"
APPLY: Final = "application/apply-patch+yaml"
"""The content of a server-side apply."""
_MESSAGE: Final = 1000
"""Characters of an answer that an error shows."""


class Gone(Exception):  # noqa: N818 - a state of the resource
    """The resource does not exist any more, or another has its name."""


class Conflict(Exception):  # noqa: N818 - a state of the resource
    """The resource has changed since it was looked at: look again."""


async def configure() -> Configuration:
    """Find the API server: from within the pod, else by kubeconfig.

    Raises:
        kubernetes.aio.config.ConfigException: neither is there.
    """
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = CONNECTIONS
    # the kubeconfig names the proxy if there is one; looking for .netrc and proxy variables costs a tenth of a request
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


class KubernetesApi:
    """The few calls that the operator makes; every call is one request, none reads what the watch has shown already."""

    def __init__(self, client: ApiClient, on_call: Callable[[str, int], None] = lambda _verb, _status: None) -> None:
        """Use a client; `on_call` is told the verb and the HTTP status of every request."""
        self._client = client
        self._on_call = on_call

    async def patch_status(self, plural: str, metadata: Metadata, status: Mapping[str, Any]) -> str:
        """Write a status; return the new resourceVersion.

        The uid goes along, so that a namesake that took the resource's place is left alone.

        Raises:
            Gone: the resource is no more.
            Unavailable: no answer.
        """
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{metadata.namespace}/{plural}/{metadata.name}/status"
        answer = await self._request("PATCH", path, {"metadata": {"uid": metadata.uid}, "status": status})
        return str(answer["metadata"]["resourceVersion"])

    async def patch_finalizers(self, plural: str, metadata: Metadata, finalizers: tuple[str, ...]) -> str:
        """Write the finalizers of a resource that has not changed since; return the new resourceVersion.

        Raises:
            Conflict: it has changed.
            Gone: the resource is no more.
            Unavailable: no answer.
        """
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{metadata.namespace}/{plural}/{metadata.name}"
        guard = {"uid": metadata.uid, "resourceVersion": metadata.resource_version}
        answer = await self._request("PATCH", path, {"metadata": {**guard, "finalizers": list(finalizers)}})
        return str(answer["metadata"]["resourceVersion"])

    async def create_event(
        self, kind: str, metadata: Metadata, *, warning: bool, reason: str, message: str, now: dt.datetime
    ) -> None:
        """Post a Kubernetes Event about a resource.

        Raises:
            Gone: its namespace is no more, or is going.
            Unavailable: no answer.
        """
        at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        event = {
            "metadata": {"generateName": f"{metadata.name[:200]}.", "namespace": metadata.namespace},
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message[:1024],
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": "eventplane"},
            "reportingComponent": "eventplane",
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": kind,
                "namespace": metadata.namespace,
                "name": metadata.name,
                "uid": metadata.uid,
            },
        }
        await self._request("POST", f"/api/v1/namespaces/{metadata.namespace}/events", event)

    async def read_secret(self, namespace: str, name: str) -> Mapping[str, str] | Refusal:
        """Read a Secret's data, decoded; what is missing or forbidden is a refusal that says what to do.

        Raises:
            Unavailable: no answer.
        """
        try:
            secret = await self._request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except Gone:
            return Refusal(Reason.SECRET_NOT_FOUND, f"Secret {namespace}/{name} does not exist: create it")
        except Rejected:
            return Refusal(
                Reason.SECRET_NOT_READABLE,
                f"the operator may not read Secret {namespace}/{name}: bind the ClusterRole eventplane-secret-reader to"
                f" the operator's ServiceAccount in namespace {namespace}",
            )
        return _decoded(secret)

    async def read_config_map(self, namespace: str, name: str) -> Mapping[str, str] | Refusal:
        """Read a ConfigMap's data; one that is missing is a refusal that says what to do.

        Raises:
            Unavailable: no answer.
            Rejected: the operator may not read it.
        """
        try:
            config_map = await self._request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        except Gone:
            return Refusal(
                Reason.DEFINITION_NOT_FOUND,
                f"ConfigMap {namespace}/{name} does not exist: create it, or correct definitionFrom",
            )
        data: Mapping[str, str] = config_map.get("data") or {}
        return data

    async def look_at_secret(self, namespace: str, name: str) -> ObservedSecret:
        """Read a Secret that we may have written, and whose it is.

        Raises:
            Unavailable: no answer.
            Rejected: the operator may not read it.
        """
        try:
            secret = await self._request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except Gone:
            return ObservedSecret()
        except Rejected:
            raise _no_right_to_secrets(namespace) from None
        owners = secret["metadata"].get("ownerReferences") or ()
        ours = [each for each in owners if each["apiVersion"].partition("/")[0] == GROUP and each.get("controller")]
        owner = (ours[0]["kind"], ours[0]["name"]) if ours else None
        annotations: Mapping[str, str] = secret["metadata"].get("annotations") or {}
        return ObservedSecret(
            _decoded(secret), owner, {key: text for key, text in annotations.items() if key.startswith(f"{GROUP}/")}
        )

    async def write_secret(self, change: WriteSecret) -> None:
        """Create a Secret that goes with its owner, or make of it what it should be, by server-side apply.

        Raises:
            Unavailable: no answer.
            Rejected: the operator may not write it, or it is immutable.
            Gone: its namespace is no more.
        """
        kind, name, uid = change.owner
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": _BINDING_TYPE,
            "metadata": {
                "name": change.name,
                "namespace": change.namespace,
                "labels": {MANAGED_BY_LABEL: MANAGER},
                "annotations": dict(change.annotations),
                "ownerReferences": [
                    {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True}
                ],
            },
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in change.data.items()},
        }
        path = f"/api/v1/namespaces/{change.namespace}/secrets/{change.name}"
        try:
            await self._request("PATCH", f"{path}?fieldManager={MANAGER}&force=true", secret, content=APPLY)
        except Rejected as error:
            answer = error.message.partition(":")[0]  # the rest might quote what is secret
            if str(HTTPStatus.FORBIDDEN.value) in answer:
                raise _no_right_to_secrets(change.namespace) from None
            raise Rejected(Reason.REJECTED, f"Secret {change.name} was not written: {answer}") from None

    async def check_kind(self, plural: str) -> None:
        """Check that the API server serves a kind.

        Raises:
            Gone: it does not: the CRD is missing.
            Unavailable, Rejected: it did not answer, or refused to.
        """
        await self._request("GET", f"/apis/{GROUP}/{VERSION}/{plural}?limit=1", accept=_METADATA_LIST)

    async def list_keys(self, plural: str) -> set[tuple[str, str]]:
        """List the namespace and name of all resources of a kind, in pages and without their contents.

        Raises:
            Gone: the API server does not know the kind.
            Unavailable: no answer.
        """
        keys: set[tuple[str, str]] = set()
        path, token = f"/apis/{GROUP}/{VERSION}/{plural}?limit={PAGE}", ""
        while True:
            page = await self._request("GET", f"{path}&continue={token}" if token else path, accept=_METADATA_LIST)
            keys.update((item["metadata"]["namespace"], item["metadata"]["name"]) for item in page["items"] or ())
            token = page["metadata"].get("continue", "")
            if not token:
                return keys

    async def request(
        self, verb: str, path: str, body: Mapping[str, Any] | None = None, *, content: str | None = None
    ) -> dict[str, Any]:
        """Send a request for which there is no method here: about objects of any kind; return the answer.

        Raises:
            Gone, Conflict, Rejected, Unavailable: the API server answered so, or did not.
        """
        return await self._request(verb, path, body, content=content)

    async def _request(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        accept: str = "application/json",
        content: str | None = None,
    ) -> dict[str, Any]:
        headers = {
            "Accept": accept,
            "Content-Type": content or (_MERGE_PATCH if verb == "PATCH" else "application/json"),
        }
        try:
            request = await self._client.param_serialize(
                verb, path, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = await self._client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            answered = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._on_call(verb, 0)
            raise Unavailable(
                f"the API server did not answer: {type(error).__name__}", Reason.INTERNAL_ERROR
            ) from error
        self._on_call(verb, response.status)
        raise_for(response.status, answered)
        answer: dict[str, Any] = orjson.loads(answered)
        return answer


def _decoded(secret: Mapping[str, Any]) -> Mapping[str, str]:
    data: Mapping[str, str] = secret.get("data") or {}
    return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}


def _no_right_to_secrets(namespace: str) -> Rejected:
    return Rejected(
        Reason.SECRET_NOT_READABLE,
        f"the operator may not keep Secrets in namespace {namespace}: bind the ClusterRole eventplane-application to"
        " the operator's ServiceAccount there",
    )


def _words(content: bytes) -> str:
    """Take the message out of a Status, which is what the API server answers when it refuses."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    message = answer.get("message") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else content.decode("utf-8", "replace")


def raise_for(status: int, content: bytes) -> None:
    """Translate an answer that is a refusal; raises Gone, Conflict, Unavailable or Rejected."""
    if status < HTTPStatus.BAD_REQUEST:
        return
    message = f"the API server answered {status}: {_words(content)[:_MESSAGE]}"
    match status:
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            raise Gone(message)
        case HTTPStatus.CONFLICT:
            raise Conflict(message)
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(message, Reason.INTERNAL_ERROR)
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(message, Reason.INTERNAL_ERROR)
        case _:
            raise Rejected(Reason.INTERNAL_ERROR, message)
