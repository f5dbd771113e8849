"""The planner of objects, row by row, and how an object is compared with its manifest."""

from typing import Any

import pytest

from eventplane.api.conditions import Reason
from eventplane.api.metadata import DriftPolicy
from eventplane.planning.object_differences import differences
from eventplane.planning.objects import (
    ApplyObject,
    DeleteObject,
    Manifest,
    ObjectChange,
    ObjectKey,
    ObjectsCase,
    ObservedObject,
    decide_objects,
    fingerprint_of,
    key_of,
    plan_objects,
)
from eventplane.planning.outcome import Rejected, Unavailable

OWNER = ("Subscription", "billing", "uid-1")
KEY = ObjectKey("v1", "ConfigMap", "shop", "settings")


def owned_by(kind: str = "Subscription", name: str = "billing", group: str = "events.sindhan.ai") -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1".lstrip("/"), "kind": kind, "name": name, "uid": "uid-1", "controller": True}


def manifest(value: str = "a", **metadata: Any) -> dict[str, Any]:
    about = {"name": "settings", "namespace": "shop", "ownerReferences": [owned_by()], **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"key": value}}


def shown(value: str = "a", **metadata: Any) -> ObservedObject:
    made = manifest(value, **{"uid": "uid-2", **metadata})
    return ObservedObject({**made, "data": made["data"] | {"theirs": "stays"}})


def objects_case(
    seen: ObservedObject | None = None,
    *,
    desired: tuple[Manifest, ...] = (manifest(),),
    applied: Manifest | None = None,
    left_alone: bool = False,
) -> ObjectsCase:
    return ObjectsCase(
        OWNER,
        desired,
        {KEY: seen or ObservedObject()},
        {KEY: fingerprint_of(applied)} if applied is not None else {},
        frozenset({KEY} if left_alone else ()),
        frozenset({"user"}),
    )


APPLY = ApplyObject(KEY, manifest(), OWNER, frozenset({"user"}))
DELETE = DeleteObject(KEY, "uid-2", OWNER, frozenset({"user"}))
NEW = manifest("b")


@pytest.mark.parametrize(
    ("case", "change", "drift"),
    [
        pytest.param(objects_case(), APPLY, (), id="nothing is there: apply"),
        pytest.param(objects_case(shown(), applied=manifest()), None, (), id="as applied: nothing"),
        pytest.param(
            objects_case(applied=manifest()), APPLY, ("ConfigMap settings",), id="deleted behind our back: apply, drift"
        ),
        pytest.param(
            objects_case(shown("edited"), applied=manifest()),
            APPLY,
            ("ConfigMap settings data.key",),
            id="edited behind our back: apply, drift",
        ),
        pytest.param(
            objects_case(shown("a"), applied=NEW), APPLY, (), id="another was applied before: apply, though it fits"
        ),
        pytest.param(objects_case(shown("a")), APPLY, (), id="nobody knows what was applied: apply, though it fits"),
        pytest.param(objects_case(shown("edited"), applied=NEW), APPLY, (), id="our change and theirs: no drift"),
        pytest.param(objects_case(shown(), desired=(), applied=manifest()), DELETE, (), id="not desired: delete"),
        pytest.param(objects_case(desired=(), applied=manifest()), None, (), id="not desired and gone: nothing"),
        pytest.param(
            objects_case(shown(ownerReferences=[]), desired=()), None, (), id="not desired, nobody's: nothing"
        ),
        pytest.param(objects_case(left_alone=True), None, (), id="left alone and not there: nothing"),
        pytest.param(
            objects_case(shown("edited"), applied=manifest(), left_alone=True), None, (), id="left alone: nothing"
        ),
        pytest.param(objects_case(shown(), desired=(), left_alone=True), None, (), id="left alone, not desired"),
    ],
)
def test_plan(case: ObjectsCase, change: ObjectChange | None, drift: tuple[str, ...]) -> None:
    steps = list(plan_objects(case))
    assert [step.change for step in steps if step.change] == ([change] if change else [])
    assert tuple(each.setting for step in steps for each in step.drift) == drift
    assert not any(step.refusal for step in steps)


