"""What becomes of a topic when its resource is deleted, under each of the four policies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from e2e.conftest import IDLE_SECONDS, RESYNC_SECONDS
from e2e.servers.polling import poll
from e2e.workspace import ready, topic

if TYPE_CHECKING:
    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace

pytestmark = pytest.mark.cluster


def make(place: Workspace, main_bus: Resource, policy: str) -> str:
    """Make a topic with a policy; return its name in Kafka."""
    place.apply(topic("t", main_bus, partitions=2, deletionPolicy=policy))
    status = place.until_ready("t")["status"]
    return str(status["topicName"])


def test_retain_keeps_the_topic_and_holds_up_nothing(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    name = make(place, main_bus, "Retain")
    view.produce(name, b"kept")
    found = place.get("EventTopic", "t")
    assert found is not None
    assert "finalizers" not in found["metadata"]
    place.remove("t")
    place.until_gone("t", seconds=2)
    assert view.values(name, 1) == [b"kept"]


def test_delete_deletes_the_topic_with_its_records(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    name = make(place, main_bus, "Delete")
    view.produce(name, b"gone")
    place.remove("t")
    place.until_gone("t")
    assert view.topic(name) is None


def test_delete_if_empty_deletes_an_empty_topic(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    name = make(place, main_bus, "DeleteIfEmpty")
    place.remove("t")
    place.until_gone("t")
    assert view.topic(name) is None


def test_delete_if_empty_keeps_records_and_says_the_way_out(
    place: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    name = make(place, main_bus, "DeleteIfEmpty")
    view.produce(name, b"kept")
    place.remove("t")
    refused = place.until("EventTopic", "t", lambda found: ready(found).get("reason") == "NotEmpty")
    assert "set deletionPolicy to Retain to keep the topic" in ready(refused)["message"]
    assert not poll(lambda: view.topic(name) is None, RESYNC_SECONDS + 1, every=0.5)
    place.apply(topic("t", main_bus, partitions=2, deletionPolicy="Retain"))
    place.until_gone("t")
    assert view.values(name, 1) == [b"kept"]


def test_delete_if_idle_waits_for_readers_and_writers(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    name = make(place, main_bus, "DeleteIfIdle")
    view.produce(name, b"old")
    member = view.member(name)
    try:
        place.remove("t")
        read = place.until("EventTopic", "t", lambda found: ready(found).get("reason") == "InUse")
        assert "is read by the active group" in ready(read)["message"]
        written = time.monotonic()
        while time.monotonic() < written + IDLE_SECONDS:
            member.poll(0.2)
        assert view.topic(name) is not None  # idle by its records, and still read
    finally:
        member.close()
    place.until_gone("t")
    assert view.topic(name) is None


def test_delete_if_idle_keeps_what_has_just_been_written(place: Workspace, main_bus: Resource, view: KafkaView) -> None:
    name = make(place, main_bus, "DeleteIfIdle")
    view.produce(name, b"new")
    place.remove("t")
    refused = place.until("EventTopic", "t", lambda found: ready(found).get("reason") == "InUse")
    assert "has been written to recently" in ready(refused)["message"]
    place.until_gone("t")  # once nobody has written for as long as settings.idleAfterSeconds
    assert view.topic(name) is None


def test_a_namespace_goes_with_all_its_topics_as_their_policies_say(
    place: Workspace, main_bus: Resource, view: KafkaView
) -> None:
    policies = ("Retain", "Delete", "DeleteIfEmpty")
    place.apply(*(topic(policy.lower(), main_bus, deletionPolicy=policy) for policy in policies))
    names = {policy: place.until_ready(policy.lower())["status"]["topicName"] for policy in policies}
    view.produce(names["Retain"], b"kept")
    place.delete()
    assert poll(lambda: not place.exists(), 60, every=0.5)
    assert view.values(names["Retain"], 1) == [b"kept"]
    assert view.topic(names["Delete"]) is None
    assert view.topic(names["DeleteIfEmpty"]) is None
