"""What else a sink can be, through the chart: signed batches over mutual TLS, a function, another topic, and routes."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook

from e2e.cluster.derived_image import build_and_load
from e2e.cluster.operator_image import DEVELOPMENT
from e2e.http_service import host_of, http_service
from e2e.orders import ids_in, policy, publish, taking_orders, until_all_are_done
from e2e.servers.certificates import Authority
from e2e.workspace import secret, topic

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

SENT = 200
SIGNING = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
FUNCTION = """
from eventplane.client import Event

_failed = set()

async def handle(event: Event) -> None:
    if event.data["number"] % 2 and event.event_id not in _failed:
        _failed.add(event.event_id)
        raise ConnectionError("the first time")
    print("took", event.event_id, event.data["number"], flush=True)
"""


def certificates(shop: Workspace, folder: Path) -> None:
    """Apply the certificate of the service, that of who calls it, and whom both trust."""
    authority = Authority(folder)
    authority.create()
    ca = {"ca.crt": authority.certificate.read_text()}
    service = authority.issue("billing", names=frozenset({host_of(shop, "billing")}))
    caller = authority.issue("caller")
    pairs = {"billing-service": service, "billing-caller": caller}
    for name, (certificate, key) in pairs.items():
        shop.apply(secret(name, {"tls.crt": certificate, "tls.key": key, **ca}))
    shop.apply(secret("billing-ca", ca), secret("billing-signature", {"secret": SIGNING}))


def test_signed_batches_over_mutual_tls(shop: Workspace, main_bus: Resource, tmp_path: Path) -> None:
    certificates(shop, tmp_path)
    service = http_service(shop, "billing", failing_percent=0, tls="billing-service")
    service.until_at_work()
    tls = {"caSecretRef": {"name": "billing-ca"}, "certificateSecretRef": {"name": "billing-caller"}}
    signature = {"secretRef": {"name": "billing-signature"}}
    sink = {"url": service.url, "contentMode": "Batched", "signature": signature, "tls": tls}
    shop.apply(taking_orders(main_bus, sink={"http": sink}))
    shop.until_ready("billing", "Subscription", seconds=60)
    sent = publish(shop, SENT)
    assert until_all_are_done(shop, SENT)["delivered"] == SENT

    requests = service.requests()
    assert {each["status"] for each in requests} == {204}
    assert {str(each["caller"]["subject"]) for each in requests} == {str([[["commonName", "caller"]]])}
    taken = [event for each in requests for event in Webhook(SIGNING).verify(each["body"], each["headers"])]
    assert Counter(event["id"] for event in taken) == Counter(sent)
    assert len(requests) < SENT / 2, "they go together"
    logs = shop.kubectl("logs", "deployment/billing-subscription")
    assert SIGNING not in logs


def test_a_function_in_an_image_of_its_own(shop: Workspace, main_bus: Resource, tmp_path: Path) -> None:
    module = tmp_path / "billing_events.py"
    module.write_text(FUNCTION)
    dockerfile = f"FROM {DEVELOPMENT}\nWORKDIR /app\nCOPY billing_events.py .\n"
    image = build_and_load("eventplane/application", dockerfile, {module.name: module})
    python = {"image": image, "callable": "billing_events:handle"}
    shop.apply(policy(), taking_orders(main_bus, sink={"python": python}, deadLetterPolicyRef={"name": "quick"}))
    shop.until_ready("billing", "Subscription", seconds=60)
    sent = publish(shop, SENT)
    counted = until_all_are_done(shop, SENT)
    assert (counted["delivered"], counted["failed_attempts"], counted["retried"]) == (SENT, SENT / 2, SENT / 2)
    lines = shop.kubectl("logs", "deployment/billing-subscription").splitlines()
    took = Counter(line.split()[1] for line in lines if line.startswith("took "))
    assert took == Counter(sent)


def test_to_another_topic_exactly_once_though_the_pod_is_killed(
    shop: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    shop.apply(topic("invoices", main_bus, partitions=2))
    shop.until_ready("invoices")
    exactly = {"guarantee": "ExactlyOnce"}
    shop.apply(taking_orders(main_bus, sink={"topicRef": {"name": "invoices"}}, delivery=exactly))
    shop.until_ready("billing", "Subscription", seconds=60)
    sent = publish(shop, SENT)
    until_all_are_done(shop, 1)
    shop.kubectl("delete", "pod", "--selector=app.kubernetes.io/instance=billing", "--force", "--grace-period=0")
    sent += publish(shop, SENT)
    # what the pod left open ends when its transaction times out, after 30 to 40 s
    shop.until("Subscription", "billing", lambda found: found["status"].get("lag") == 0, seconds=120)
    assert Counter(ids_in(view, f"{shop.namespace}.invoices", len(sent))) == Counter(sent)


def test_events_go_by_content_to_a_service_and_to_a_topic(shop: Workspace, main_bus: Resource, view: KafkaView) -> None:
    service = http_service(shop, "billing", failing_percent=0)
    service.until_at_work()
    shop.apply(topic("exports", main_bus, partitions=2), policy())
    shop.until_ready("exports")
    few = {"name": "few", "filter": "event.data.number < 50", "sink": {"http": {"url": service.url}}}
    rest = {"name": "rest", "sink": {"topicRef": {"name": "exports"}}}
    routes = {"match": "First", "to": [few, rest]}
    shop.apply(taking_orders(main_bus, routes=routes, deadLetterPolicyRef={"name": "quick"}))
    shop.until_ready("billing", "Subscription", seconds=60)
    sent = publish(shop, SENT)
    assert until_all_are_done(shop, SENT)["delivered"] == SENT
    assert service.delivered() == Counter(sent[:50])
    assert Counter(ids_in(view, f"{shop.namespace}.exports", SENT - 50)) == Counter(sent[50:])
