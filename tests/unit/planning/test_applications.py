"""Decisions about Subscriptions with containers, and what is said of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from builders import (
    CLUSTER,
    DEPLOYMENT,
    NOW,
    REGISTRY_LOGIN,
    application_case,
    consumer,
    live,
    live_objects,
    observed_access,
    pod,
    refusal,
    rotated_access,
    settled_consumer,
    subscription,
    wanted_access,
    wanted_objects,
)
from unit.planning.laws import with_metadata, with_spec

from eventplane.api import REGISTRY_LOGIN_ANNOTATION, ROTATE_ANNOTATION
from eventplane.api.access import TopicRef
from eventplane.api.conditions import Condition, ConditionType, Reason
from eventplane.api.subscription import SubscriptionStatus
from eventplane.api.workload import OwnedObject, Scaling, Workload
from eventplane.planning.access_changes import GrantAccess
from eventplane.planning.access_desired import DesiredAccess, user_name
from eventplane.planning.access_rotation import Issue, rfc3339
from eventplane.planning.access_state import ObservedAccess, ObservedSecret, other_user
from eventplane.planning.application_readiness import application_occurrences, application_status
from eventplane.planning.applications import TURN_ANNOTATION, ApplicationCase, decide_application, keys_to_observe
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.decision import Decision
from eventplane.planning.objects import ApplyObject, DeleteObject, Manifest, ObjectKey, ObservedObject, key_of
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.scaling import autoscaler
from eventplane.planning.verdicts import condition
from eventplane.planning.workload_desired import workload_keys

SETTLED = settled_consumer()
OPEN = KafkaConnection(("kafka:9092",))
OBJECTS = live_objects(SETTLED)
ACCOUNT = ObjectKey("v1", "ServiceAccount", "shop", "billing-subscription")
AWAY, NO = Unavailable("away"), Rejected(Reason.NOT_PERMITTED, "bind it")


def kinds(decision: Decision[Any]) -> list[str]:
    """Name the changes: of objects, with their kind."""
    return [
        f"{type(change).__name__} {change.key.kind}"
        if isinstance(change, ApplyObject | DeleteObject)
        else type(change).__name__
        for change in decision.changes
    ]


def edited(replicas: int = 5) -> list[dict[str, Any]]:
    """Show what there is after somebody has changed the Deployment."""
    objects = live_objects(SETTLED)
    objects[-1]["spec"]["replicas"] = replicas
    return objects


def passed(
    case: ApplicationCase, failing: type[Any] | None = None, error: BackendError = AWAY
) -> tuple[SubscriptionStatus, list[str]]:
    """Say what is told after a pass in which all succeeds, or all until one kind of change."""
    decision = decide_application(case)
    outcomes: list[Outcome[Any, Any]] = []
    failed = False
    for change in decision.changes:
        failed = failed or (failing is not None and isinstance(change, failing))  # and what comes after it
        state = None
        if isinstance(change, ApplyObject) and not failed:
            state = ObservedObject(live(change.manifest, observedGeneration=1))
        outcomes.append(Outcome(change, error if failed else None, state))
    events = [f"{each.reason}" for each in application_occurrences(case, decision, outcomes)]
    status = application_status(case, decision, outcomes)
    assert isinstance(status, SubscriptionStatus)
    return status, events


def of(status: SubscriptionStatus, kind: ConditionType = ConditionType.WORKLOAD_READY) -> Condition:
    found = condition(status.conditions, kind)
    assert found is not None, status.conditions
    return found


# --- what is decided


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        pytest.param(
            application_case(consumer(), ObservedAccess()),
            ["WriteSecret", "SetPassword", "GrantAccess", "ApplyObject ServiceAccount", "ApplyObject Deployment"],
            id="new: the access comes first",
        ),
        pytest.param(application_case(SETTLED, objects=OBJECTS), [], id="all is as it should be"),
        pytest.param(application_case(subscription()), [], id="no container, and nothing to do"),
        pytest.param(application_case(SETTLED, objects=edited()), ["ApplyObject Deployment"], id="somebody scaled it"),
        pytest.param(
            application_case(with_spec(SETTLED, workload=None), objects=OBJECTS),
            ["DeleteObject ServiceAccount", "DeleteObject Deployment"],
            id="the container is not wanted any more",
        ),
        pytest.param(
            application_case(SETTLED, observed_access(SETTLED, password="", in_kafka=None), objects=OBJECTS),
            ["WriteSecret", "SetPassword"],
            id="its access alone",
        ),
        pytest.param(
            application_case(SETTLED, observed_access(SETTLED), errors={DEPLOYMENT: NO}), [], id="no right: nothing"
        ),
        pytest.param(
            application_case(consumer(), ObservedAccess(ObservedSecret({"a": "b"}, None))),
            [],
            id="its Secret is another's: nothing",
        ),
        pytest.param(
            application_case(consumer(), access=wanted_access(consumer(), topics={"orders": None})),
            [],
            id="its topic is missing: nothing is made",
        ),
        pytest.param(
            application_case(
                SETTLED,
                observed_access(SETTLED),
                objects=edited(),
                access=wanted_access(SETTLED, topics={"orders": None}),
            ),
            ["WriteSecret", "RevokeAccess"],
            id="its topic went: what runs stays as it is",
        ),
    ],
)
def test_decision(case: ApplicationCase, changes: list[str]) -> None:
    assert kinds(decide_application(case)) == changes


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(application_case(SETTLED, ObservedAccess(error=AWAY), objects=OBJECTS), id="Kafka is away"),
        pytest.param(application_case(SETTLED, errors={DEPLOYMENT: AWAY}), id="the API server is away"),
    ],
)
def test_what_cannot_be_told_is_decided_later(case: ApplicationCase) -> None:
    decision = decide_application(case)
    assert decision.postponed is AWAY
    assert decision.changes == ()


def test_access_is_given_although_objects_are_refused() -> None:
    theirs = live(wanted_objects(consumer()).manifests[0])
    theirs["metadata"]["ownerReferences"] = []
    decision = decide_application(application_case(consumer(), ObservedAccess(), objects=[theirs]))
    assert kinds(decision)[:3] == ["WriteSecret", "SetPassword", "GrantAccess"]
    assert [each.reason for each in decision.refusals] == [Reason.OBJECT_OWNED_BY_ANOTHER]


def test_a_plan_is_approved_at_once_for_access_and_objects() -> None:
    seen = observed_access(consumer(), without=wanted_access(consumer()).grants)
    waiting = decide_application(application_case(consumer(mode="Plan"), seen))
    assert (waiting.hold, waiting.changes) == ("AwaitingApproval", ())
    assert waiting.held is not None
    assert [line.split()[0] for line in waiting.held.lines()] == ["grant", "apply", "apply"]
    approved = consumer(mode="Plan", approve=waiting.held.hash())
    assert len(decide_application(application_case(approved, seen)).changes) == 3
    other = consumer(mode="Plan", approve=waiting.held.hash(), workload={"image": "shop/billing:2"})
    assert decide_application(application_case(other, seen)).hold == "AwaitingApproval"


def test_pods_are_planned_when_there_are_credentials_for_them() -> None:
    waiting = decide_application(application_case(consumer(mode="Plan"), ObservedAccess()))
    assert waiting.held is not None
    assert [line.split()[:2] for line in waiting.held.lines()] == [
        ["write", "Secret"],
        ["set", "the"],
        ["grant", "user"],
        ["apply", "ServiceAccount"],
    ]


# --- how many there are


def managed(deployment: Manifest, manager: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Show who has applied what of a Deployment."""
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": fields}}
    metadata = {**deployment["metadata"], "managedFields": [entry]}
    return {**deployment, "metadata": metadata}


