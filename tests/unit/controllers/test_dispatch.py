"""From what the watch shows to what is dirty."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from builders import event_bus, event_topic, owner
from unit.controllers.world import BUS, SHOP, Operator, World, simple_world

from eventplane.api import FINALIZER
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.controllers import dispatch
from eventplane.planning.outcome import Unavailable


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "RELIST_SETTLE_SECONDS", 0.002)
    monkeypatch.setattr(dispatch, "LISTING_LOOK_SECONDS", 0.001)


def dirty(operator: Operator) -> list[tuple[str, str]]:
    queues = [operator.unbound.queue, *(lane.queue for lane in operator.dispatcher.topics.lanes.values())]
    return sorted(item.key for queue in queues for item in queue.take(100))


def still(world: World) -> Operator:
    """Make an operator that leads, and stops before its lanes have had a turn."""
    operator = Operator(world)
    operator.take_the_lead()
    return operator


# --- standing by and leading


async def test_a_standby_sees_everything_and_does_nothing() -> None:
    world = simple_world()
    async with world.operator(lead=False) as operator:
        await asyncio.sleep(0.01)
        assert set(operator.store.topics) == {SHOP}
        assert set(operator.store.buses) == {BUS}
        assert world.kubernetes.writes == []
        assert world.backends == []
        operator.lead()
        await world.until_ready()


async def test_who_takes_the_lead_looks_at_everything() -> None:
    world = simple_world(event_topic(), event_topic("two"))
    world.kubernetes.put(event_topic("lost", "nowhere"))
    operator = still(world)
    assert dirty(operator) == [("nowhere", "lost"), SHOP, ("shop", "two")]
    await operator.stop()


async def test_deletions_go_first_after_a_change_of_the_lead() -> None:
    world = simple_world(event_topic("a"), event_topic("z", deleting=True))
    operator = still(world)
    assert operator.lane().queue.take(1)[0].key == ("shop", "z")
    await operator.stop()


async def test_who_has_stopped_marks_nothing() -> None:
    world = simple_world()
    operator = still(world)
    await operator.dispatcher.stop()
    operator.see("ADDED", EventTopic.plural, event_topic("late").to_wire())
    assert operator.unbound.queue.depth() == 0
    assert operator.dispatcher.topics.lanes == {}
    await operator.stop()


# --- what makes dirty


async def test_only_what_matters_marks() -> None:
    world = simple_world()
    async with world.operator() as operator:
        await world.until_ready()
        await operator.settle()
        looks = world.backends[0].calls["observe"]
        metadata = world.topic().metadata
        await world.kubernetes.patch_status(EventTopic.plural, metadata, {"bus": "edited by hand"})
        bus = world.kubernetes.show(EventBus, BUS)
        assert bus is not None
        await world.kubernetes.patch_status(EventBus.plural, bus.metadata, {"brokers": 9})
        await operator.settle()
        assert world.backends[0].calls["observe"] == looks
        world.kubernetes.annotate(EventTopic, SHOP, {"events.sindhan.ai/any": "thing"})
        await world.until(lambda: world.backends[0].calls["observe"] > looks)


async def test_a_change_that_meets_our_own_write_is_not_lost() -> None:
    """The user's change, our status, and only then the watch: both events are ours or older by their version."""
    world = simple_world(event_topic(partitions=1))
    world.gates["apply"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.waiting["apply"])
        world.kubernetes.lag = True
        world.kubernetes.put(event_topic(partitions=5))
        world.gates.pop("apply").set()
        await world.until_ready()
        await asyncio.sleep(0.005)
        assert world.status().observed_generation == 1
        world.kubernetes.lag = False
        world.kubernetes.catch_up()
        await world.until(lambda: world.status().observed_generation == 2)
        assert world.status().partitions == 5


async def test_a_deletion_that_meets_our_own_write_is_not_lost() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    world.gates["apply"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.waiting["apply"])
        world.kubernetes.lag = True
        world.kubernetes.delete(EventTopic, SHOP)
        world.gates.pop("apply").set()
        await world.until_ready()
        world.kubernetes.lag = False
        world.kubernetes.catch_up()
        await world.until(lambda: not world.exists())


