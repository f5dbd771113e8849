"""The planner of what a resource becomes inside of the cluster: a list of manifests, whatever their kinds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from eventplane.api import API_VERSION, GROUP, MANAGER
from eventplane.api.conditions import Reason
from eventplane.api.metadata import DriftPolicy
from eventplane.planning.decision import Decision
from eventplane.planning.object_differences import differences
from eventplane.planning.outcome import BackendError, Unavailable
from eventplane.planning.plan import Difference, Refusal, fingerprint

Manifest: TypeAlias = Mapping[str, Any]
"""An object as Kubernetes' JSON has it."""
Owner: TypeAlias = tuple[str, str, str]
"""Kind, name and uid of the resource with which an object goes."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Which object."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def describe(self) -> str:
        """Say it in words: Deployment billing-subscription."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class ObservedObject:
    """What the API server shows of an object."""

    manifest: Manifest | None = None
    """All of it; None where it does not exist."""
    error: BackendError | None = None
    """Why it cannot be looked at; nothing else is known of it then."""

    @property
    def controller(self) -> tuple[str, str] | None:
        """Kind and name of what controls it; a kind of others' carries its API group."""
        references = self.manifest["metadata"].get("ownerReferences") or () if self.manifest is not None else ()
        for each in references:
            if each.get("controller"):
                group = each["apiVersion"].rpartition("/")[0]
                return (each["kind"] if group == GROUP else f"{each['kind']}.{group}".rstrip("."), each["name"])
        return None

    @property
    def uid(self) -> str:
        """Its uid; empty where it does not exist."""
        return str(self.manifest["metadata"].get("uid", "")) if self.manifest is not None else ""


