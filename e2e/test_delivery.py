"""Subscriptions with a sink through the chart: a service that fails half the time, and counts that add up."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from e2e.applications import application_of
from e2e.http_service import http_service
from e2e.workspace import application, condition, topic

if TYPE_CHECKING:
    from e2e.http_service import HttpService
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

SENT = 400
_METRICS = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
_SAMPLE = re.compile(r"^eventplane_runtime_(\w+?)_total(?:\{(.*?)\})? (\S+)$", re.MULTILINE)


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with the topic orders, that admits restricted pods only, and a policy of quick retries."""
    place.kubectl("label", "namespace", place.namespace, "pod-security.kubernetes.io/enforce=restricted")
    place.allow_applications()
    place.apply(topic("orders", main_bus, partitions=4), application("Publication", "web", "orders", bus=main_bus))
    place.until_ready("web", "Publication")
    return place


def policy(**retry: Any) -> Resource:
    """Return a DeadLetterPolicy of three attempts, a tenth of a second apart."""
    backoff = {"initial": "100ms", "factor": 1}
    return {
        "apiVersion": "events.sindhan.ai/v1alpha1",
        "kind": "DeadLetterPolicy",
        "metadata": {"name": "quick"},
        "spec": {"retry": {"attempts": 3, "backoff": backoff, **retry}},
    }


def ten_lines(service: HttpService, bus: Resource, **spec: Any) -> Resource:
    """Return the Subscription that delivers orders to a service."""
    return application(
        "Subscription",
        "billing",
        "orders",
        bus=bus,
        startFrom="Earliest",
        sink={"http": {"url": service.url}},
        deadLetterPolicyRef={"name": "quick"},
        **spec,
    )


def publish(shop: Workspace, count: int = SENT) -> list[str]:
    """Write events as CloudEvents, ten to a key; return their ids."""
    ids = [f"{number}-{uuid.uuid4().hex[:8]}" for number in range(count)]
    producer = Producer(dict(application_of(shop, "web-publication").settings))
    failed: list[object] = []
    for number, event in enumerate(ids):
        headers: dict[str, str | bytes | None] = {"content-type": "application/json"}
        headers |= {"ce_specversion": "1.0", "ce_id": event, "ce_source": "/web", "ce_type": "order.created"}
        producer.produce(
            f"{shop.namespace}.orders",
            json.dumps({"number": number}).encode(),
            f"customer-{number // 10}".encode(),
            headers=headers,
            on_delivery=lambda error, _message: failed.append(error) if error is not None else None,
        )
    assert producer.flush(30) == 0
    assert failed == []
    return ids


def counts(shop: Workspace) -> Counter[str]:
    """Read what the consumer counts, without labels."""
    text = shop.kubectl("exec", "deployment/billing-subscription", "--", "python3", "-c", _METRICS)
    found: Counter[str] = Counter()
    for name, _, number in _SAMPLE.findall(text):
        found[name] += int(float(number))
    return found


def until_all_are_done(shop: Workspace, sent: int, seconds: float = 90) -> Counter[str]:
    """Wait until every event has been delivered or set aside."""
    deadline = time.monotonic() + seconds
    while True:
        found = counts(shop)
        if found["delivered"] + found["dead_lettered"] + found["filtered"] >= sent:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def dead(view: KafkaView, shop: Workspace, count: int) -> list[str]:
    """Read the ids of so many dead letters."""
    records = view.read(f"{shop.namespace}.billing.dlq", count) if count else []
    found = (dict(record.headers() or ())["ce_id"] for record in records)
    return [each.decode() if isinstance(each, bytes) else str(each) for each in found]


@pytest.mark.parametrize("strategy", ["Blocking", "RetryTopics"])
def test_a_service_that_fails_half_the_time_and_counts_that_add_up(
    shop: Workspace, main_bus: Resource, view: KafkaView, strategy: str
) -> None:
    service = http_service(shop, "billing", failing_percent=50)
    service.until_at_work()
    shop.apply(policy(strategy=strategy), ten_lines(service, main_bus))
    status = shop.until_ready("billing", "Subscription", seconds=60)["status"]
    assert status["workload"]["available"] == 1
    sent = publish(shop)

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
