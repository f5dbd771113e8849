"""One lane per bus: what its outages, its Secrets and its end mean for its topics and for other buses."""

import asyncio
import logging

import pytest
from builders import event_bus, event_topic, owner
from unit.controllers.world import BUS, SHOP, World, simple_world

from eventplane.api import DEFAULT_BUS_ANNOTATION, FINALIZER
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopic
from eventplane.backends.memory_cluster import MemoryCluster
from eventplane.controllers import dispatch, lanes, queue
from eventplane.controllers.queue import Urgency
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import ReleaseTopic
from eventplane.planning.topic_state import Claim
from eventplane.planning.verdicts import condition
from eventplane.telemetry import JsonFormatter

OTHER_BUS = ("other", "second")
OTHER = ("other", "invoices")


def two_buses() -> World:
    world = simple_world()
    world.kafkas["second:9092"] = MemoryCluster(cluster_id="second")
    world.kubernetes.put(event_bus("second", "other", kafka={"bootstrap_servers": ["second:9092"]}))
    world.kubernetes.put(event_topic("invoices", "other"))
    return world


def secured_bus() -> EventBus:
    login = {"type": "SCRAM-SHA-512", "secret_ref": {"name": "login"}}
    return event_bus(kafka={"bootstrap_servers": ["kafka:9092"], "authentication": login})


# --- outages


@pytest.mark.parametrize(
    ("failures", "looked", "pause"),
    [
        pytest.param(0, 0.0, 0.25, id="refused at once"),
        pytest.param(9, 0.0, 0.5, id="refused at once, again and again"),
        pytest.param(9, 0.4, 0.1, id="the look took most of the pause"),
        pytest.param(9, 2.0, 0.05, id="the look waited in vain: the next one waits for the bus"),
    ],
)
def test_a_look_that_waited_shortens_the_pause(
    failures: int, looked: float, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "FIRST_REPROBE_SECONDS", 0.25)
    monkeypatch.setattr(lanes, "LAST_REPROBE_SECONDS", 0.5)
    assert lanes.reprobe_pause(failures, looked) == pytest.approx(pause)


async def test_topics_of_a_bus_that_does_not_answer_are_told_so_once() -> None:
    world = simple_world()
    world.kafka.available = False
    async with world.operator(resync_seconds=0.1) as operator:
        await world.until(lambda: world.ready() == ("False", "BusUnavailable"))
        await world.until(lambda: world.bus_ready() == ("False", "BusUnavailable"))
        await asyncio.sleep(0.05)
        await operator.settle()
        assert world.written() == ["status"]
        assert world.written("main") == ["status"]
        assert condition(world.status().conditions, ConditionType.RECONCILING) is not None
        assert condition(world.status().conditions, ConditionType.STALLED) is None
        assert world.posted() == []


async def test_what_was_ready_is_unknown_while_its_bus_is_away() -> None:
    world = simple_world()
    async with world.operator(resync_seconds=0.02, refresh_seconds=0.01):
        await world.until_ready()
        known = world.status()
        world.kafka.available = False
        await world.until(lambda: world.ready() == ("Unknown", "BusUnavailable"))
        assert world.status().topic_id == known.topic_id
        world.kafka.available = True
        await world.until_ready()


