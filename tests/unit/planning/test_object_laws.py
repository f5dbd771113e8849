"""The laws of the planner of objects, in memory: quiet, complete, polite, and convergent after any one failure."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import given, note
from hypothesis import strategies as st

from eventplane.api.metadata import DriftPolicy
from eventplane.backends.kubernetes_objects import KubernetesObjectBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.planning.decision import Decision
from eventplane.planning.object_differences import differences
from eventplane.planning.objects import (
    ApplyObject,
    Manifest,
    ObjectChange,
    ObjectKey,
    ObjectsCase,
    decide_objects,
    fingerprint_of,
)
from eventplane.planning.outcome import Unavailable

NAMES: Final = ("a", "b", "c")
OWNER: Final = ("Subscription", "billing", "uid-1")
MANY_PASSES: Final = 4
Action = tuple[str, str, int]
"""A verb, the object that it is about, and how."""


def key(name: str) -> ObjectKey:
    return ObjectKey("v1", "ConfigMap", "shop", name)


def manifest(name: str, number: int) -> dict[str, Any]:
    """Make one of several manifests of an object; some say more than others."""
    owner = {"apiVersion": "events.sindhan.ai/v1alpha1", "kind": "Subscription", "name": "billing", "uid": "uid-1"}
    about = {"name": name, "namespace": "shop", "ownerReferences": [owner | {"controller": True}]}
    items = [{"name": f"i{each}", "value": str(number)} for each in range(number % 3)]
    data = {"key": str(number)} | ({"more": "x"} if number % 2 else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data, "items": items}


class World:
    """An API server, the objects that a resource asks for, and what its status says was applied."""

    def __init__(self, policy: DriftPolicy) -> None:
        self.kubernetes = MemoryKubernetes(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.backend = KubernetesObjectBackend(self.kubernetes.request)
        self.policy = policy
        self.desired: dict[str, Manifest] = {}
        self.applied: dict[ObjectKey, str] = {}

    def theirs(self) -> Mapping[ObjectKey, Any]:
        shown = {each: self.kubernetes.objects.show(each) for each in self.kubernetes.objects.keys()}  # noqa: SIM118
        return {each: made for each, made in shown.items() if made and not made["metadata"].get("ownerReferences")}

    async def one_pass(self) -> tuple[Decision[ObjectChange], ObjectsCase]:
        observed = await self.backend.observe([key(name) for name in NAMES])
        case = ObjectsCase(OWNER, tuple(self.desired.values()), observed, dict(self.applied))
        decision = decide_objects(case, self.policy)
        note(str([change.describe() for change in decision.changes]))
        before = self.theirs()
        outcomes = await self.backend.apply(decision.changes)
        assert self.theirs() == before, "polite: what others own stays as it is"
        for outcome in outcomes:
            if outcome.error is None and isinstance(outcome.change, ApplyObject):
                self.applied[outcome.change.key] = fingerprint_of(outcome.change.manifest)
            elif outcome.error is None:
                self.applied.pop(outcome.change.key, None)
        return decision, case

    def settle(self) -> None:
        for _ in range(MANY_PASSES):
            decision, _ = asyncio.run(self.one_pass())
            if not decision.changes and decision.postponed is None:
                break
        decision, case = asyncio.run(self.one_pass())
        assert decision.changes == (), "quiet"
        refused = {each.message.split()[1] for each in decision.refusals}
        for name, wanted in self.desired.items():
            made = self.kubernetes.objects.show(key(name))
            left = self.policy != "Enforce" and self.applied.get(key(name)) == fingerprint_of(wanted)
            fits = made is not None and not list(differences(made, wanted, "")) and not _stale(made, wanted)
            assert fits or name in refused or left, "complete"
        for each in case.observed:
            if each.name not in self.desired:
                assert not case.owns(each), "complete: what is not desired any more is gone"

    def act(self, action: Action) -> None:
        verb, name, number = action
        if verb in {"want", "drop"}:
            self.desired.pop(name, None)
        if verb == "want":
            self.desired[name] = manifest(name, number)
        self._meddle(verb, key(name), number)

    def _meddle(self, verb: str, which: ObjectKey, number: int) -> None:
        objects = self.kubernetes.objects
        match verb:
            case "edit":
                objects.edit(which, lambda made: made.setdefault("data", {}).update({"key": "edited"}))
            case "add":
                objects.edit(which, lambda made: made.setdefault("data", {}).update({"theirs": str(number)}))
            case "orphan":
                objects.edit(which, lambda made: made["metadata"].update({"ownerReferences": []}))
            case "delete":
                objects.delete(which)
            case "forget":  # the status was not written
                self.applied.pop(which, None)
            case "make" if objects.show(which) is None:
                about = {"name": which.name, "namespace": "shop"}
                objects.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"key": "theirs"}})
            case _:
                pass


def _stale(made: Mapping[str, Any], wanted: Manifest) -> bool:
    """Tell whether something is there that an earlier manifest said and this one does not."""
    return ("more" in made["data"]) != ("more" in wanted["data"]) or len(made.get("items") or ()) != len(
        wanted["items"]
    )


VERBS: Final = ("want", "want", "drop", "edit", "add", "orphan", "delete", "forget", "make")
actions = st.lists(st.tuples(st.sampled_from(VERBS), st.sampled_from(NAMES), st.integers(0, 5)), min_size=1, max_size=4)
steps = st.lists(actions, min_size=1, max_size=5)
policies = st.sampled_from(("Enforce", "Enforce", "Warn", "Ignore"))


@given(policies, steps)
def test_quiet_complete_polite(policy: DriftPolicy, those: list[list[Action]]) -> None:
    world = World(policy)
    for step in those:
        happen(world, step)


@given(policies, steps, st.sampled_from(("PATCH", "DELETE", "GET")), st.integers(0, 3))
def test_convergence_after_any_single_failure(
    policy: DriftPolicy, those: list[list[Action]], failing: str, after: int
) -> None:
    world = World(policy)
    for number, step in enumerate(those):
        if number == after:
            world.kubernetes.fail_next(failing, Unavailable("lost"))
        happen(world, step)


def happen(world: World, those: Iterable[Action]) -> None:
    for action in those:
        note(f"--- {action}")
        world.act(action)
    world.settle()
