"""Access of principals that are mapped: the planner row by row, what is refused, and what is left over."""

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import (
    CLUSTER,
    KAFKA,
    MUTUAL,
    access_case,
    access_occurrences,
    consumer,
    event_bus,
    mapped_access,
    mapping_bus,
    publication,
    refusal,
    settled,
    subscription,
    wanted_objects,
)
from builders import event_topic as topic

from eventplane.api import ROTATE_ANNOTATION
from eventplane.api.access import Access
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access import decide_access, plan_access
from eventplane.planning.access_changes import AccessChange, GrantAccess, RevokeAccess, WriteSecret, application_of
from eventplane.planning.access_desired import desire_access, user_name
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_readiness import AccessOutcome, access_status
from eventplane.planning.access_state import (
    Grant,
    ObservedAccess,
    ObservedPrincipal,
    ObservedSecret,
)
from eventplane.planning.access_strays import mapped_to, stray_grants
from eventplane.planning.applications import application_case as planned_case
from eventplane.planning.applications import decide_application
from eventplane.planning.connection import AccessConnection
from eventplane.planning.mapped_principals import mark_of
from eventplane.planning.objects import ObservedObject
from eventplane.planning.outcome import Outcome
from eventplane.planning.plan import Refusal
from eventplane.planning.scaling import autoscaler
from eventplane.planning.verdicts import condition

WEB = publication("web")
PRINCIPAL = "CN=web.shop"
DESIRED = mapped_access(WEB)
WRITE, FOREIGN = Grant("TOPIC", "shop.orders", "WRITE"), Grant("TOPIC", "payroll", "READ")
MARK = mark_of(user_name(WEB, CLUSTER))
TWINS = mark_of(user_name(subscription("web"), CLUSTER))
ELSEWHERE = mark_of("eventplane.zzzzzzzz.shop.web.publication")
SECRET = ObservedSecret(DESIRED.secret_data(""), ("Publication", "web"))
ELDER = subscription("web", creation_timestamp="2020-01-01T00:00:00Z")
YOUNGER = subscription("web", creation_timestamp="2030-01-01T00:00:00Z")
WRITTEN = WriteSecret(
    PRINCIPAL, "shop", "web-publication", ("Publication", "web", "uid-shop-web"), DESIRED.secret_data("")
)


def seen(*grants: Grant, secret: ObservedSecret = SECRET) -> ObservedAccess:
    return ObservedAccess(secret, ObservedPrincipal(PRINCIPAL, grants=frozenset(grants)))


def granted(*grants: Grant) -> GrantAccess:
    return GrantAccess(PRINCIPAL, grants)


def revoked(*grants: Grant) -> RevokeAccess:
    return RevokeAccess(PRINCIPAL, grants)


# --- the plan


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        pytest.param(
            ObservedAccess(), (WRITTEN, granted(MARK), granted(WRITE)), id="nothing: the mark comes before the rest"
        ),
        pytest.param(seen(MARK, WRITE), (), id="all is as it should be"),
        pytest.param(seen(MARK), (granted(WRITE),), id="cut short after the mark"),
        pytest.param(seen(WRITE), (granted(MARK),), id="it may do by chance what is asked for"),
        pytest.param(seen(MARK, WRITE, FOREIGN), (revoked(FOREIGN),), id="somebody has granted more"),
        pytest.param(seen(MARK, WRITE, ELSEWHERE), (revoked(ELSEWHERE),), id="two have marked it at once: we have it"),
        pytest.param(seen(MARK, WRITE, secret=ObservedSecret()), (WRITTEN,), id="the Secret is gone"),
        pytest.param(
            seen(MARK, WRITE, secret=replace(SECRET, data={**(SECRET.data or {}), "topics": "mine"})),
            (WRITTEN,),
            id="somebody edited the Secret",
        ),
    ],
)
def test_plan(found: ObservedAccess, changes: tuple[AccessChange, ...]) -> None:
    case = access_case(WEB, found, desired=DESIRED)
    plan = plan_access(case)
    assert (plan.changes, plan.refusals) == (changes, ())
    assert bool(plan.differences) is bool(changes)
    assert {application_of(change) for change in changes} <= {PRINCIPAL}
    after = observed_after(found, changes)
    assert plan_access(replace(case, observed=after)).changes == (), "quiet"