async def test_all_are_ready_right_after_an_outage_without_waiting_for_backoff(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics = [event_topic(f"t{number}", deletion_policy="Delete") for number in range(30)]
    world = simple_world(*topics)
    world.gates["observe"] = asyncio.Event()
    async with world.operator(refresh_seconds=0.01, batch_size=10) as operator:
        await world.until(lambda: world.waiting["observe"])
        monkeypatch.setattr(queue, "FIRST_RETRY_SECONDS", 3600)
        monkeypatch.setattr(queue, "LAST_RETRY_SECONDS", 3600)
        world.kafka.available = False  # in the middle of a batch
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        await world.until(lambda: all(world.ready(t.metadata.key)[1] == "BusUnavailable" for t in topics))
        await world.until(lambda: operator.lane().queue.depth() == 0)
        del world.gates["observe"]
        world.kafka.available = True
        await world.until(lambda: all(world.ready(t.metadata.key)[0] == "True" for t in topics))


async def test_a_pass_that_fails_before_the_outage_is_noticed_does_not_wait_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = simple_world()
    async with world.operator() as operator:
        await world.until_ready()
        monkeypatch.setattr(queue, "FIRST_RETRY_SECONDS", 3600)
        monkeypatch.setattr(queue, "LAST_RETRY_SECONDS", 3600)
        gate = world.gates["probe"] = asyncio.Event()
        world.kafka.available = False
        world.kubernetes.put(event_topic(partitions=2))
        await world.until(lambda: world.waiting["probe"], "the failed pass makes the supervisor look")
        await operator.settle()
        del world.gates["probe"]
        gate.set()
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        world.kafka.available = True
        await world.until(lambda: world.status().partitions == 2)


async def test_a_dead_bus_costs_the_others_nothing() -> None:
    world = two_buses()
    gate = world.gates["never"] = asyncio.Event()
    world.kafka.available = False
    async with world.operator():
        await world.until_ready(OTHER)
        await world.until(lambda: world.ready() == ("False", "BusUnavailable"))
        world.kubernetes.put(event_topic("more", "other"))
        await world.until_ready(("other", "more"))
    gate.set()


async def test_a_bus_that_hangs_costs_the_others_nothing() -> None:
    world = two_buses()
    world.gates["probe"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.waiting["probe"] == 2)
        assert world.ready(OTHER) == ("-", "-")
        world.gates.pop("probe").set()
        await world.until_ready(OTHER)
        world.gates["apply"] = asyncio.Event()
        world.kubernetes.put(event_topic("stuck"))
        await world.until(lambda: world.waiting["apply"])
        del world.gates["apply"]
        world.kubernetes.put(event_topic("more", "other"))
        await world.until_ready(("other", "more"))
        assert world.ready(("shop", "stuck")) == ("-", "-")


async def test_a_fault_in_one_lane_does_not_end_it() -> None:
    """A fault of the operator on one bus is reported and tried again; it takes nothing else along."""
    world = two_buses()
    async with world.operator(refresh_seconds=0.005) as operator:
        await world.until_ready()

        async def probe() -> object:
            raise KeyError("a fault")

        backend = next(b for b in world.backends if b.connection.bootstrap_servers == ("kafka:9092",))
        backend.probe = probe  # type: ignore[method-assign]
        await world.until(lambda: world.bus_ready() == ("False", "InternalError"))
        assert operator.dispatcher.stuck() == []
        del backend.probe
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))


# --- the connection


async def test_a_rotated_secret_makes_a_new_connection_and_closes_the_old() -> None:
    world = simple_world(bus=secured_bus())
    world.passwords["kafka:9092"] = "first"
    world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "first"})
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        assert len(world.backends) == 1
        world.passwords["kafka:9092"] = "second"
        world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "second"})
        await world.until(lambda: len(world.backends) == 2)
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
        assert [backend.closed for backend in world.backends] == [True, False]
        assert world.backends[1].connection.password == "second"  # noqa: S105 - a test's
        world.kubernetes.put(event_topic("two"))
        await world.until_ready(("shop", "two"))
    assert all(backend.closed for backend in world.backends)


async def test_no_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = simple_world(bus=secured_bus())
    world.passwords["kafka:9092"] = "hunter2-right"
    async with world.operator(refresh_seconds=0.01):
        for password in ("hunter2-wrong", "hunter2-right"):
            world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": password})
            await world.until(lambda: world.bus_ready()[1] in {"AuthenticationFailed", "Ready"})
        await world.until_ready()
        backend = world.backends[-1]

        async def probe() -> object:
            raise KeyError(backend.connection)

        backend.probe = probe  # type: ignore[method-assign]
        await world.until(lambda: world.bus_ready()[1] == "InternalError")
    logged = "".join(JsonFormatter().format(record) for record in caplog.records)
    written = str([write.body for write in world.kubernetes.writes])
    assert "KafkaConnection" in logged
    assert "hunter2" not in logged + written


