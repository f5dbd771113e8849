"""Objects of an API server in memory: server-side apply, lists by labels, deletion, and watches of their metadata."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from eventplane.api.conditions import Reason
from eventplane.backends.kubernetes import Conflict, Gone
from eventplane.planning.object_differences import merge_key
from eventplane.planning.objects import ObjectKey, key_of
from eventplane.planning.outcome import Rejected

Object: TypeAlias = dict[str, Any]
Change: TypeAlias = tuple[str, Mapping[str, Any]]
"""The type of an event, and the metadata of the object that it is about."""

_KINDS = {
    "serviceaccounts": "ServiceAccount",
    "configmaps": "ConfigMap",
    "services": "Service",
    "deployments": "Deployment",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "pods": "Pod",
    "scaledobjects": "ScaledObject",
    "triggerauthentications": "TriggerAuthentication",
}


class MemoryObjects:
    """The part of an API server that knows nothing of the kinds of its objects."""

    def __init__(self) -> None:
        self._objects: dict[ObjectKey, Object] = {}
        self._applied: dict[ObjectKey, dict[str, Object]] = {}
        """What was applied to each, by who applied it."""
        self._made = 0
        self._listeners: list[tuple[str, asyncio.Queue[Change]]] = []

    # --- what users and other controllers do

    def show(self, key: ObjectKey) -> Object | None:
        """Read an object as kubectl does; a copy."""
        return copy.deepcopy(self._objects.get(key))

    def keys(self) -> set[ObjectKey]:
        """Name all objects."""
        return set(self._objects)

    def put(self, manifest: Mapping[str, Any]) -> None:
        """Create an object, or replace it."""
        key = key_of(manifest)
        known = self._objects.get(key)
        self._store(key, copy.deepcopy(dict(manifest)), "ADDED" if known is None else "MODIFIED")

    def edit(self, key: ObjectKey, change: Callable[[Object], None]) -> None:
        """Change an object, if it is there, as kubectl edit does."""
        known = self.show(key)
        if known is not None:
            change(known)
            self._store(key, known, "MODIFIED")

    def delete(self, key: ObjectKey) -> None:
        """Delete an object, if it is there."""
        known = self._objects.pop(key, None)
        self._applied.pop(key, None)
        if known is not None:
            self._tell("DELETED", key, known)

    # --- what the server does

    def knows(self, path: str) -> bool:
        """Tell whether a path is about objects of a kind that is kept here."""
        parts = path.partition("?")[0].split("/")
        return "namespaces" in parts and parts[parts.index("namespaces") + 2 :][:1][0] in _KINDS

    def answer(self, verb: str, path: str, body: Mapping[str, Any] | None) -> Object:
        """Answer a request; raises Gone, Conflict or Rejected."""
        where, _, query = path.partition("?")
        key = _key_of(where)
        match verb:
            case "GET" if not key.name:
                return {"metadata": {}, "items": self._listed(key, parse_qs(query).get("labelSelector", [""])[0])}
            case "GET":
                return copy.deepcopy(self._there(key))
            case "PATCH":
                return self._apply(key, copy.deepcopy(dict(body or {})), parse_qs(query)["fieldManager"][0])
            case _:
                known = self._there(key)
                wanted = (body or {}).get("preconditions", {}).get("uid", known["metadata"]["uid"])
                if wanted != known["metadata"]["uid"]:
                    raise Conflict("the API server answered 409: the UID in the precondition does not match")
                self.delete(key)
                return {}

    async def changes(self, path: str, selector: str, since: str = "") -> AsyncIterator[Change]:
        """Tell what is there, if nothing was known, then what changes."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        listener = (path, queue)
        self._listeners.append(listener)
        try:
            if not since:
                for each in self._listed(_key_of(path), selector):
                    yield "ADDED", each["metadata"]
            while True:
                change = await queue.get()
                if _has(change[1], selector):
                    yield change
        finally:
            self._listeners.remove(listener)

    def _listed(self, like: ObjectKey, selector: str) -> list[Object]:
        """List objects as the API server does: without kind and version."""
        found = []
        for key, known in sorted(self._objects.items()):
            same = (key.api_version, key.kind, key.namespace) == (like.api_version, like.kind, like.namespace)
            if same and _has(known["metadata"], unquote(selector)):
                found.append({name: copy.deepcopy(part) for name, part in known.items() if name not in _HEAD})
        return found

    def _there(self, key: ObjectKey) -> Object:
        if key not in self._objects:
            raise Gone(f"the API server answered 404: {key.kind} {key.name} not found")
        return self._objects[key]

    def _apply(self, key: ObjectKey, manifest: Object, manager: str) -> Object:
        """Apply server-side: what others have set stays, what we applied before and do not any more goes."""
        known = self._objects.get(key, {})
        selector = manifest.get("spec", {}).get("selector")
        if known and key.kind == "Deployment" and selector not in (None, known["spec"]["selector"]):
            raise Rejected(Reason.INTERNAL_ERROR, "the API server answered 422: spec.selector: field is immutable")
        by_manager = self._applied.setdefault(key, {})
        made = _set(_without(known, by_manager.get(manager, {}), manifest), manifest)
        by_manager[manager] = manifest
        for others in by_manager.values():
            made = _kept(made, known, others)
        made.setdefault("metadata", {})["managedFields"] = [
            {"manager": name, "operation": "Apply", "fieldsV1": _fields(what)} for name, what in by_manager.items()
        ]
        if made != known:
            self._store(key, made, "MODIFIED" if known else "ADDED")
        return copy.deepcopy(self._objects[key])

    def _store(self, key: ObjectKey, made: Object, event: str) -> None:
        self._made += 1
        known = self._objects.get(key, {})
        metadata = made.setdefault("metadata", {})
        metadata.setdefault("uid", known.get("metadata", {}).get("uid", f"uid-{self._made}"))
        metadata.setdefault("generation", 1)
        if known and known.get("spec") != made.get("spec"):
            metadata["generation"] = known["metadata"]["generation"] + 1
        metadata["resourceVersion"] = str(self._made)
        self._objects[key] = made
        self._tell(event, key, made)

    def _tell(self, event: str, key: ObjectKey, about: Object) -> None:
        for path, queue in self._listeners:
            like = _key_of(path)
            if (like.api_version, like.kind, like.namespace) == (key.api_version, key.kind, key.namespace):
                queue.put_nowait((event, copy.deepcopy(about["metadata"])))


