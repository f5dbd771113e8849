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