@pytest.mark.parametrize(
    ("references", "whose"),
    [
        pytest.param([], "nobody", id="made by hand"),
        pytest.param([owned_by("Publication")], "Publication billing", id="another kind"),
        pytest.param([owned_by(name="other")], "Subscription other", id="another name"),
        pytest.param([owned_by("ReplicaSet", "web", "apps")], "ReplicaSet.apps web", id="another controller"),
        pytest.param([owned_by("Node", "one", "")], "Node one", id="a kind of Kubernetes' own"),
        pytest.param(
            [owned_by(group="messaging.knative.dev")],
            "Subscription.messaging.knative.dev billing",
            id="a kind of the same name",
        ),
        pytest.param([owned_by() | {"controller": False}], "nobody", id="an owner that does not control it"),
    ],
)
def test_what_others_own_is_left_alone(references: list[dict[str, Any]], whose: str) -> None:
    steps = list(plan_objects(objects_case(shown(ownerReferences=references))))
    assert [step.change for step in steps] == [None]
    refusal = steps[0].refusal
    assert refusal is not None
    assert refusal.reason == Reason.OBJECT_OWNED_BY_ANOTHER
    assert f"ConfigMap settings exists and belongs to {whose}:" in refusal.message


def test_a_namesake_that_went_before_had_the_same_objects() -> None:
    old = shown(ownerReferences=[owned_by() | {"uid": "uid-0"}])
    assert [step.change for step in plan_objects(objects_case(old, applied=manifest()))] == [APPLY]


@pytest.mark.parametrize(
    ("policy", "changes", "drift", "repairs"),
    [("Enforce", (APPLY,), 1, True), ("Warn", (), 1, False), ("Ignore", (), 0, False)],
)
def test_drift_is_dealt_with_as_its_policy_says(
    policy: DriftPolicy, changes: tuple[ObjectChange, ...], drift: int, *, repairs: bool
) -> None:
    decision = decide_objects(objects_case(shown("edited"), applied=manifest()), policy)
    assert (decision.changes, len(decision.drift), decision.repairs_drift) == (changes, drift, repairs)


@pytest.mark.parametrize("policy", ["Enforce", "Warn", "Ignore"])
def test_what_we_changed_ourselves_is_no_drift(policy: DriftPolicy) -> None:
    decision = decide_objects(objects_case(shown("a"), applied=NEW), policy)
    assert (decision.changes, decision.drift, decision.repairs_drift) == ((APPLY,), (), False)


NO_RIGHT = Rejected(Reason.NOT_PERMITTED, "may not")


@pytest.mark.parametrize(
    ("case", "postponed", "refused"),
    [
        pytest.param(objects_case(ObservedObject(error=Unavailable("away"))), True, False, id="no answer: later"),
        pytest.param(objects_case(ObservedObject(error=NO_RIGHT)), False, True, id="no right: told"),
        pytest.param(
            objects_case(ObservedObject(error=NO_RIGHT), desired=(), applied=manifest()),
            False,
            True,
            id="no right any more, and something of ours is there: told",
        ),
        pytest.param(
            objects_case(ObservedObject(error=NO_RIGHT), desired=()), False, False, id="no right, and no need: nothing"
        ),
        pytest.param(
            objects_case(ObservedObject(error=Unavailable("away")), desired=()), True, False, id="who knows: later"
        ),
    ],
)
def test_what_cannot_be_looked_at(case: ObjectsCase, *, postponed: bool, refused: bool) -> None:
    decision = decide_objects(case, "Enforce")
    assert (decision.postponed is not None, bool(decision.refusals), decision.changes) == (postponed, refused, ())