_HEAD = frozenset({"apiVersion", "kind"})


def _key_of(path: str) -> ObjectKey:
    """Read a path: /apis/<group>/<version>/namespaces/<namespace>/<plural>[/<name>], or /api/v1/namespaces/..."""
    parts = path.split("/")
    at = parts.index("namespaces")
    namespace, plural, *name = parts[at + 1 :]
    return ObjectKey("/".join(parts[2:at]), _KINDS[plural], namespace, name[0] if name else "")


def _has(metadata: Mapping[str, Any], selector: str) -> bool:
    wanted = [each.partition("=") for each in selector.split(",") if each]
    return all(metadata.get("labels", {}).get(key) == value for key, _, value in wanted)


def _without(live: Any, before: Any, now: Any) -> Any:
    """Take out of an object what was applied before and is not now, unless others have added to that."""
    if isinstance(live, Mapping) and isinstance(before, Mapping):
        kept = dict(live)
        for name, value in before.items():
            if name not in kept:
                continue
            inside = now.get(name) if isinstance(now, Mapping) else None
            kept[name] = _without(kept[name], value, inside)
            if inside is None and kept[name] in ({}, [], None):
                del kept[name]
        return kept
    if isinstance(live, list) and isinstance(before, list) and (key := merge_key(before)) is not None:
        wanted = {each[key]: each for each in now or ()}
        was = {each[key]: each for each in before}
        entries = [_without(each, was.get(each.get(key)), wanted.get(each.get(key))) for each in live]
        return [each for each in entries if each]
    if before is None:
        return live
    return None if now is None else live


def _kept(made: Any, known: Any, others: Any) -> Any:
    """Put back what was taken out although another applies it too."""
    if not all(isinstance(each, Mapping) for each in (made, known, others)):
        return made
    back = {name: known[name] for name in others if name not in made and name in known}
    return {name: _kept(value, known.get(name), others.get(name)) for name, value in made.items()} | back


def _fields(applied: Any) -> Object:
    """Name fields as metadata.managedFields does, but for those of lists."""
    if not isinstance(applied, Mapping):
        return {}
    return {f"f:{name}": _fields(value) for name, value in applied.items()}


def _set(live: Any, manifest: Any) -> Any:
    """Put a manifest into an object."""
    if isinstance(manifest, Mapping):
        kept = dict(live) if isinstance(live, Mapping) else {}
        return {**kept, **{name: _set(kept.get(name), value) for name, value in manifest.items()}}
    if isinstance(manifest, list) and isinstance(live, list) and (key := merge_key(manifest)) is not None:
        wanted = {each[key]: each for each in manifest}
        known = {each.get(key): each for each in live}
        rest = [each for each in live if each.get(key) not in wanted]
        return [*(_set(known.get(name), entry) for name, entry in wanted.items()), *rest]
    return manifest
