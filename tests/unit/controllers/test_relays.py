"""Publications with relays through the loop, in memory: what is made, what is told, what goes again."""

from functools import partial
from typing import Any

from builders import event_topic, publication
from unit.controllers.world import World, access_world

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.publication import Publication, PublicationSpec
from eventplane.planning.objects import ObjectKey
from eventplane.planning.verdicts import condition

TOPICS = (event_topic(), event_topic("positions", cleanup=["compact"]))
SHOP = publication(
    transactional=True,
    relay={"store_secret_ref": {"name": "database"}, "positions": {"name": "positions"}},
)
DEPLOYMENT = ObjectKey("apps/v1", "Deployment", "shop", "web-publication")


def said(world: World, kind: ConditionType = ConditionType.READY) -> tuple[str, str]:
    shown = world.kubernetes.show(Publication, SHOP.metadata.key)
    found = condition(shown.status.conditions, kind) if shown is not None else None
    return (found.status, found.reason) if found else ("-", "-")


def kinds(world: World) -> set[str]:
    return {each.kind for each in world.kubernetes.objects.keys()}  # noqa: SIM118 - no mapping


def at_work(pods: int, known: dict[str, Any]) -> None:
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": pods}
    known["status"] = {"observedGeneration": known["metadata"]["generation"], **counts}


async def test_a_relay_is_made_when_its_topics_are_there_and_seen_when_it_works() -> None:
    world = access_world(SHOP, topics=TOPICS)
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))
        assert kinds(world) == {"ServiceAccount", "Deployment", "PodDisruptionBudget"}
        world.kubernetes.objects.edit(DEPLOYMENT, partial(at_work, 2))
        await world.until(lambda: said(world) == ("True", Reason.READY))
        assert said(world, ConditionType.WORKLOAD_READY) == ("True", Reason.READY)
        world.kubernetes.objects.edit(DEPLOYMENT, partial(at_work, 1))  # watched, not polled
        await world.until(lambda: said(world)[0] == "False")


async def test_without_the_topic_of_its_positions_it_waits_for_that() -> None:
    world = access_world(SHOP, topics=TOPICS[:1])
    async with world.operator():
        await world.until(lambda: said(world) == ("False", Reason.TOPIC_NOT_FOUND))
        assert kinds(world) == set()
        world.kubernetes.put(TOPICS[1])
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))


async def test_who_asks_for_none_any_more_has_none() -> None:
    world = access_world(SHOP, topics=TOPICS)
    async with world.operator() as operator:
        await world.until(lambda: said(world) == ("False", Reason.WORKLOAD_PROGRESSING))
        plain = PublicationSpec.model_validate({"topics": [{"name": "orders"}], "transactional": True})
        world.kubernetes.put(SHOP.model_copy(update={"spec": plain}))
        await world.until(lambda: said(world) == ("True", Reason.READY))
        await operator.settle()
        assert kinds(world) == set()
        shown = world.kubernetes.show(Publication, SHOP.metadata.key)
        assert shown is not None
        assert (shown.status.objects, shown.status.workload) == ((), None)
