"""Gateways: whom they let in, what they may do themselves, what they become, and what is said of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from builders import (
    CLUSTER,
    NOW,
    TOPIC,
    condition_of,
    event_bus,
    event_topic,
    live,
    publication,
    settled,
    subscription,
)

from eventplane.api.access import Access
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.gateway import Gateway, GatewayStatus
from eventplane.api.gateway_config import GatewayConfig, Grants
from eventplane.api.gateway_config import Grant as CallerGrant
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import RemoveUser
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_state import Grant, ObservedAccess, ObservedPrincipal, ObservedSecret
from eventplane.planning.connection import AccessConnection, KafkaConnection
from eventplane.planning.decision import Decision
from eventplane.planning.gateway_desired import (
    DesiredGateway,
    callers_of,
    desire_gateway,
    gateway_access,
    gateway_query,
    no_certificate,
)
from eventplane.planning.gateway_manifests import gateway_keys, secret_key
from eventplane.planning.gateways import (
    GatewayCase,
    bus_with_gateway,
    decide_gateway,
    decide_removal,
    gateway_status,
    gateway_verdict,
)
from eventplane.planning.objects import ApplyObject, DeleteObject, Manifest, ObservedObject, key_of
from eventplane.planning.outcome import Outcome, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.readiness import bus_status
from eventplane.planning.verdicts import Verdict, condition

SCRAM: Final = AccessConnection(KafkaConnection(("kafka:9093",), mechanism="SCRAM-SHA-512", username="op"))
OPEN: Final = AccessConnection(KafkaConnection(("kafka:9092",)))
GATEWAY: Final = Gateway.model_validate({"tls": {"secretRef": {"name": "certificate"}}})
BUS: Final = event_bus(gateway=GATEWAY)
WEB: Final = "system:serviceaccount:shop:web"
CALLERS: Final = Grants(
    grants=(
        CallerGrant(identity=WEB, publish=("shop.a", "shop.b")),
        CallerGrant(identity="system:serviceaccount:shop:x", publish=("shop.b",), subscribe=("shop.a",)),
    )
)
NAMED: Final = {"service_accounts": [{"name": "web"}]}
ORDERS: Final = {"orders": settled(event_topic())}
AWAY, NO = Unavailable("away"), Rejected(Reason.REJECTED, "no")


def wanted(bus: EventBus = BUS, connection: AccessConnection = SCRAM, callers: Grants = CALLERS) -> DesiredGateway:
    found = desire_gateway(bus, bus.spec.gateway or GATEWAY, connection, callers, CLUSTER, "eventplane:1")
    assert isinstance(found, DesiredGateway)
    return found


# --- whom it lets in


@pytest.mark.parametrize(
    ("resource", "topics", "granted"),
    [
        pytest.param(publication(), ORDERS, None, id="it names nobody"),
        pytest.param(publication(gateway=NAMED, deleting=True), ORDERS, None, id="it is on its way out"),
        pytest.param(publication(gateway=NAMED, mode="Plan"), ORDERS, None, id="it writes nothing unapproved"),
        pytest.param(publication(gateway=NAMED, mode="Observe"), ORDERS, None, id="it writes nothing"),
        pytest.param(publication(gateway=NAMED), {"orders": None}, None, id="its topic does not exist"),
        pytest.param(publication(gateway=NAMED), {"orders": event_topic()}, None, id="its topic was not made"),
        pytest.param(publication(gateway=NAMED), ORDERS, ((TOPIC,), ()), id="a Publication publishes"),
        pytest.param(subscription(gateway=NAMED), ORDERS, ((), (TOPIC,)), id="a Subscription reads"),
    ],
)
def test_callers_may_what_their_resource_may(resource: Access, topics: Any, granted: Any) -> None:
    grants = callers_of(event_bus(), [(resource, topics)]).grants
    assert [(each.identity, (each.publish, each.subscribe)) for each in grants] == ([(WEB, granted)] if granted else [])


def test_one_caller_of_several_resources_has_all_their_rights_and_nobody_elses_namespace() -> None:
    there = publication("other", "elsewhere", gateway=NAMED)
    those = [(publication(gateway=NAMED), ORDERS), (subscription(gateway=NAMED), ORDERS), (there, ORDERS)]
    assert callers_of(event_bus(), those).grants == (
        CallerGrant(identity="system:serviceaccount:elsewhere:web", publish=(TOPIC,)),
        CallerGrant(identity=WEB, publish=(TOPIC,), subscribe=(TOPIC,)),
    )


# --- what it is


def test_its_user_may_exactly_what_it_lets_others_do() -> None:
    assert wanted().access.grants == {
        Grant("TOPIC", "shop.a", "WRITE"),
        Grant("TOPIC", "shop.b", "WRITE"),
        Grant("TOPIC", "shop.a", "READ"),
    }
    assert wanted(callers=Grants()).access.grants == frozenset()


def test_where_nobody_is_asked_who_he_is_it_has_no_user() -> None:
    access = wanted(connection=OPEN).access
    assert (access.user, access.grants) == (None, frozenset())


def test_what_it_is_told_is_read_by_its_own_models() -> None:
    config = {key_of(each).kind: each for each in wanted().manifests}["ConfigMap"]["data"]
    told = GatewayConfig.model_validate_json(config["gateway.json"])
    assert (told.audience, told.certificate_dir) == ("eventplane-gateway", "/etc/eventplane-tls")
    assert told.token_reviews is not None
    assert told.limits.events_per_second == 1_000
    assert Grants.model_validate_json(config["grants.json"]) == CALLERS
    assert "password" not in json.dumps([dict(each) for each in wanted().manifests])


@pytest.mark.parametrize(("replicas", "has_budget"), [(1, False), (2, True)])
def test_a_budget_is_for_several_pods(replicas: int, has_budget: bool) -> None:  # noqa: FBT001 - a table
    bus = event_bus(gateway=GATEWAY.model_copy(update={"replicas": replicas}))
    made = {key_of(each) for each in wanted(bus).manifests}
    assert {key.kind for key in gateway_keys(bus) - made} == (set() if has_budget else {"PodDisruptionBudget"})


def template(desired: DesiredGateway) -> Any:
    return desired.manifests[-1]["spec"]["template"]


def test_pods_are_replaced_when_they_are_told_otherwise_and_not_for_other_callers() -> None:
    other = event_bus(gateway=GATEWAY.model_copy(update={"audience": "another"}))
    assert template(wanted(callers=Grants())) == template(wanted())
    assert template(wanted(other)) != template(wanted())


def test_pods_are_restricted_and_have_the_token_with_which_they_ask() -> None:
    pod = template(wanted())["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["automountServiceAccountToken"] is True


@pytest.mark.parametrize(
    ("bus", "connection", "reason"),
    [
        pytest.param(event_bus("my.bus"), SCRAM, Reason.INVALID_NAME, id="a dot"),
        pytest.param(event_bus("1st"), SCRAM, Reason.INVALID_NAME, id="a digit first"),
        pytest.param(event_bus("b" * 56), SCRAM, Reason.INVALID_NAME, id="too long"),
        pytest.param(
            event_bus(),
            AccessConnection(KafkaConnection(("kafka:9093",), mechanism="PLAIN")),
            Reason.IDENTITY_NOT_SUPPORTED,
            id="no users can be made",
        ),
    ],
)
def test_what_cannot_be_is_refused(bus: EventBus, connection: AccessConnection, reason: Reason) -> None:
    refused = desire_gateway(bus, GATEWAY, connection, CALLERS, CLUSTER, "eventplane:1")
    assert isinstance(refused, Refusal)
    assert refused.reason == reason


def test_nobody_is_looked_for_where_no_users_can_be_made() -> None:
    plain = AccessConnection(KafkaConnection(("kafka:9093",), mechanism="PLAIN"))
    assert gateway_query(BUS, plain, CLUSTER).principal is None


def test_a_certificate_has_both_of_its_parts() -> None:
    absent = Refusal(Reason.SECRET_NOT_FOUND, "create it")
    assert no_certificate(BUS, GATEWAY, absent) == absent
    assert no_certificate(BUS, GATEWAY, {"tls.crt": "c", "tls.key": "k"}) is None
    assert no_certificate(BUS, GATEWAY, {"tls.crt": "", "x": "y"}) == Refusal(
        Reason.SECRET_INVALID, "Secret shop/certificate has no tls.crt and no tls.key: add the key"
    )


# --- what is decided


def case(
    bus: EventBus = BUS,
    access: ObservedAccess | None = None,
    objects: Sequence[Manifest] = (),
    desired: DesiredGateway | None = None,
    error: Any = None,
) -> GatewayCase:
    desired = desired or wanted(bus)
    observed = {key: ObservedObject(error=error) for key in gateway_keys(bus)}
    observed |= {key_of(each): ObservedObject(each) for each in objects}
    part = AccessCase(gateway_access(bus), bus, desired.access, access or ObservedAccess(), "new", NOW)
    return GatewayCase(bus, part, desired, observed)


def made(seen: GatewayCase, decision: Decision[Any]) -> GatewayCase:
    """Carry out a decision, its status included: what the next pass sees."""
    outcomes: list[Outcome[Any, Any]] = [Outcome(each) for each in decision.changes]
    bus = seen.bus.model_copy(update={"status": EventBusStatus(gateway=gateway_status(seen, decision, outcomes))})
    access = observed_after(seen.access.observed, [c for c in decision.changes if not isinstance(c, ApplyObject)])
    objects = [live(c.manifest, pods=2) for c in decision.changes if isinstance(c, ApplyObject)]
    return case(bus, access, objects, seen.desired)


@pytest.mark.parametrize("connection", [SCRAM, OPEN])
def test_a_second_pass_has_nothing_to_do(connection: AccessConnection) -> None:
    first = case(desired=wanted(connection=connection))
    decision = decide_gateway(first)
    assert [c.key.kind for c in decision.changes if isinstance(c, ApplyObject)] == [
        "ServiceAccount", "ConfigMap", "Service", "PodDisruptionBudget", "Deployment",
    ]  # fmt: skip
    assert not isinstance(decision.changes[0], ApplyObject), "access first"
    second = made(first, decision)
    settled_now = decide_gateway(second)
    assert (settled_now.changes, settled_now.refusals) == ((), ())
    assert gateway_verdict(second, settled_now, ()) == Verdict(
        "True", Reason.READY, "Deployment main-gateway is at work"
    )
    status = gateway_status(second, settled_now, ())
    assert status == second.bus.status.gateway.model_copy(update={"workload": status.workload})  # type: ignore[union-attr]
    assert status.workload is not None
    assert status.applied == second.desired.access.fingerprint()


def foreign() -> Manifest:
    return {**wanted().manifests[2], "metadata": {"name": "main-gateway", "namespace": "shop", "uid": "u"}}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param(case(access=ObservedAccess(error=AWAY)), ("False", Reason.BUS_UNAVAILABLE), id="access: away"),
        pytest.param(case(access=ObservedAccess(error=NO)), ("False", Reason.REJECTED), id="access: refused"),
        pytest.param(
            case(access=ObservedAccess(ObservedSecret({}, None))),
            ("False", Reason.SECRET_OWNED_BY_ANOTHER),
            id="access: a Secret of others",
        ),
        pytest.param(
            case(event_bus(gateway=GATEWAY, annotations={"events.sindhan.ai/paused": "true"})),
            ("False", Reason.PAUSED),
            id="access: held",
        ),
        pytest.param(case(error=AWAY), ("False", Reason.BUS_UNAVAILABLE), id="objects: away"),
    ],
)
def test_nothing_is_done_where_something_cannot_be_told(seen: GatewayCase, verdict: tuple[str, Reason]) -> None:
    decision = decide_gateway(seen)
    assert decision.changes == ()
    said = gateway_verdict(seen, decision, ())
    assert (said.status, said.reason) == verdict
    assert gateway_status(seen, decision, ()) == GatewayStatus(url="https://main-gateway.shop.svc")


def test_an_object_of_others_stays_and_the_rest_is_made() -> None:
    seen = case(objects=[foreign()])
    decision = decide_gateway(seen)
    assert "Service" not in {c.key.kind for c in decision.changes if isinstance(c, ApplyObject)}
    assert gateway_verdict(seen, decision, ()).reason == Reason.OBJECT_OWNED_BY_ANOTHER


def test_what_failed_is_told_and_not_on_record() -> None:
    seen = case()
    decision = decide_gateway(seen)
    outcomes: list[Outcome[Any, Any]] = [Outcome(each, NO) for each in decision.changes]
    assert gateway_verdict(seen, decision, outcomes).reason == Reason.REJECTED
    status = gateway_status(seen, decision, outcomes)
    assert (status.applied, status.objects) == (None, ())


def test_the_deployment_is_judged_as_it_was_just_made() -> None:
    seen = case()
    decision = decide_gateway(seen)
    outcomes: list[Outcome[Any, Any]] = [
        Outcome(each, None, ObservedObject(live(each.manifest, pods=2)) if isinstance(each, ApplyObject) else None)
        for each in decision.changes
    ]
    assert gateway_verdict(seen, decision, outcomes).status == "True"


def test_a_gateway_that_was_never_made_while_paused_is_not_ready() -> None:
    first = case()
    second = made(first, decide_gateway(first))
    gone = GatewayCase(second.bus, second.access, second.desired, case().observed)
    verdict = gateway_verdict(gone, Decision(), ())
    assert (verdict.status, verdict.reconciling) == ("False", True)


# --- how it goes


def test_all_that_it_was_goes() -> None:
    first = case()
    second = made(first, decide_gateway(first))
    secret = {**live(wanted().manifests[0]), "kind": "Secret"}
    observed = {**second.observed, secret_key(BUS): ObservedObject(secret)}
    user = second.access.desired.user or ""
    access = replace(
        second.access.observed, second=ObservedPrincipal(f"{user}_2", grants=frozenset(wanted().access.grants))
    )
    decision = decide_removal(second.bus, access, observed)
    assert [c.user for c in decision.changes if isinstance(c, RemoveUser)] == [user, f"{user}_2"]
    assert {c.key for c in decision.changes if isinstance(c, DeleteObject)} == gateway_keys(BUS) | {secret_key(BUS)}


@pytest.mark.parametrize(
    ("access", "error", "postponed"),
    [
        pytest.param(ObservedAccess(), None, None, id="nothing is left"),
        pytest.param(ObservedAccess(principal=ObservedPrincipal("u")), None, None, id="its user has gone"),
        pytest.param(ObservedAccess(error=NO), None, NO, id="users cannot be looked at"),
        pytest.param(ObservedAccess(), AWAY, AWAY, id="objects cannot be looked at"),
    ],
)
def test_what_is_not_there_need_not_go(access: ObservedAccess, error: Any, postponed: Any) -> None:
    decision = decide_removal(BUS, access, {key: ObservedObject(error=error) for key in gateway_keys(BUS)})
    assert (decision.changes, decision.postponed) == ((), postponed)


# --- what is said on the bus


def test_the_bus_tells_of_its_gateway_beside_all_else() -> None:
    status = GatewayStatus(url="https://main-gateway.shop.svc")
    ready = bus_status(BUS, EventBusStatus(), ("cluster", 3))
    with_it = bus_with_gateway(ready, 1, status, Verdict("False", Reason.PODS_NOT_STARTING, "no quota"))
    again = bus_status(BUS, with_it, ("cluster", 3))
    assert again.gateway == status
    said = condition(again.conditions, ConditionType.GATEWAY_READY)
    assert said == condition_of("GatewayReady", "False", "PodsNotStarting", message="no quota")
    without = bus_with_gateway(again, 1, None, None)
    assert without == ready
    assert condition(without.conditions, ConditionType.GATEWAY_READY) is None