async def test_wrong_credentials_are_said_until_they_are_right() -> None:
    world = simple_world(bus=secured_bus())
    world.passwords["kafka:9092"] = "right"
    world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "wrong"})
    async with world.operator():
        await world.until(lambda: world.bus_ready() == ("False", "AuthenticationFailed"))
        await world.until(lambda: world.ready()[1] == "BusUnavailable")
        assert "AuthenticationFailed" in world.message()
        world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "right"})
        await world.until_ready()


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "SecretNotFound"),
        (Rejected(Reason.INTERNAL_ERROR, "403"), "SecretNotReadable"),
        ({"username": "operator"}, "SecretInvalid"),
    ],
)
async def test_a_secret_that_cannot_be_had_is_a_condition(
    secret: dict[str, str] | Exception | None, reason: str
) -> None:
    world = simple_world(bus=secured_bus())
    world.kubernetes.put_secret("shop", "login", secret)
    async with world.operator():
        await world.until(lambda: world.bus_ready() == ("False", reason))
        await world.until(lambda: world.ready()[1] == "BusUnavailable")
        assert reason in world.message()
        assert world.backends == []
        world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "p"})
        await world.until_ready()


async def test_another_address_makes_a_new_connection() -> None:
    world = simple_world()
    world.kafkas["moved:9092"] = world.kafka
    async with world.operator():
        await world.until_ready()
        world.kubernetes.put(event_bus(kafka={"bootstrap_servers": ["moved:9092"]}))
        await world.until(lambda: len(world.backends) == 2)
        await world.until(lambda: world.backends[0].closed)


async def test_another_kafka_cluster_is_refused_until_it_is_accepted() -> None:
    world = simple_world(event_topic(deletion_policy="Delete"))
    elsewhere = world.kafkas["elsewhere:9092"] = MemoryCluster(cluster_id="elsewhere")
    moved = event_bus(kafka={"bootstrap_servers": ["elsewhere:9092"]})
    async with world.operator() as operator:
        await world.until_ready()
        world.kubernetes.put(moved)
        await world.until(lambda: world.bus_ready() == ("False", "ClusterChanged"))
        await operator.settle()
        assert elsewhere.topics() == frozenset()
        bus = world.kubernetes.show(EventBus, BUS)
        assert bus is not None
        assert bus.status.cluster_id == "memory"
        world.kubernetes.annotate(EventBus, BUS, {"events.sindhan.ai/accept-cluster": "wrong"})
        await operator.settle()
        assert world.bus_ready() == ("False", "ClusterChanged")
        world.kubernetes.annotate(EventBus, BUS, {"events.sindhan.ai/accept-cluster": "elsewhere"})
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
        await world.until(lambda: elsewhere.topics() == {"shop.orders"})
        await world.until_ready()
        bus = world.kubernetes.show(EventBus, BUS)
        assert bus is not None
        assert bus.status.cluster_id == "elsewhere"


async def test_a_bus_changed_while_its_lane_looks_at_it_is_looked_at_again() -> None:
    world = simple_world(event_topic())
    async with world.operator(refresh_seconds=0.01) as operator:
        await world.until_ready()
        gate = world.gates["probe"] = asyncio.Event()
        await world.until(lambda: world.waiting["probe"])
        operator.lane()._timing = type(operator.lane()._timing)(3600, 3600)  # noqa: SLF001 - no look but by attention
        world.kafkas["moved:9092"] = world.kafka
        moved = {"bootstrap_servers": ["moved:9092"]}
        world.kubernetes.put(event_bus(kafka=moved, defaults={"config": {"retention.ms": "5"}}))
        await asyncio.sleep(0.005)
        del world.gates["probe"]
        gate.set()
        await world.until(lambda: setting_of(world) == "5", "the default of the bus as it is now")
        await world.until(lambda: len(world.backends) == 2, "its address as it is now")


async def test_defaults_of_the_bus_change_its_topics() -> None:
    world = simple_world()
    async with world.operator():
        await world.until_ready()
        world.kubernetes.put(event_bus(defaults={"partitions": 4, "config": {"retention.ms": "5"}}))
        await world.until(lambda: setting_of(world) == "5")
        assert world.status().partitions == 1, "existing topics are neither grown nor stalled by a default"


def setting_of(world: World) -> str | None:
    existing = world.kafka.existing("shop.orders")
    return None if existing is None else existing.config.get("retention.ms")


# --- topics that change buses


