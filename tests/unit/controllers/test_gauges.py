"""Lag and depth through the loops, in memory: exact in metrics, calm in statuses, and forgotten with what is gone."""

import pytest
from builders import dead_letter_policy, event_topic, publication, subscription
from prometheus_client import CollectorRegistry, generate_latest
from unit.controllers.world import BUS, WatchedGauges, World, access_world

from eventplane.api import ROLE_LABEL, SUBSCRIPTION_LABEL
from eventplane.api.conditions import ConditionType
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.subscription import Subscription, SubscriptionStatus
from eventplane.controllers import gauges
from eventplane.controllers.gauge_book import GaugeBook
from eventplane.planning.gauge_state import GaugeQuery
from eventplane.planning.gauges import STEADY_LOOKS, Gauge, Measured, Role
from eventplane.planning.verdicts import condition
from eventplane.telemetry import DEAD_LETTER_AGE, DEAD_LETTERS, RETRIES, SUBSCRIPTION_LAG, GaugesAtScrape

BILLING = subscription("billing", dead_letter_policy_ref={"name": "careful"})
KEY = BILLING.metadata.key
POLICY = dead_letter_policy(alert={"depth": 2})
LETTERS = event_topic("billing.dlq", labels={SUBSCRIPTION_LABEL: "billing", ROLE_LABEL: "dead-letter"})
RETRY = event_topic("billing.retry-1s", labels={SUBSCRIPTION_LABEL: "billing", ROLE_LABEL: "retry"})
LOOK = 0.003


@pytest.fixture(autouse=True)
def tended_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "TEND_SECONDS", LOOK)


def busy_world() -> World:
    """A Subscription with three events to read of which one is read, two dead letters, and one to be tried again."""
    world = access_world(BILLING, topics=(event_topic(), LETTERS, RETRY))
    world.kubernetes.put(POLICY)
    world.offsets.append("shop.orders", 3)
    world.offsets.commit("shop.billing", "shop.orders", 1)
    now_ms = int(world.now.timestamp() * 1000)
    world.offsets.append("shop.billing.dlq", 2, timestamp_ms=now_ms - 90_000)
    world.offsets.append("shop.billing.retry-1s", 1)
    return world


def lag(world: World) -> int | None:
    shown = world.kubernetes.show(Subscription, KEY)
    return shown.status.lag if shown else None


async def looked_again(world: World, backend: WatchedGauges) -> None:
    looked = backend.calls["observe"]
    await world.until(lambda: backend.calls["observe"] > looked)


def policy(world: World) -> DeadLetterPolicy:
    shown = world.kubernetes.show(DeadLetterPolicy, POLICY.metadata.key)
    assert shown is not None
    return shown


def said(world: World, kind: ConditionType = ConditionType.DEAD_LETTERS_PRESENT) -> tuple[str, str]:
    found = condition(policy(world).status.conditions, kind)
    return (found.status, found.reason) if found else ("-", "-")


async def test_lag_and_depth_are_exact_in_metrics_and_coarse_in_status() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: said(world) == ("True", "AboveThreshold"))
        await world.until(lambda: lag(world) == 2)
        samples = operator.book.samples()
        of = ("shop", "billing")
        assert samples[SUBSCRIPTION_LAG] == {(*of, "shop.orders", "0"): 2}
        assert samples[DEAD_LETTERS] == {(*of, "shop.billing.dlq"): 2}
        assert samples[RETRIES] == {(*of, "shop.billing.retry-1s"): 1}
        assert samples[DEAD_LETTER_AGE] == {(*of, "shop.billing.dlq"): 90}
        world.offsets.append("shop.orders", 4)
        await world.until(lambda: lag(world) == 10)
        assert operator.book.samples()[SUBSCRIPTION_LAG] == {(*of, "shop.orders", "0"): 6}
        registry = CollectorRegistry()
        registry.register(GaugesAtScrape(operator.book.samples))
        line = 'eventplane_subscription_lag{name="billing",namespace="shop",partition="0",topic="shop.orders"} 6.0'
        assert line in generate_latest(registry).decode()


async def test_a_policy_says_who_uses_it_and_what_lies_there() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK):
        await world.until(lambda: said(world) == ("True", "AboveThreshold"))
        status = policy(world).status
        assert said(world, ConditionType.READY) == ("True", "Ready")
        assert status.used_by == 1
        assert [(each.name, each.depth, each.oldest_age) for each in status.topics] == [
            ("shop.billing.dlq", 2, "1m"),
            ("shop.billing.retry-1s", 1, None),
        ]
        world.kubernetes.delete(Subscription, KEY)
        await world.until(lambda: policy(world).status.used_by == 0)
        assert said(world) == ("False", "BelowThreshold")


async def test_dead_letters_that_are_gone_are_gone_from_the_status_after_a_while() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK):
        await world.until(lambda: said(world) == ("True", "AboveThreshold"))
        world.offsets.delete_records("shop.billing.dlq", 2)
        await world.until(lambda: said(world) == ("False", "BelowThreshold"))


