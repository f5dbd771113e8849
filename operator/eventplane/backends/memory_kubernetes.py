"""A Kubernetes API server in memory: the double of `kubernetes.py`, with the refusals of the real one."""

import asyncio
import base64
import copy
import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from eventplane.api import API_VERSION, GROUP, VERSION
from eventplane.api.conditions import Reason
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.publication import Publication
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.backends.access_reviews import SUBJECT_ACCESS_REVIEWS
from eventplane.backends.kubernetes import Conflict, Gone, KubernetesApi
from eventplane.backends.memory_objects import MemoryObjects
from eventplane.planning.outcome import Rejected, Unavailable

__all__ = ["MemoryKubernetes", "Write"]

Key: TypeAlias = tuple[str, str]
Resource: TypeAlias = EventTopic | EventBus | Schema | Publication | Subscription | DeadLetterPolicy
R = TypeVar("R", EventTopic, EventBus, Schema, Publication, Subscription, DeadLetterPolicy)
Watcher: TypeAlias = Callable[[str | None, str, Mapping[str, Any]], None]
"""Takes the type of an event (None for a listing), the plural of its kind, and the object."""
_TOPICS = f"/{EventTopic.plural}/"
_HEAD_OF_TOPICS = {"apiVersion": API_VERSION, "kind": EventTopic.kind}
_SLASHES_OF_A_GROUP = 3


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changed something or tried to."""

    verb: str
    path: str
    body: Mapping[str, Any]
    ok: bool

    @property
    def what(self) -> str:
        """Name what was written: status, finalizers, event, secret, or object."""
        if self.verb == "POST":
            return "event"
        if "/secrets/" in self.path:
            return "secret"
        if f"/{GROUP}/" not in self.path or "fieldManager=" in self.path or self.verb == "DELETE":
            return "object"
        return "status" if self.path.endswith("/status") else "finalizers"


class MemoryKubernetes(KubernetesApi):
    """The requests of `KubernetesApi`, answered from memory; the other methods are what users and the server do.

    What watchers are told comes a turn of the event loop later, or when the test says so (`lag`).
    """

    def __init__(self, now: Callable[[], dt.datetime]) -> None:
        """Make an empty server with a clock."""
        self.available = True
        """Whether the server answers."""
        self.lag = False
        """Whether watchers are told nothing until `catch_up`."""
        self.writes: list[Write] = []
        self.reads: list[str] = []
        """Paths of what was read."""
        self.token_reviewers: set[str] = set()
        """Users that may have tokens reviewed."""
        self.gates: dict[str, asyncio.Event] = {}
        """Requests whose `VERB path` contains a text arrive and are answered only when its gate opens."""
        self.objects = MemoryObjects()
        """What resources have become inside of the cluster."""
        self.groups: set[str] = set()
        """API groups and versions of others that are served."""
        self._now = now
        self._objects: dict[tuple[str, Key], dict[str, Any]] = {}
        self._secrets: dict[Key, dict[str, str] | Exception] = {}
        self._secret_owners: dict[Key, list[dict[str, Any]]] = {}
        self._secret_annotations: dict[Key, dict[str, str]] = {}
        self._applied: dict[Key, frozenset[str]] = {}
        self._config_maps: dict[Key, dict[str, str] | Exception] = {}
        self._version = 100
        self._watchers: list[Watcher] = []
        self._news: deque[tuple[str | None, str, dict[str, Any]]] = deque()
        self._failures: list[tuple[str, Exception]] = []

    # --- what users do

    def put(self, resource: Resource) -> None:
        """Create a resource, status and finalizers included, or update the spec, labels and annotations of one."""
        place, wire = (resource.plural, resource.metadata.key), resource.to_wire()
        known = self._objects.get(place)
        if known is None:
            self._store("ADDED", place, wire)
            return
        asked = {field: wire["metadata"][field] for field in ("labels", "annotations")}
        generation = known["metadata"]["generation"] + (known["spec"] != wire["spec"])
        metadata = known["metadata"] | asked | {"generation": generation}
        self._store("MODIFIED", place, known | {"spec": wire["spec"], "metadata": metadata})

    def annotate(self, kind: type[Resource], key: Key, annotations: Mapping[str, str]) -> None:
        """Give a resource annotations instead of those it had."""
        known = self._objects[kind.plural, key]
        metadata = known["metadata"] | {"annotations": dict(annotations)}
        self._store("MODIFIED", (kind.plural, key), known | {"metadata": metadata})

    def delete(self, kind: type[Resource], key: Key) -> None:
        """Delete a resource; one with finalizers goes when they are gone."""
        known = self._objects[kind.plural, key]
        if known["metadata"]["finalizers"]:
            leaving = {"deletionTimestamp": _stamp(self._now()), "generation": known["metadata"]["generation"] + 1}
            self._store("MODIFIED", (kind.plural, key), known | {"metadata": known["metadata"] | leaving})
        else:
            self.vanish(kind, key)

    def vanish(self, kind: type[Resource], key: Key, *, unseen: bool = False) -> None:
        """Take a resource away at once; `unseen` while the watch was interrupted."""
        gone = self._objects.pop((kind.plural, key))
        if not unseen:
            self._tell("DELETED", kind.plural, gone)

    def put_secret(self, namespace: str, name: str, data: Mapping[str, str] | Exception | None) -> None:
        """Set a Secret, take it away (None), or let reading it fail."""
        if data is None:
            self._secrets.pop((namespace, name), None)
            self._secret_owners.pop((namespace, name), None)
            self._secret_annotations.pop((namespace, name), None)
            self._applied.pop((namespace, name), None)
        else:
            self._secrets[namespace, name] = data if isinstance(data, Exception) else dict(data)

    def edit_secret(self, namespace: str, name: str, changes: Mapping[str, str]) -> None:
        """Change entries of a Secret, if it is there, as kubectl edit does."""
        known = self._secrets.get((namespace, name))
        if isinstance(known, dict):
            self._secrets[namespace, name] = known | dict(changes)

    def annotate_secret(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Give a Secret annotations instead of those it had."""
        self._secret_annotations[namespace, name] = dict(annotations)

    def secret_annotations(self, namespace: str, name: str) -> dict[str, str]:
        """Read the annotations of a Secret as kubectl does."""
        return dict(self._secret_annotations.get((namespace, name), {}))

    def put_config_map(self, namespace: str, name: str, data: Mapping[str, str] | Exception | None) -> None:
        """Set a ConfigMap, take it away (None), or let reading it fail."""
        if data is None:
            self._config_maps.pop((namespace, name), None)
        else:
            self._config_maps[namespace, name] = data if isinstance(data, Exception) else dict(data)

    def secret(self, namespace: str, name: str) -> dict[str, str] | None:
        """Read the contents of a Secret as kubectl does."""
        data = self._secrets.get((namespace, name))
        return None if data is None or isinstance(data, Exception) else dict(data)

    def show(self, kind: type[R], key: Key) -> R | None:
        """Read a resource as kubectl does."""
        known = self._objects.get((kind.plural, key))
        return None if known is None else kind.model_validate(known)

    def exists(self, kind: type[Resource], key: Key) -> bool:
        """Tell whether a resource exists."""
        return (kind.plural, key) in self._objects

    def raw(self, kind: type[Resource], key: Key) -> dict[str, Any]:
        """Read a resource as stored; a copy."""
        return copy.deepcopy(self._objects[kind.plural, key])

    # --- what the server does

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """List everything to a watcher, then tell it what changes; return what ends it."""
        self._watchers.append(watcher)
        self.relist(watcher)
        return lambda: self._watchers.remove(watcher)

    def relist(self, watcher: Watcher) -> None:
        """List everything to a watcher, as after an interruption."""
        for (plural, _), known in sorted(self._objects.items()):
            watcher(None, plural, copy.deepcopy(known))

    def catch_up(self) -> None:
        """Tell the watchers all that they have not been told."""
        while self._news:
            news = self._news.popleft()
            for watcher in list(self._watchers):
                watcher(news[0], news[1], copy.deepcopy(news[2]))

    def fail_next(self, match: str, error: Exception | None = None, times: int = 1) -> None:
        """Let the next requests whose `VERB path` contains a text end with an error."""
        error = error or Unavailable("the API server did not answer", Reason.INTERNAL_ERROR)
        self._failures += [(match, error)] * times

    async def _request(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        accept: str = "application/json",
        content: str | None = None,
    ) -> dict[str, Any]:
        del accept, content
        await asyncio.sleep(0)  # as on a network, others go on meanwhile
        for match, gate in list(self.gates.items()):
            if match in f"{verb} {path}":
                await gate.wait()
        if path == SUBJECT_ACCESS_REVIEWS and body is not None:  # a question, which changes nothing
            self.reads.append(path)
            self._fail(verb, path)
            return {**body, "status": {"allowed": body["spec"]["user"] in self.token_reviewers}}
        if body is None:
            self.reads.append(path)
            self._fail(verb, path)
            return self._read(path)
        try:
            self._fail(verb, path)
            answer = self._write(verb, path, body)
        except Exception:
            self.writes.append(Write(verb, path, copy.deepcopy(dict(body)), ok=False))
            raise
        self.writes.append(Write(verb, path, copy.deepcopy(dict(body)), ok=True))
        return answer

    def _fail(self, verb: str, path: str) -> None:
        if not self.available:
            raise Unavailable("the API server did not answer: ClientConnectorError", Reason.INTERNAL_ERROR)
        for index, (match, error) in enumerate(self._failures):
            if match in f"{verb} {path}":
                del self._failures[index]
                raise error

    def _read(self, path: str) -> dict[str, Any]:
        if "/secrets/" in path:
            secret = _held(self._secrets, path)
            data = {key: base64.b64encode(value.encode()).decode() for key, value in secret.items()}
            key = _key_of(path)
            owners, annotations = self._secret_owners.get(key, []), self._secret_annotations.get(key, {})
            return {"metadata": {"ownerReferences": owners, "annotations": dict(annotations)}, "data": data}
        if "/configmaps/" in path and _key_of(path) in self._config_maps:
            return {"data": _held(self._config_maps, path)}
        if self.objects.knows(path):
            return self.objects.answer("GET", path, None)
        if _TOPICS in path:
            return _HEAD_OF_TOPICS | copy.deepcopy(self._topic(path)[1])
        if path.count("/") == _SLASHES_OF_A_GROUP:
            return self._group(path)
        return self._list(path)

    def _group(self, path: str) -> dict[str, Any]:
        if path.removeprefix("/apis/") not in self.groups:
            raise Gone(f"the API server answered 404: {path}")
        return {}

    def _topic(self, path: str) -> tuple[tuple[str, Key], dict[str, Any]]:
        namespace, name = _key_of(path.replace(f"/apis/{GROUP}", "/api"))
        place = (EventTopic.plural, (namespace, name))
        if place not in self._objects:
            raise Gone(f"the API server answered 404: {path}")
        return place, self._objects[place]

    def _delete_topic(self, path: str) -> dict[str, Any]:
        self.delete(EventTopic, self._topic(path)[0][1])
        return {}

    def _apply_topic(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an EventTopic server-side; nobody else has a say in it here."""
        given = body["metadata"]
        place = (EventTopic.plural, (given["namespace"], given["name"]))
        known = self._objects.get(place)
        if known is None:
            fresh = {"uid": f"uid-{self._version + 1}", "generation": 1, "creationTimestamp": _stamp(self._now())}
            metadata = fresh | {"finalizers": [], "annotations": {}} | given
            return _HEAD_OF_TOPICS | self._store("ADDED", place, {"metadata": metadata, "spec": body["spec"]})
        generation = known["metadata"]["generation"] + (known["spec"] != body["spec"])
        changed = known | {"spec": body["spec"], "metadata": known["metadata"] | given | {"generation": generation}}
        return _HEAD_OF_TOPICS | (known if changed == known else self._store("MODIFIED", place, changed))

    def _list(self, path: str) -> dict[str, Any]:
        asked = path.removeprefix(f"/apis/{GROUP}/{VERSION}/").partition("?")[0]
        items = [{"metadata": known["metadata"]} for (plural, _), known in self._objects.items() if plural == asked]
        return {"metadata": {}, "items": items}

    def _write(self, verb: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if verb == "POST":
            return dict(body)
        if "/secrets/" in path:
            return self._delete_secret(path) if verb == "DELETE" else self._apply_secret(path, body)
        if self.objects.knows(path):
            return self.objects.answer(verb, path, body)
        if "fieldManager=" in path:
            return self._apply_topic(body)
        if verb == "DELETE":
            return self._delete_topic(path)
        return self._patch(path, body)

    def _patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the status or the finalizers of a resource."""
        prefix = f"/apis/{GROUP}/{VERSION}/namespaces/"
        namespace, plural, name, *subresource = path.removeprefix(prefix).split("/")
        place = (plural, (namespace, name))
        known = self._objects.get(place)
        if known is None:
            raise Gone(f"the API server answered 404: {path}")
        _check(known["metadata"], body["metadata"])
        if subresource == ["status"]:
            changed = known | {"status": _merged(known.get("status", {}), body["status"])}
        else:
            changed = known | {"metadata": known["metadata"] | {"finalizers": list(body["metadata"]["finalizers"])}}
        if changed == known:
            return known  # as the server does: no new version, nothing to watch
        return self._store("MODIFIED", place, changed)

    def _apply_secret(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply server-side: keys that others put into it stay, those that we do not apply any more go."""
        key = _key_of(path)
        known = self._secrets.get(key, {})
        if isinstance(known, Exception):
            raise known
        asked = {name: base64.b64decode(value).decode() for name, value in body["data"].items()}
        theirs = {name: value for name, value in known.items() if name not in self._applied.get(key, ())}
        self._secrets[key] = theirs | asked
        self._applied[key] = frozenset(asked)
        self._secret_owners[key] = body["metadata"]["ownerReferences"]
        self._secret_annotations[key] = dict(body["metadata"]["annotations"])
        return dict(body)

    def _delete_secret(self, path: str) -> dict[str, Any]:
        _held(self._secrets, path)
        self.put_secret(*_key_of(path), None)
        return {}

    def _store(self, event: str, place: tuple[str, Key], changed: Mapping[str, Any]) -> dict[str, Any]:
        self._version += 1
        stored = copy.deepcopy(dict(changed))
        stored["metadata"]["resourceVersion"] = str(self._version)
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"]["finalizers"]:
            self._objects.pop(place, None)
            event = "DELETED"
        else:
            self._objects[place] = stored
        self._tell(event, place[0], stored)
        return stored

    def _tell(self, event: str, plural: str, stored: dict[str, Any]) -> None:
        self._news.append((event, plural, copy.deepcopy(stored)))
        if not self.lag:
            asyncio.get_running_loop().call_soon(self._tell_next)

    def _tell_next(self) -> None:
        if not self.lag:
            self.catch_up()


def _held(kept: Mapping[Key, dict[str, str] | Exception], path: str) -> dict[str, str]:
    data = kept.get(_key_of(path))
    if data is None:
        raise Gone(f"the API server answered 404: {path}")
    if isinstance(data, Exception):
        raise data
    return data


def _key_of(path: str) -> Key:
    parts = path.partition("?")[0].split("/")
    return parts[4], parts[6]


def _check(known: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse what the API server refuses: a stale version (409), another uid (422), a finalizer on what is going (422).

    Source: k8s.io/apiserver registry/generic/registry/store.go, k8s.io/apimachinery ValidateObjectMetaUpdate.
    """
    if asked.get("resourceVersion", known["resourceVersion"]) != known["resourceVersion"]:
        raise Conflict("the API server answered 409: the object has been modified")
    if asked["uid"] != known["uid"]:
        raise Rejected(Reason.INTERNAL_ERROR, "the API server answered 422: metadata.uid: field is immutable")
    added = set(asked.get("finalizers", ())) - set(known["finalizers"])
    if added and known.get("deletionTimestamp"):
        raise Rejected(Reason.INTERNAL_ERROR, "the API server answered 422: no new finalizers can be added")


def _merged(known: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7386)."""
    merged = dict(known)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            merged[key] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _stamp(now: dt.datetime) -> str:
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
