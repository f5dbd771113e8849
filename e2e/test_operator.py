"""The operator's own life: killed in the middle of a batch, taken over by its standby, at rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from kubernetes.client import CoordinationV1Api
from kubernetes.watch import Watch

from e2e.conftest import RESYNC_SECONDS
from e2e.installation import NAMESPACE
from e2e.operator_metrics import comes_to_rest, passes
from e2e.servers.polling import poll
from e2e.workspace import GROUP, VERSION, is_ready, topic
from eventplane.backends.kafka import KafkaTopicBackend
from eventplane.planning.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.installation import Installation
    from e2e.kafka_view import KafkaView
    from e2e.servers import Kafka
    from e2e.workspace import Resource, Workspace
    from eventplane.planning.topic_state import Claim

pytestmark = pytest.mark.cluster

BATCH = 300
TAKEOVER_SECONDS = 90
"""A Lease whose holder was killed runs out after 15 s; the rest is for two busy cores."""


def create_all(place: Workspace, resources: list[Resource]) -> None:
    """Create EventTopics, sixteen at a time."""

    def create(resource: Resource) -> None:
        place.objects.create_namespaced_custom_object(GROUP, VERSION, place.namespace, "eventtopics", resource)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(create, resources))


async def claims(kafka: Kafka) -> Mapping[str, Claim]:
    """Read the ledger."""
    backend = KafkaTopicBackend(KafkaConnection((kafka.bootstrap("PLAINTEXT"),)), client_id="e2e")
    try:
        return await backend.claims()
    finally:
        await backend.close()


async def test_an_operator_killed_in_the_middle_of_a_batch_finishes_it_once_it_is_back(
    operator: Installation, place: Workspace, main_bus: Resource, kafka: Kafka, view: KafkaView
) -> None:
    leader = operator.wait_for_leader()
    resources = [topic(f"t{number}", main_bus, partitions=1) for number in range(BATCH)]
    create_all(place, resources[: BATCH // 2])
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(operator.kill, leader)
        create_all(place, resources[BATCH // 2 :])
        killing.result()
    assert not all(is_ready(each) for each in place.every("EventTopic")), "the kill came too late to prove anything"
    assert poll(lambda: all(is_ready(each) for each in place.every("EventTopic")), TAKEOVER_SECONDS, every=1)
    assert operator.leader() != leader
    expected = {f"{place.namespace}.t{number}" for number in range(BATCH)}
    existing = {name for name in view.partitions() if name.startswith(f"{place.namespace}.")}
    assert existing == expected
    shown = {each["status"]["topicName"]: each for each in place.every("EventTopic")}
    ledger = {name: claim for name, claim in (await claims(kafka)).items() if name in expected}
    assert {name: (claim.owner.uid, claim.topic_id) for name, claim in ledger.items()} == {
        name: (each["metadata"]["uid"], each["status"]["topicId"]) for name, each in shown.items()
    }
    for number in (0, BATCH // 2, BATCH - 1):
        name = f"{place.namespace}.t{number}"
        found = view.topic(name)
        assert found is not None
        assert found.topic_id == ledger[name].topic_id


def test_the_standby_takes_over_at_once_from_a_leader_that_is_told_to_stop(
    operator: Installation, place: Workspace, main_bus: Resource
) -> None:
    assert poll(lambda: len(operator.pods()) == 2, 60, every=0.5)
    leader = operator.wait_for_leader()
    leases = CoordinationV1Api(place.objects.api_client)
    listed = leases.list_namespaced_lease(NAMESPACE).metadata
    assert listed is not None
    operator.delete_pod(leader)
    place.apply(topic("t", main_bus))
    place.until_ready("t")
    holders = [leader]
    since = {"resource_version": listed.resource_version, "timeout_seconds": 60}
    for change in Watch().stream(leases.list_namespaced_lease, NAMESPACE, **since):
        holder = change["object"].spec.holder_identity
        holders += [holder] * (holder != holders[-1])
        if holder not in {leader, None}:
            break
    assert holders == [leader, None, operator.leader()], "it was given back, and did not run out"


def test_at_rest_nothing_is_written(operator: Installation, place: Workspace, main_bus: Resource) -> None:
    place.apply(*(topic(f"t{number}", main_bus, deletionPolicy="Delete") for number in range(5)))
    for number in range(5):
        place.until_ready(f"t{number}")
    leader = operator.wait_for_leader()
    looked = passes(operator, leader, "EventTopic")
    assert comes_to_rest(operator, leader, 2 * 1.1 * RESYNC_SECONDS, lambda: resource_versions(place))
    assert passes(operator, leader, "EventTopic") >= looked + 2 * 5


def resource_versions(place: Workspace) -> dict[str, str]:
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in place.every("EventTopic")}