@pytest.mark.parametrize(
    ("manager", "fields", "steps"),
    [
        pytest.param("eventplane", {"f:replicas": {}}, ["eventplane-replicas", "eventplane"], id="it is ours"),
        pytest.param("eventplane", {"f:strategy": {}}, ["eventplane"], id="it is not ours any more"),
        pytest.param("kubectl", {"f:replicas": {}}, ["eventplane"], id="it is another's"),
    ],
)
def test_the_number_of_pods_is_handed_over_before_it_is_let_go(
    manager: str, fields: dict[str, Any], steps: list[str]
) -> None:
    scaled = with_spec(SETTLED, scaling=Scaling(min=1, max=9))
    live_deployment = managed(live(OBJECTS[-1]) | {"spec": {**OBJECTS[-1]["spec"], "replicas": 3}}, manager, fields)
    case = application_case(
        scaled, objects=[OBJECTS[0], live_deployment], desired=wanted_objects(scaled, autoscaled=True)
    )
    applied = [each for each in decide_application(case).changes if isinstance(each, ApplyObject)]
    made = [each for each in applied if each.key.kind == "Deployment"]
    assert [each.manager for each in made] == steps
    assert "replicas" not in made[-1].manifest["spec"]
    if len(made) > 1:
        assert made[0].manifest["spec"] == {"replicas": 3}


