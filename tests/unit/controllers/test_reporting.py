"""What is written into the cluster, and what is not."""

import asyncio
import datetime as dt
from typing import Literal

import pytest
from builders import event_topic, metadata, publication
from unit.controllers.world import BUS, SHOP, World, access_world, simple_world

from eventplane.api import FINALIZER
from eventplane.api.access import AccessStatus, CredentialsStatus
from eventplane.api.conditions import Condition, ConditionType
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.api.publication import Publication
from eventplane.api.resource import PendingPlan
from eventplane.backends.kubernetes import Conflict, Gone
from eventplane.controllers.reporting import Reporter
from eventplane.controllers.store import Store
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.verdicts import condition


def reporting(world: World) -> tuple[Reporter, Store]:
    store = Store()
    topic, bus = world.kubernetes.show(EventTopic, SHOP), world.kubernetes.show(EventBus, BUS)
    if topic is not None:
        store.topics.put(topic)
    if bus is not None:
        store.put_bus(bus)
    return Reporter(world.kubernetes, store, lambda: world.now, 2), store


class CountingGate(asyncio.Event):
    """A gate that knows how many came to it."""

    arrived = 0

    async def wait(self) -> Literal[True]:
        self.arrived += 1
        return await super().wait()


def ready(status: str = "True", reason: str = "Ready") -> Condition:
    return Condition.model_validate({"type": "Ready", "status": status, "reason": reason})


def dated(world: World, kind: ConditionType = ConditionType.READY) -> str | None:
    found = condition(world.status().conditions, kind)
    return found.last_transition_time if found else None


async def test_an_equal_status_is_not_written() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    for _ in range(3):
        await reporter.status(store.topics, world.topic(), EventTopicStatus(bus="b", conditions=(ready(),)))
        world.pass_time(60)
    assert world.written() == ["status"]


async def test_fields_that_vanish_are_taken_out() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    plan = PendingPlan(hash="h", changes=("create",))
    await reporter.status(store.topics, world.topic(), EventTopicStatus(bus="b", topic_id="id", plan=plan))
    await reporter.status(store.topics, world.topic(), EventTopicStatus(bus="b"))
    assert world.status() == EventTopicStatus(bus="b")
    last = world.kubernetes.writes[-1].body["status"]
    assert {key: value for key, value in last.items() if value is None} == {"topicId": None, "plan": None}


async def test_fields_that_vanish_from_within_others_are_taken_out() -> None:
    world = access_world(publication())
    reporter, store, key = *reporting(world), ("shop", "web")
    web = world.kubernetes.show(Publication, key)
    assert web is not None
    store.publications.put(web)
    turned = CredentialsStatus(issued_at="2026-01-02T00:00:00Z", retiring="user", retires_at="2026-01-02T01:00:00Z")
    retired = CredentialsStatus(issued_at="2026-01-02T00:00:00Z")
    for credentials in (turned, retired):
        await reporter.status(store.publications, web, AccessStatus(credentials=credentials))
        shown = world.kubernetes.show(Publication, key)
        assert shown is not None
        assert shown.status.credentials == credentials


async def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    first = "2026-01-02T00:00:00Z"
    await reporter.status(store.topics, world.topic(), EventTopicStatus(conditions=(ready("False", "A"),)))
    world.pass_time(60)
    await reporter.status(store.topics, world.topic(), EventTopicStatus(conditions=(ready("False", "B"),)))
    assert dated(world) == first
    await reporter.status(store.topics, world.topic(), EventTopicStatus(conditions=(ready(),)))
    assert dated(world) == "2026-01-02T00:01:00Z"


async def test_what_was_shown_last_is_compared_with_not_what_the_pass_began_with() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    begun = world.topic()
    await reporter.status(store.topics, begun, EventTopicStatus(topic_id="id"))
    await reporter.status(store.topics, begun, EventTopicStatus())
    assert world.status().topic_id is None
    assert store.topics[SHOP].status == EventTopicStatus()


@pytest.mark.parametrize("error", [Gone("404"), Conflict("409")])
async def test_a_status_of_what_is_gone_is_no_error(error: Exception) -> None:
    world = simple_world()
    reporter, store = reporting(world)
    world.kubernetes.fail_next("PATCH", error, times=2)
    await reporter.status(store.topics, world.topic(), EventTopicStatus(topic_id="id"))
    await reporter.bus_status(store.buses[BUS], lambda _: EventBusStatus(brokers=1))
    assert store.topics[SHOP].status.topic_id is None
    assert store.buses[BUS].status.brokers is None