async def test_late_news_does_not_undo_our_own_writes() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    async with world.operator() as operator:
        world.kubernetes.lag = True
        await world.until_ready()
        await operator.settle()
        writes = len(world.kubernetes.writes)
        world.kubernetes.lag = False
        world.kubernetes.catch_up()
        await operator.settle()
        assert len(world.kubernetes.writes) == writes
        assert operator.store.topics[SHOP].status.topic_id == world.status().topic_id


async def test_a_change_of_a_bus_marks_all_and_of_a_namespace_its_own() -> None:
    world = simple_world(event_topic())
    world.kubernetes.put(event_topic("lost", "nowhere"))
    operator = still(world)
    assert len(dirty(operator)) == 2
    for key in (SHOP, ("nowhere", "lost")):
        operator.lane().queue.done(key)
        operator.unbound.queue.done(key)
    operator.dispatcher.seen(EventBus.plural, event_bus(generation=2, resource_version="999").to_wire())
    assert dirty(operator) == [("nowhere", "lost"), SHOP]
    operator.lane().queue.done(SHOP)
    operator.unbound.queue.done(("nowhere", "lost"))
    operator.dispatcher.namespace_seen({"metadata": {"name": "nowhere", "labels": {"a": "b"}}})
    assert dirty(operator) == [("nowhere", "lost")]
    await operator.stop()


async def test_a_topic_finds_its_bus_when_that_comes_later() -> None:
    world = World()
    world.kubernetes.put(event_topic())
    async with world.operator():
        await world.until(lambda: world.ready() == ("False", "BusNotFound"))
        world.kubernetes.put(event_bus())
        await world.until_ready()


async def test_a_topic_is_let_in_when_its_namespace_gets_the_label() -> None:
    selected = {"from": "Selector", "selector": {"matchLabels": {"events": "yes"}}}
    topic = event_topic("invoices", "other", bus_ref={"name": "main", "namespace": "shop"})
    world = simple_world(topic, bus=event_bus(allowed_namespaces=selected))
    async with world.operator() as operator:
        await world.until(lambda: world.ready(topic.metadata.key) == ("False", "NamespaceNotAllowed"))
        labels = {"name": "other", "uid": "u", "labels": {"events": "yes"}}
        operator.dispatcher.namespace_seen({"metadata": labels})
        await world.until_ready(topic.metadata.key)


# --- what is not understood


async def test_a_spec_that_is_not_understood_is_said_to_be_so_and_the_topic_kept() -> None:
    def shown() -> dict[str, Any]:
        status: dict[str, Any] = world.kubernetes.raw(EventTopic, SHOP)["status"]
        return status

    world = simple_world(event_topic(deletion_policy="Delete"))
    async with world.operator() as operator:
        await world.until_ready()
        known = world.status()
        topic = world.topic()
        from_the_future = topic.spec.model_copy(update={"partitions": -7})
        world.kubernetes.put(topic.model_copy(update={"spec": from_the_future}))
        await world.until(lambda: shown()["conditions"][0]["reason"] == "InvalidSpec")
        await operator.settle()
        assert "spec.partitions" in shown()["conditions"][0]["message"]
        assert "-7" not in shown()["conditions"][0]["message"]
        assert shown()["topicId"] == known.topic_id
        assert operator.store.topics[SHOP].status.topic_id == known.topic_id
        written = len(world.written())
        operator.dispatcher.seen(EventBus.plural, event_bus(generation=2, resource_version="9999").to_wire())
        await operator.settle()
        assert len(world.written()) == written
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: not world.exists())
    assert world.kafka.topics() == {"shop.orders"}


async def test_a_bus_that_is_not_understood_does_not_keep_the_operator_from_leading() -> None:
    world = simple_world()
    bad = event_bus("bad").to_wire()
    bad["spec"] = {"kafka": {}}

    async def list_keys(plural: str) -> set[tuple[str, str]]:
        keys = await world.kubernetes.list_keys(plural)
        return keys | {("shop", "bad")} if plural == EventBus.plural else keys

    async with world.operator(lead=False) as operator:
        operator.see(None, EventBus.plural, bad)
        operator.dispatcher.namespace_seen({"metadata": {"name": "kube-system", "uid": "cluster"}})
        await asyncio.wait_for(operator.dispatcher.sync(list_keys), 2)
        assert operator.dispatcher.cluster == "cluster"


