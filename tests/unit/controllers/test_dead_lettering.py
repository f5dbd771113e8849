"""Subscriptions with a policy through the loop, in memory: their topics, their rights, and what consumers are told."""

import json
from typing import Any

from builders import DEPLOYMENT, dead_letter_policy, subscription
from unit.controllers.world import World, access_world

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_topic import EventTopic
from eventplane.api.subscription import Subscription, SubscriptionStatus
from eventplane.planning.objects import ObjectKey
from eventplane.planning.verdicts import condition

HTTP: dict[str, Any] = {"sink": {"http": {"url": "http://billing"}}}
BILLING = subscription(**HTTP, dead_letter_policy_ref={"name": "careful"})
CAREFUL = dead_letter_policy(retry={"attempts": 3, "strategy": "RetryTopics"})
CONFIG = ObjectKey("v1", "ConfigMap", "shop", "billing-subscription")
SCALED_OBJECT = ObjectKey("keda.sh/v1alpha1", "ScaledObject", "shop", "billing-subscription")


def careful_world() -> World:
    world = access_world(BILLING)
    world.kubernetes.put(CAREFUL)
    return world


def status(world: World) -> SubscriptionStatus:
    shown = world.kubernetes.show(Subscription, BILLING.metadata.key)
    assert shown is not None
    return shown.status


def reason(world: World, kind: ConditionType = ConditionType.READY) -> str:
    found = condition(status(world).conditions, kind)
    return found.reason if found is not None else "-"


def topics(world: World) -> set[str]:
    return {name for name in ("billing.dlq", "billing.retry-1s", "billing.retry-2s") if exists(world, name)}


def exists(world: World, name: str) -> bool:
    return world.kubernetes.exists(EventTopic, ("shop", name))


def roll_out(world: World) -> None:
    """Do as the Deployment's controller does."""

    def change(known: dict[str, Any]) -> None:
        counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        known["status"] = {"observedGeneration": known["metadata"]["generation"], **counts}

    world.kubernetes.objects.edit(DEPLOYMENT, change)


def told(world: World) -> dict[str, Any]:
    config = world.kubernetes.objects.show(CONFIG)
    assert config is not None
    rules: dict[str, Any] = json.loads(config["data"]["runtime.json"])["retry"]
    return rules


async def test_a_policy_becomes_topics_rights_and_what_the_consumer_is_told() -> None:
    world = careful_world()
    async with world.operator():
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        assert topics(world) == {"billing.dlq", "billing.retry-1s", "billing.retry-2s"}
        assert told(world)["deadLetterTopic"] == "shop.billing.dlq"
        assert [each["topic"] for each in told(world)["tiers"]] == ["shop.billing.retry-1s", "shop.billing.retry-2s"]
        rights = {"WRITE topic shop.billing.dlq", "READ topic shop.billing.retry-1s"}
        await world.until(lambda: rights <= set(status(world).grants))


async def test_a_policy_may_come_later_and_a_changed_one_changes_what_uses_it() -> None:
    world = access_world(BILLING)
    async with world.operator():
        await world.until(lambda: reason(world) == Reason.POLICY_NOT_FOUND)
        assert topics(world) == set()
        world.kubernetes.put(dead_letter_policy(retry={"attempts": 2}))
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        assert topics(world) == {"billing.dlq"}
        assert told(world)["attempts"] == 2
        world.kubernetes.put(dead_letter_policy(retry={"attempts": 4}, generation=2))
        await world.until(lambda: told(world)["attempts"] == 4)


async def test_its_topics_go_with_the_policy_when_nothing_is_left_in_them() -> None:
    world = careful_world()
    for name in ("shop.billing.retry-1s", "shop.billing.retry-2s"):
        world.offsets.create(name)
    world.offsets.append("shop.billing.retry-2s")
    async with world.operator(gauge_seconds=0.01):
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        world.kubernetes.put(dead_letter_policy(retry={"attempts": 3, "strategy": "Blocking"}, generation=2))
        await world.until(lambda: told(world)["tiers"] == [])
        assert topics(world) == {"billing.dlq", "billing.retry-1s", "billing.retry-2s"}, "pods may still write to them"
        roll_out(world)
        await world.until(lambda: topics(world) == {"billing.dlq", "billing.retry-2s"})
        assert [each["topic"] for each in told(world)["draining"]] == ["shop.billing.retry-2s"], (
            "it is read until empty"
        )
        roll_out(world)
        world.offsets.commit("shop.billing", "shop.billing.retry-2s", 1)
        await world.until(lambda: topics(world) == {"billing.dlq"})
        await world.until(lambda: told(world)["draining"] == [])


async def test_an_autoscaler_is_used_where_there_is_one() -> None:
    scaled = subscription(**HTTP, scaling={"min": 1, "max": 4})
    world = access_world(scaled)
    async with world.operator():
        await world.until(lambda: reason(world, ConditionType.AUTOSCALED) == Reason.AUTOSCALER_NOT_INSTALLED)
        assert world.kubernetes.objects.show(SCALED_OBJECT) is None
    world = access_world(scaled)
    world.kubernetes.groups.add("keda.sh/v1alpha1")
    async with world.operator():
        await world.until(lambda: world.kubernetes.objects.show(SCALED_OBJECT) is not None)
        await world.until(lambda: reason(world, ConditionType.AUTOSCALED) == Reason.READY)
        deployment = world.kubernetes.objects.show(DEPLOYMENT)
        assert deployment is not None
        assert "replicas" not in deployment["spec"]


async def test_the_number_of_pods_stays_when_an_autoscaler_takes_it_over() -> None:
    world = access_world(subscription(**HTTP, scaling={"min": 3}))
    async with world.operator():
        await world.until(lambda: world.kubernetes.objects.show(DEPLOYMENT) is not None)
        world.kubernetes.groups.add("keda.sh/v1alpha1")
        world.kubernetes.put(subscription(**HTTP, scaling={"min": 3, "max": 8}, generation=2))
        await world.until(lambda: world.kubernetes.objects.show(SCALED_OBJECT) is not None)
        deployment = world.kubernetes.objects.show(DEPLOYMENT)
        assert deployment is not None
        assert deployment["spec"]["replicas"] == 3
        world.kubernetes.objects.edit(DEPLOYMENT, lambda known: known["spec"].update(replicas=7))
        await world.until(lambda: "replicas=7" in str(status(world).workload))
