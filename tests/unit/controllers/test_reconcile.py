"""Passes over topics, from what users do to what stands in Kafka and in the status."""

import asyncio
from collections.abc import Callable

import pytest
from builders import event_bus, event_topic, owner
from unit.controllers.world import BUS, SHOP, World, simple_world

from eventplane.api import FINALIZER
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.backends.kubernetes import Conflict
from eventplane.controllers import topics
from eventplane.planning import readiness, topic_decisions
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import CreateTopic, DeleteTopic, TopicChange
from eventplane.planning.topic_decisions import TopicCase
from eventplane.planning.topic_state import Claim
from eventplane.planning.verdicts import condition


async def test_a_topic_under_retain_costs_one_write() -> None:
    world = simple_world(event_topic(partitions=3))
    async with world.operator() as operator:
        await world.until_ready()
        await operator.settle()
    existing = world.kafka.existing("shop.orders")
    assert existing is not None
    assert existing.partitions == 3
    assert world.status().topic_id == existing.topic_id
    assert world.status().observed_generation == 1
    assert world.written() == ["status"]
    assert world.posted() == []
    assert world.kafka.claims["shop.orders"] == Claim(owner(), existing.topic_id)


@pytest.mark.parametrize("policy", ["Delete", "DeleteIfEmpty", "DeleteIfIdle"])
async def test_a_topic_with_a_finalizer_costs_two_writes_the_finalizer_before_the_topic(policy: str) -> None:
    world = simple_world(event_topic(deletion_policy=policy))
    world.gates["apply"] = asyncio.Event()
    async with world.operator() as operator:
        await world.until(lambda: world.waiting["apply"])
        assert world.written() == ["finalizers"]
        assert world.topic().metadata.finalizers == (FINALIZER,)
        assert world.kafka.topics() == frozenset()
        world.gates["apply"].set()
        await world.until_ready()
        await operator.settle()
    assert world.written() == ["finalizers", "status"]


async def test_a_second_pass_and_a_resync_write_nothing() -> None:
    world = simple_world(event_topic(), event_topic("two", deletion_policy="Delete"))
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until_ready()
        await world.until_ready(("shop", "two"))
        await operator.settle()
        writes, looks = len(world.kubernetes.writes), world.backends[0].calls["observe"]
        await world.until(lambda: world.backends[0].calls["observe"] > looks + 3)
        await operator.settle()
        assert len(world.kubernetes.writes) == writes
        assert world.backends[0].calls["CreateTopic"] == 2


async def test_a_batch_shares_its_requests() -> None:
    world = simple_world(*(event_topic(f"t{number}") for number in range(50)))
    async with world.operator():
        await world.until(lambda: all(world.ready(("shop", f"t{n}"))[0] == "True" for n in range(50)))
    assert world.backends[0].calls["apply"] <= 3


async def test_batches_are_bounded() -> None:
    world = simple_world(*(event_topic(f"t{number}") for number in range(25)))
    async with world.operator(batch_size=10):
        await world.until(lambda: all(world.ready(("shop", f"t{n}"))[0] == "True" for n in range(25)))
    assert world.backends[0].calls["apply"] >= 3


async def test_a_change_of_the_spec_is_made_and_seen() -> None:
    world = simple_world(event_topic(partitions=1))
    async with world.operator():
        await world.until_ready()
        world.kubernetes.put(event_topic(partitions=4, config={"retention.ms": "1000"}))
        await world.until(lambda: world.status().observed_generation == 2)
    existing = world.kafka.existing("shop.orders")
    assert existing is not None
    assert (existing.partitions, existing.config["retention.ms"]) == (4, "1000")
    assert world.status().partitions == 4


async def test_drift_is_repaired_with_an_event() -> None:
    world = simple_world(event_topic(config={"retention.ms": "1000"}))
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until_ready()
        world.kafka.edit("shop.orders", config={"retention.ms": "5"})
        await world.until(lambda: world.posted() == ["DriftRepaired"])
        repaired = operator.metrics.registry.get_sample_value("eventplane_drift_repaired_total", {"kind": "EventTopic"})
    assert repaired == 1.0
    existing = world.kafka.existing("shop.orders")
    assert existing is not None
    assert existing.config["retention.ms"] == "1000"