@pytest.mark.parametrize(
    ("grants", "twin", "reason"),
    [
        pytest.param([TWINS, WRITE], None, Reason.PRINCIPAL_OWNED_BY_ANOTHER, id="another has it"),
        pytest.param([ELSEWHERE], None, Reason.PRINCIPAL_OWNED_BY_ANOTHER, id="another cluster has it"),
        pytest.param(
            [MARK, mark_of("eventplane.aaaaaaaa.shop.web.publication")],
            None,
            Reason.PRINCIPAL_OWNED_BY_ANOTHER,
            id="two have marked it at once: that one has it",
        ),
        pytest.param([], ELDER, Reason.PRINCIPAL_OWNED_BY_ANOTHER, id="an elder will take it"),
        pytest.param(
            [WRITE, FOREIGN], None, Reason.PRINCIPAL_HAS_ACCESS, id="it may do more, of which we know nothing"
        ),
        pytest.param([MARK, WRITE], ELDER, None, id="we have it already, though another is older"),
        pytest.param([], YOUNGER, None, id="a younger one is no rival"),
    ],
)
def test_whose_principal_it_is(grants: list[Grant], twin: Access | None, reason: Reason | None) -> None:
    case = access_case(WEB, seen(*grants), desired=mapped_access(WEB, twin=twin))
    decision = decide_access(case)
    assert [each.reason for each in decision.refusals] == ([reason] if reason else [])
    if reason is not None:
        assert decision.changes == ()
    again = 30 if reason == Reason.PRINCIPAL_OWNED_BY_ANOTHER else None
    assert decision.again_in_seconds == again, "nobody tells when another lets go of it"


def test_an_elder_with_another_principal_is_no_rival() -> None:
    bus = mapping_bus("{{ namespace }}.{{ name }}.{{ kind }}")
    assert mapped_access(WEB, bus=bus, twin=ELDER).rival is None
    assert mapped_access(WEB, twin=ELDER).rival == "Subscription shop/web"


@pytest.mark.parametrize(
    ("policy", "changes", "drift"),
    [("Enforce", (revoked(FOREIGN),), 0), ("Warn", (), 1), ("Ignore", (), 0)],
)
def test_what_was_done_behind_our_back(policy: str, changes: tuple[AccessChange, ...], drift: int) -> None:
    resource = publication("web", drift_policy=policy)
    quiet = access_case(resource, seen(MARK, WRITE), desired=DESIRED)
    applied = resource.model_copy(update={"status": access_status(quiet, decide_access(quiet), ())})
    decision = decide_access(access_case(applied, seen(MARK, WRITE, FOREIGN), desired=DESIRED))
    assert (decision.changes, len(decision.drift)) == (changes, drift)


# --- what is asked for


def test_a_secret_without_a_password() -> None:
    data = DESIRED.secret_data("never")
    assert {key: data.get(key) for key in ("principal", "user", "username", "password", "saslMechanism")} == {
        "principal": PRINCIPAL,
        "user": None,
        "username": None,
        "password": None,
        "saslMechanism": None,
    }
    told = json.loads(data["librdkafka.json"])
    assert told == {"bootstrap.servers": "kafka:9092", "security.protocol": "SSL"}
    assert data["client.properties"] == "bootstrap.servers=kafka:9092\nsecurity.protocol=SSL\n"
    assert "CERT" not in repr(data)
    assert not DESIRED.has_password


