"""A shop whose Subscription billing takes orders: what is published, counted, and left in topics."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

from e2e.applications import application_of
from e2e.workspace import application

if TYPE_CHECKING:
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

_METRICS = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
_SAMPLE = re.compile(r"^eventplane_runtime_(\w+?)_total(?:\{(.*?)\})? (\S+)$", re.MULTILINE)


def policy(**retry: Any) -> Resource:
    """Return a DeadLetterPolicy of three attempts, a tenth of a second apart."""
    backoff = {"initial": "100ms", "factor": 1}
    return {
        "apiVersion": "events.sindhan.ai/v1alpha1",
        "kind": "DeadLetterPolicy",
        "metadata": {"name": "quick"},
        "spec": {"retry": {"attempts": 3, "backoff": backoff, **retry}},
    }


def taking_orders(bus: Resource, **spec: Any) -> Resource:
    """Return the Subscription billing, which reads orders from the beginning."""
    return application("Subscription", "billing", "orders", bus=bus, startFrom="Earliest", **spec)


def publish(shop: Workspace, count: int) -> list[str]:
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


def metrics(shop: Workspace) -> str:
    """Read what the consumer shows at /metrics."""
    return shop.kubectl("exec", "deployment/billing-subscription", "--", "python3", "-c", _METRICS)


def counts(shop: Workspace) -> Counter[str]:
    """Read what the consumer counts, without labels."""
    found: Counter[str] = Counter()
    for name, _, number in _SAMPLE.findall(metrics(shop)):
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
    return ids_in(view, f"{shop.namespace}.billing.dlq", count) if count else []


def ids_in(view: KafkaView, topic: str, count: int) -> list[str]:
    """Read the ids of so many events of a topic, committed ones; raises TimeoutError."""
    found = (dict(record.headers() or ())["ce_id"] for record in view.read(topic, count))
    return [each.decode() if isinstance(each, bytes) else str(each) for each in found]
