"""The planner of access, row by row, what a decision makes of its plans, and what is said of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from builders import (
    ISSUED,
    NEW_PASSWORD,
    PASSWORD,
    REGISTRY_LOGIN,
    access_case,
    access_occurrences,
    event_bus,
    observed_access,
    publication,
    refusal,
    settled_access,
    subscription,
    wanted_access,
)

from eventplane.api import REGISTRY_LOGIN_ANNOTATION, ROTATE_ANNOTATION
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access import decide_access, plan_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemoveUser,
    RevokeAccess,
    SetPassword,
    WriteSecret,
)
from eventplane.planning.access_desired import DesiredAccess, iterations_of
from eventplane.planning.access_readiness import AccessOutcome, access_status
from eventplane.planning.access_rotation import Issue
from eventplane.planning.access_state import Grant, ObservedAccess, ObservedSecret
from eventplane.planning.connection import KafkaConnection, RegistryConnection
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Plan
from eventplane.planning.verdicts import condition

WEB = publication("web")
BILLING = subscription("billing")
USER = "eventplane.cluster-.shop.web.publication"
WRITE = Grant("TOPIC", "shop.orders", "WRITE")
FOREIGN = Grant("TOPIC", "payroll", "READ")


def written(password: str, user: str = USER, issue: Issue = ISSUED) -> WriteSecret:
    data, owner = wanted_access(WEB).secret_data(password, user), ("Publication", "web", "uid-shop-web")
    return WriteSecret(user, "shop", "web-publication", owner, data, issue.annotations())


def set_to(password: str) -> SetPassword:
    return SetPassword(USER, "SCRAM-SHA-512", password, iterations_of(password))


# --- the plan


@pytest.mark.parametrize(
    ("seen", "changes"),
    [
        pytest.param(
            ObservedAccess(),
            (written(NEW_PASSWORD), set_to(NEW_PASSWORD), GrantAccess(USER, (WRITE,))),
            id="nothing is there: the Secret comes first",
        ),
        pytest.param(observed_access(WEB), (), id="all is as it should be"),
        pytest.param(
            observed_access(WEB, in_kafka=None, without=[WRITE]),
            (set_to(PASSWORD), GrantAccess(USER, (WRITE,))),
            id="cut short after the Secret was written, or Kafka was made anew",
        ),
        pytest.param(observed_access(WEB, in_kafka="older"), (set_to(PASSWORD),), id="Kafka knows another password"),
        pytest.param(
            ObservedAccess(ObservedSecret(), observed_access(WEB).principal),
            (written(NEW_PASSWORD), set_to(NEW_PASSWORD)),
            id="the Secret is gone, and its password with it",
        ),
        pytest.param(
            observed_access(WEB, password=""),
            (written(NEW_PASSWORD), set_to(NEW_PASSWORD)),
            id="somebody emptied the password",
        ),
        pytest.param(observed_access(WEB, topics="mine"), (written(PASSWORD),), id="somebody edited the Secret"),
        pytest.param(observed_access(WEB, more="theirs"), (), id="somebody added to the Secret"),
        pytest.param(observed_access(WEB, without=[WRITE]), (GrantAccess(USER, (WRITE,)),), id="an ACL is missing"),
        pytest.param(
            observed_access(WEB, beside=[FOREIGN]), (RevokeAccess(USER, (FOREIGN,)),), id="an ACL is too much"
        ),
    ],
)
def test_plan(seen: ObservedAccess, changes: tuple[AccessChange, ...]) -> None:
    plan = plan_access(access_case(WEB, seen))
    assert plan.changes == changes
    assert plan.refusals == ()
    assert bool(plan.differences) is bool(changes)


@pytest.mark.parametrize(
    ("owner", "whose"),
    [
        pytest.param(None, "nobody", id="made by hand"),
        pytest.param(("Subscription", "web"), "Subscription web", id="another kind"),
        pytest.param(("Publication", "other"), "Publication other", id="another name"),
    ],
)
def test_a_secret_of_others_is_left_alone(owner: tuple[str, str] | None, whose: str) -> None:
    seen = ObservedAccess(ObservedSecret({"password": "theirs"}, owner), observed_access(WEB).principal)
    plan = plan_access(access_case(WEB, seen))
    assert plan.changes == ()
    assert [each.reason for each in plan.refusals] == [Reason.SECRET_OWNED_BY_ANOTHER]
    assert f"belongs to {whose}:" in plan.refusals[0].message


def test_on_a_bus_without_credentials_only_the_secret_is_written() -> None:
    desired = wanted_access(WEB, connection=KafkaConnection(("kafka:9092",)))
    plan = plan_access(access_case(WEB, desired=desired))
    assert [type(change) for change in plan.changes] == [WriteSecret]
    quiet = access_case(WEB, observed_access(WEB, desired=desired, in_kafka=None), desired=desired)
    assert plan_access(quiet) == Plan()


def test_changes_describe_themselves_without_the_password() -> None:
    changes: tuple[AccessChange, ...] = (
        written("s3cret"),
        set_to("s3cret"),
        GrantAccess(USER, (WRITE, Grant("GROUP", "g", "READ"))),
        RevokeAccess(USER, (Grant("TRANSACTIONAL_ID", "t", "WRITE", prefixed=True),)),
        RemoveUser(USER),
    )
    assert [change.describe() for change in changes] == [
        "write Secret web-publication",
        f"set the password of user {USER}",
        f"grant user {USER} WRITE topic shop.orders, READ group g",
        f"revoke from user {USER} WRITE transactional id t*",
        f"remove user {USER} with all its access",
    ]
    assert "s3cret" not in "".join(map(repr, changes))


# --- the login for the registry

SHOWN = wanted_access(WEB, registry=REGISTRY_LOGIN)
RENEWED = wanted_access(WEB, registry=replace(REGISTRY_LOGIN, password="renewed"))  # noqa: S106 - of no server
SINCE = {REGISTRY_LOGIN_ANNOTATION: "2026-01-01T00:00:00Z"}
ANEW = {REGISTRY_LOGIN_ANNOTATION: "2026-01-02T03:04:05Z"}


def held(desired: DesiredAccess = SHOWN, *, dated: Mapping[str, str] = SINCE, **in_secret: Any) -> ObservedAccess:
    """Access as asked for, whose Secret says since when it has its login for the registry."""
    seen = observed_access(WEB, desired=desired, **in_secret)
    return replace(seen, secret=replace(seen.secret, annotations={**seen.secret.annotations, **dated}))


@pytest.mark.parametrize(
    ("desired", "seen", "record", "differs"),
    [
        pytest.param(SHOWN, held(), None, False, id="all is as it should be"),
        pytest.param(SHOWN, ObservedAccess(), ANEW, True, id="nothing is there"),
        pytest.param(RENEWED, held(), ANEW, False, id="the owner of the bus replaced it"),
        pytest.param(SHOWN, held(wanted_access(WEB)), ANEW, True, id="there was no registry"),
        pytest.param(
            replace(SHOWN, registry=RegistryConnection(REGISTRY_LOGIN.url, REGISTRY_LOGIN.ca_pem)),
            held(),
            {},
            False,
            id="it is handed out no more",
        ),
        pytest.param(SHOWN, held(dated={}), ANEW, False, id="its record was lost"),
        pytest.param(SHOWN, held(schemaRegistryPassword="mine"), ANEW, True, id="somebody edited it"),
        pytest.param(SHOWN, held(topics="mine"), SINCE, True, id="somebody edited something else"),
    ],
)
def test_the_login_for_the_registry(
    desired: DesiredAccess,
    seen: ObservedAccess,
    record: Mapping[str, str] | None,
    differs: bool,  # noqa: FBT001
) -> None:
    plan = plan_access(access_case(WEB, seen, desired=desired))
    secrets = [change for change in plan.changes if isinstance(change, WriteSecret)]
    assert [{key: each.annotations[key] for key in each.annotations if key in ANEW} for each in secrets] == (
        [] if record is None else [record]
    )
    assert all(each.data == desired.secret_data(each.data["password"]) for each in secrets)
    assert bool(plan.differences) is differs


@pytest.mark.parametrize("policy", ["Enforce", "Warn", "Ignore"])
def test_another_login_for_the_registry_is_no_drift(policy: str) -> None:
    resource = settled_access(publication("web", drift_policy=policy), SHOWN)
    decision = decide_access(access_case(resource, held(), desired=RENEWED))
    assert [type(change) for change in decision.changes] == [WriteSecret]
    assert (decision.drift, decision.repairs_drift) == ((), False)
    status = access_status(access_case(resource, held(), desired=RENEWED), decision, ())
    assert "renewed" not in repr(decision) + repr(status)


@pytest.mark.parametrize("policy", ["Warn", "Ignore"])
def test_where_drift_is_left_the_registrys_login_is_replaced_nonetheless(policy: str) -> None:
    resource, seen = settled_access(publication("web", drift_policy=policy), SHOWN), held()
    assert seen.principal is not None
    wider = replace(seen, principal=replace(seen.principal, grants=seen.principal.grants | {FOREIGN}))
    decision = decide_access(access_case(resource, wider, desired=RENEWED))
    assert [type(change) for change in decision.changes] == [WriteSecret]
    assert bool(decision.drift) is (policy == "Warn")


def test_on_a_bus_without_credentials_the_registrys_login_is_replaced_too() -> None:
    free = KafkaConnection(("kafka:9092",))
    before, after = (
        wanted_access(WEB, connection=free, registry=registry)
        for registry in (REGISTRY_LOGIN, replace(REGISTRY_LOGIN, username="another"))
    )
    plan = plan_access(access_case(WEB, held(before), desired=after), repairs=False)
    (change,) = plan.changes
    assert isinstance(change, WriteSecret)
    assert (change.user, change.data["schemaRegistryUsername"], change.annotations) == (None, "another", ANEW)


def test_a_rotation_keeps_the_record_of_the_registrys_login() -> None:
    resource = publication("web", annotations={ROTATE_ANNOTATION: "now"})
    plan = plan_access(access_case(resource, held(), desired=SHOWN))
    (secret,) = (change for change in plan.changes if isinstance(change, WriteSecret))
    assert secret.data["schemaRegistryPassword"] == REGISTRY_LOGIN.password
    assert SINCE.items() <= secret.annotations.items()


# --- the decision


@pytest.mark.parametrize(
    ("fields", "repaired", "reported"),
    [
        pytest.param({}, True, False, id="Enforce undoes it"),
        pytest.param({"drift_policy": "Warn"}, False, True, id="Warn reports it"),
        pytest.param({"drift_policy": "Ignore"}, False, False, id="Ignore does neither"),
        pytest.param({"paused": True}, False, True, id="paused: it stands"),
        pytest.param({"mode": "Observe"}, False, True, id="Observe: it stands"),
        pytest.param({"mode": "Plan"}, False, True, id="Plan: it stands until approved"),
    ],
)
def test_what_was_done_behind_our_back(fields: dict[str, Any], repaired: bool, reported: bool) -> None:  # noqa: FBT001
    resource = settled_access(publication("web", **fields))
    decision = decide_access(access_case(resource, observed_access(WEB, beside=[FOREIGN])))
    assert decision.changes == ((RevokeAccess(USER, (FOREIGN,)),) if repaired else ())
    assert decision.repairs_drift is repaired
    assert [each.setting for each in decision.drift] == ([FOREIGN.describe()] if reported else [])


@pytest.mark.parametrize("policy", ["Enforce", "Warn", "Ignore"])
def test_what_the_resource_asks_for_anew_is_no_drift(policy: str) -> None:
    before = settled_access(publication("web", drift_policy=policy))
    resource = before.model_copy(update={"spec": publication(transactional=True, drift_policy=policy).spec})
    decision = decide_access(access_case(resource, observed_access(WEB)))
    assert [type(change) for change in decision.changes] == [WriteSecret, GrantAccess]
    assert (decision.drift, decision.repairs_drift) == ((), False)


def test_another_bus_is_not_what_was_applied_before() -> None:
    resource = settled_access(publication("web", drift_policy="Warn"))
    decision = decide_access(access_case(resource, bus=event_bus("second")))
    assert [type(change) for change in decision.changes] == [WriteSecret, SetPassword]  # nor is its topic there


@pytest.mark.parametrize("fields", [{"mode": "Plan"}, {"mode": "Observe"}, {"paused": True}])
def test_held_back_is_all_of_it(fields: dict[str, Any]) -> None:
    decision = decide_access(access_case(publication("web", **fields)))
    assert decision.changes == ()
    assert decision.held is not None
    assert len(decision.held.changes) == 3


def test_an_approved_plan_is_carried_out_whatever_the_new_password() -> None:
    held = decide_access(access_case(publication("web", mode="Plan"))).held
    assert held is not None
    decision = decide_access(access_case(publication("web", mode="Plan", approve=held.hash())))
    assert len(decision.changes) == 3


def test_what_cannot_be_looked_at_waits_or_is_refused() -> None:
    away = Unavailable("no answer")
    assert decide_access(access_case(WEB, ObservedAccess(error=away))) == Decision(postponed=away)
    forbidden = Rejected(Reason.SECRET_NOT_READABLE, "bind a role")
    decision = decide_access(access_case(WEB, ObservedAccess(error=forbidden)))
    assert decision == Decision(refusals=(refusal(Reason.SECRET_NOT_READABLE, "bind a role"),))


# --- the status


def told(
    case: AccessCase, *errors: BackendError | None
) -> tuple[AccessCase, Decision[AccessChange], list[AccessOutcome]]:
    """Decide, and let the changes end with errors in turn, the rest well."""
    decision = decide_access(case)
    ends = [*errors, *[None] * len(decision.changes)]
    outcomes: list[AccessOutcome] = [
        Outcome(change, error) for change, error in zip(decision.changes, ends, strict=False)
    ]
    return case, decision, outcomes


def test_new_access_is_told() -> None:
    status = access_status(*told(access_case(BILLING)))
    assert status.principal == "eventplane.cluster-.shop.billing.subscription"
    assert status.binding is not None
    assert status.binding.name == "billing-subscription"
    assert status.grants == ("READ group shop.billing", "READ topic shop.orders")
    assert status.to_wire()["group"] == "shop.billing"
    assert status.applied == wanted_access(BILLING).fingerprint()
    assert {each.type: (each.status, each.reason) for each in status.conditions} == {
        "Ready": ("True", "Ready"),
        "TopicsReady": ("True", "Ready"),
        "AccessGranted": ("True", "Ready"),
    }
    assert NEW_PASSWORD not in str(status.to_wire())


READY, ACCESS, TOPICS = ConditionType.READY, ConditionType.ACCESS_GRANTED, ConditionType.TOPICS_READY
OPEN: EventBus = event_bus()


@pytest.mark.parametrize(
    ("case", "errors", "ready", "access", "topics", "third"),
    [
        pytest.param(
            access_case(WEB),
            [Unavailable("no answer")],
            ("False", Reason.BUS_UNAVAILABLE),
            ("False", Reason.BUS_UNAVAILABLE),
            "True",
            ConditionType.RECONCILING,
            id="the bus did not answer a change",
        ),
        pytest.param(
            access_case(WEB),
            [None, Rejected(Reason.AUTHORIZATION_FAILED, "lacks a right")],
            ("False", Reason.AUTHORIZATION_FAILED),
            ("False", Reason.AUTHORIZATION_FAILED),
            "True",
            ConditionType.STALLED,
            id="a change was rejected",
        ),
        pytest.param(
            access_case(WEB, ObservedAccess(ObservedSecret({"a": "b"}))),
            [],
            ("False", Reason.SECRET_OWNED_BY_ANOTHER),
            ("False", Reason.SECRET_OWNED_BY_ANOTHER),
            "True",
            ConditionType.STALLED,
            id="refused",
        ),
        pytest.param(
            access_case(publication("web", mode="Plan")),
            [],
            ("False", Reason.AWAITING_APPROVAL),
            ("False", Reason.AWAITING_APPROVAL),
            "True",
            None,
            id="held",
        ),
        pytest.param(
            access_case(WEB, desired=wanted_access(WEB, topics={"orders": None})),
            [],
            ("False", Reason.TOPIC_NOT_FOUND),
            ("True", Reason.READY),
            "False",
            ConditionType.RECONCILING,
            id="a topic is missing",
        ),
        pytest.param(
            access_case(publication("web", paused=True), observed_access(WEB)),
            [],
            ("True", Reason.PAUSED),
            ("True", Reason.READY),
            "True",
            None,
            id="paused, and nothing would be done",
        ),
        pytest.param(
            access_case(
                settled_access(publication("web", drift_policy="Warn")), observed_access(WEB, beside=[FOREIGN])
            ),
            [],
            ("True", Reason.READY),
            ("False", Reason.DRIFTED),
            "True",
            ConditionType.DRIFTED,
            id="somebody widened it, and that stands",
        ),
    ],
)
def test_conditions(
    case: AccessCase,
    errors: list[BackendError | None],
    ready: tuple[str, Reason],
    access: tuple[str, Reason],
    topics: str,
    third: ConditionType | None,
) -> None:
    status = access_status(*told(case, *errors))
    found = {each.type: (each.status, each.reason) for each in status.conditions}
    assert (found[READY], found[ACCESS], found[TOPICS][0]) == (ready, access, topics)
    assert found.keys() == {READY, ACCESS, TOPICS} | ({third} if third else set())
    shown = condition(status.conditions, READY)
    assert shown is not None
    assert shown.message


def test_who_needs_no_credentials_is_told_that_others_need_none_either() -> None:
    desired = wanted_access(WEB, connection=KafkaConnection(("kafka:9092",)))
    status = access_status(*told(access_case(WEB, desired=desired)))
    ready = condition(status.conditions, READY)
    assert ready is not None
    assert "anybody may do" in ready.message
    assert (status.principal, status.grants) == (None, ())


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        pytest.param([Unavailable("")] * 3, (False, False, 0), id="nothing was done"),
        pytest.param([None, Unavailable(""), Unavailable("")], (False, True, 0), id="the Secret was written"),
        pytest.param([None, None, Unavailable("")], (True, True, 0), id="and the user made"),
        pytest.param([None, None, None], (True, True, 1), id="and the access granted"),
    ],
)
def test_the_status_shows_what_is_there(errors: list[BackendError | None], shown: tuple[bool, bool, int]) -> None:
    status = access_status(*told(access_case(WEB), *errors))
    assert (status.principal is not None, status.binding is not None, len(status.grants)) == shown
    assert (status.applied is not None) is (errors[-1] is None)


def test_what_was_revoked_is_not_shown_and_what_stands_is() -> None:
    status = access_status(*told(access_case(WEB, observed_access(WEB, beside=[FOREIGN]))))
    assert status.grants == (WRITE.describe(),)
    failed = access_status(*told(access_case(WEB, observed_access(WEB, beside=[FOREIGN])), Unavailable("")))
    assert failed.grants == (FOREIGN.describe(), WRITE.describe())


# --- Events


def test_the_first_access_is_no_occurrence_and_a_change_of_it_is() -> None:
    assert access_occurrences(*told(access_case(WEB))) == []
    before = settled_access(WEB)
    repaired = access_occurrences(*told(access_case(before, observed_access(WEB, beside=[FOREIGN]))))
    assert [(each.reason, each.warning) for each in repaired] == [("DriftRepaired", False)]
    widened = before.model_copy(update={"spec": publication(transactional=True).spec})
    asked = access_occurrences(*told(access_case(widened, observed_access(WEB))))
    assert [each.reason for each in asked] == ["GrantAccess"]


def test_a_refusal_is_an_occurrence() -> None:
    refused = access_occurrences(*told(access_case(WEB, ObservedAccess(ObservedSecret({"a": "b"})))))
    assert [(each.reason, each.warning) for each in refused] == [("SecretOwnedByAnother", True)]