@dataclass(frozen=True, slots=True)
class ApplyObject:
    """Create an object, or make it what its manifest says; what others have set beside that stays."""

    key: ObjectKey
    manifest: Manifest
    owner: Owner
    users: frozenset[str] = frozenset()
    """Users of Kafka without whose access it is of no use."""
    manager: str = MANAGER
    """In whose name."""

    def describe(self) -> str:
        """Say the change in one line; as what tells this manifest from another, so that an approval is for one."""
        return f"apply {self.key.describe()} as {fingerprint_of(self.manifest)}"


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Delete an object, unless another has taken its name."""

    key: ObjectKey
    uid: str
    owner: Owner
    users: frozenset[str] = frozenset()
    """As with ApplyObject: nothing is taken away in a pass in which they could not be given theirs."""

    def describe(self) -> str:
        """Say the change in one line."""
        return f"delete {self.key.describe()}"


ObjectChange: TypeAlias = ApplyObject | DeleteObject


@dataclass(frozen=True, slots=True)
class ObjectsCase:
    """Everything that a decision about the objects of one resource hangs on."""

    owner: Owner
    desired: tuple[Manifest, ...]
    """In the order in which they are to be applied; each names `owner` as its controller."""
    observed: Mapping[ObjectKey, ObservedObject]
    """Those that are desired, those that were applied before, and any others that may be ours."""
    applied: Mapping[ObjectKey, str] = field(default_factory=dict)
    """What was last applied to each, see `fingerprint_of`."""
    left_alone: frozenset[ObjectKey] = frozenset()
    """Not to be touched now, whatever they are like."""
    users: frozenset[str] = frozenset()
    """See ApplyObject."""

    def owns(self, key: ObjectKey) -> bool:
        """Tell whether an object exists and goes with the resource, or with one of its name that went before."""
        return self.observed[key].controller == self.owner[:2]


def key_of(manifest: Manifest) -> ObjectKey:
    """Name the object that a manifest is of."""
    metadata = manifest["metadata"]
    return ObjectKey(manifest["apiVersion"], manifest["kind"], metadata["namespace"], metadata["name"])


def owned_head(key: ObjectKey, owner: Owner, labels: Mapping[str, str]) -> dict[str, Any]:
    """Begin the manifest of something that goes with a resource of its namespace.

    The deletion of the resource does not wait for it (blockOwnerDeletion), which would take a right more.
    """
    kind, name, uid = owner
    reference = {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True}
    metadata = {
        "name": key.name,
        "namespace": key.namespace,
        "labels": dict(labels),
        "ownerReferences": [reference],
    }
    return {"apiVersion": key.api_version, "kind": key.kind, "metadata": metadata}


def fingerprint_of(manifest: Manifest) -> str:
    """Reduce a manifest to a short text that changes when anything in it changes."""
    return fingerprint(json.dumps(manifest, sort_keys=True))


@dataclass(frozen=True, slots=True)
class ObjectStep:
    """What is to be done about one object."""

    change: ObjectChange | None = None
    refusal: Refusal | None = None
    drift: tuple[Difference, ...] = ()
    """How it came to differ from what was applied, which had not changed: behind our back."""


def decide_objects(case: ObjectsCase, drift_policy: DriftPolicy) -> Decision[ObjectChange]:
    """Decide what to do about the objects of one resource, but for what may hold all of its changes back.

    The decision's drift is what was done behind our back, whether its changes undo it or not.
    """
    error = _first_error(case)
    if isinstance(error, Unavailable):
        return Decision(postponed=error)
    if error is not None:
        return Decision(refusals=(Refusal(error.reason, error.message),))
    steps = list(plan_objects(case))
    refusals = tuple(step.refusal for step in steps if step.refusal is not None)
    drift = tuple(each for step in steps for each in step.drift)
    repairs = drift_policy == "Enforce"
    changes = tuple(step.change for step in steps if step.change is not None and (repairs or not step.drift))
    return Decision(
        changes, refusals, drift=drift if drift_policy != "Ignore" else (), repairs_drift=bool(drift) and repairs
    )


def plan_objects(case: ObjectsCase) -> Iterator[ObjectStep]:
    """Plan the objects of one resource.

    | it is                    | applied before | there is                 | plan                                    |
    |--------------------------|----------------|--------------------------|-----------------------------------------|
    | left alone               | any            | any                      | nothing                                 |
    | desired                  | any            | another's, or nobody's   | refuse ObjectOwnedByAnother             |
    | desired                  | as it is now   | nothing                  | apply it; that it was deleted is drift  |
    | desired                  | as it is now   | ours, it does not fit    | apply it; the differences are drift     |
    | desired                  | as it is now   | ours, it fits            | nothing                                 |
    | desired                  | otherwise, not | ours, or nothing         | apply it                                |
    | not desired (any more)   | any            | ours                     | delete it                               |
    | not desired (any more)   | any            | another's, or nothing    | nothing                                 |

    Whether it fits is asked of what the manifest says: see `differences`. What we applied once and do not any more goes
    by applying, which is why a manifest that has changed is applied even where the object fits.
    """
    keys = {key_of(manifest): manifest for manifest in case.desired}
    for key, manifest in keys.items():
        if key not in case.left_alone:
            yield _step(case, key, manifest)
    for key in sorted(case.observed.keys() - keys.keys() - case.left_alone, reverse=True):
        if case.owns(key):
            yield ObjectStep(DeleteObject(key, case.observed[key].uid, case.owner, case.users))


def _step(case: ObjectsCase, key: ObjectKey, manifest: Manifest) -> ObjectStep:
    seen = case.observed[key]
    if seen.manifest is not None and not case.owns(key):
        return ObjectStep(refusal=_not_ours(case, key, seen))
    change = ApplyObject(key, manifest, case.owner, case.users)
    if case.applied.get(key) != fingerprint_of(manifest):
        return ObjectStep(change)
    if seen.manifest is None:
        return ObjectStep(change, drift=(Difference(key.describe(), "as applied", "absent"),))
    found = tuple(differences(seen.manifest, manifest, ""))
    if not found:
        return ObjectStep()
    drift = (Difference(f"{key.describe()} {each.setting}", each.expected, each.actual) for each in found)
    return ObjectStep(change, drift=tuple(drift))


def _not_ours(case: ObjectsCase, key: ObjectKey, seen: ObservedObject) -> Refusal:
    whose = "nobody" if seen.controller is None else " ".join(seen.controller)
    return Refusal(
        Reason.OBJECT_OWNED_BY_ANOTHER,
        f"{key.describe()} exists and belongs to {whose}: delete it, or create a {case.owner[0]} of another name",
    )


def _first_error(case: ObjectsCase) -> BackendError | None:
    """Find why something that counts cannot be looked at; what may not be looked at and was never made is not ours."""
    known = {key_of(manifest) for manifest in case.desired} | case.applied.keys()
    errors = {key: seen.error for key, seen in case.observed.items() if seen.error is not None}
    return next((error for key, error in errors.items() if key in known or isinstance(error, Unavailable)), None)
