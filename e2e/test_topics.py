"""A topic's life, through the chart on a real cluster and a real Kafka: created, grown, altered, repaired, adopted."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from e2e.cluster.commands import CommandError
from e2e.conftest import RESYNC_SECONDS
from e2e.servers.polling import poll
from e2e.workspace import is_current, ready, topic

if TYPE_CHECKING:
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster

REPAIR_SECONDS = 4 * RESYNC_SECONDS


@pytest.fixture
def name() -> str:
    """A topic's name in Kafka that no other test uses."""
    return f"e2e-{uuid.uuid4().hex[:8]}"


def test_a_topic_is_created_as_asked_for(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    spec = {"partitions": 3, "retention": {"time": "7d"}, "config": {"max.message.bytes": "2097152"}}
    place.apply(topic("orders", main_bus, **spec))
    status = place.until_ready("orders")["status"]
    assert status["topicName"] == f"{place.namespace}.orders"
    found = view.topic(status["topicName"])
    assert found is not None
    assert (found.topic_id, found.partitions) == (status["topicId"], 3)
    assert view.settings(status["topicName"]) == {"retention.ms": "604800000", "max.message.bytes": "2097152"}
    assert place.events("orders") == []  # Ready tells it, in one write


def test_partitions_grow_where_order_by_key_cannot_break(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    place.apply(topic("unkeyed", main_bus, topicName=name, partitions=1))
    place.until_ready("unkeyed")
    view.produce(name, b"without a key")
    place.apply(topic("unkeyed", main_bus, topicName=name, partitions=3))
    assert place.until_ready("unkeyed")["status"]["partitions"] == 3
    assert view.partitions()[name] == 3


def test_growth_of_a_keyed_topic_is_refused_until_it_is_allowed(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    place.apply(topic("keyed", main_bus, topicName=name, partitions=1))
    place.until_ready("keyed")
    view.produce(name, b"with a key", key=b"k")
    place.apply(topic("keyed", main_bus, topicName=name, partitions=3))
    refused = place.until_reason("keyed", "PartitionGrowthRefused")
    assert "partitionGrowth to Allow" in ready(refused)["message"]
    assert view.partitions()[name] == 1
    place.apply(topic("keyed", main_bus, topicName=name, partitions=3, partitionGrowth="Allow"))
    place.until_ready("keyed")
    assert view.partitions()[name] == 3
    with pytest.raises(CommandError, match="cannot take partitions away"):
        place.apply(topic("keyed", main_bus, topicName=name, partitions=2, partitionGrowth="Allow"))


def test_settings_are_altered_and_taken_back(place: Workspace, main_bus: Resource, view: KafkaView, name: str) -> None:
    place.apply(topic("t", main_bus, topicName=name, config={"retention.ms": "1000000", "segment.ms": "600000"}))
    place.until_ready("t")
    place.apply(topic("t", main_bus, topicName=name, config={"retention.ms": "2000000"}))
    place.until_ready("t")
    assert view.settings(name) == {"retention.ms": "2000000"}


def test_a_changed_setting_is_repaired_and_told(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    place.apply(topic("t", main_bus, topicName=name, config={"retention.ms": "1000000"}))
    place.until_ready("t")
    view.set(name, "retention.ms", "5")
    view.set(name, "segment.ms", "600000")  # nobody asked for this one at all
    assert poll(lambda: view.settings(name) == {"retention.ms": "1000000"}, REPAIR_SECONDS, every=0.2)
    assert poll(lambda: "DriftRepaired" in dict(place.events("t")), 10, every=0.2)
    assert "retention.ms=1000000" in dict(place.events("t"))["DriftRepaired"]


def test_a_deleted_topic_is_made_again_and_told(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    place.apply(topic("t", main_bus, topicName=name, partitions=1))
    place.until_ready("t")
    place.apply(topic("t", main_bus, topicName=name, partitions=2))  # so that it has been looked at since its creation
    first = place.until_ready("t")["status"]["topicId"]
    view.delete(name)
    again = place.until(
        "EventTopic", "t", lambda found: found["status"].get("topicId") not in (None, first), REPAIR_SECONDS
    )
    found = view.topic(name)
    assert found is not None
    assert (found.topic_id, found.partitions) == (again["status"]["topicId"], 2)
    assert poll(lambda: ("DriftRepaired", f"topic {name} was gone: created") in place.events("t"), 10, every=0.2)


def test_drift_that_is_only_to_be_reported_stays(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    place.apply(topic("t", main_bus, topicName=name, driftPolicy="Warn", config={"retention.ms": "1000000"}))
    place.until_ready("t")
    view.set(name, "retention.ms", "5")
    found = place.until("EventTopic", "t", lambda found: bool(found["status"].get("drift")), REPAIR_SECONDS)
    assert found["status"]["drift"] == [{"setting": "config.retention.ms", "expected": "1000000", "actual": "5"}]
    assert view.settings(name)["retention.ms"] == "5"


@pytest.mark.parametrize(
    "alone",
    [{"config": {"retention.ms": "1000000", "compression.type": None}}, {"unmanagedConfig": ["compression.type"]}],
)
def test_a_setting_of_somebody_else_is_kept(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str, alone: Resource
) -> None:
    spec = {"config": {"retention.ms": "1000000"}, **alone}
    place.apply(topic("t", main_bus, topicName=name, **spec))  # server-side, which keeps the null
    place.until_ready("t")
    view.set(name, "compression.type", "zstd")
    view.set(name, "retention.ms", "5")  # the repair of this one shows that the topic has been looked at
    kept = {"retention.ms": "1000000", "compression.type": "zstd"}
    assert poll(lambda: view.settings(name) == kept, REPAIR_SECONDS, every=0.2), view.settings(name)
    assert "drift" not in place.until_ready("t")["status"]


def test_a_topic_that_exists_is_adopted_with_what_it_holds(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    view.create(name, 2, {"retention.ms": "1000000"})
    view.produce(name, b"before")
    before = view.topic(name)
    assert before is not None
    place.apply(topic("t", main_bus, topicName=name, partitions=2, config={"retention.ms": "1000000"}))
    assert place.until_ready("t")["status"]["topicId"] == before.topic_id
    assert view.values(name, 1) == [b"before"]


def test_settings_that_an_adopted_topic_came_with_are_asked_about(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    view.create(name, 1, {"retention.ms": "1000000", "segment.ms": "600000"})
    place.apply(topic("t", main_bus, topicName=name, config={"retention.ms": "2000000"}))
    refused = place.until_reason("t", "ConfigNotDeclared")
    assert "segment.ms=600000" in ready(refused)["message"]
    assert view.settings(name) == {"retention.ms": "2000000", "segment.ms": "600000"}
    place.apply(topic("t", main_bus, topicName=name, config={"retention.ms": "2000000", "segment.ms": None}))
    place.until_ready("t")
    assert view.settings(name) == {"retention.ms": "2000000", "segment.ms": "600000"}


def test_a_topic_that_exists_is_not_adopted_against_ones_will(
    place: Workspace, main_bus: Resource, view: KafkaView, name: str
) -> None:
    view.create(name, 1, {"retention.ms": "1000000"})
    place.apply(topic("t", main_bus, topicName=name, adoption="Never", config={"retention.ms": "5"}))
    place.until_reason("t", "TopicExists")
    assert view.settings(name) == {"retention.ms": "1000000"}


def test_a_plan_waits_for_its_approval(place: Workspace, main_bus: Resource, view: KafkaView, name: str) -> None:
    place.apply(topic("t", main_bus, topicName=name, mode="Plan", partitions=2))
    plan = place.until_reason("t", "AwaitingApproval")["status"]["plan"]
    assert any(f"create topic {name}" in line for line in plan["changes"])
    place.annotate("t", approve="0000000000000000")
    assert not poll(lambda: name in view.partitions(), RESYNC_SECONDS + 1, every=0.5)
    place.annotate("t", approve=plan["hash"])
    assert "plan" not in place.until_ready("t")["status"]
    assert view.partitions()[name] == 2
    place.apply(topic("t", main_bus, topicName=name, mode="Plan", partitions=4))
    place.until_reason("t", "AwaitingApproval")  # approved was that plan, not whatever follows
    assert view.partitions()[name] == 2


def test_observing_writes_nothing(place: Workspace, main_bus: Resource, view: KafkaView, name: str) -> None:
    view.create(name, 1, {"retention.ms": "1000000"})
    place.apply(
        topic("there", main_bus, topicName=name, mode="Observe", partitions=3, config={"retention.ms": "5"}),
        topic("absent", main_bus, topicName=f"{name}-absent", mode="Observe"),
    )
    there, absent = place.until_reason("there", "OutOfSync"), place.until_reason("absent", "OutOfSync")
    assert there["status"]["plan"]["changes"]
    assert absent["status"]["plan"]["changes"]
    assert not poll(lambda: view.settings(name) != {"retention.ms": "1000000"}, RESYNC_SECONDS + 1, every=0.5)
    assert view.partitions()[name] == 1
    assert f"{name}-absent" not in view.partitions()
    place.remove("there")
    place.until_gone("there")
    assert name in view.partitions()


def test_paused_means_that_nothing_is_written(place: Workspace, main_bus: Resource, view: KafkaView, name: str) -> None:
    place.apply(topic("t", main_bus, topicName=name, deletionPolicy="Delete", config={"retention.ms": "1000000"}))
    place.until_ready("t")
    place.annotate("t", paused="true")
    place.apply(topic("t", main_bus, topicName=name, deletionPolicy="Delete", config={"retention.ms": "2000000"}))
    place.until_reason("t", "Paused")
    assert view.settings(name) == {"retention.ms": "1000000"}
    place.remove("t")
    place.until("EventTopic", "t", lambda found: "deletionTimestamp" in found["metadata"] and is_current(found))
    assert not poll(lambda: name not in view.partitions(), RESYNC_SECONDS + 1, every=0.5)
    place.annotate("t", paused=None)
    place.until_gone("t")
    assert name not in view.partitions()


def test_users_objects_carry_nothing_of_ours_but_status_and_finalizer(place: Workspace, main_bus: Resource) -> None:
    place.apply(topic("kept", main_bus), topic("deleted", main_bus, deletionPolicy="Delete"))
    for name, expected in (("kept", []), ("deleted", ["finalizers"])):
        metadata = place.until_ready(name)["metadata"]
        assert "annotations" not in metadata
        assert "labels" not in metadata
        assert len(metadata.get("finalizers", [])) == len(expected)
        fields = [each for each in metadata["managedFields"] if each["manager"] != "kubectl"]
        of_metadata = [key for each in fields for key in each["fieldsV1"].get("f:metadata", {})]
        assert of_metadata == [f"f:{field}" for field in expected]
        assert all(set(each["fieldsV1"]) <= {"f:metadata", "f:status"} for each in fields)