# --- deletion


def _use(world: World, policy: str, *, used: bool) -> None:
    if used and policy == "DeleteIfEmpty":
        world.kafka.produce("shop.orders")
    elif used:
        world.kafka.join("readers", "shop.orders")


@pytest.mark.parametrize(
    ("policy", "used", "resource_goes", "topic_goes"),
    [
        ("Retain", True, True, False),
        ("Delete", True, True, True),
        ("DeleteIfEmpty", False, True, True),
        ("DeleteIfEmpty", True, False, False),
        ("DeleteIfIdle", False, True, True),
        ("DeleteIfIdle", True, False, False),
    ],
)
async def test_deletion_does_what_its_policy_says(
    policy: str, *, used: bool, resource_goes: bool, topic_goes: bool
) -> None:
    world = simple_world(event_topic(deletion_policy=policy))
    async with world.operator() as operator:
        await world.until_ready()
        _use(world, policy, used=used)
        world.kubernetes.delete(EventTopic, SHOP)
        if resource_goes:
            await world.until(lambda: not world.exists())
            await world.until(lambda: "shop.orders" not in world.kafka.claims, "claim released")
        else:
            await world.until(lambda: world.ready()[1] in {"NotEmpty", "InUse"})
        await operator.settle()
        assert world.exists() is not resource_goes
        assert ("shop.orders" in world.kafka.topics()) is not topic_goes


@pytest.mark.parametrize("policy", ["DeleteIfEmpty", "DeleteIfIdle"])
async def test_a_refused_deletion_is_tried_again_at_resync(policy: str) -> None:
    world = simple_world(event_topic(deletion_policy=policy))
    async with world.operator(resync_seconds=0.02):
        await world.until_ready()
        world.kafka.join("readers", "shop.orders")
        world.kafka.produce("shop.orders")
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: world.ready()[1] in {"NotEmpty", "InUse"})
        world.kafka.leave("readers")
        world.kafka.delete("shop.orders")
        await world.until(lambda: not world.exists())


async def test_the_finalizer_goes_only_after_the_topic() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    async with world.operator():
        await world.until_ready()
        failing = [Unavailable("no answer"), Rejected(Reason.AUTHORIZATION_FAILED, "no right")]
        for error in failing:
            world.backends[0].fail_next(DeleteTopic, error)
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: world.ready()[1] == "AuthorizationFailed")
        assert world.topic().metadata.finalizers == (FINALIZER,)
        assert "shop.orders" in world.kafka.topics()
        world.kubernetes.annotate(EventTopic, SHOP, {"events.sindhan.ai/again": "1"})
        await world.until(lambda: not world.exists())
    assert world.kafka.topics() == frozenset()


async def test_deletion_does_not_need_a_spec_that_makes_sense() -> None:
    """Defaults of the bus may turn against a topic that exists; what it is to be counts no more once it goes."""
    world = simple_world(event_topic(deletion_policy="Delete", replication_factor=1))
    async with world.operator():
        await world.until_ready()
        world.kubernetes.put(event_bus(defaults={"config": {"min.insync.replicas": "2"}}))
        await world.until(lambda: world.ready()[1] == "InvalidSpec")
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: not world.exists())
    assert world.kafka.topics() == frozenset()


async def test_a_policy_changed_to_retain_lets_go_of_the_resource() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    async with world.operator():
        await world.until_ready()
        world.kubernetes.put(event_topic(deletion_policy="Retain"))
        await world.until(lambda: world.topic().metadata.finalizers == ())
        await world.until(lambda: world.status().observed_generation == 2)


async def test_others_finalizers_are_left_alone() -> None:
    world = simple_world(event_topic(deletion_policy="Delete", finalizers=("somebody/else",)))
    async with world.operator():
        await world.until_ready()
        assert world.topic().metadata.finalizers == ("somebody/else", FINALIZER)
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: world.topic().metadata.finalizers == ("somebody/else",))
    assert world.kafka.topics() == frozenset()