TRIGGERS = "ScaledObject doesn't have correct triggers specification"
UNSEEN = "HPA is not actively scaling: unable to get external metric"
HELD = "At least one trigger is falling back on this scaled object"


@pytest.mark.parametrize(
    ("conditions", "reason", "words"),
    [
        pytest.param(None, Reason.READY, "KEDA scales", id="it has not looked yet"),
        pytest.param([{"type": "Ready", "status": "True"}], Reason.READY, "KEDA scales", id="it sees to it"),
        pytest.param([{"type": "Active", "status": "False"}], Reason.READY, "KEDA scales", id="nothing waits"),
        pytest.param(
            [{"type": "HPAActive", "status": "True"}, {"type": "Fallback", "status": "False"}],
            Reason.READY,
            "KEDA scales",
            id="its autoscaler sees the lag",
        ),
        pytest.param(
            [{"type": "Ready", "status": "True"}, {"type": "HPAActive", "status": "False", "message": UNSEEN}],
            Reason.AUTOSCALER_FAILING,
            UNSEEN,
            id="its autoscaler sees no lag",
        ),
        pytest.param(
            [
                {"type": "Ready", "status": "True"},
                {"type": "Fallback", "status": "True", "message": HELD},
                {"type": "HPAActive", "status": "True"},
            ],
            Reason.AUTOSCALER_FAILING,
            HELD,
            id="it has not seen the lag for so long that it holds the number of pods",
        ),
        pytest.param(
            [{"type": "Ready", "status": "False", "message": TRIGGERS}],
            Reason.AUTOSCALER_FAILING,
            f"KEDA cannot scale the Deployment: {TRIGGERS}",
            id="it cannot",
        ),
        pytest.param([{"type": "Ready", "status": "False"}], Reason.AUTOSCALER_FAILING, "see its", id="without a word"),
    ],
)
def test_whether_pods_follow_the_lag_is_what_keda_says(
    conditions: list[dict[str, str]] | None, reason: Reason, words: str
) -> None:
    resource = with_spec(SETTLED, scaling=Scaling(min=1, max=9))
    desired = wanted_objects(resource, autoscaled=True)
    scalers = autoscaler(resource, wanted_access(resource), "billing-subscription", {"shop.orders": 3})
    desired = replace(desired, manifests=(*desired.manifests, *scalers), autoscaled=True)
    objects = [live(each) for each in desired.manifests]
    objects[-1] |= {"status": {"conditions": conditions}} if conditions is not None else {}
    status, _ = passed(application_case(resource, objects=objects, desired=desired))
    found = condition(status.conditions, ConditionType.AUTOSCALED)
    assert found is not None
    assert (found.reason, found.status == "True") == (reason, reason == Reason.READY)
    assert words in found.message


# --- whose credentials pods have


def test_pods_are_replaced_when_others_have_the_turn_and_the_old_are_let_in_until_then() -> None:
    due = with_metadata(SETTLED, annotations={ROTATE_ANNOTATION: "now"})
    rotated = decide_application(application_case(due, objects=OBJECTS))
    assert kinds(rotated) == ["SetPassword", "GrantAccess", "WriteSecret", "ApplyObject Deployment"]
    apply = rotated.changes[-1]
    assert isinstance(apply, ApplyObject)
    told = apply.manifest["spec"]["template"]["metadata"]["annotations"][TURN_ANNOTATION]
    assert told == f"{other_user(user_name(SETTLED, CLUSTER))} since {rfc3339(NOW)}"

    after = rotated_access(due, Issue(NOW, "now", user_name(due, CLUSTER)))
    rolling = live(apply.manifest, updatedReplicas=0)
    leaving = live(apply.manifest, terminatingReplicas=1)
    for deployment in (rolling, leaving):
        assert kinds(decide_application(application_case(due, after, objects=[OBJECTS[0], deployment]))) == [
            "ApplyObject Deployment"  # its status does not know yet that this was done
        ]
    rolled = decide_application(application_case(due, after, objects=[OBJECTS[0], live(apply.manifest)]))
    assert kinds(rolled)[:2] == ["RemovePassword", "RevokeAccess"]


