"""Handing the number of pods over to an autoscaler: who applied it once and leaves it out would reset it to one.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
"""

from typing import Final

from eventplane.api import MANAGER
from eventplane.planning.objects import ApplyObject, Manifest, ObjectKey, Owner

HEIR: Final = f"{MANAGER}-replicas"
"""In whose name the number is held until the autoscaler sets it; nothing is applied in it again."""


def hand_over_replicas(key: ObjectKey, live: Manifest, owner: Owner, users: frozenset[str]) -> ApplyObject | None:
    """Let another name hold the number of pods as it is, if it is held in ours."""
    if not any(_holds_replicas(entry) for entry in live["metadata"].get("managedFields") or ()):
        return None
    head = {"name": key.name, "namespace": key.namespace}
    spec = {"replicas": live["spec"]["replicas"]}
    manifest = {"apiVersion": key.api_version, "kind": key.kind, "metadata": head, "spec": spec}
    return ApplyObject(key, manifest, owner, users, HEIR)


def _holds_replicas(entry: Manifest) -> bool:
    ours = entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
    return ours and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