@pytest.mark.parametrize("error", [Unavailable("no answer"), Rejected(Unavailable("x").reason, "422")])
async def test_a_status_that_is_not_written_is_an_error(error: Exception) -> None:
    world = simple_world()
    reporter, store = reporting(world)
    world.kubernetes.fail_next("PATCH", error)
    with pytest.raises(type(error)):
        await reporter.status(store.topics, world.topic(), EventTopicStatus(topic_id="id"))


async def test_a_bus_is_written_like_a_topic() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    for brokers in (1, 1, 2):
        said = EventBusStatus(brokers=brokers, conditions=(ready(),))
        await reporter.bus_status(store.buses[BUS], lambda _, said=said: said)  # type: ignore[misc]  # mypy: no defaults
    assert world.written("main") == ["status", "status"]
    assert store.buses[BUS].status.brokers == 2


async def test_two_who_write_about_a_bus_do_not_undo_each_other() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    bus = store.buses[BUS]
    gate = world.kubernetes.gates["PATCH"] = asyncio.Event()
    first = asyncio.create_task(reporter.bus_status(bus, lambda was: was.model_copy(update={"brokers": 3})))
    second = asyncio.create_task(reporter.bus_status(bus, lambda was: was.model_copy(update={"cluster_id": "one"})))
    await asyncio.sleep(0.003)
    gate.set()
    await asyncio.gather(first, second)
    assert (store.buses[BUS].status.brokers, store.buses[BUS].status.cluster_id) == (3, "one")


async def test_a_finalizer_is_set_once_and_taken_once() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    for present in (True, True, False, False):
        topic = await reporter.finalizer(store.topics, world.topic(), present=present)
        assert topic is not None
        assert (FINALIZER in topic.metadata.finalizers) is present
        assert topic.metadata.finalizers == store.topics[SHOP].metadata.finalizers
    assert world.written() == ["finalizers", "finalizers"]


async def test_a_finalizer_of_what_is_gone_is_none() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    topic = world.topic()
    world.kubernetes.delete(EventTopic, SHOP)
    assert await reporter.finalizer(store.topics, topic, present=True) is None


async def test_a_finalizer_on_what_has_changed_is_a_conflict() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    topic = world.topic()
    world.kubernetes.put(event_topic(partitions=9))
    with pytest.raises(Conflict):
        await reporter.finalizer(store.topics, topic, present=True)


async def test_requests_under_way_are_bounded() -> None:
    topics = [event_topic(f"t{number}") for number in range(9)]
    world = simple_world(*topics)
    reporter, store = reporting(world)
    gate = world.kubernetes.gates["PATCH"] = CountingGate()
    for topic in topics:
        store.topics.put(topic)
    status = EventTopicStatus(bus="b")
    writing = asyncio.gather(*(reporter.status(store.topics, world.topic(t.metadata.key), status) for t in topics))
    await asyncio.sleep(0.005)
    assert gate.arrived == 2
    gate.set()
    await writing
    assert gate.arrived == 9


@pytest.mark.parametrize(
    "error", [Gone("404"), Conflict("409"), Unavailable("-"), Rejected(Unavailable("").reason, "403")]
)
async def test_an_event_that_cannot_be_posted_is_forgotten(error: Exception) -> None:
    world = simple_world()
    reporter, _ = reporting(world)
    world.kubernetes.fail_next("POST", error)
    those = [
        Occurrence(warning=True, reason="First", message="m"),
        Occurrence(warning=False, reason="Two", message="m"),
    ]
    await reporter.events("EventTopic", metadata(), those)
    assert world.posted() == ["Two"]


async def test_events_are_posted_behind_the_back_of_statuses_one_by_one() -> None:
    world = simple_world()
    reporter, store = reporting(world)
    store.topics.put(world.topic())
    gate = world.kubernetes.gates["POST"] = CountingGate()
    for number in range(9):
        reporter.post("EventTopic", metadata(), [Occurrence(warning=False, reason=str(number), message="m")])
    await world.until(lambda: gate.arrived == 1)
    await reporter.status(store.topics, world.topic(), EventTopicStatus(bus="b"))
    assert (world.status().bus, gate.arrived) == ("b", 1)
    gate.set()
    await world.until(lambda: world.posted() == [str(number) for number in range(9)])


async def test_an_event_says_what_happened_to_whom_and_when() -> None:
    world = simple_world()
    reporter, _ = reporting(world)
    await reporter.events("EventTopic", metadata(), [Occurrence(warning=True, reason="InUse", message="x" * 2000)])
    event = world.kubernetes.writes[-1].body
    assert event["type"] == "Warning"
    assert event["involvedObject"]["uid"] == "uid-shop-orders"
    assert event["firstTimestamp"] == world.now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(event["message"]) == 1024
