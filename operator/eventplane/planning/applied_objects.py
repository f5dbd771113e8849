"""What has become of the objects of a resource: read from its status, and said there again after changes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eventplane.api.workload import OwnedObject
from eventplane.planning.objects import (
    ApplyObject,
    DeleteObject,
    Manifest,
    ObjectKey,
    ObjectsCase,
    ObservedObject,
    fingerprint_of,
)
from eventplane.planning.outcome import Outcome


def applied_objects(known: Iterable[OwnedObject], namespace: str) -> Mapping[ObjectKey, str]:
    """Read from a status what has been applied, each with its fingerprint."""
    return {ObjectKey(each.api_version, each.kind, namespace, each.name): each.applied for each in known}


def owned_after(applied: Mapping[ObjectKey, str], outcomes: Sequence[Outcome[Any, Any]]) -> tuple[OwnedObject, ...]:
    """List objects with what was last applied to them, those that the changes made and without those they deleted."""
    found = dict(applied)
    for change in (outcome.change for outcome in outcomes if outcome.error is None):
        if isinstance(change, ApplyObject):
            found[change.key] = fingerprint_of(change.manifest)
        elif isinstance(change, DeleteObject):
            found.pop(change.key, None)
    return tuple(
        OwnedObject(api_version=key.api_version, kind=key.kind, name=key.name, applied=fingerprint)
        for key, fingerprint in sorted(found.items(), key=lambda entry: (entry[0].kind, entry[0].name))
    )


def manifest_after(case: ObjectsCase, key: ObjectKey, outcomes: Sequence[Outcome[Any, Any]]) -> Manifest | None:
    """Find an object as the changes left it, if it is there and ours."""
    for outcome in reversed(outcomes):
        change, state = outcome.change, outcome.state
        if isinstance(change, ApplyObject) and change.key == key and isinstance(state, ObservedObject):
            return state.manifest
    return case.observed[key].manifest if case.owns(key) else None