async def test_topics_that_have_moved_are_left_to_their_new_bus() -> None:
    """What waited for a dead bus is not created there when it answers again and the topic belongs elsewhere."""
    default = {DEFAULT_BUS_ANNOTATION: "true"}
    world = simple_world(bus=event_bus(annotations=default))
    world.kafkas["second:9092"] = second = MemoryCluster(cluster_id="second")
    world.kubernetes.put(event_bus("second", kafka={"bootstrap_servers": ["second:9092"]}))
    world.kafka.available = False
    async with world.operator() as operator:
        await world.until(lambda: world.ready()[1] == "BusUnavailable")
        world.kubernetes.annotate(EventBus, BUS, {})
        world.kubernetes.annotate(EventBus, ("shop", "second"), default)
        await world.until_ready()
        assert second.topics() == {"shop.orders"}
        operator.lane().queue.add(SHOP)
        await operator.settle()
        assert world.ready() == ("True", "Ready")
        world.kafka.available = True
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
        await operator.settle()
        assert world.kafka.topics() == frozenset()
        assert world.status().bus == "shop/second"


# --- what resources leave behind


def deleted_world(policy: str = "Delete", finalizers: tuple[str, ...] = ()) -> World:
    return simple_world(event_topic(deletion_policy=policy, finalizers=finalizers))


async def test_a_deletion_waits_for_its_bus_and_is_then_made() -> None:
    world = deleted_world()
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        world.kafka.available = False
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: world.ready()[1] == "BusUnavailable")
        world.pass_time(14 * 60)
        await asyncio.sleep(0.03)
        assert world.exists()
        world.kafka.available = True
        await world.until(lambda: not world.exists())
    assert world.kafka.topics() == frozenset()


@pytest.mark.parametrize(
    ("policy", "used", "kept"),
    [("Delete", True, False), ("DeleteIfEmpty", False, False), ("DeleteIfEmpty", True, True)],
)
async def test_a_resource_goes_after_orphan_after_and_its_topic_when_the_bus_is_back(
    policy: str, *, used: bool, kept: bool
) -> None:
    world = deleted_world(policy)
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        if used:
            world.kafka.produce("shop.orders")
        world.kafka.available = False
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        world.kubernetes.delete(EventTopic, SHOP)
        world.pass_time(16 * 60)
        await world.until(lambda: not world.exists())
        writes = [w for w in world.kubernetes.writes if w.ok]
        recorded = next(i for i, w in enumerate(writes) if w.what == "status" and w.body["status"].get("orphans"))
        released = max(i for i, w in enumerate(writes) if w.what == "finalizers")
        assert recorded < released
        bus = world.kubernetes.show(EventBus, BUS)
        assert bus is not None
        assert [orphan.thing for orphan in bus.status.orphans] == ["shop.orders"]
        world.kafka.available = True
        await world.until(lambda: not world.kubernetes.raw(EventBus, BUS)["status"].get("orphans"))
    assert ("shop.orders" in world.kafka.topics()) is kept
    assert world.kafka.claims == {}


async def test_a_resource_stays_while_its_orphan_cannot_be_recorded() -> None:
    world = deleted_world()
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        world.kafka.available = False
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        too_large = Rejected(Reason.INTERNAL_ERROR, "the API server answered 413")
        world.kubernetes.fail_next("/eventbuses/main/status", too_large, times=5)
        world.kubernetes.delete(EventTopic, SHOP)
        world.pass_time(16 * 60)
        await world.until(lambda: sum(not w.ok for w in world.kubernetes.writes) == 3)
        assert world.topic().metadata.finalizers == (FINALIZER,)
        await world.until(lambda: not world.exists())
    bus = world.kubernetes.show(EventBus, BUS)
    assert bus is not None
    assert len(bus.status.orphans) == 1


async def test_many_orphans_are_recorded_at_once() -> None:
    topics = [event_topic(f"t{n}", deletion_policy="Delete") for n in range(20)]
    world = simple_world(*topics)
    async with world.operator(refresh_seconds=0.01):
        await world.until(lambda: all(world.ready(t.metadata.key)[0] == "True" for t in topics))
        world.kafka.available = False
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        for topic in topics:
            world.kubernetes.delete(EventTopic, topic.metadata.key)
        await asyncio.sleep(0.01)
        world.pass_time(16 * 60)
        await world.until(lambda: not any(world.exists(t.metadata.key) for t in topics))
        assert len(world.written("main")) <= 4
        world.kafka.available = True
        await world.until(lambda: world.kafka.topics() == frozenset())


