"""Gateways of buses through the loop, in memory: made, told whom they let in, judged, repaired and taken away."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from builders import CLUSTER, event_bus, publication, subscription
from unit.controllers.world import BUS, SCRAM_BUS, World, access_world

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.controllers import gateways
from eventplane.planning.access_desired import user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.gateway_desired import gateway_access
from eventplane.planning.gateway_manifests import deployment_key, gateway_keys
from eventplane.planning.objects import ObjectKey
from eventplane.planning.outcome import Rejected
from eventplane.planning.verdicts import condition

LOOK: Final = 0.003
GATEWAY: Final = {"tls": {"secret_ref": {"name": "certificate"}}}
WITH_GATEWAY: Final = SCRAM_BUS.model_copy(update={"spec": event_bus(kafka=SCRAM_BUS.spec.kafka, gateway=GATEWAY).spec})
WITHOUT_GATEWAY: Final = SCRAM_BUS
CALLERS: Final = {"service_accounts": [{"name": "web"}]}
REVIEWER: Final = "system:serviceaccount:shop:main-gateway"
WEB: Final = "system:serviceaccount:shop:web"
USER: Final = user_name(gateway_access(WITH_GATEWAY), CLUSTER)
SHOP: Final = publication("web-shop", gateway=CALLERS)
DEPLOYMENT: Final = deployment_key(WITH_GATEWAY)
CONFIG: Final = ObjectKey("v1", "ConfigMap", "shop", "main-gateway")


@pytest.fixture(autouse=True)
def tended_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "TEND_SECONDS", LOOK)
    monkeypatch.setattr(gateways, "UNREADY_SECONDS", LOOK)


def gateway_world(*applications: Publication | Subscription, bus: EventBus = WITH_GATEWAY) -> World:
    world = access_world(*applications)
    world.kubernetes.put(bus)
    world.kubernetes.put_secret("shop", "certificate", {"tls.crt": "certificate", "tls.key": "key"})
    world.kubernetes.token_reviewers = {REVIEWER}
    return world


def status(world: World) -> EventBusStatus:
    bus = world.kubernetes.show(EventBus, BUS)
    assert bus is not None
    return bus.status


def said(world: World) -> tuple[str, str]:
    found = condition(status(world).conditions, ConditionType.GATEWAY_READY)
    return (found.status, found.reason) if found else ("-", "-")


def message(world: World) -> str:
    found = condition(status(world).conditions, ConditionType.GATEWAY_READY)
    return found.message if found else ""


def grants(world: World) -> frozenset[Grant]:
    return frozenset(acl.grant for acl in world.principals.acls(USER))


def gateway_objects(world: World) -> set[ObjectKey]:
    names = world.kubernetes.objects.keys()
    return {key for key in names if key.name == "main-gateway"}


def roll_out(world: World) -> None:
    """Do as the Deployment's controller does."""
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 99}
    world.kubernetes.objects.edit(DEPLOYMENT, lambda found: found.update(status=counts))


def told(world: World) -> Mapping[str, Any]:
    """Whom the gateway is told to let in."""
    found = world.kubernetes.objects.show(CONFIG) or {"data": {"grants.json": "{}"}}
    return {each["identity"]: each for each in json.loads(found["data"]["grants.json"]).get("grants", ())}


async def test_a_gateway_is_made_and_is_ready_once_its_pods_are_at_work() -> None:
    world = gateway_world(SHOP, subscription("billing", gateway={"service_accounts": [{"name": "reader"}]}))
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))
        await world.until(lambda: {WEB, "system:serviceaccount:shop:reader"} == told(world).keys())
        roll_out(world)
        await world.until(lambda: said(world) == ("True", Reason.READY))
        found = status(world).gateway
        assert found is not None
        assert (found.url, found.workload and found.workload.available) == ("https://main-gateway.shop.svc", 2)
        assert gateway_objects(world) == gateway_keys(WITH_GATEWAY)
        assert grants(world) == {Grant("TOPIC", "shop.orders", "WRITE"), Grant("TOPIC", "shop.orders", "READ")}
        secret = world.kubernetes.secret("shop", "main-gateway")
        assert secret is not None
        assert world.principals.logs_in(USER, "SCRAM-SHA-512", secret["password"])
        assert told(world)[WEB] == {"identity": WEB, "publish": ["shop.orders"], "subscribe": []}
        assert world.bus_ready() == ("True", "Ready")
        await operator.settle()
        written = len(world.kubernetes.writes)
    async with world.operator(gateway_seconds=LOOK):  # another one, that looks often
        reads = len(world.kubernetes.reads)
        await world.until(lambda: len(world.kubernetes.reads) > reads + 100)
        assert [each.path for each in world.kubernetes.writes[written:]] == []


