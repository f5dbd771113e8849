"""Pods that follow the lag, by a real KEDA: up to as many as partitions, back when nothing waits, never to none.

KEDA is built from source the first time, so it has a target of its own: `make test-keda`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from e2e.conftest import RESYNC_SECONDS
from e2e.guides import AUTOSCALING
from e2e.http_service import http_service
from e2e.keda import Keda
from e2e.operator_metrics import comes_to_rest, passes
from e2e.servers.polling import poll
from e2e.workspace import application, condition, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.conftest import Namespaces
    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

NAME = "billing-subscription"
PARTITIONS = 3
WAITING = 60
DISCOVERY_SECONDS = 60
"""The operator believes for half a minute what it was told about an API, and looks again with a resync."""
LOOK_SECONDS = 90
"""KEDA looks every 30 s, an autoscaler every 15 s."""
OVERDUE_SECONDS = 200
"""What was in vain for minutes is tried again after a minute."""
CALM_SECONDS = 300
"""For so long an autoscaler wants it to be calm before it takes pods away."""
BLIND_SECONDS = 150
"""KEDA holds the number of pods from its fourth failure on."""
GONE_SECONDS = 90


@pytest.fixture(scope="module")
def keda(operator: Installation) -> Iterator[Keda]:
    """A KEDA that runs."""
    with Keda(operator.cluster) as keda:
        yield keda


@pytest.fixture(scope="module")
def shop(keda: Keda, namespaces: Namespaces, main_bus: Resource, view: KafkaView) -> Iterator[Workspace]:
    """A namespace whose consumer has events before it, which nobody takes yet; gone before KEDA is."""
    del keda
    place = namespaces.make()
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=PARTITIONS))
    place.until_ready("orders", seconds=60)
    kind = {"content-type": "application/cloudevents+json"}
    view.produce(f"{place.namespace}.orders", *(event(number) for number in range(WAITING)), headers=kind)
    sink = {"http": {"url": "http://billing:8080/events"}}
    scaling = {"min": 1, "max": 9, "lagThreshold": 10}
    place.apply(
        application("Subscription", "billing", "orders", bus=main_bus, startFrom="Earliest", sink=sink, scaling=scaling)
    )
    yield place
    place.delete()
    assert poll(lambda: not place.exists(), GONE_SECONDS), "KEDA has a finalizer on what is in it"


def event(number: int) -> bytes:
    """Return a CloudEvent, structured."""
    return json.dumps({"specversion": "1.0", "id": str(number), "source": "/shop", "type": "placed"}).encode()


def get(shop: Workspace, kind: str) -> Any:
    """Return an object of the Subscription."""
    return json.loads(shop.kubectl("get", kind, NAME, "--output=json"))


def pods(shop: Workspace) -> int:
    """Tell how many pods the Deployment asks for."""
    return int(get(shop, "deployment")["spec"]["replicas"])


def says(shop: Workspace, kind: str) -> str | None:
    """Return the status of a condition of the ScaledObject."""
    conditions = get(shop, "scaledobject").get("status", {}).get("conditions", [])
    return next((each["status"] for each in conditions if each["type"] == kind), None)


def autoscaled(shop: Workspace, status: str, seconds: float) -> Resource:
    """Return the Subscription once its condition Autoscaled has a status."""
    return shop.until(
        "Subscription", "billing", lambda found: condition(found, "Autoscaled").get("status") == status, seconds
    )


@pytest.mark.timeout(300, func_only=True)
def test_pods_follow_the_lag_up_to_the_partitions(keda: Keda, shop: Workspace) -> None:
    found = autoscaled(shop, "True", DISCOVERY_SECONDS)
    assert poll(lambda: says(shop, "HPAActive") == "True", LOOK_SECONDS, every=1), get(shop, "scaledobject")
    assert poll(lambda: pods(shop) == PARTITIONS, LOOK_SECONDS, every=1), get(shop, "scaledobject")
    assert len(found["status"]["grants"]) == 2, "KEDA has seen the lag with what the application may do, and no more"
    password = (shop.secret(NAME) or {})["password"]
    assert password not in keda.log()


def test_at_rest_nothing_is_written(operator: Installation, shop: Workspace) -> None:
    """It needs the test before: there are as many pods as there can be, and nobody takes an event."""
    del shop
    leader = operator.wait_for_leader()
    looked = passes(operator, leader, "Subscription")
    assert comes_to_rest(operator, leader, 2 * 1.1 * RESYNC_SECONDS)
    assert passes(operator, leader, "Subscription") >= looked + 2


@pytest.mark.timeout(400, func_only=True)
def test_who_cannot_see_the_lag_takes_no_pod_away_and_the_status_says_so(shop: Workspace, view: KafkaView) -> None:
    """It needs the test before, and so does the next need this: an autoscaler takes minutes to calm down."""
    user, group = (shop.secret(NAME) or {})["username"], f"{shop.namespace}.billing"
    view.deny_group(user, group)
    try:
        found = autoscaled(shop, "False", BLIND_SECONDS)
        assert condition(found, "Autoscaled")["reason"] == "AutoscalerFailing"
        assert poll(lambda: says(shop, "Fallback") == "True", BLIND_SECONDS, every=1), get(shop, "scaledobject")
        assert condition(autoscaled(shop, "False", RESYNC_SECONDS), "Autoscaled")["reason"] == "AutoscalerFailing"
        assert says(shop, "Ready") == "True", "of the ScaledObject alone, which is as it should be"
        assert pods(shop) == PARTITIONS
    finally:
        view.deny_group_no_more(user, group)
    autoscaled(shop, "True", BLIND_SECONDS)
    assert pods(shop) == PARTITIONS


@pytest.mark.timeout(800, func_only=True)
def test_pods_go_when_nothing_waits_but_the_least(shop: Workspace) -> None:
    service = http_service(shop, "billing", failing_percent=0)
    service.until_at_work()
    assert poll(lambda: len(service.delivered()) == WAITING, OVERDUE_SECONDS, every=1), service.delivered()
    assert poll(lambda: pods(shop) == 1, CALM_SECONDS + LOOK_SECONDS, every=1), get(shop, "scaledobject")
    shop.until_ready("billing", "Subscription", seconds=60)
    autoscaled(shop, "True", RESYNC_SECONDS)


@pytest.mark.timeout(700, func_only=True)
def test_the_page_shows_what_its_commands_print(keda: Keda, operator: Installation, shop: Workspace) -> None:
    del keda, shop  # it is installed, and the operator knows it
    outdated = AUTOSCALING.outdated(operator.cluster)
    assert not outdated, f"run python -m e2e.guides autoscaling\n{outdated}"