async def test_an_orphan_whose_topic_was_replaced_is_left_alone() -> None:
    world = deleted_world()
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        world.kafka.available = False
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        world.kubernetes.delete(EventTopic, SHOP)
        world.pass_time(16 * 60)
        await world.until(lambda: not world.exists())
        world.kafka.delete("shop.orders")
        world.kafka.create("shop.orders")
        world.kafka.available = True
        await world.until(lambda: not world.kubernetes.raw(EventBus, BUS)["status"].get("orphans"))
    assert world.kafka.topics() == {"shop.orders"}
    assert world.kafka.claims == {}


async def test_a_resource_that_never_had_a_topic_goes_too() -> None:
    """The bus died between the finalizer and the first status: nothing is left behind, so nothing holds it."""
    world = deleted_world(finalizers=(FINALIZER,))
    world.kafka.available = False
    async with world.operator():
        await world.until(lambda: world.ready()[1] == "BusUnavailable")
        world.kubernetes.delete(EventTopic, SHOP)
        await asyncio.sleep(0.02)
        assert world.exists()
        world.pass_time(16 * 60)
        await world.until(lambda: not world.exists())


async def test_paused_resources_are_not_let_go() -> None:
    world = deleted_world()
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        world.kafka.available = False
        world.kubernetes.annotate(EventTopic, SHOP, {"events.sindhan.ai/paused": "true"})
        world.kubernetes.delete(EventTopic, SHOP)
        world.pass_time(16 * 60)
        await world.until(lambda: world.bus_ready()[1] == "BusUnavailable")
        await asyncio.sleep(0.03)
        assert world.exists()


async def test_claims_of_the_dead_are_released_those_of_the_living_and_of_strangers_not() -> None:
    world = simple_world()
    dead, foreign = owner("dead"), owner("foreign", cluster="another")
    world.kafka.claims |= {"dead": Claim(dead, "id"), "foreign": Claim(foreign, "id")}
    async with world.operator():
        await world.until_ready()
        await world.until(lambda: "dead" not in world.kafka.claims)
        assert set(world.kafka.claims) == {"foreign", "shop.orders"}


async def test_a_sweep_does_not_take_the_claim_of_what_was_created_meanwhile() -> None:
    world = simple_world()
    async with world.operator() as operator:
        await world.until_ready()
        gate = world.gates["claims"] = asyncio.Event()
        operator.lane().resource_gone()
        await world.until(lambda: world.backends[0].calls["claims"] >= 2)
        world.kubernetes.put(event_topic("late"))
        await world.until_ready(("shop", "late"))
        world.gates.clear()
        operator.lane().resource_gone()
        gate.set()
        await operator.settle()
        await asyncio.sleep(0.01)
        assert set(world.kafka.claims) == {"shop.orders", "shop.late"}
        assert world.backends[0].calls["ReleaseTopic"] == 0


async def test_a_sweep_does_not_take_a_claim_seen_after_the_living_were_counted() -> None:
    """The ledger is read later than the resources are listed: what was created in between is alive."""
    world = simple_world()
    async with world.operator() as operator:
        await world.until_ready()
        backend, claims = world.backends[0], dict(world.kafka.claims)

        async def read() -> dict[str, Claim]:
            world.kubernetes.put(event_topic("late"))
            await world.until_ready(("shop", "late"))
            return dict(world.kafka.claims)

        backend.claims = read  # type: ignore[method-assign]
        operator.lane().resource_gone()
        await world.until_ready(("shop", "late"))
        await asyncio.sleep(0.01)
        assert set(world.kafka.claims) == {*claims, "shop.late"}
        assert backend.calls["ReleaseTopic"] == 0


async def test_a_failed_sweep_is_made_up_for() -> None:
    world = simple_world()
    world.kafka.claims["dead"] = Claim(owner("dead"), "id")
    async with world.operator(refresh_seconds=0.01):
        await world.until(lambda: world.backends)
        world.backends[0].fail_next(ReleaseTopic, Unavailable("no answer"))
        await world.until_ready()
        await world.until(lambda: "dead" not in world.kafka.claims)


# --- the end of a bus and of a lane