async def test_somebody_of_an_issuer_is_let_in_once_the_bus_knows_the_issuer_and_at_the_rate_that_it_says() -> None:
    ada = {"oidc_subjects": [{"issuer": "people", "subject": "ada"}]}
    world = gateway_world(publication("web-shop", gateway=ada))

    def known() -> str:
        found = world.kubernetes.show(Publication, SHOP.metadata.key)
        assert found is not None
        there = condition(found.status.conditions, ConditionType.CALLERS_KNOWN)
        return there.reason if there else "-"

    people = {"name": "people", "issuer": "https://people.example", "ca_secret_ref": {"name": "people-ca"}}
    gateway = GATEWAY | {"oidc": [people], "rates": [{"identity": "people:ada", "events_per_second": 5}]}
    believing = event_bus(kafka=SCRAM_BUS.spec.kafka, gateway=gateway).spec
    async with world.operator():
        await world.until(lambda: known() == Reason.ISSUER_NOT_FOUND)
        assert not told(world)
        world.kubernetes.put(WITH_GATEWAY.model_copy(update={"spec": believing}))
        await world.until(lambda: known() == Reason.READY and said(world) == ("False", Reason.SECRET_NOT_FOUND))
        assert "Secret shop/people-ca does not exist" in message(world)
        world.kubernetes.put_secret("shop", "people-ca", {"ca.crt": "-----BEGIN CERTIFICATE-----"})
        await world.until(lambda: "people:ada" in told(world))
        granted = {"publish": ["shop.orders"], "subscribe": [], "eventsPerSecond": 5}
        assert told(world) == {"people:ada": {"identity": "people:ada", **granted}}
        assert grants(world) == {Grant("TOPIC", "shop.orders", "WRITE")}
        world.kubernetes.put(WITHOUT_GATEWAY)
        await world.until(lambda: known() == Reason.GATEWAY_NOT_CONFIGURED)


async def test_a_publication_that_goes_takes_its_callers_along() -> None:
    world = gateway_world(SHOP)
    async with world.operator():
        await world.until(lambda: WEB in told(world) and grants(world))
        template = (world.kubernetes.objects.show(DEPLOYMENT) or {})["spec"]["template"]
        world.kubernetes.delete(Publication, SHOP.metadata.key)
        await world.until(lambda: not told(world) and not grants(world))
        assert (world.kubernetes.objects.show(DEPLOYMENT) or {})["spec"]["template"] == template, "pods reload"


async def test_what_is_not_asked_for_any_more_is_taken_away() -> None:
    world = gateway_world(SHOP)
    async with world.operator():
        await world.until(lambda: WEB in told(world) and status(world).gateway is not None)
        world.kubernetes.put(WITHOUT_GATEWAY)
        await world.until(lambda: status(world).gateway is None)
        assert said(world) == ("-", "-")
        assert not gateway_objects(world)
        assert world.kubernetes.secret("shop", "main-gateway") is None
        assert world.principals.iterations(USER, "SCRAM-SHA-512") is None
        assert not grants(world)
        assert world.kubernetes.secret("shop", "web-shop-publication") is not None, "others stay"


def has_user(world: World) -> bool:
    return world.principals.iterations(USER, "SCRAM-SHA-512") is not None


async def test_a_bus_that_is_deleted_takes_the_user_of_its_gateway_along() -> None:
    world = gateway_world(SHOP)
    async with world.operator() as operator:
        await world.until(lambda: WEB in told(world) and has_user(world) and bool(grants(world)))
        world.kubernetes.put_secret("shop", "login", None)  # as where the namespace goes
        world.kubernetes.delete(EventBus, BUS)
        await world.until(lambda: not has_user(world) and not grants(world))
        assert WITH_GATEWAY.metadata.key in operator.dispatcher.publications.lanes, "it stays for a while"
        assert WITH_GATEWAY.metadata.key not in operator.dispatcher.subscriptions.lanes


async def test_a_bus_that_was_deleted_meanwhile_leaves_it_to_the_next_that_leads_to_that_kafka() -> None:
    world = gateway_world(SHOP)
    async with world.operator():
        await world.until(lambda: WEB in told(world) and has_user(world))
    world.kubernetes.delete(EventBus, BUS)
    world.kubernetes.put(WITHOUT_GATEWAY)
    async with world.operator():
        await world.until(lambda: not has_user(world))


async def test_nobody_is_removed_while_a_bus_is_not_understood() -> None:
    gone = publication("gone")
    its_user = user_name(gone, CLUSTER)
    world = gateway_world(SHOP, gone)
    async with world.operator():
        await world.until(lambda: has_user(world) and bool(world.principals.iterations(its_user, "SCRAM-SHA-512")))
    world.kubernetes.delete(Publication, gone.metadata.key)
    world.kubernetes.delete(EventBus, BUS)
    other = WITH_GATEWAY.model_copy(update={"metadata": event_bus("other").metadata})
    world.kubernetes.put(other.model_copy(update={"spec": WITHOUT_GATEWAY.spec}))
    world.kubernetes.catch_up()
    async with world.operator(lead=False) as operator:
        operator.see(None, EventBus.plural, WITH_GATEWAY.to_wire() | {"spec": {"kafka": {}}})
        operator.lead()
        await world.until(lambda: world.principals.iterations(its_user, "SCRAM-SHA-512") is None)
        assert has_user(world), "a sweep has been made, and this one has a bus"
        operator.see("DELETED", EventBus.plural, WITH_GATEWAY.to_wire())
        operator.dispatcher.publications.lanes[other.metadata.key].resource_gone()
        await world.until(lambda: not has_user(world))