# --- what goes wrong


async def test_a_conflict_on_the_finalizer_is_tried_again() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    world.kubernetes.fail_next("PATCH", Conflict("changed"), times=2)
    async with world.operator():
        await world.until_ready()
    assert world.written() == ["finalizers", "status"]


async def test_a_resource_changed_while_it_gets_its_finalizer_is_not_said_to_be_done() -> None:
    """The status may speak only of the generation that was decided on."""
    world = simple_world(event_topic(deletion_policy="Delete", partitions=1))
    world.gates["observe"] = asyncio.Event()
    world.gates["apply"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.waiting["observe"])
        world.kubernetes.put(event_topic(deletion_policy="Delete", partitions=2))
        await asyncio.sleep(0.002)
        world.gates.pop("observe").set()
        await world.until(lambda: world.waiting["apply"])
        stop_second = world.gates["observe"] = asyncio.Event()
        world.gates.pop("apply").set()
        await world.until(lambda: world.ready()[0] == "True")
        assert world.status().observed_generation == 1
        del world.gates["observe"]
        stop_second.set()
        await world.until(lambda: world.status().observed_generation == 2)
        assert world.status().partitions == 2


async def test_a_status_that_cannot_be_written_is_tried_again() -> None:
    world = simple_world()
    world.kubernetes.fail_next("/eventtopics/orders/status", times=3)
    async with world.operator():
        await world.until_ready()
    assert world.backends[0].calls["CreateTopic"] == 1


async def test_a_resource_without_a_decision_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(case: TopicCase) -> Decision[TopicChange]:
        if case.resource.metadata.name == "poison":
            raise ValueError("secret thoughts")
        return topic_decisions.decide(case)

    monkeypatch.setattr(topics, "decide", decide)
    world = simple_world(event_topic(), event_topic("poison"))
    async with world.operator():
        await world.until_ready()
        await world.until(lambda: world.ready(("shop", "poison")) == ("False", "InternalError"))
    assert "secret thoughts" not in world.message(("shop", "poison"))
    assert world.kafka.topics() == {"shop.orders"}


async def test_a_resource_whose_report_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., object] = readiness.topic_status

    def topic_status(case: TopicCase, *rest: object) -> object:
        if case.resource.metadata.name == "poison":
            raise ValueError("a fault")
        return real(case, *rest)

    monkeypatch.setattr(topics, "topic_status", topic_status)
    world = simple_world(event_topic(), event_topic("poison"))
    async with world.operator() as operator:
        await world.until_ready()
        await asyncio.sleep(0.05)  # several retries of the other
        passes = operator.metrics.registry.get_sample_value(
            "eventplane_reconcile_total", {"kind": "EventTopic", "outcome": "Ready"}
        )
        assert passes == 1.0
        assert operator.dispatcher.stuck() == []


async def test_a_change_that_was_not_answered_is_tried_again() -> None:
    world = simple_world()
    async with world.operator():
        await world.until_ready()
        world.kubernetes.put(event_topic("two"))
        world.backends[0].fail_next(CreateTopic, Unavailable("no answer"), applied=True)
        await world.until_ready(("shop", "two"))


async def test_a_refused_change_waits_for_the_user_and_is_announced_once() -> None:
    world = simple_world(event_topic(config={"no.such.setting": "1"}))
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until(lambda: world.ready() == ("False", "Rejected"))
        looks = world.backends[0].calls["observe"]
        await world.until(lambda: world.backends[0].calls["observe"] > looks + 3)
        await operator.settle()
    assert world.posted() == ["Rejected"]
    assert world.written() == ["status"]


async def test_events_that_cannot_be_posted_do_not_fail_the_pass() -> None:
    world = simple_world(event_topic(config={"no.such.setting": "1"}))
    world.kubernetes.fail_next("POST", times=9)
    async with world.operator() as operator:
        await world.until(lambda: world.ready() == ("False", "Rejected"))
        await operator.settle()
        assert world.written() == ["status"]


