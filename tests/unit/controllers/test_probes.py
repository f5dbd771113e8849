"""What the kubelet and Prometheus are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from builders import event_topic
from unit.controllers.world import BUS, Operator, World, simple_world

from eventplane.controllers.probes import ProbeServer


@asynccontextmanager
async def probed(operator: Operator) -> AsyncIterator["Asker"]:
    server = ProbeServer(operator.dispatcher, operator.metrics, 0)
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Asker(session, f"http://127.0.0.1:{server.port}")
    await server.stop()


class Asker:
    """Asks the probes."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address

    async def ask(self, path: str) -> tuple[int, str]:
        async with self._session.get(self._address + path) as response:
            return response.status, await response.text()

    async def samples(self) -> dict[str, float]:
        _, text = await self.ask("/metrics")
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}


async def test_ready_once_everything_was_seen_leading_or_not() -> None:
    world = simple_world()
    async with world.operator(lead=False) as operator, probed(operator) as probes:
        assert (await probes.ask("/readyz"))[0] == 503
        assert (await probes.ask("/healthz"))[0] == 200
        operator.dispatcher.synced.set()
        assert await probes.ask("/readyz") == (200, "standing by\n")
        operator.lead()
        assert await probes.ask("/readyz") == (200, "leading\n")


async def test_a_dead_lane_is_a_reason_to_be_restarted() -> None:
    world = simple_world()
    async with world.operator() as operator, probed(operator) as probes:
        await world.until_ready()
        operator.dispatcher.topics._tasks[BUS].cancel()  # noqa: SLF001 - nothing does this by design
        await asyncio.sleep(0.01)
        status, text = await probes.ask("/healthz")
        assert status == 500
        assert "main" in text


async def test_the_metrics_say_what_is_the_case() -> None:
    world = simple_world(event_topic(), event_topic("bad", topic_name="same"), event_topic("worse", topic_name="same"))
    async with world.operator() as operator, probed(operator) as probes:
        await world.until_ready()
        await world.until_ready(("shop", "bad"))
        await operator.settle()
        assert operator.dispatcher.is_idle
        samples = await probes.samples()
        expected = {
            'eventplane_reconcile_total{kind="EventTopic",outcome="Ready"}': 2,
            'eventplane_reconcile_total{kind="EventTopic",outcome="OwnedByAnother"}': 1,
            'eventplane_reconcile_seconds_count{kind="EventTopic",outcome="Ready"}': 2,
            'eventplane_reconcile_seconds_count{kind="EventTopic",outcome="OwnedByAnother"}': 1,
            'eventplane_resources{kind="EventTopic",ready="True"}': 2,
            'eventplane_resources{kind="EventTopic",ready="False"}': 1,
            'eventplane_resources{kind="EventBus",ready="True"}': 1,
            'eventplane_queue_depth{bus="shop/main",kind="EventTopic"}': 0,
            'eventplane_queue_oldest_seconds{bus="shop/main",kind="EventTopic"}': 0,
            'eventplane_bus_open{bus="shop/main",kind="EventTopic"}': 0,
            'eventplane_drifted{kind="EventTopic"}': 0,
            "eventplane_leading": 1,
        }
        assert {name: samples.get(name) for name in expected} == expected
        operator.dispatcher.topics.lanes[BUS].queue.add(("shop", "orders"))
        assert not operator.dispatcher.is_idle


async def test_an_open_breaker_and_standing_drift_are_shown() -> None:
    topic = event_topic(drift_policy="Warn", config={"retention.ms": "1000"})
    world = simple_world(topic)
    async with world.operator(resync_seconds=0.1, refresh_seconds=0.01) as operator, probed(operator) as probes:
        await world.until_ready()
        world.kafka.edit("shop.orders", config={"retention.ms": "5"})
        await world.until(lambda: world.status().drift)
        await operator.settle()
        assert (await probes.samples())['eventplane_drifted{kind="EventTopic"}'] == 1
        world.kafka.available = False
        await world.until(lambda: world.ready()[1] == "BusUnavailable")
        assert (await probes.samples())['eventplane_bus_open{bus="shop/main",kind="EventTopic"}'] == 1


async def test_calls_to_kafka_and_to_the_api_server_are_counted_and_forgotten_with_the_bus() -> None:
    world = World()
    async with world.operator() as operator, probed(operator) as probes:
        for bus in ("shop/main", "shop/other"):
            operator.metrics.admin_calls.labels(bus, "Metadata", "ok").inc()
        operator.metrics.admin_seconds.labels("Metadata").observe(0.1)
        operator.metrics.api_calls.labels("PATCH", "200").inc()
        operator.metrics.forget_bus("shop/main")
        samples = await probes.samples()
        names = {name.partition("{")[0] for name in samples}
        assert {
            "eventplane_kafka_admin_calls_total",
            "eventplane_kafka_admin_seconds_count",
            "eventplane_kubernetes_api_calls_total",
        } <= names
        assert not any('bus="shop/main"' in name for name in samples)
        assert any('bus="shop/other"' in name for name in samples)