def test_with_plain_the_name_is_the_principals_and_the_password_its_owners() -> None:
    plain = replace(KAFKA, mechanism="PLAIN")
    desired = desire_access(
        WEB,
        mapping_bus("{{ namespace }}.{{ name }}", kind="PLAIN"),
        AccessConnection(plain),
        {"orders": settled(topic())},
        CLUSTER,
    )
    assert not isinstance(desired, Refusal)
    data = desired.secret_data("never")
    assert (data["principal"], data["username"], data["saslMechanism"]) == ("shop.web", "shop.web", "PLAIN")
    assert "password" not in data
    assert "never" not in repr(data)
    assert "jaas" not in data["client.properties"]


def test_grants_are_those_of_a_user_and_the_mark() -> None:
    assert DESIRED.grants == {WRITE, MARK}
    reader = mapped_access(subscription("billing"))
    assert reader.grants == {
        Grant("TOPIC", "shop.orders", "READ"),
        Grant("GROUP", "shop.billing", "READ"),
        mark_of(user_name(subscription("billing"), CLUSTER)),
    }
    writer = mapped_access(publication("web", transactional=True))
    assert writer.transactional_id_prefix == f"{user_name(WEB, CLUSTER)}."


CERTIFIED: dict[str, Any] = {"credentials": {"certificate_secret_ref": {"name": "billing-tls"}}}
SINK: dict[str, Any] = {"sink": {"http": {"url": "http://billing"}}}


@pytest.mark.parametrize(
    ("resource", "bus", "reason"),
    [
        pytest.param(
            publication(credentials={"rotate_every": "90d"}),
            mapping_bus(),
            Reason.INVALID_SPEC,
            id="there is no password to rotate",
        ),
        pytest.param(publication(), mapping_bus(None), Reason.IDENTITY_NOT_SUPPORTED, id="nobody says who they are"),
        pytest.param(publication(), mapping_bus("{{ name }}"), Reason.INVALID_NAME, id="the template is shared"),
        pytest.param(
            subscription(**SINK), mapping_bus(), Reason.IDENTITY_NOT_SUPPORTED, id="our consumer has no certificate"
        ),
        pytest.param(subscription(**SINK, **CERTIFIED), mapping_bus(), None, id="it has one"),
        pytest.param(
            subscription(**SINK, **CERTIFIED),
            mapping_bus(kind="PLAIN"),
            Reason.IDENTITY_NOT_SUPPORTED,
            id="of no use with PLAIN",
        ),
        pytest.param(consumer(), mapping_bus(), None, id="containers of others have their own"),
    ],
)
def test_what_cannot_be_mapped(resource: Any, bus: EventBus, reason: Reason | None) -> None:
    connection = replace(MUTUAL, mechanism="PLAIN" if bus.spec.kafka.authentication.type == "PLAIN" else None)  # type: ignore[union-attr]
    desired = desire_access(resource, bus, AccessConnection(connection), {"orders": settled(topic())}, CLUSTER)
    assert (desired.reason if isinstance(desired, Refusal) else None) == reason


# --- what is said


def test_status_of_a_mapped_principal() -> None:
    case = access_case(WEB, ObservedAccess(), desired=DESIRED)
    decision = decide_access(case)
    outcomes: list[AccessOutcome] = [Outcome(change) for change in decision.changes]
    status = access_status(case, decision, outcomes)
    assert (status.principal, status.credentials) == (PRINCIPAL, None)
    assert status.grants == (MARK.describe(), WRITE.describe())
    ready = condition(status.conditions, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.message) == (
        "True",
        "Secret web-publication has what a client needs, but for its own credentials as CN=web.shop",
    )
    assert access_occurrences(case, decision, outcomes) == []


def test_nothing_is_said_of_a_principal_that_another_has() -> None:
    case = access_case(WEB, seen(TWINS, FOREIGN), desired=DESIRED)
    status = access_status(case, decide_access(case), ())
    assert (status.principal, status.grants) == (None, ())


