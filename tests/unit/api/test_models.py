"""Resources as the API server hands them over, and statuses as it takes them."""

import pytest
from builders import event_topic, metadata
from pydantic import ValidationError

from eventplane.api import APPROVE_ANNOTATION
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.api.metadata import Metadata
from eventplane.api.resource import PendingPlan

WIRE = {
    "apiVersion": "events.sindhan.ai/v1alpha1",
    "kind": "EventTopic",
    "metadata": {
        "name": "orders",
        "namespace": "shop",
        "uid": "u1",
        "generation": 3,
        "resourceVersion": "77",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{...}",
            APPROVE_ANNOTATION: "abc",
        },
    },
    "spec": {"partitions": 12, "config": {"compression.type": None}, "cleanup": ["compact"], "unknown": 1},
}


def test_resource_is_read_from_the_wire() -> None:
    topic = EventTopic.model_validate(WIRE)
    assert topic.metadata.key == ("shop", "orders")
    assert (topic.metadata.generation, topic.metadata.resource_version) == (3, "77")
    assert topic.spec.partitions == 12
    assert topic.spec.config == {"compression.type": None}
    assert topic.status == EventTopicStatus()


def test_annotations_of_others_are_not_kept() -> None:
    assert EventTopic.model_validate(WIRE).metadata.annotations == {APPROVE_ANNOTATION: "abc"}


def test_annotations_that_are_no_map_are_refused() -> None:
    with pytest.raises(ValidationError):
        Metadata.model_validate({"name": "a", "namespace": "b", "uid": "c", "annotations": 5})


def test_defaults_do_no_harm() -> None:
    """What nobody asked for writes to nothing of others and deletes nothing."""
    spec = event_topic().spec
    assert (spec.deletion_policy, spec.mode, spec.drift_policy, spec.adoption, spec.partition_growth) == (
        "Retain",
        "Enforce",
        "Enforce",
        "IfUnowned",
        "IfUnkeyed",
    )
    bus = EventBus.model_validate(
        {"metadata": WIRE["metadata"], "spec": {"kafka": {"bootstrapServers": ["kafka:9092"]}}}
    )
    assert bus.spec.allowed_namespaces.from_ == "Same"
    assert bus.spec.naming.topic == "{{ namespace }}.{{ name }}"


def test_status_is_written_as_kubernetes_spells_it() -> None:
    status = EventTopicStatus(
        observed_generation=3, topic_name="orders", plan=PendingPlan(hash="h", changes=("create topic orders",))
    )
    assert status.to_wire() == {
        "observedGeneration": 3,
        "topicName": "orders",
        "plan": {"hash": "h", "changes": ["create topic orders"]},
    }
    assert EventTopicStatus.model_validate(status.to_wire()) == status


def test_models_are_values() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        event_topic().spec.partitions = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "address",
    ["kafka:9092", "10.0.0.1:9092", "[2001:db8::1]:9093", "b-1.my_kafka.example.com:9096"],
)
def test_addresses(address: str) -> None:
    bus = EventBus.model_validate({"metadata": WIRE["metadata"], "spec": {"kafka": {"bootstrapServers": [address]}}})
    assert bus.spec.kafka.bootstrap_servers == (address,)


@pytest.mark.parametrize(
    "address", ["kafka", "kafka:", ":9092", "kafka:9092,kafka2:9092", "user@kafka:9092", "k:123456"]
)
def test_no_addresses(address: str) -> None:
    with pytest.raises(ValidationError):
        EventBus.model_validate({"metadata": WIRE["metadata"], "spec": {"kafka": {"bootstrapServers": [address]}}})


def test_elder_sorts_first() -> None:
    elder = metadata(uid="z", creation_timestamp="2026-01-01T00:00:00Z")
    younger = metadata(uid="a", creation_timestamp="2026-01-01T00:00:01Z")
    assert elder.seniority < younger.seniority


def test_uid_settles_what_was_made_in_one_second() -> None:
    assert metadata(uid="a").seniority < metadata(uid="b").seniority


def test_deleting() -> None:
    assert metadata(deleting=True).deleting
    assert not metadata().deleting


def test_reasons_are_camel_case_facts() -> None:
    assert all(reason.isalnum() and reason[0].isupper() for reason in Reason)
    assert len({reason.value for reason in Reason}) == len(Reason)
    assert set(ConditionType) == {
        "Ready", "Reconciling", "Stalled", "Drifted", "TopicsReady", "AccessGranted", "WorkloadReady", "Autoscaled",
        "SchemaRegistryReady", "RegistryReadable",
        "DeadLettersPresent", "GatewayReady",
    }  # fmt: skip
