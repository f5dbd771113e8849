"""Lag, dead letters and DeadLetterPolicies through the chart: real groups and records, exact metrics, calm statuses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

from e2e.applications import application_of
from e2e.conftest import RESYNC_SECONDS
from e2e.operator_metrics import samples, writes
from e2e.servers.polling import poll
from e2e.workspace import GROUP, VERSION, application, condition, ready, topic

if TYPE_CHECKING:
    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

CALM_SECONDS = 8 * 1.5
"""After so long a status says that there is less; the tests measure each second."""


def policy(name: str = "careful", **spec: object) -> Resource:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "DeadLetterPolicy", "metadata": {"name": name}, "spec": spec}


def made_for(subscription: str, role: str, name: str, bus: Resource) -> Resource:
    made = topic(name, bus, partitions=1, config={"message.timestamp.type": "LogAppendTime"})
    made["metadata"]["labels"] = {f"{GROUP}/subscription": subscription, f"{GROUP}/role": role}
    return made


@pytest.fixture
def shop(place: Workspace, main_bus: Resource) -> Workspace:
    """A namespace with the topic orders, a policy, and a Subscription that names it."""
    place.allow_applications()
    place.apply(
        topic("orders", main_bus, partitions=2),
        policy(alert={"depth": 2}),
        application("Subscription", "billing", "orders", bus=main_bus, deadLetterPolicyRef={"name": "careful"}),
    )
    place.until_ready("billing", "Subscription")
    return place


def commit(shop: Workspace, offset: int, partition: int = 0) -> None:
    """Commit as the application does, with its own credentials and group."""
    consumer = Consumer(dict(application_of(shop, "billing-subscription").settings))
    place = TopicPartition(f"{shop.namespace}.orders", partition, offset)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()


def gauge(operator: Installation, name: str, namespace: str) -> dict[tuple[str, ...], float]:
    """Read a gauge of a namespace from the leader: by topic, and by partition where it has some."""
    return {
        tuple(sample.labels[label] for label in ("topic", "partition") if label in sample.labels): sample.value
        for sample in samples(operator, operator.wait_for_leader(), name)
        if sample.labels["namespace"] == namespace
    }


def lag_is(shop: Workspace, lag: int, seconds: float = 15) -> None:
    shop.until("Subscription", "billing", lambda found: found["status"].get("lag") == lag, seconds)


def test_the_lag_of_a_real_group_is_exact_in_metrics_and_coarse_in_status(
    operator: Installation, shop: Workspace, view: KafkaView
) -> None:
    orders = f"{shop.namespace}.orders"
    for number in range(7):
        view.produce(orders, str(number).encode(), partition=0)
    for number in range(6):
        view.produce(orders, str(number).encode(), partition=1)
    commit(shop, 1)
    lag_is(shop, 10)  # 6 in one partition; of the other nothing is known, since the group starts at the latest
    lag = "eventplane_subscription_lag"
    assert poll(lambda: gauge(operator, lag, shop.namespace) == {(orders, "0"): 6}, 10, every=0.5)
    commit(shop, 1, partition=1)
    lag_is(shop, 20)
    assert poll(lambda: gauge(operator, lag, shop.namespace) == {(orders, "0"): 6, (orders, "1"): 5}, 10, every=0.5)
    commit(shop, 7)
    commit(shop, 6, partition=1)
    assert poll(lambda: gauge(operator, lag, shop.namespace) == {(orders, "0"): 0, (orders, "1"): 0}, 10, every=0.5)
    lag_is(shop, 0, CALM_SECONDS + 15)
    shop.remove("billing", "Subscription")
    assert poll(lambda: gauge(operator, lag, shop.namespace) == {}, 15, every=0.5)


def test_a_policy_tells_of_dead_letters_and_is_ready_all_the_same(
    operator: Installation, shop: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    unused = shop.until_ready("careful", "DeadLetterPolicy")
    assert unused["status"]["usedBy"] == 1
    dead, retry = f"{shop.namespace}.billing.dlq", f"{shop.namespace}.billing.retry-1s"
    shop.apply(
        made_for("billing", "dead-letter", "billing.dlq", main_bus),
        made_for("billing", "retry", "billing.retry-1s", main_bus),
    )
    for name in ("billing.dlq", "billing.retry-1s"):
        shop.until_ready(name)
    view.produce(dead, b"1")
    view.produce(retry, b"1")
    present = "DeadLettersPresent"
    shop.until("DeadLetterPolicy", "careful", lambda found: len(found["status"].get("topics", ())) == 2)
    assert condition(shop.get("DeadLetterPolicy", "careful") or {}, present)["status"] == "False"
    for number in range(2):
        view.produce(dead, str(number).encode())
    found = shop.until("DeadLetterPolicy", "careful", lambda found: condition(found, present).get("status") == "True")
    assert ready(found)["status"] == "True"
    assert f"topic {dead} holds up to" in condition(found, present)["message"]
    found = shop.until("DeadLetterPolicy", "careful", lambda found: found["status"]["topics"][0]["depth"] == 5)
    assert [(each["name"], each["depth"]) for each in found["status"]["topics"]] == [(dead, 5), (retry, 1)]
    assert gauge(operator, "eventplane_dead_letters", shop.namespace) == {(dead,): 3}
    assert gauge(operator, "eventplane_retries_waiting", shop.namespace) == {(retry,): 1}
    assert 0 <= gauge(operator, "eventplane_dead_letter_oldest_seconds", shop.namespace)[dead,] < 120
    shop.apply(policy(alert={"depth": 1000}))
    quiet = shop.until("DeadLetterPolicy", "careful", lambda found: condition(found, present).get("status") == "False")
    assert condition(quiet, present)["reason"] == "BelowThreshold"


def test_policies_count_their_users_and_say_when_they_cannot_be_used(shop: Workspace, main_bus: Resource) -> None:
    shop.apply(
        application("Subscription", "audit", "orders", bus=main_bus, deadLetterPolicyRef={"name": "careful"}),
        policy("hasty", retry={"backoff": {"initial": "2d", "max": "1d"}}),
    )
    shop.until("DeadLetterPolicy", "careful", lambda found: found["status"].get("usedBy") == 2)
    refused = shop.until_reason("hasty", "InvalidSpec", "DeadLetterPolicy")
    assert condition(refused, "Stalled")["status"] == "True"
    shop.remove("audit", "Subscription")
    shop.until("DeadLetterPolicy", "careful", lambda found: found["status"].get("usedBy") == 1)


def test_at_rest_and_while_a_consumer_keeps_up_nothing_is_written(
    operator: Installation, shop: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    orders = f"{shop.namespace}.orders"
    shop.apply(made_for("billing", "dead-letter", "billing.dlq", main_bus))
    shop.until_ready("billing.dlq")
    view.produce(f"{shop.namespace}.billing.dlq", b"1")
    view.produce(orders, b"1", partition=0)
    view.produce(orders, b"2", partition=0)
    commit(shop, 0)
    lag_is(shop, 2)
    shop.until("DeadLetterPolicy", "careful", lambda found: len(found["status"].get("topics", ())) == 1)
    time.sleep(2 * RESYNC_SECONDS)  # what else was under way is over
    before, leader = versions(shop), operator.wait_for_leader()
    written = writes(operator, leader)
    for step in range(10):  # two wait, then one, then two
        commit(shop, step % 2)
        time.sleep(1)
    assert versions(shop) == before
    assert writes(operator, leader) == written


def versions(shop: Workspace) -> dict[tuple[str, str], str]:
    kinds = ("Subscription", "DeadLetterPolicy", "EventTopic")
    found = [(kind, each["metadata"]) for kind in kinds for each in shop.every(kind)]
    return {(kind, each["name"]): each["resourceVersion"] for kind, each in found}
