"""Gateways: whom they let in, what they may do themselves, what they become, and what is said of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from builders import (
    CLUSTER,
    NOW,
    condition_of,
    event_bus,
    live,
)

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.gateway import Gateway, GatewayStatus
from eventplane.api.gateway_config import GatewayConfig, Grants
from eventplane.api.gateway_config import Grant as CallerGrant
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import RemoveUser
from eventplane.planning.access_desired import user_name, user_prefix
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_state import Grant, ObservedAccess, ObservedPrincipal, ObservedSecret, other_user
from eventplane.planning.connection import AccessConnection, KafkaConnection, Secrets
from eventplane.planning.decision import Decision
from eventplane.planning.gateway_desired import (
    DesiredGateway,
    GatewayCircumstances,
    desire_gateway,
    gateway_access,
    gateway_query,
    secrets_of_gateway,
)
from eventplane.planning.gateway_manifests import gateway_keys, secret_key
from eventplane.planning.gateways import (
    GatewayCase,
    bus_with_gateway,
    decide_gateway,
    decide_removal,
    gateway_status,
    gateway_verdict,
    stray_gateway_users,
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
PEM: Final = "-----BEGIN CERTIFICATE-----"
SECRETS: Final[Secrets] = {"certificate": {"tls.crt": "c", "tls.key": "k"}, "ca": {"ca.crt": PEM, "other": PEM}}
AROUND: Final = GatewayCircumstances(CLUSTER, "eventplane:1", SECRETS)
AWAY, NO = Unavailable("away"), Rejected(Reason.REJECTED, "no")


def wanted(
    bus: EventBus = BUS,
    connection: AccessConnection = SCRAM,
    callers: Grants = CALLERS,
    around: GatewayCircumstances = AROUND,
) -> DesiredGateway:
    found = desire_gateway(bus, bus.spec.gateway or GATEWAY, connection, callers, around)
    assert isinstance(found, DesiredGateway)
    return found


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
    refused = desire_gateway(bus, GATEWAY, connection, CALLERS, AROUND)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason


def test_nobody_is_looked_for_where_no_users_can_be_made() -> None:
    plain = AccessConnection(KafkaConnection(("kafka:9093",), mechanism="PLAIN"))
    assert gateway_query(BUS, plain, CLUSTER).principal is None


def with_issuers(*those: dict[str, Any]) -> EventBus:
    told = {"tls": {"secretRef": {"name": "certificate"}}, "oidc": those}
    return event_bus(gateway=Gateway.model_validate(told))


PEOPLE: Final = {"name": "people", "issuer": "https://people.example"}
PRIVATE: Final = PEOPLE | {"caSecretRef": {"name": "ca"}}


@pytest.mark.parametrize(
    ("secrets", "reason", "words"),
    [
        pytest.param(
            {"certificate": Refusal(Reason.SECRET_NOT_FOUND, "create it")},
            Reason.SECRET_NOT_FOUND, "create it", id="no certificate",
        ),
        pytest.param(
            {"certificate": {"tls.crt": "", "x": "y"}},
            Reason.SECRET_INVALID, "Secret shop/certificate has no tls.crt and no tls.key: add the key",
            id="an empty certificate",
        ),
        pytest.param(
            {"ca": Refusal(Reason.SECRET_NOT_READABLE, "bind it")},
            Reason.SECRET_NOT_READABLE, "bind it", id="no authority",
        ),
        pytest.param({"ca": {"a": PEM}}, Reason.SECRET_INVALID, "Secret shop/ca has no ca.crt: add the key", id="key"),
        pytest.param(
            {"ca": {"ca.crt": "MII"}}, Reason.SECRET_INVALID,
            "ca.crt of Secret shop/ca is no certificate in PEM, by which the issuer people were trusted: correct it",
            id="no PEM",
        ),
    ],
)  # fmt: skip
def test_secrets_that_pods_need_are_looked_at_before(secrets: Any, reason: Reason, words: str) -> None:
    bus = with_issuers(PEOPLE | {"name": "others"}, PRIVATE)
    around = replace(AROUND, secrets={**SECRETS, **secrets})
    assert bus.spec.gateway is not None
    assert secrets_of_gateway(bus.spec.gateway) == {"certificate", "ca"}
    assert desire_gateway(bus, bus.spec.gateway, SCRAM, CALLERS, around) == Refusal(reason, words)


def test_issuers_are_told_and_their_authorities_mounted() -> None:
    desired = wanted(with_issuers(PEOPLE | {"name": "others"}, PRIVATE))
    config = {key_of(each).kind: each for each in desired.manifests}["ConfigMap"]["data"]
    told = GatewayConfig.model_validate_json(config["gateway.json"]).oidc
    assert [(each.name, each.issuer, each.ca_file) for each in told] == [
        ("others", "https://people.example", None),
        ("people", "https://people.example", "/etc/eventplane-issuers/people/ca.crt"),
    ]
    pod = template(desired)["spec"]
    items = [{"key": "ca.crt", "path": "people/ca.crt"}]
    volume = {"name": "issuers", "projected": {"sources": [{"secret": {"name": "ca", "items": items}}]}}
    assert volume in pod["volumes"]
    mounted = {"name": "issuers", "mountPath": "/etc/eventplane-issuers", "readOnly": True}
    assert mounted in pod["containers"][0]["volumeMounts"]


def test_another_authority_replaces_the_pods_which_read_it_once() -> None:
    bus = with_issuers(PRIVATE)
    other = replace(AROUND, secrets={**SECRETS, "ca": {"ca.crt": f"{PEM} another"}})
    beside = replace(AROUND, secrets={**SECRETS, "ca": {"ca.crt": PEM, "beside": "it"}})
    assert template(wanted(bus, around=other)) != template(wanted(bus))
    assert template(wanted(bus, around=beside)) == template(wanted(bus))


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


@pytest.mark.parametrize(
    ("may_review", "pods", "reason"),
    [
        (None, 2, Reason.READY),
        (True, 2, Reason.READY),
        (False, 2, Reason.NOT_PERMITTED),
        (False, 1, Reason.WORKLOAD_UNAVAILABLE),
    ],
)
def test_a_gateway_that_may_not_review_tokens_is_not_ready(
    may_review: bool | None,  # noqa: FBT001 - a table
    pods: int,
    reason: Reason,
) -> None:
    first = case()
    second = made(first, decide_gateway(first))
    key = second.desired.deployment
    there = second.observed[key].manifest
    assert there is not None
    counted = {**there, "status": there["status"] | {"availableReplicas": pods}}
    seen = replace(second, observed={**second.observed, key: ObservedObject(counted)}, may_review=may_review)
    verdict = gateway_verdict(seen, Decision(), ())
    assert (verdict.reason, verdict.stalled) == (reason, reason == Reason.NOT_PERMITTED)


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


def kafka_of(name: str, cluster_id: str | None, **spec: Any) -> EventBus:
    return event_bus(name, **spec).model_copy(update={"status": EventBusStatus(cluster_id=cluster_id)})


GATEWAYS_USER: Final = user_name(gateway_access(BUS), CLUSTER)
LEFT: Final = event_bus().model_copy(
    update={"status": EventBusStatus(cluster_id="k", gateway=GatewayStatus(url="https://main-gateway.shop.svc"))}
)


@pytest.mark.parametrize(
    ("buses", "goes"),
    [
        pytest.param([], True, id="its bus is gone"),
        pytest.param([kafka_of("main", "k")], True, id="its bus has no gateway, and nothing is left of one"),
        pytest.param([kafka_of("other", "k", gateway=GATEWAY)], True, id="another bus has one"),
        pytest.param([kafka_of("main", "elsewhere", gateway=GATEWAY)], True, id="its bus leads elsewhere now"),
        pytest.param([kafka_of("main", "k", gateway=GATEWAY)], False, id="its bus has a gateway"),
        pytest.param([kafka_of("main", None, gateway=GATEWAY)], False, id="its bus has never answered"),
        pytest.param([LEFT], False, id="its bus takes it away by itself"),
    ],
)
def test_users_of_gateways_are_removed_whose_bus_is_gone(buses: list[EventBus], goes: bool) -> None:  # noqa: FBT001
    here = kafka_of("here", "k")
    second = other_user(GATEWAYS_USER)
    of_others = ["admin", GATEWAYS_USER.replace(user_prefix(CLUSTER), user_prefix("another-cluster"))]
    of_others.append(GATEWAYS_USER.replace(".eventbus", ".publication"))
    removed = stray_gateway_users([GATEWAYS_USER, second, *of_others], [here, *buses], here, CLUSTER)
    assert [each.user for each in removed] == ([GATEWAYS_USER, second] if goes else [])


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
