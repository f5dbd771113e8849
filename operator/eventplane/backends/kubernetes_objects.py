"""Objects in a Kubernetes cluster: looked at one by one or by lists, made what their manifests say server-side."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import quote

from eventplane.api import MANAGED_BY_LABEL, MANAGER
from eventplane.api.conditions import Reason
from eventplane.backends.kubernetes import APPLY, Conflict, Gone
from eventplane.planning.objects import (
    ApplyObject,
    DeleteObject,
    Manifest,
    ObjectChange,
    ObjectKey,
    ObservedObject,
    Owner,
)
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable

ObjectOutcome: TypeAlias = Outcome[ObjectChange, ObservedObject]

_FEW: Final = 10
"""So many objects of a kind and namespace are looked at one by one; more of them by a list of all that are ours."""
_PAGE: Final = 500
_DISCOVERY_SECONDS: Final = 30.0
_OURS: Final = f"{MANAGED_BY_LABEL}={MANAGER}"


class Request(Protocol):
    """Asks the API server; raises Unavailable, Rejected, Conflict or Gone."""

    async def __call__(
        self, verb: str, path: str, body: Mapping[str, Any] | None = None, *, content: str | None = None
    ) -> dict[str, Any]:
        """Send a request to a path; return the answer."""
        ...


class KubernetesObjectBackend:
    """See `ObjectBackend`."""

    def __init__(self, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self._request = request
        self._clock = clock
        self._served: dict[str, tuple[bool, float]] = {}

    async def observe(self, keys: Collection[ObjectKey]) -> Mapping[ObjectKey, ObservedObject]:
        """Look at objects; one that cannot be looked at says so by itself."""
        groups: defaultdict[tuple[str, str, str], list[ObjectKey]] = defaultdict(list)
        for key in keys:
            groups[key.api_version, key.kind, key.namespace].append(key)
        found = await asyncio.gather(*(self._observe_group(group) for group in groups.values()))
        return {key: state for states in found for key, state in states.items()}

    async def _observe_group(self, keys: Sequence[ObjectKey]) -> Mapping[ObjectKey, ObservedObject]:
        """Look at objects of one kind and namespace.

        What a list of ours does not show may be there without our label, and be another's: it is looked at by itself.
        """
        listed: dict[ObjectKey, ObservedObject] = {}
        if len(keys) > _FEW:
            try:
                listed = await self._listed(keys[0])
            except (Unavailable, Rejected, Gone) as error:
                return dict.fromkeys(keys, _unseen(error, keys[0]))
        rest = [key for key in keys if key not in listed]
        seen = await asyncio.gather(*(self._observe_one(key) for key in rest))
        return {key: listed[key] for key in keys if key in listed} | dict(zip(rest, seen, strict=True))

    async def _listed(self, like: ObjectKey) -> dict[ObjectKey, ObservedObject]:
        items = await self._list(_collection(like.api_version, like.kind, like.namespace), _OURS)
        head = {"apiVersion": like.api_version, "kind": like.kind}  # which the items of a list lack
        return {
            ObjectKey(like.api_version, like.kind, like.namespace, each["metadata"]["name"]): ObservedObject(
                each | head
            )
            for each in items
        }

    async def _list(self, collection: str, selector: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        path, token = f"{collection}?labelSelector={quote(selector)}&limit={_PAGE}", ""
        while True:
            page = await self._request("GET", f"{path}&continue={quote(token)}" if token else path)
            items += page.get("items") or ()
            token = page["metadata"].get("continue", "")
            if not token:
                return items

    async def _observe_one(self, key: ObjectKey) -> ObservedObject:
        try:
            return ObservedObject(await self._request("GET", _path(key)))
        except (Unavailable, Rejected, Gone) as error:
            return _unseen(error, key)

    async def serves(self, api_version: str) -> bool:
        """Tell whether there are kinds of an API group and version; see ObjectBackend."""
        known = self._served.get(api_version)
        if known is not None and self._clock() - known[1] < _DISCOVERY_SECONDS:
            return known[0]
        try:
            await self._request("GET", f"/apis/{api_version}")
            found = True
        except (Gone, Rejected):
            found = False
        self._served[api_version] = (found, self._clock())
        return found

    async def pods(self, deployments: Collection[ObjectKey]) -> Mapping[ObjectKey, tuple[Manifest, ...]]:
        """List the pods of Deployments, with one list for each namespace; raises Unavailable or Rejected."""
        namespaces = sorted({key.namespace for key in deployments})
        found = await asyncio.gather(*(self._pods_in(namespace) for namespace in namespaces))
        pods = [pod for of_namespace in found for pod in of_namespace]
        return {key: tuple(pod for pod in pods if _is_of(pod, key)) for key in deployments}

    async def _pods_in(self, namespace: str) -> list[dict[str, Any]]:
        try:
            return await self._list(_collection("v1", "Pod", namespace), _OURS)
        except Gone:
            return []
        except Rejected as error:
            raise _rejected(error, ObjectKey("v1", "Pod", namespace, "")) from None

    # --- changes

    async def apply(self, changes: Sequence[ObjectChange]) -> Sequence[ObjectOutcome]:
        """Make changes: one after the other for each owner, those of several owners side by side."""
        groups: defaultdict[tuple[str, Owner], list[int]] = defaultdict(list)
        for index, change in enumerate(changes):
            groups[change.key.namespace, change.owner].append(index)
        done = await asyncio.gather(*(self._apply_in_turn([changes[i] for i in each]) for each in groups.values()))
        outcomes = dict(
            zip((i for each in groups.values() for i in each), (o for each in done for o in each), strict=True)
        )
        return [outcomes[index] for index in range(len(changes))]

    async def _apply_in_turn(self, changes: Sequence[ObjectChange]) -> list[ObjectOutcome]:
        outcomes: list[ObjectOutcome] = []
        error: BackendError | None = None
        for change in changes:
            state = None
            if error is None:
                try:
                    state = await self._make(change)
                except (Unavailable, Rejected) as failure:
                    error = failure
            outcomes.append(Outcome(change, error, state))
        return outcomes

    async def _make(self, change: ObjectChange) -> ObservedObject | None:
        try:
            match change:
                case ApplyObject():
                    path = f"{_path(change.key)}?fieldManager={change.manager}&force=true"
                    return ObservedObject(await self._request("PATCH", path, change.manifest, content=APPLY))
                case DeleteObject():
                    options = {
                        "apiVersion": "v1",
                        "kind": "DeleteOptions",
                        "preconditions": {"uid": change.uid},
                        "propagationPolicy": "Background",
                    }
                    await self._request("DELETE", _path(change.key), options)
        except (Gone, Conflict) as error:
            if isinstance(change, DeleteObject):
                return None  # gone, or another by now
            raise Unavailable(f"{change.key.describe()} was not applied: {error}", Reason.INTERNAL_ERROR) from None
        except Rejected as error:
            raise _rejected(error, change.key) from None
        return None


def _collection(api_version: str, kind: str, namespace: str) -> str:
    """Make the path of the objects of a kind; all kinds that we make have a plural that only adds an s."""
    prefix = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    return f"{prefix}/namespaces/{namespace}/{kind.lower()}s"


def _path(key: ObjectKey) -> str:
    return f"{_collection(key.api_version, key.kind, key.namespace)}/{key.name}"


def _is_of(pod: Mapping[str, Any], key: ObjectKey) -> bool:
    """Tell whether a pod belongs to a Deployment: its ReplicaSet is named after that, a hyphen, and the template."""
    owners = [each["name"] for each in pod["metadata"].get("ownerReferences") or () if each.get("controller")]
    template = pod["metadata"].get("labels", {}).get("pod-template-hash", "")
    return pod["metadata"]["namespace"] == key.namespace and owners == [f"{key.name}-{template}"]


def _unseen(error: Unavailable | Rejected | Gone, key: ObjectKey) -> ObservedObject:
    if isinstance(error, Gone):
        return ObservedObject()
    return ObservedObject(error=_rejected(error, key) if isinstance(error, Rejected) else error)


def _rejected(error: Rejected, key: ObjectKey) -> BackendError:
    """Say what to do about a refusal of the API server."""
    if "is being terminated" in error.message:
        return Unavailable(f"namespace {key.namespace} is being deleted", Reason.INTERNAL_ERROR)
    if "answered 403" in error.message and " cannot " in error.message:
        return Rejected(
            Reason.NOT_PERMITTED,
            f"the operator may not keep {key.kind}s in namespace {key.namespace}: bind the ClusterRole"
            f" {_role_for(key.kind)} to the operator's ServiceAccount there",
        )
    return Rejected(Reason.REJECTED, f"{key.describe()}: {error.message}")


def _role_for(kind: str) -> str:
    """Name the role that lets the operator keep objects of a kind; Secrets are kept here only to be deleted."""
    return "eventplane-gateway" if kind in {"Service", "Secret"} else "eventplane-application"
