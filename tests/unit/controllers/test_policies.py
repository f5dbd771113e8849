"""DeadLetterPolicies through the loop, in memory: who uses them, what is not understood, and what is written."""

import asyncio

import pytest
from builders import dead_letter_policy, subscription
from unit.controllers.world import World, access_world

from eventplane.api.conditions import ConditionType
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.subscription import Subscription
from eventplane.controllers import dispatch
from eventplane.controllers.queue import Urgency
from eventplane.planning.plan import Refusal
from eventplane.planning.verdicts import condition

POLICY = dead_letter_policy()
KEY = POLICY.metadata.key
BILLING = subscription("billing", dead_letter_policy_ref={"name": "careful"})
AUDIT = subscription("audit", dead_letter_policy_ref={"name": "careful"})
STRANGER = subscription("billing", "other", dead_letter_policy_ref={"name": "careful"})


def policy_world(*applications: Subscription) -> World:
    world = access_world(*applications)
    world.kubernetes.put(POLICY)
    return world


def show(world: World) -> DeadLetterPolicy:
    shown = world.kubernetes.show(DeadLetterPolicy, KEY)
    assert shown is not None
    return shown


def ready(world: World) -> tuple[str, str]:
    found = condition(show(world).status.conditions, ConditionType.READY)
    return (found.status, found.reason) if found else ("-", "-")


def policy_writes(world: World) -> int:
    return sum("/deadletterpolicies/" in write.path for write in world.kubernetes.writes)


async def test_it_is_ready_and_counts_its_users_as_they_come_and_go() -> None:
    world = policy_world(BILLING, STRANGER)
    async with world.operator() as operator:
        await world.until(lambda: ready(world) == ("True", "Ready"))
        assert show(world).status.used_by == 1
        world.kubernetes.put(AUDIT)
        await world.until(lambda: show(world).status.used_by == 2)
        world.kubernetes.put(AUDIT.model_copy(update={"spec": subscription().spec}))
        await world.until(lambda: show(world).status.used_by == 1)
        await operator.settle()
        written = policy_writes(world)
        operator.dispatcher.policies.mark(KEY, Urgency.CHANGE)
        await operator.settle()
        assert policy_writes(world) == written


async def test_its_users_look_again_when_it_changes_comes_or_goes() -> None:
    world = access_world(BILLING)
    async with world.operator() as operator:
        await operator.settle()
        reads = len(world.kubernetes.reads)
        world.kubernetes.put(POLICY)
        await world.until(lambda: len(world.kubernetes.reads) > reads, "another pass over the Subscription")
        await operator.settle()
        reads = len(world.kubernetes.reads)
        world.kubernetes.put(dead_letter_policy(alert={"depth": 5}))
        await world.until(lambda: len(world.kubernetes.reads) > reads, "another pass over the Subscription")
        await operator.settle()
        reads = len(world.kubernetes.reads)
        world.kubernetes.delete(DeadLetterPolicy, KEY)
        await world.until(lambda: len(world.kubernetes.reads) > reads, "another pass over the Subscription")
        assert operator.store.policy_of(BILLING) is None
        assert operator.store.policy_of(subscription()) is None


async def test_what_contradicts_itself_is_refused_until_it_does_not() -> None:
    world = policy_world()
    world.kubernetes.put(dead_letter_policy(retry={"backoff": {"initial": "2d", "max": "1d"}}))
    async with world.operator():
        await world.until(lambda: ready(world) == ("False", "InvalidSpec"))
        world.kubernetes.put(POLICY)
        await world.until(lambda: ready(world) == ("True", "Ready"))


async def test_what_this_version_does_not_understand_says_so() -> None:
    world = policy_world(BILLING)
    async with world.operator() as operator:
        await world.until(lambda: ready(world) == ("True", "Ready"))
        world.kubernetes.lag = True  # the server holds another spec than the watch is made to show
        body = world.kubernetes.raw(DeadLetterPolicy, KEY)
        body["spec"]["retry"]["strategy"] = "Magic"
        body["metadata"] |= {"generation": 2, "resourceVersion": "9999"}
        operator.see("MODIFIED", "deadletterpolicies", body)
        await world.until(lambda: ready(world) == ("False", "InvalidSpec"))
        assert isinstance(operator.store.policy_of(BILLING), Refusal)


async def test_a_status_that_could_not_be_written_is_written_later() -> None:
    world = policy_world()
    world.kubernetes.fail_next("deadletterpolicies/careful/status")
    async with world.operator():
        await world.until(lambda: ready(world) == ("True", "Ready"))


async def test_a_status_that_somebody_edited_is_put_right() -> None:
    world = policy_world()
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until(lambda: ready(world) == ("True", "Ready"))
        body = world.kubernetes.raw(DeadLetterPolicy, KEY)
        body["status"]["usedBy"] = 9
        body["metadata"]["resourceVersion"] = "9999"
        operator.see("MODIFIED", "deadletterpolicies", body)
        written = policy_writes(world)
        await world.until(lambda: policy_writes(world) > written)


async def test_one_that_vanished_unseen_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "RELIST_SETTLE_SECONDS", 0.001)
    world = policy_world(BILLING)
    async with world.operator() as operator:
        await world.until(lambda: ready(world) == ("True", "Ready"))
        operator.dispatcher.synced.set()
        follower = asyncio.create_task(operator.dispatcher.follow_listings(world.kubernetes.list_keys))
        world.kubernetes.vanish(DeadLetterPolicy, KEY, unseen=True)
        operator.unwatch()
        operator.rewatch()
        await world.until(lambda: operator.store.policy_of(BILLING) is None)
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
