"""A topic that holds data survives the deletion of its resource, its namespace, the operator, and the CRDs.

Each is tried with records in the topic, and the records are read back afterwards. These tests run last, in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from e2e.conftest import PREFIX, SETTINGS
from e2e.demo import NAMESPACE as DEMO
from e2e.installation import CHART
from e2e.servers.polling import poll
from e2e.workspace import GROUP, VERSION, is_ready, scram_bus, topic

if TYPE_CHECKING:
    from e2e.conftest import Namespaces
    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

RECORDS = [b"1", b"2", b"3"]


def fill(place: Workspace, bus: Resource | None, view: KafkaView, name: str) -> str:
    """Make a topic with records; return its id."""
    place.apply(wanted(bus, name))
    topic_id = place.until_ready("t")["status"]["topicId"]
    view.produce(name, *RECORDS)
    return str(topic_id)


def wanted(bus: Resource | None, name: str) -> Resource:
    return topic("t", bus, topicName=name, partitions=2, config={"retention.ms": "86400000"})


def test_its_resource_is_deleted(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    name = place.namespace
    topic_id = fill(place, main_bus, view, name)
    place.remove("t")
    place.until_gone("t")
    assert view.values(name, 3) == RECORDS
    place.apply(wanted(main_bus, name))
    assert place.until_ready("t")["status"]["topicId"] == topic_id
    assert view.values(name, 3) == RECORDS


def test_its_namespace_is_deleted(
    place: Workspace, namespaces: Namespaces, main_bus: Resource, view: KafkaView
) -> None:
    name = place.namespace
    topic_id = fill(place, main_bus, view, name)
    place.delete()
    assert poll(lambda: not place.exists(), 60, every=0.5)
    assert view.values(name, 3) == RECORDS
    other = namespaces.make()
    other.apply(wanted(main_bus, name))
    assert other.until_ready("t")["status"]["topicId"] == topic_id


def test_its_bus_is_deleted(namespaces: Namespaces, home: Workspace, kafka: Kafka, view: KafkaView) -> None:
    del home  # the operator works
    place = namespaces.make()
    place.allow_secrets()
    place.apply(*scram_bus("own", kafka))
    name = place.namespace
    fill(place, None, view, name)
    place.remove("own", kind="EventBus")
    place.until_reason("t", "BusNotFound")
    assert view.values(name, 3) == RECORDS


def test_the_operator_is_uninstalled_and_installed_again(
    operator: Installation, place: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    name = place.namespace
    topic_id = fill(place, main_bus, view, name)
    operator.uninstall()
    assert operator.pods() == []
    assert view.values(name, 3) == RECORDS
    kept = place.get("EventTopic", "t")
    assert kept is not None
    assert is_ready(kept)
    view.set(name, "retention.ms", "3600000")
    operator.install(SETTINGS)
    operator.wait_for_leader()
    assert poll(lambda: view.settings(name) == {"retention.ms": "86400000"}, 30, every=0.2)
    assert place.until_ready("t")["status"]["topicId"] == topic_id
    assert view.values(name, 3) == RECORDS


def test_the_crds_are_deleted_and_applied_again(
    operator: Installation, place: Workspace, home: Workspace, kafka: Kafka, main_bus: Resource, view: KafkaView
) -> None:
    demo = place.beside(DEMO)
    demo.delete()  # ours, too: with its finalizers, the CRDs would wait for the bus that goes with them
    assert poll(lambda: not demo.exists(), 60, every=0.5)
    strangers = {each["metadata"]["namespace"] for each in _all_topics(place)}
    if strangers := {name for name in strangers if not name.startswith(PREFIX)}:
        pytest.skip(f"the CRDs go with all resources, and there are some that are not ours: {strangers}")
    name = place.namespace
    topic_id = fill(place, main_bus, view, name)
    place.kubectl("delete", "-f", str(CHART / "crds"), "--wait=true", "--timeout=60s")
    assert view.values(name, 3) == RECORDS
    operator.apply_crds()
    home.apply(*scram_bus("main", kafka, allowedNamespaces={"from": "All"}))
    home.until_ready("main", kind="EventBus", seconds=90)  # pods that end are started again after a while
    place.apply(wanted(main_bus, name))
    assert place.until_ready("t")["status"]["topicId"] == topic_id
    assert view.values(name, 3) == RECORDS


def _all_topics(place: Workspace) -> list[Resource]:
    found = cast("Resource", place.objects.list_cluster_custom_object(GROUP, VERSION, "eventtopics"))
    return list(found["items"])