def test_pods_are_replaced_when_the_registry_is_reached_as_somebody_else() -> None:
    before, after = (
        wanted_access(SETTLED, registry=replace(REGISTRY_LOGIN, password=each)) for each in ("kept", "renewed")
    )
    seen = observed_access(SETTLED, desired=before)
    dated = {**seen.secret.annotations, REGISTRY_LOGIN_ANNOTATION: "2026-01-01T00:00:00Z"}
    seen = replace(seen, secret=replace(seen.secret, annotations=dated))

    def told(desired: DesiredAccess) -> str:
        case = application_case(SETTLED, seen, access=desired, desired=wanted_objects(SETTLED, desired))
        (made,) = (each for each in case.objects.desired if each["kind"] == "Deployment")
        annotated: str = made["spec"]["template"]["metadata"]["annotations"][REGISTRY_LOGIN_ANNOTATION]
        return annotated

    assert told(before) == "2026-01-01T00:00:00Z"
    assert told(after) == rfc3339(NOW), "the Secret is about to be written"
    manifests = [wanted_objects(SETTLED, each).manifests for each in (before, after)]
    assert manifests[0] == manifests[1], "nothing that others may read tells one password from another"


@pytest.mark.parametrize(
    ("reads", "refused", "shown", "is_ready"),
    [
        pytest.param(False, None, None, ("True", "Ready"), id="it needs none"),
        pytest.param(True, None, ("True", "Ready"), ("True", "Ready"), id="it may read it"),
        pytest.param(
            True,
            refusal(Reason.REGISTRY_LOGIN_MISSING),
            ("False", "RegistryLoginMissing"),
            ("False", "RegistryLoginMissing"),
            id="it may be turned away",
        ),
    ],
)
def test_a_consumer_that_has_to_read_the_registry(
    reads: bool,  # noqa: FBT001
    refused: Refusal | None,
    shown: tuple[str, str] | None,
    is_ready: tuple[str, str],
) -> None:
    desired = replace(wanted_objects(SETTLED), reads_registry=reads, unreadable=refused)
    case = application_case(SETTLED, objects=OBJECTS, desired=desired)
    status = application_status(case, decide_application(case), ())
    readable = condition(status.conditions, ConditionType.REGISTRY_READABLE)
    assert (readable and (readable.status, readable.reason)) == shown
    ready = condition(status.conditions, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == is_ready


def test_a_bus_without_credentials_has_nobody_take_turns() -> None:
    access = wanted_access(SETTLED, connection=OPEN)
    secret = ObservedSecret(access.secret_data(""), ("Subscription", "billing"))
    decision = decide_application(application_case(consumer(), ObservedAccess(secret), access=access))
    assert kinds(decision) == ["ApplyObject ServiceAccount", "ApplyObject Deployment"]
    apply = decision.changes[-1]
    assert isinstance(apply, ApplyObject)
    assert TURN_ANNOTATION not in apply.manifest["spec"]["template"]["metadata"]["annotations"]


def test_an_approved_plan_undoes_the_drift_of_both() -> None:
    plain = with_spec(SETTLED, mode="Plan")
    seen = observed_access(SETTLED, topics="edited")
    waiting = decide_application(application_case(plain, seen, objects=edited()))
    assert waiting.held is not None
    assert len(waiting.drift) == 2
    approved = with_metadata(plain, annotations={"events.sindhan.ai/approve": waiting.held.hash()})
    decision = decide_application(application_case(approved, seen, objects=edited()))
    assert kinds(decision) == ["WriteSecret", "ApplyObject Deployment"]
    assert (decision.drift, decision.repairs_drift) == ((), True)


@pytest.mark.parametrize(
    ("fields", "hold", "drift"),
    [({"mode": "Observe"}, "OutOfSync", 1), ({"drift_policy": "Warn"}, None, 1), ({"drift_policy": "Ignore"}, None, 0)],
)
def test_drift_that_stands(fields: dict[str, Any], hold: str | None, drift: int) -> None:
    case = application_case(with_spec(SETTLED, **fields), objects=edited())
    decision = decide_application(case)
    assert (decision.changes, decision.hold, len(decision.drift)) == ((), hold, drift)
    status, _ = passed(case)
    assert len(status.drift) == drift
    granted = of(status, ConditionType.ACCESS_GRANTED)
    assert granted.status == "True", granted
    assert status.applied == SETTLED.status.applied


# --- what is looked at


def test_who_never_had_a_container_is_not_looked_for() -> None:
    plain = subscription()
    assert keys_to_observe(plain, wanted_objects(plain)) == frozenset()
    assert keys_to_observe(consumer(), wanted_objects(consumer())) == {ACCOUNT, DEPLOYMENT}
    gone = with_spec(SETTLED, workload=None)
    assert keys_to_observe(gone, wanted_objects(gone)) == {ACCOUNT, DEPLOYMENT}


def test_what_a_pass_that_was_cut_short_may_have_made_is_looked_for() -> None:
    changed = subscription(generation=2, status=SubscriptionStatus(observed_generation=1))
    assert keys_to_observe(changed, wanted_objects(changed)) == workload_keys(changed)
    (account, _) = OBJECTS
    case = application_case(changed, objects=[account])
    assert kinds(decide_application(case)) == ["DeleteObject ServiceAccount"]


def test_what_may_not_be_looked_at_and_was_never_made_is_nothing_to_tell() -> None:
    changed = subscription(generation=2, status=SubscriptionStatus(observed_generation=1))
    case = application_case(changed, errors=dict.fromkeys(workload_keys(changed), NO))
    status, _ = passed(case)
    assert of(status, ConditionType.READY).status == "True"
    assert status.objects == ()


# --- what is said


def test_a_new_container_is_rolled_out_and_what_was_made_is_on_record() -> None:
    case = application_case(consumer(), ObservedAccess())
    status, events = passed(case)
    assert (of(status).status, of(status).reason) == ("False", Reason.WORKLOAD_PROGRESSING)
    ready = of(status, ConditionType.READY)
    assert (ready.status, ready.reason) == ("False", Reason.WORKLOAD_PROGRESSING)
    assert of(status, ConditionType.RECONCILING).status == "True"
    assert [(each.kind, each.name) for each in status.objects] == [
        ("Deployment", "billing-subscription"),
        ("ServiceAccount", "billing-subscription"),
    ]
    assert status.workload is not None
    assert events == []  # Ready tells it


def test_a_container_at_work() -> None:
    status, events = passed(application_case(SETTLED, objects=OBJECTS))
    assert of(status).status == "True"
    message = of(status, ConditionType.READY).message
    assert message == "Secret billing-subscription has what a client needs; Deployment billing-subscription is at work"
    assert status == SETTLED.status
    assert events == []


def test_no_container_no_condition() -> None:
    status, _ = passed(application_case(subscription()))
    assert condition(status.conditions, ConditionType.WORKLOAD_READY) is None
    assert (status.workload, status.objects) == (None, ())


@pytest.mark.parametrize(
    ("case", "failing", "error", "reason", "words", "events"),
    [
        pytest.param(
            application_case(consumer(), access=wanted_access(consumer(), topics={"orders": None})),
            None,
            AWAY,
            Reason.TOPIC_NOT_FOUND,
            "the container waits: EventTopic shop/orders",
            [],
            id="it waits for a topic",
        ),
        pytest.param(
            application_case(consumer(), ObservedAccess()),
            GrantAccess,
            AWAY,
            Reason.BUS_UNAVAILABLE,
            "the container waits: away",
            [],
            id="it waits for its access",
        ),
        pytest.param(
            application_case(consumer(), ObservedAccess(ObservedSecret({"a": "b"}, None))),
            None,
            AWAY,
            Reason.SECRET_OWNED_BY_ANOTHER,
            "the container waits: Secret",
            ["SecretOwnedByAnother"],
            id="it waits for its Secret, which is refused",
        ),
        pytest.param(
            application_case(consumer(), ObservedAccess()),
            ApplyObject,
            NO,
            Reason.NOT_PERMITTED,
            "bind it",
            ["NotPermitted"],
            id="it could not be made",
        ),
        pytest.param(
            application_case(SETTLED, errors={DEPLOYMENT: NO}),
            None,
            AWAY,
            Reason.NOT_PERMITTED,
            "bind it",
            ["NotPermitted"],
            id="it may not be looked at",
        ),
        pytest.param(
            application_case(consumer(mode="Plan"), ObservedAccess()),
            None,
            AWAY,
            Reason.AWAITING_APPROVAL,
            "apply ServiceAccount billing-subscription",
            [],
            id="it waits for approval",
        ),
        pytest.param(
            application_case(with_spec(SETTLED, drift_policy="Warn"), objects=OBJECTS[:1]),
            None,
            AWAY,
            Reason.DRIFTED,
            "Deployment billing-subscription was deleted, and is left so",
            [],
            id="it was deleted, and is left so",
        ),
        pytest.param(
            application_case(
                SETTLED, objects=[OBJECTS[0], live(OBJECTS[1], pods=0)], pods=[pod(waiting={"reason": "X"})]
            ),
            None,
            AWAY,
            Reason.PODS_NOT_STARTING,
            "pods of Deployment billing-subscription do not start: X",
            ["PodsNotStarting"],
            id="its pods do not start",
        ),
    ],
)
def test_why_a_container_is_not_at_work(
    case: ApplicationCase,
    failing: type[Any] | None,
    error: BackendError,
    reason: Reason,
    words: str,
    events: list[str],
) -> None:
    status, told = passed(case, failing, error)
    assert (of(status).status, of(status).reason) == ("False", reason)
    assert words in of(status).message
    assert of(status, ConditionType.READY).status == "False"
    assert told == events


def test_that_pods_do_not_start_is_told_once() -> None:
    objects = [OBJECTS[0], live(OBJECTS[1], pods=0)]
    broken = [pod(waiting={"reason": "X"})]
    status, _ = passed(application_case(SETTLED, objects=objects, pods=broken))
    again = SETTLED.model_copy(update={"status": status})
    _, events = passed(application_case(again, objects=objects, pods=broken))
    assert events == []


@pytest.mark.parametrize(
    ("case", "events"),
    [
        pytest.param(application_case(SETTLED, objects=edited()), ["DriftRepaired"], id="drift"),
        pytest.param(
            application_case(with_spec(SETTLED, workload=Workload(image="b")), objects=OBJECTS),
            ["ApplyObject"],
            id="ours",
        ),
        pytest.param(
            application_case(with_spec(SETTLED, workload=None), objects=OBJECTS),
            ["DeleteObject", "DeleteObject"],
            id="not wanted",
        ),
    ],
)
def test_what_is_worth_an_event(case: ApplicationCase, events: list[str]) -> None:
    assert passed(case)[1] == events


def test_what_failed_is_not_on_record_and_what_stood_stays_on_it() -> None:
    changed = with_spec(SETTLED, workload=Workload(image="shop/billing:2"))
    failed, _ = passed(application_case(changed, objects=OBJECTS), ApplyObject, NO)
    assert failed.objects == SETTLED.status.objects
    done, _ = passed(application_case(changed, objects=OBJECTS))
    assert done.objects != SETTLED.status.objects
    gone, _ = passed(application_case(with_spec(SETTLED, workload=None), objects=OBJECTS))
    assert gone.objects == ()
    unseen, _ = passed(application_case(SETTLED, errors={DEPLOYMENT: NO}))
    assert unseen.objects == SETTLED.status.objects


def test_what_is_gone_and_not_wanted_is_taken_off_the_record() -> None:
    stale = OwnedObject(api_version="v1", kind="ConfigMap", name="billing-subscription", applied="x")
    status = SETTLED.status.model_copy(update={"objects": (*SETTLED.status.objects, stale)})
    case = application_case(SETTLED.model_copy(update={"status": status}), objects=OBJECTS)
    assert passed(case)[0].objects == SETTLED.status.objects


def test_a_refused_access_leaves_objects_as_they_are() -> None:
    seen = ObservedAccess(ObservedSecret({"a": "b"}, None))
    case = application_case(with_spec(SETTLED, topics=(TopicRef(name="orders"),)), seen, objects=edited())
    status, _ = passed(case)
    assert decide_application(case).changes == ()
    assert of(status, ConditionType.ACCESS_GRANTED).status == "False"
    assert of(status).reason == Reason.WORKLOAD_UNAVAILABLE  # the Deployment's truth: three of five are missing


def test_the_case_knows_its_parts() -> None:
    case = application_case(SETTLED, objects=OBJECTS)
    assert case.resource is SETTLED
    first = user_name(SETTLED, CLUSTER)
    assert case.objects.users == {first, other_user(first)}
    assert {key_of(each) for each in OBJECTS} == set(case.observed)
    assert decide_application(case) == Decision()
