"""Events that look something up, through the chart: the topic is waited for, granted, and read by a restricted pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from e2e.orders import ids_in, metrics, policy, publish, taking_orders, until_all_are_done
from e2e.servers.polling import poll
from e2e.workspace import topic

if TYPE_CHECKING:
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

SENT = 200


def test_a_topic_that_is_not_compacted_is_refused_and_a_compacted_one_is_looked_into(
    shop: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    shop.apply(topic("customers", main_bus, partitions=1), topic("invoices", main_bus, partitions=2), policy())
    shop.until_ready("customers")
    lookup = {"name": "customer", "key": "string(event.data.number)", "topicRef": {"name": "customers"}}
    told = {
        "lookups": [lookup],
        "filter": "lookups.customer != null",
        "transform": "lookups.customer",
        "sink": {"topicRef": {"name": "invoices"}},
        "deadLetterPolicyRef": {"name": "quick"},
    }
    shop.apply(taking_orders(main_bus, **told))
    shop.until_reason("billing", "TopicNotCompacted", "Subscription")
    shop.apply(topic("customers", main_bus, partitions=1, cleanup=["compact"]))
    for number in range(0, SENT, 2):
        view.produce(f"{shop.namespace}.customers", json.dumps({"tier": "gold"}).encode(), key=str(number).encode())
    found = shop.until_ready("billing", "Subscription", seconds=60)
    entries = f'eventplane_runtime_table_entries{{lookup="customer"}} {SENT / 2}'
    assert poll(lambda: entries in metrics(shop), 20, every=0.5), "a table follows its topic, a moment later"
    assert f"READ topic {shop.namespace}.customers" in found["status"]["grants"]
    sent = publish(shop, SENT)
    counted = until_all_are_done(shop, SENT)
    assert (counted["delivered"], counted["filtered"], counted["lookups"]) == (SENT / 2, SENT / 2, SENT)
    assert sorted(ids_in(view, f"{shop.namespace}.invoices", SENT // 2)) == sorted(sent[::2])