async def test_nothing_is_written_while_a_busy_consumer_keeps_up() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: said(world) == ("True", "AboveThreshold") and lag(world) == 2)
        await operator.settle()
        written, backend = len(world.kubernetes.writes), world.gauge_backends[0]
        for step in range(4 * STEADY_LOOKS):  # two events wait, then one, then two
            world.offsets.commit("shop.billing", "shop.orders", 1 + step % 2)
            await looked_again(world, backend)
        await operator.settle()
        assert len(world.kubernetes.writes) == written


async def test_a_restart_writes_nothing() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: said(world) == ("True", "AboveThreshold") and lag(world) == 2)
        await operator.settle()
    written = len(world.kubernetes.writes)
    world.offsets.commit("shop.billing", "shop.orders", 2)  # fewer, and for a while that is not told
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: len(world.gauge_backends) == 2 and world.gauge_backends[1].calls["observe"] > 2)
        await operator.settle()
        assert len(world.kubernetes.writes) == written


async def test_one_request_is_for_all_and_none_where_nothing_is_to_be_measured() -> None:
    others = [subscription(f"s{number}") for number in range(20)]
    world = access_world(*others)
    world.offsets.append("shop.orders")
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: all(operator.book.account_of(each.metadata.key) for each in others))
        await world.until(lambda: world.gauge_backends and world.gauge_backends[0].calls["observe"] > 1)
        assert len(world.gauge_backends) == 1
    quiet = access_world(publication("web"))
    async with quiet.operator(gauge_seconds=LOOK) as operator:
        await operator.settle()
        assert quiet.gauge_backends == []


async def test_a_bus_that_is_down_has_no_exact_figures_and_keeps_its_status() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: said(world) == ("True", "AboveThreshold") and lag(world) == 2)
        world.offsets.available = False
        await world.until(lambda: not operator.book.samples()[SUBSCRIPTION_LAG])
        assert (lag(world), said(world)) == (2, ("True", "AboveThreshold"))
        world.offsets.available = True
        await world.until(lambda: operator.book.samples()[SUBSCRIPTION_LAG])
        world.principals.available = False
        operator.dispatcher.subscriptions.lanes[BUS].bus_changed()
        await world.until(lambda: not operator.book.samples()[SUBSCRIPTION_LAG])


async def test_a_topic_that_may_not_be_looked_at_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    world = busy_world()
    world.offsets.hidden.add("shop.billing.dlq")
    async with world.operator(gauge_seconds=LOOK):
        await world.until(lambda: lag(world) == 2)
        await world.until(lambda: policy(world).status.topics)
        assert said(world) == ("False", "BelowThreshold")
        shown = {each.name: each.depth for each in policy(world).status.topics}
        assert shown == {"shop.billing.dlq": None, "shop.billing.retry-1s": 1}
    assert "not measured" not in caplog.text


async def test_a_fault_is_logged_and_the_loop_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: operator.book.account_of(KEY))

        def fail(_query: object) -> object:
            raise KeyError("planted")

        look, world.offsets.look = world.offsets.look, fail  # type: ignore[method-assign, assignment]
        await world.until(lambda: "this is a fault of the operator" in caplog.text)
        world.offsets.look = look  # type: ignore[method-assign]
        await world.until(lambda: operator.book.samples()[DEAD_LETTERS])


async def test_credentials_that_changed_open_another_backend() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK, refresh_seconds=LOOK):
        await world.until(lambda: lag(world) == 2)
        world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "another"})
        await world.until(lambda: len(world.gauge_backends) == 2)
        assert world.gauge_backends[0].closed
        assert world.gauge_backends[1].connection.password == "another"  # noqa: S105 - of no server


async def test_a_bus_that_is_gone_is_forgotten() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: lag(world) == 2)
        world.kubernetes.delete(EventBus, BUS)
        await world.until(lambda: operator.book.account_of(KEY) is None)
        assert world.gauge_backends[0].closed


async def test_who_moves_to_another_bus_or_goes_is_forgotten_with_the_next_look() -> None:
    world = busy_world()
    async with world.operator(gauge_seconds=LOOK) as operator:
        await world.until(lambda: operator.book.account_of(KEY))
        world.kubernetes.delete(Subscription, KEY)
        await world.until(lambda: operator.book.account_of(KEY) is None)
        assert not any(operator.book.samples().values())


async def test_while_standing_by_nothing_is_measured() -> None:
    world = busy_world()
    async with world.operator(lead=False, gauge_seconds=LOOK) as operator:
        await operator.settle()
        assert world.gauge_backends == []
        assert lag(world) is None
        assert policy(world).status.conditions == ()


def test_a_book_that_knows_nothing_says_what_the_status_says() -> None:
    book = GaugeBook()
    known = subscription("billing", status=SubscriptionStatus(lag=50))
    assert book.lag_of(known) == 50
    assert book.drained(KEY) == frozenset()
    book.silence(BUS)
    book.forget(BUS)


def test_a_book_tells_when_a_leftover_has_been_empty_for_a_while() -> None:
    book = GaugeBook()
    leftover = Gauge(KEY, Role.RETRY, GaugeQuery("shop.billing.retry-9s", "shop.billing"), leftover=True)
    news = [book.record(BUS, {KEY: [Measured(leftover, {0: 0})]}, {KEY: None}) for _ in range(STEADY_LOOKS)]
    assert [KEY in each.subscriptions for each in news] == [False] * (STEADY_LOOKS - 1) + [True]
    assert book.drained(KEY) == {"shop.billing.retry-9s"}