# --- listings


async def test_nobody_leads_before_everything_has_been_shown() -> None:
    world = simple_world()
    async with world.operator(lead=False) as operator:
        operator.dispatcher.cluster = ""
        world.kubernetes.lag = True
        world.kubernetes.put(event_topic("late"))
        world.kubernetes.put(event_topic("later", "new-namespace"))
        sync = asyncio.create_task(operator.dispatcher.sync(world.kubernetes.list_keys))
        steps: list[Callable[[], None]] = [
            world.kubernetes.catch_up,
            lambda: operator.dispatcher.namespace_seen({"metadata": {"name": "kube-system", "uid": "c"}}),
            lambda: operator.dispatcher.namespace_seen({"metadata": {"name": "new-namespace"}}),
        ]
        for step in steps:
            await asyncio.sleep(0.01)
            assert not operator.dispatcher.synced.is_set()
            step()
        await asyncio.wait_for(sync, 2)
        assert operator.dispatcher.synced.is_set()


async def test_what_vanished_while_the_watch_was_interrupted_is_forgotten_and_nothing_else() -> None:
    world = simple_world(event_topic("z-stays"), event_topic("gone"), event_topic("replaced"))
    async with world.operator() as operator:
        operator.dispatcher.synced.set()
        follower = asyncio.create_task(operator.dispatcher.follow_listings(world.kubernetes.list_keys))
        for name in ("z-stays", "gone", "replaced"):
            await world.until_ready(("shop", name))
        world.kubernetes.put(event_topic("a-created-by-watch"))
        await world.until_ready(("shop", "a-created-by-watch"))
        operator.unwatch()
        world.kubernetes.vanish(EventTopic, ("shop", "gone"), unseen=True)
        world.kubernetes.vanish(EventTopic, ("shop", "replaced"), unseen=True)
        world.kubernetes.put(event_topic("replaced", uid="successor"))
        world.kubernetes.fail_next("GET", Unavailable("no answer"))
        operator.rewatch()
        world.kubernetes.put(event_topic("b-created-meanwhile"))
        await world.until(lambda: ("shop", "gone") not in operator.store.topics)
        await world.until(lambda: "shop.gone" not in world.kafka.claims)
        await operator.settle()
        assert sorted(name for _, name in operator.store.topics) == [
            "a-created-by-watch",
            "b-created-meanwhile",
            "replaced",
            "z-stays",
        ]
        await world.until(lambda: len(world.kafka.claims) == 4)
        assert world.kafka.claims["shop.replaced"].owner == owner("replaced", uid="successor")
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


async def test_a_bus_that_vanished_unseen_ends_its_lane() -> None:
    world = simple_world()
    async with world.operator() as operator:
        operator.dispatcher.synced.set()
        follower = asyncio.create_task(operator.dispatcher.follow_listings(world.kubernetes.list_keys))
        await world.until_ready()
        operator.unwatch()
        world.kubernetes.vanish(EventBus, BUS, unseen=True)
        operator.rewatch()
        await world.until(lambda: world.ready() == ("False", "BusNotFound"))
        assert operator.dispatcher.topics.lanes == {}
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


# --- deletions


async def test_the_news_of_a_predecessors_deletion_does_not_touch_its_successor() -> None:
    world = simple_world(event_topic(uid="new"))
    async with world.operator() as operator:
        await world.until_ready()
        operator.see("DELETED", EventTopic.plural, event_topic(uid="old").to_wire())
        operator.see("DELETED", EventBus.plural, event_bus(uid="old").to_wire())
        assert SHOP in operator.store.topics
        assert BUS in operator.dispatcher.topics.lanes


async def test_a_bus_deleted_and_created_again_at_once_serves_its_topics() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    async with world.operator() as operator:
        await world.until_ready()
        world.kubernetes.delete(EventBus, BUS)
        world.kubernetes.put(event_bus(uid="again"))
        await operator.settle()
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
        world.kubernetes.put(event_topic("two"))
        await world.until_ready(("shop", "two"))
        await world.until_ready()
        assert world.topic().metadata.finalizers == (FINALIZER,)
        assert operator.dispatcher.stuck() == []
