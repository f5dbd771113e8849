"""Subscriptions with a sink through the chart: a service that fails half the time, and counts that add up."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from e2e.http_service import http_service
from e2e.orders import dead, policy, publish, taking_orders, until_all_are_done
from e2e.workspace import condition

if TYPE_CHECKING:
    from e2e.http_service import HttpService
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

SENT = 400


def ten_lines(service: HttpService, bus: Resource, **spec: Any) -> Resource:
    """Return the Subscription that delivers orders to a service."""
    return taking_orders(bus, sink={"http": {"url": service.url}}, deadLetterPolicyRef={"name": "quick"}, **spec)


@pytest.mark.parametrize("strategy", ["Blocking", "RetryTopics"])
def test_a_service_that_fails_half_the_time_and_counts_that_add_up(
    shop: Workspace, main_bus: Resource, view: KafkaView, strategy: str
) -> None:
    service = http_service(shop, "billing", failing_percent=50)
    service.until_at_work()
    shop.apply(policy(strategy=strategy), ten_lines(service, main_bus))
    status = shop.until_ready("billing", "Subscription", seconds=60)["status"]
    assert status["workload"]["available"] == 1
    sent = publish(shop, SENT)

    counted = until_all_are_done(shop, SENT)
    requests = service.requests()
    delivered = Counter(each["id"] for each in requests if each["status"] == 204)
    failed = sum(each["status"] == 503 for each in requests)
    letters = dead(view, shop, counted["dead_lettered"])

    assert set(delivered.values()) == {1}, "nothing came twice"
    assert len(letters) == len(set(letters)), "nothing was set aside twice"
    assert sorted([*delivered, *letters]) == sorted(sent), "each was delivered or set aside, and none was both"
    assert letters, "at three attempts and half of them failing, an eighth ends here"
    assert counted["delivered"] == len(delivered)
    assert counted["failed_attempts"] == failed
    assert counted["retried"] == failed - len(letters), "every failure but the last of each dead letter was tried again"


def test_only_what_the_filter_lets_through_is_delivered_transformed(shop: Workspace, main_bus: Resource) -> None:
    service = http_service(shop, "billing", failing_percent=0)
    service.until_at_work()
    expressions = {"filter": "event.data.number < 10", "transform": '{"twice": event.data.number * 2}'}
    shop.apply(policy(), ten_lines(service, main_bus, **expressions))
    shop.until_ready("billing", "Subscription", seconds=60)
    sent = publish(shop, 50)
    counted = until_all_are_done(shop, 50)
    assert (counted["delivered"], counted["filtered"]) == (10, 40)
    bodies = {each["id"]: json.loads(each["body"]) for each in service.requests()}
    assert bodies == {event: {"twice": number * 2} for number, event in enumerate(sent[:10])}


def test_dead_letters_are_told_of_and_lag_is_shown(shop: Workspace, main_bus: Resource, view: KafkaView) -> None:
    service = http_service(shop, "billing", failing_percent=100)
    service.until_at_work()
    shop.apply(policy(attempts=1), ten_lines(service, main_bus))
    shop.until_ready("billing", "Subscription", seconds=60)
    sent = publish(shop, 20)
    told = shop.until(
        "DeadLetterPolicy",
        "quick",
        lambda found: (
            condition(found, "DeadLettersPresent").get("status") == "True"
            and any(each["depth"] == 20 for each in found["status"].get("topics", ()))
        ),
        seconds=60,
    )
    assert condition(told, "Ready")["status"] == "True", "readiness does not hang on dead letters"
    assert told["status"]["usedBy"] == 1
    assert sorted(dead(view, shop, 20)) == sorted(sent)
    shop.until("Subscription", "billing", lambda found: found["status"].get("lag") == 0, seconds=30)