def test_changes_say_what_they_are_about_and_an_approval_is_for_one_manifest() -> None:
    assert APPLY.describe() == f"apply ConfigMap settings as {fingerprint_of(manifest())}"
    assert ApplyObject(KEY, NEW, OWNER).describe() != APPLY.describe()
    assert DELETE.describe() == "delete ConfigMap settings"
    assert key_of(manifest()) == KEY
    assert ObservedObject().uid == ""


@pytest.mark.parametrize(
    ("live", "desired", "paths"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, [], id="others' fields are theirs"),
        pytest.param({"a": 2}, {"a": 1}, ["a"], id="another value"),
        pytest.param({}, {"a": {"b": 1}}, ["a"], id="absent"),
        pytest.param({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ["a.b.c"], id="a path"),
        pytest.param({}, {"a": None, "b": {}, "c": [], "d": ""}, [], id="what is empty is left out by the server"),
        pytest.param({"d": "x"}, {"d": ""}, ["d"], id="an empty text is not any text"),
        pytest.param({"a": "x"}, {"a": {"b": 1}}, ["a"], id="a text for a map"),
        pytest.param({"a": {}}, {"a": [1]}, ["a"], id="a map for a list"),
        pytest.param({"a": ["x"]}, {"a": ["x", "y"]}, ["a"], id="a list of texts is whole"),
        pytest.param({"a": ["y", "x"]}, {"a": ["x", "y"]}, ["a[0]", "a[1]"], id="and has an order"),
        pytest.param(
            {"env": [{"name": "b"}, {"name": "a", "value": "1"}]},
            {"env": [{"name": "a", "value": "1"}]},
            [],
            id="entries with names: any order, any others",
        ),
        pytest.param(
            {"env": [{"name": "b"}]}, {"env": [{"name": "a"}]}, ["env[a]"], id="entries with names: one is missing"
        ),
        pytest.param({"env": ["a"]}, {"env": [{"name": "a"}]}, ["env[a]"], id="texts for maps"),
        pytest.param(
            {"refs": [{"name": "s", "key": "user"}, {"name": "s", "key": "password"}]},
            {"refs": [{"name": "s", "key": "user"}, {"name": "s", "key": "password"}]},
            [],
            id="entries of one name are told apart by their places",
        ),
        pytest.param(
            {"mounts": [{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a", "readOnly": True}]},
            {"mounts": [{"name": "v", "mountPath": "/a", "readOnly": True}, {"name": "v", "mountPath": "/b"}]},
            [],
            id="mounts are told apart by their path",
        ),
        pytest.param(
            {"from": [{"secretRef": {"name": "a"}}]},
            {"from": [{"secretRef": {"name": "b"}}]},
            ["from[0].secretRef.name"],
            id="entries without names: one by one",
        ),
        pytest.param({"from": []}, {"from": [{"secretRef": {"name": "b"}}]}, ["from"], id="as many of them"),
        pytest.param({"limits": {"cpu": "500m"}}, {"limits": {"cpu": "0.5"}}, [], id="quantities by their value"),
        pytest.param({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}, [], id="and units"),
        pytest.param({"limits": {"cpu": 1}}, {"limits": {"cpu": "1000m"}}, [], id="and numbers"),
        pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, ["limits.cpu"], id="another quantity"),
        pytest.param({"limits": {"cpu": "x"}}, {"limits": {"cpu": "y"}}, ["limits.cpu"], id="no quantities"),
        pytest.param({"value": "1Gi"}, {"value": "1024Mi"}, ["value"], id="a text is no quantity"),
    ],
)
def test_differences(live: dict[str, Any], desired: dict[str, Any], paths: list[str]) -> None:
    assert [each.setting for each in differences(live, desired, "")] == paths


def test_a_difference_shows_both_sides_and_not_all_of_them() -> None:
    (found,) = differences({"a": [1]}, {"a": ["x" * 100, 2]}, "")
    assert (found.expected, found.actual) == (f'["{"x" * 78}...', "[1]")
    (absent,) = differences({}, {"a": "text"}, "")
    assert (absent.expected, absent.actual) == ("text", "absent")