async def test_a_bus_that_refuses_to_be_looked_at_is_said_to_be_so() -> None:
    world = simple_world()
    async with world.operator():
        await world.until_ready()

        async def observe(_: object) -> object:
            raise Rejected(Reason.AUTHORIZATION_FAILED, "not authorized to describe topics")

        world.backends[0].observe = observe  # type: ignore[assignment, method-assign]
        world.kubernetes.put(event_topic("two"))
        await world.until(lambda: world.ready(("shop", "two")) == ("False", "AuthorizationFailed"))


# --- modes


async def test_a_plan_waits_for_its_approval() -> None:
    world = simple_world(event_topic(mode="Plan"))
    async with world.operator() as operator:
        await world.until(lambda: world.ready() == ("False", "AwaitingApproval"))
        plan = world.status().plan
        assert plan is not None
        world.kubernetes.annotate(EventTopic, SHOP, {"events.sindhan.ai/approve": "something else"})
        await operator.settle()
        assert world.kafka.topics() == frozenset()
        world.kubernetes.annotate(EventTopic, SHOP, {"events.sindhan.ai/approve": plan.hash})
        await world.until_ready()
    assert world.kafka.topics() == {"shop.orders"}
    assert world.status().plan is None
    assert "plan" not in world.kubernetes.raw(EventTopic, SHOP)["status"]


async def test_nothing_is_written_while_paused() -> None:
    paused = {"events.sindhan.ai/paused": "true"}
    world = simple_world(event_topic(paused=True, deletion_policy="Delete"))
    async with world.operator() as operator:
        await world.until(lambda: world.ready() == ("False", "Paused"))
        assert (world.kafka.topics(), world.kafka.claims) == (frozenset(), {})
        assert world.topic().metadata.finalizers == ()
        world.kubernetes.annotate(EventTopic, SHOP, {})
        await world.until_ready()
        world.kubernetes.annotate(EventTopic, SHOP, paused)
        await world.until(lambda: world.ready()[1] == "Paused")
        world.kubernetes.delete(EventTopic, SHOP)
        await operator.settle()
        assert world.kafka.topics() == {"shop.orders"}
        assert world.topic().metadata.finalizers == (FINALIZER,)
        world.kubernetes.annotate(EventTopic, SHOP, {})
        await world.until(lambda: not world.exists())
    assert world.kafka.topics() == frozenset()


async def test_a_topic_that_is_only_observed_leaves_no_trace() -> None:
    world = simple_world(event_topic(mode="Observe", deletion_policy="Delete"))
    world.kafka.create("shop.orders")
    async with world.operator() as operator:
        await world.until(lambda: world.status().topic_id)
        await operator.settle()
        assert world.kafka.claims == {}
        assert world.written() == ["status"]
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: not world.exists())
    assert world.kafka.topics() == {"shop.orders"}


# --- rivals


async def test_the_elder_of_two_gets_the_topic_and_the_younger_learns_who() -> None:
    elder = event_topic("elder", topic_name="same", creation_timestamp="2025-01-01T00:00:00Z")
    younger = event_topic("younger", topic_name="same", creation_timestamp="2025-02-01T00:00:00Z")
    world = simple_world(younger, elder)
    async with world.operator():
        await world.until_ready(("shop", "elder"))
        await world.until(lambda: world.ready(("shop", "younger")) == ("False", "OwnedByAnother"))
        assert "shop/elder" in world.message(("shop", "younger"))
        stalled = condition(world.status(("shop", "younger")).conditions, ConditionType.STALLED)
        assert stalled is not None
        world.kubernetes.delete(EventTopic, ("shop", "elder"))
        await world.until_ready(("shop", "younger"))
    assert world.kafka.claims["same"].owner == owner("younger")