async def test_a_gateway_that_may_not_review_tokens_is_not_ready_and_says_what_to_do() -> None:
    world = gateway_world(SHOP)
    world.kubernetes.token_reviewers.clear()
    async with world.operator():
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        roll_out(world)
        await world.until(lambda: said(world) == ("False", Reason.NOT_PERMITTED))
        words = "bind the ClusterRole eventplane-token-reviewer to its ServiceAccount shop/main-gateway"
        assert words in message(world)
        world.kubernetes.token_reviewers.add(REVIEWER)
        await world.until(lambda: said(world) == ("True", Reason.READY))


@pytest.mark.parametrize("callers", [CALLERS, {"oidc_subjects": [{"issuer": "people", "subject": "ada"}]}])
async def test_where_it_cannot_be_told_or_does_not_matter_it_is_not_held_against_the_gateway(callers: Any) -> None:
    world = gateway_world(publication("web-shop", gateway=callers))
    world.kubernetes.token_reviewers.clear()
    forbidden = Rejected(Reason.INTERNAL_ERROR, "the API server answered 403: subjectaccessreviews is forbidden")
    world.kubernetes.fail_next("subjectaccessreviews", forbidden, 1000)
    async with world.operator():
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        roll_out(world)
        await world.until(lambda: said(world) == ("True", Reason.READY))


async def test_what_cannot_be_taken_away_is_tried_again() -> None:
    world = gateway_world(SHOP)
    async with world.operator():
        await world.until(lambda: status(world).gateway is not None and WEB in told(world))
        world.kubernetes.fail_next("DELETE", Rejected(Reason.INTERNAL_ERROR, "the API server answered 403: no"))
        world.kubernetes.put(WITHOUT_GATEWAY)
        await world.until(lambda: status(world).gateway is None)


async def test_what_was_changed_by_hand_is_undone() -> None:
    world = gateway_world(SHOP)
    async with world.operator():
        await world.until(lambda: WEB in told(world))

        def let_in(found: dict[str, Any]) -> None:
            found["data"]["grants.json"] = '{"grants": [{"identity": "people:eve", "publish": ["*"]}]}'

        world.kubernetes.objects.edit(CONFIG, let_in)
        await world.until(lambda: set(told(world)) == {WEB})


@pytest.mark.parametrize(
    ("certificate", "reason", "words"),
    [
        (None, Reason.SECRET_NOT_FOUND, "Secret shop/certificate does not exist"),
        ({"tls.crt": "certificate"}, Reason.SECRET_INVALID, "has no tls.key"),
    ],
)
async def test_a_certificate_that_is_missing_is_told(
    certificate: Mapping[str, str] | None, reason: Reason, words: str
) -> None:
    world = gateway_world(SHOP)
    world.kubernetes.put_secret("shop", "certificate", certificate)
    async with world.operator():
        await world.until(lambda: said(world) == ("False", reason))
        assert words in message(world)
        assert world.kubernetes.objects.show(DEPLOYMENT) is None
        world.kubernetes.put_secret("shop", "certificate", {"tls.crt": "certificate", "tls.key": "key"})
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))


async def test_a_right_that_the_operator_lacks_is_told() -> None:
    world = gateway_world(SHOP)
    words = 'the API server answered 403: services is forbidden: User "eventplane" cannot patch resource "services"'
    world.kubernetes.fail_next("PATCH /api/v1/namespaces/shop/services", Rejected(Reason.INTERNAL_ERROR, words), 1000)
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.NOT_PERMITTED))
        assert "bind the ClusterRole eventplane-gateway" in message(world)


async def test_a_bus_that_is_unusable_says_so_of_its_gateway() -> None:
    world = gateway_world(SHOP)
    world.kubernetes.put_secret("shop", "login", None)
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.BUS_UNAVAILABLE))
        assert "Secret shop/login" in message(world)


async def test_where_kafka_asks_for_no_credentials_the_gateway_has_no_user() -> None:
    world = gateway_world(SHOP, bus=event_bus(gateway=GATEWAY))
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING) and WEB in told(world))
        assert "password" not in (world.kubernetes.secret("shop", "main-gateway") or {})
        assert world.principals.iterations(USER, "SCRAM-SHA-512") is None


async def test_pods_that_do_not_start_are_told() -> None:
    world = gateway_world(SHOP)
    async with world.operator():
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no quota"}
        world.kubernetes.objects.edit(
            DEPLOYMENT, lambda found: found.update(status={"observedGeneration": 99, "conditions": [failure]})
        )
        await world.until(lambda: said(world) == ("False", Reason.PODS_NOT_STARTING))
        assert "no quota" in message(world)
