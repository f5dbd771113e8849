"""What a Kafka that dies does to its bus, to the others, and to what is deleted meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from e2e.kafka_view import KafkaView
from e2e.servers.polling import poll
from e2e.workspace import ready, scram_bus, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.conftest import Namespaces
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

BROKER = 1


@pytest.fixture(scope="module")
def shaky(own_kafka: Kafka, namespaces: Namespaces, home: Workspace) -> Workspace:
    """The namespace of a bus whose Kafka is going to be killed; it gives deleted topics up soon."""
    del home  # the operator works
    place = namespaces.make()
    place.allow_secrets()
    place.apply(*scram_bus("shaky", own_kafka, orphanAfter="3s", allowedNamespaces={"from": "All"}))
    place.until_ready("shaky", kind="EventBus")
    return place


@pytest.fixture
def reference(shaky: Workspace) -> Resource:
    """The busRef that leads to the Kafka that is going to be killed."""
    return {"name": "shaky", "namespace": shaky.namespace}


@pytest.fixture
def dead(own_kafka: Kafka) -> Iterator[Kafka]:
    """The Kafka, to be killed; it runs again afterwards."""
    yield own_kafka
    own_kafka.start_broker(BROKER)


def test_a_dead_broker_delays_its_own_topics_only_and_they_are_ready_soon_after(
    place: Workspace, shaky: Workspace, reference: Resource, main_bus: Resource, dead: Kafka
) -> None:
    place.apply(topic("before", reference))
    place.until_ready("before")
    dead.kill(BROKER)
    place.apply(topic("during", reference))
    place.until_reason("during", "BusUnavailable")
    shaky.until_reason("shaky", "BusUnavailable", kind="EventBus")
    began = time.monotonic()
    place.apply(topic("elsewhere", main_bus))
    place.until_ready("elsewhere")
    assert time.monotonic() - began < 3
    dead.start_broker(BROKER)
    began = time.monotonic()
    place.until_ready("during")
    place.until_ready("before")
    assert time.monotonic() - began < 6
    shaky.until_ready("shaky", kind="EventBus")


def test_a_deleted_namespace_does_not_wait_for_a_dead_bus_for_ever(
    place: Workspace, shaky: Workspace, reference: Resource, dead: Kafka
) -> None:
    place.apply(topic("t", reference, deletionPolicy="Delete"))
    name = place.until_ready("t")["status"]["topicName"]
    dead.kill(BROKER)
    shaky.until_reason("shaky", "BusUnavailable", kind="EventBus")
    place.delete()
    assert poll(lambda: not place.exists(), 60, every=0.5)
    orphans = shaky.until("EventBus", "shaky", lambda found: bool(found["status"].get("orphans")))["status"]["orphans"]
    assert [(each["namespace"], each["thing"]) for each in orphans] == [(place.namespace, name)]
    dead.start_broker(BROKER)
    view = KafkaView(dead)
    assert name in view.partitions()
    assert poll(lambda: view.topic(name) is None, 30, every=0.2)
    bus = shaky.until("EventBus", "shaky", lambda found: not found["status"].get("orphans"))
    assert ready(bus)["status"] == "True"