async def test_the_younger_gets_its_try_when_an_elder_without_a_claim_goes() -> None:
    elder = event_topic("elder", topic_name="same", mode="Plan", creation_timestamp="2025-01-01T00:00:00Z")
    world = simple_world(elder, event_topic("younger", topic_name="same"))
    async with world.operator():
        await world.until(lambda: world.ready(("shop", "younger")) == ("False", "OwnedByAnother"))
        assert world.kafka.claims == {}
        world.kubernetes.delete(EventTopic, ("shop", "elder"))
        await world.until_ready(("shop", "younger"))


async def test_a_topic_is_tried_again_when_the_claim_of_the_dead_is_released() -> None:
    world = simple_world()
    world.kafka.claims["shop.orders"] = Claim(owner("dead"), "id")
    gate = world.gates["claims"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.ready() == ("False", "OwnedByAnother"))
        gate.set()
        await world.until_ready()
    assert world.kafka.claims["shop.orders"].owner == owner()


async def test_a_claim_stands_against_an_elder_that_comes_later() -> None:
    world = simple_world(event_topic("first", topic_name="same", creation_timestamp="2025-02-01T00:00:00Z"))
    async with world.operator():
        await world.until_ready(("shop", "first"))
        elder = event_topic("elder", topic_name="same", creation_timestamp="2025-01-01T00:00:00Z")
        world.kubernetes.put(elder)
        await world.until(lambda: world.ready(("shop", "elder")) == ("False", "OwnedByAnother"))


async def test_a_namesake_takes_over_from_the_one_that_is_gone() -> None:
    world = simple_world()
    async with world.operator():
        await world.until_ready()
        world.kubernetes.delete(EventTopic, SHOP)
        world.kubernetes.put(event_topic(uid="another"))
        await world.until_ready()
        await world.until(lambda: world.kafka.claims["shop.orders"].owner == owner(uid="another"))


async def test_two_operators_of_two_clusters_share_a_kafka() -> None:
    first, second = simple_world(), simple_world()
    second.kafkas = first.kafkas
    async with first.operator():
        await first.until_ready()
        async with second.operator() as operator:
            foreign = first.kafka.claims["shop.orders"].owner
            operator.dispatcher.cluster = "elsewhere"
            await second.until(lambda: second.ready()[0] == "True")  # same owner: same cluster id, uid and name
            assert first.kafka.claims["shop.orders"].owner == foreign


# --- stop and start


async def test_an_operator_stopped_in_the_middle_of_a_batch_leaves_the_rest_to_the_next() -> None:
    topics = [event_topic(f"t{n}", deletion_policy="Delete" if n % 2 else "Retain") for n in range(20)]
    world = simple_world(*topics)
    world.gates["apply"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.waiting["apply"])
    assert world.backends[0].closed
    assert world.kafka.topics() == frozenset()
    del world.gates["apply"]
    async with world.operator() as operator:
        await world.until(lambda: all(world.ready(t.metadata.key)[0] == "True" for t in topics))
        await operator.settle()
    assert len(world.kafka.topics()) == 20
    finalizers = [w for w in world.kubernetes.writes if w.what == "finalizers" and w.ok]
    assert len(finalizers) == 10


async def test_an_operator_stopped_before_it_reported_leaves_that_to_the_next() -> None:
    world = simple_world()
    async with world.operator():
        gate = world.kubernetes.gates["PATCH /apis/events.sindhan.ai/v1alpha1/namespaces/shop/eventtopics"] = (
            asyncio.Event()
        )
        await world.until(world.kafka.topics)
        await asyncio.sleep(0.005)
    world.kubernetes.gates.clear()
    gate.set()
    await asyncio.sleep(0.005)
    assert world.written() == [], "written after the stop"
    async with world.operator():
        await world.until_ready()
    assert world.backends[-1].calls["CreateTopic"] == 0


async def test_a_bus_is_reported_once() -> None:
    world = simple_world()
    async with world.operator() as operator:
        await world.until_ready()
        await operator.settle()
    assert world.bus_ready() == ("True", "Ready")
    assert world.written("main") == ["status"]
    bus = world.kubernetes.show(EventBus, BUS)
    assert bus is not None
    assert (bus.status.cluster_id, bus.status.brokers) == ("memory", 3)