async def test_deletions_outlive_their_bus() -> None:
    world = deleted_world()
    async with world.operator() as operator:
        await world.until_ready()
        world.backends[0].fail_next(lambda change: type(change).__name__ == "DeleteTopic", Unavailable("busy"))
        world.kubernetes.delete(EventTopic, SHOP)
        world.kubernetes.delete(EventBus, BUS)
        await world.until(lambda: not world.exists())
        assert world.kafka.topics() == frozenset()
        await world.until(lambda: not operator.dispatcher.topics.lanes)
        await world.until(lambda: world.backends[0].closed)


async def test_a_topic_that_is_deleted_right_after_its_bus_is_dealt_with_as_its_policy_says() -> None:
    world = deleted_world()
    async with world.operator() as operator:
        await world.until_ready()
        world.kubernetes.delete(EventBus, BUS)
        await world.until(lambda: world.ready() == ("False", "BusNotFound"))
        world.kubernetes.delete(EventTopic, SHOP)  # as when a namespace goes, whose contents go one by one
        await world.until(lambda: not world.exists())
        assert world.kafka.topics() == frozenset()
        await world.until(lambda: not operator.dispatcher.topics.lanes)


async def test_the_lane_of_a_deleted_bus_waits_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "FAREWELL_SECONDS", 0.02)
    world = deleted_world()
    async with world.operator() as operator:
        await world.until_ready()
        world.kubernetes.delete(EventBus, BUS)
        await world.until(lambda: world.ready() == ("False", "BusNotFound"))
        await world.until(lambda: not operator.dispatcher.topics.lanes)
        await world.until(lambda: world.backends[0].closed)
        assert world.kafka.topics() != frozenset()


async def test_a_refused_deletion_is_tried_again_after_the_end_of_its_bus() -> None:
    world = simple_world(event_topic(deletion_policy="DeleteIfEmpty"))
    async with world.operator(resync_seconds=0.02):
        await world.until_ready()
        world.kafka.produce("shop.orders")
        world.kubernetes.delete(EventTopic, SHOP)
        await world.until(lambda: world.ready()[1] == "NotEmpty")
        world.kubernetes.delete(EventBus, BUS)
        await asyncio.sleep(0.01)
        world.kafka.delete("shop.orders")
        await world.until(lambda: not world.exists())


async def test_topics_of_a_bus_that_is_gone_are_told_so_and_kept() -> None:
    world = simple_world()
    async with world.operator() as operator:
        await world.until_ready()
        world.kubernetes.delete(EventBus, BUS)
        await world.until(lambda: world.ready() == ("False", "BusNotFound"))
        assert operator.dispatcher.topics.lanes == {}
        world.kubernetes.put(event_bus(uid="again"))
        await world.until_ready()
        assert world.backends[0].closed
    assert world.kafka.topics() == {"shop.orders"}


async def test_a_deletion_without_a_bus_says_what_it_waits_for_and_ends() -> None:
    world = World()
    world.kubernetes.put(event_topic(deletion_policy="Delete", deleting=True))
    async with world.operator():
        await world.until(lambda: world.ready() == ("False", "BusNotFound"))
        assert world.exists()
        world.pass_time(16 * 60)
        await world.until(lambda: not world.exists())


async def test_a_cancelled_lane_closes_its_connection() -> None:
    world = simple_world()
    world.gates["apply"] = asyncio.Event()
    async with world.operator():
        await world.until(lambda: world.waiting["apply"])
    assert [backend.closed for backend in world.backends] == [True]


async def test_a_lane_marks_its_topics_and_no_others() -> None:
    world = two_buses()
    async with world.operator() as operator:
        await world.until_ready()
        await world.until_ready(OTHER)
        await operator.settle()
        operator.lane(OTHER_BUS).mark_all(Urgency.RESYNC)
        assert operator.lane(OTHER_BUS).queue.depth() == 1
        assert operator.lane(BUS).queue.depth() == 0


async def test_a_bus_whose_status_is_not_written_works_all_the_same() -> None:
    world = simple_world(bus=event_bus(status=EventBusStatus()))
    world.kubernetes.fail_next("/eventbuses/main/status")
    async with world.operator(refresh_seconds=0.01):
        await world.until_ready()
        await world.until(lambda: world.bus_ready() == ("True", "Ready"))