def test_a_password_that_somebody_puts_into_the_secret_makes_no_user() -> None:
    secret = replace(SECRET, data={**(SECRET.data or {}), "password": "mine"})
    resource = publication("web", annotations={ROTATE_ANNOTATION: "now"})
    decision = decide_access(access_case(resource, seen(MARK, WRITE, secret=secret), desired=DESIRED))
    assert decision.changes == (), "it is theirs, and no server-side apply could take it away"


# --- what runs


def test_a_container_is_made_at_once_and_gets_its_certificate() -> None:
    billing = subscription("billing", **SINK, **CERTIFIED)
    access = mapped_access(billing)
    objects = wanted_objects(billing, access)
    case = planned_case(access_case(billing, ObservedAccess(), desired=access), objects, _absent(objects))
    kinds = [type(change).__name__ for change in decide_application(case).changes]
    assert kinds == ["WriteSecret", "GrantAccess", "GrantAccess", *["ApplyObject"] * 3]
    (deployment,) = (each for each in objects.manifests if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert {"name": "certificate", "secret": {"secretName": "billing-tls"}} in pod["volumes"]
    mount = {"name": "certificate", "mountPath": "/bindings/certificate", "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]


def test_a_certificate_is_mounted_only_where_kafka_knows_users_by_theirs() -> None:
    pods = wanted_objects(consumer(**CERTIFIED)).manifests[-1]["spec"]["template"]["spec"]
    assert [each["name"] for each in pods["volumes"]] == ["kafka"]


def test_keda_logs_in_by_the_certificate() -> None:
    scaled: dict[str, Any] = {"scaling": {"min": 1, "max": 3}}
    billing = consumer(**scaled, **CERTIFIED)
    authentication, _scaled = autoscaler(billing, mapped_access(billing), "billing-subscription", {"shop.orders": 3})
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "cert", "name": "billing-tls", "key": "tls.crt"},
        {"parameter": "key", "name": "billing-tls", "key": "tls.key"},
    ]
    bare = consumer(**scaled)
    assert len(autoscaler(bare, mapped_access(bare), "billing-subscription", {"shop.orders": 3})) == 1


def _absent(objects: Any) -> Any:
    return {key: ObservedObject() for key in objects.keys}


# --- what is left over


def test_grants_that_nobody_keeps_are_those_that_are_marked_and_whose_resource_is_gone() -> None:
    gone, moved, kept, unknown = (publication(each) for each in ("gone", "moved", "kept", "unknown"))
    marks = {each.metadata.name: mark_of(user_name(each, CLUSTER)) for each in (gone, moved, kept, unknown)}
    known = {
        "CN=gone.shop": frozenset({marks["gone"], WRITE}),
        "CN=moved.shop": frozenset({marks["moved"]}),
        "CN=kept.shop": frozenset({marks["kept"], WRITE}),
        "CN=unknown.shop": frozenset({marks["unknown"], WRITE}),
        "CN=theirs": frozenset({WRITE}),
        "CN=elsewhere": frozenset({ELSEWHERE, WRITE}),
        "CN=reader.shop": frozenset({TWINS}),
    }
    alive = {
        user_name(moved, CLUSTER): "OU=shop,CN=moved",
        user_name(kept, CLUSTER): "CN=kept.shop",
        user_name(unknown, CLUSTER): None,
    }
    assert stray_grants(known, alive, "Publication", CLUSTER) == (
        RevokeAccess("CN=gone.shop", tuple(sorted({marks["gone"], WRITE}))),
        RevokeAccess("CN=moved.shop", (marks["moved"],)),
    )


@pytest.mark.parametrize(
    ("home", "principal"),
    [
        pytest.param(mapping_bus(), PRINCIPAL, id="mapped"),
        pytest.param(event_bus(), "", id="a bus that maps nobody"),
        pytest.param(mapping_bus("{{ name }}"), None, id="a template that tells nobody apart"),
        pytest.param(refusal(Reason.BUS_NOT_FOUND), None, id="there is no bus"),
    ],
)
def test_mapped_to(home: EventBus | Refusal, principal: str | None) -> None:
    assert mapped_to(WEB, home) == principal
