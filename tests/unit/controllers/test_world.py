"""The double of the API server refuses what the real one refuses."""

from typing import Any

import pytest
from builders import event_bus, event_topic
from unit.controllers.world import SHOP, World, simple_world

from eventplane.api import FINALIZER
from eventplane.api.event_topic import EventTopic
from eventplane.backends.kubernetes import Conflict, Gone
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal

PLURAL = EventTopic.plural


async def test_a_status_is_merged_and_null_takes_out() -> None:
    world = simple_world()
    metadata = world.topic().metadata
    await world.kubernetes.patch_status(PLURAL, metadata, {"topicId": "a", "partitions": 1})
    version = await world.kubernetes.patch_status(PLURAL, metadata, {"topicId": None, "bus": "b"})
    assert world.kubernetes.raw(EventTopic, SHOP)["status"] == {
        "bus": "b",
        "partitions": 1,
        "drift": [],
        "conditions": [],
    }
    assert world.topic().metadata.resource_version == version


async def test_a_patch_that_changes_nothing_makes_no_version_and_no_news() -> None:
    world = simple_world()
    metadata = world.topic().metadata
    first = await world.kubernetes.patch_status(PLURAL, metadata, {"bus": "b"})
    world.kubernetes.catch_up()
    seen: list[Any] = []
    world.kubernetes.watch(lambda *news: seen.append(news))
    del seen[:]
    assert await world.kubernetes.patch_status(PLURAL, metadata, {"bus": "b"}) == first
    world.kubernetes.catch_up()
    assert seen == []


async def test_finalizers_take_the_version_that_was_seen() -> None:
    world = simple_world()
    metadata = world.topic().metadata
    await world.kubernetes.patch_status(PLURAL, metadata, {"bus": "b"})
    with pytest.raises(Conflict):
        await world.kubernetes.patch_finalizers(PLURAL, metadata, (FINALIZER,))
    assert [write.ok for write in world.kubernetes.writes] == [True, False]


async def test_what_is_gone_and_what_has_another_uid_is_not_written() -> None:
    world = simple_world()
    metadata = world.topic().metadata
    with pytest.raises(Rejected):
        await world.kubernetes.patch_status(PLURAL, metadata.model_copy(update={"uid": "before"}), {"bus": "b"})
    world.kubernetes.delete(EventTopic, SHOP)
    with pytest.raises(Gone):
        await world.kubernetes.patch_status(PLURAL, metadata, {"bus": "b"})


async def test_a_finalizer_holds_a_deletion_and_none_is_added_to_what_is_going() -> None:
    world = simple_world(event_topic(finalizers=("somebody/else",)))
    world.kubernetes.delete(EventTopic, SHOP)
    topic = world.topic()
    assert topic.metadata.deleting
    assert topic.metadata.generation == 2
    with pytest.raises(Rejected):
        await world.kubernetes.patch_finalizers(PLURAL, topic.metadata, ("somebody/else", FINALIZER))
    await world.kubernetes.patch_finalizers(PLURAL, topic.metadata, ())
    assert not world.exists()


async def test_secrets_are_read_or_refused() -> None:
    world = World()
    api = world.kubernetes
    assert isinstance(await api.read_secret("shop", "login"), Refusal)
    api.put_secret("shop", "login", {"password": "pä"})
    assert await api.read_secret("shop", "login") == {"password": "pä"}
    api.available = False
    with pytest.raises(Unavailable):
        await api.read_secret("shop", "login")


async def test_watchers_are_told_later_and_in_order() -> None:
    world = World()
    seen: list[tuple[str | None, str]] = []
    world.kubernetes.watch(lambda event, _, body: seen.append((event, body["metadata"]["name"])))
    world.kubernetes.put(event_bus())
    world.kubernetes.put(event_topic())
    assert seen == []
    world.kubernetes.delete(EventTopic, SHOP)
    world.kubernetes.catch_up()
    assert seen == [("ADDED", "main"), ("ADDED", "orders"), ("DELETED", "orders")]
