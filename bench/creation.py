"""N EventTopics from first create to all Ready: as a bare script, with the operator running, and with it starting."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.counters import ADMIN_CALLS, API_CALLS, per_topic, since
from bench.manifests import PARTITIONS, names, topic_name
from bench.operator_process import OperatorProcess, operator
from bench.phases import phase
from bench.processes import run_floor
from bench.site import Site, site
from bench.watch import TopicWatch

PREFIX = "t"


def limit_seconds(topics: int) -> float:
    """Return how long a phase over that many topics may take before it counts as not converging."""
    return 60 + topics / 10


async def floor_creation(place: Site, count: int, *, wait_until_shown: bool) -> dict[str, float]:
    """Measure the floor; what is changed afterwards must be shown by the brokers first."""
    async with phase(f"floor: create {count:,}", limit_seconds(count)):
        measured = await run_floor(place.work("create", PREFIX, count))
    if not wait_until_shown:
        return measured
    return measured | {"shown_later_seconds": await until_shown(place, names(PREFIX, count))}


async def operator_creation(place: Site, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure the operator, running and idle, from the first create to the last Ready seen on a watch."""
    resources = names(PREFIX, count)
    async with TopicWatch.open(place.api, place.namespace) as watch:
        expected = watch.expect(resources)
        await place.api.open_connections()
        before, busy, own = await under_test.counts(), under_test.cpu_seconds(), time.process_time()
        async with phase(f"operator: create {count:,}", limit_seconds(count), expected.progress):
            begun = time.perf_counter()
            await place.create(resources)
            created = time.perf_counter()
            ready = await watch.until(expected)
    busy, own = under_test.cpu_seconds() - busy, time.process_time() - own
    shown_later = await until_shown(place, resources)
    await settle(under_test, count)
    counted = since(before, await under_test.counts())
    return {
        "seconds": ready - begun,
        "shown_later_seconds": shown_later,
        "create_requests_seconds": created - begun,
        "operator_cpu_seconds": busy,
        "load_cpu_seconds": own,
        "api_calls_per_topic": per_topic(counted[API_CALLS], count),
        "kafka_calls_per_topic": per_topic(counted[ADMIN_CALLS], count),
    }


async def cold_creation(kubeconfig: Path, count: int) -> float:
    """Measure from the operator's start to all Ready, where the resources exist already."""
    async with site(kubeconfig, "cold", count) as place:
        resources = names(PREFIX, count)
        async with phase(f"cold: {count:,} resources before the operator starts", limit_seconds(count)):
            await place.create(resources)
        async with TopicWatch.open(place.api, place.namespace) as watch:
            expected = watch.expect(resources)
            async with operator(kubeconfig) as under_test:
                async with phase("cold: from process start to all Ready", limit_seconds(count), expected.progress):
                    seconds = await watch.until(expected) - under_test.started
                await until_shown(place, resources)
                return seconds


async def until_shown(place: Site, resources: list[str]) -> float:
    """Wait until the brokers show the topics, which are Ready already; return how long that took, seconds."""
    async with phase("until the brokers show all topics", limit_seconds(len(resources))):
        begun = time.perf_counter()
        topics = [topic_name(place.namespace, name) for name in resources]
        return await place.view.shown(topics, PARTITIONS) - begun


async def settle(under_test: OperatorProcess, count: int, progress: Callable[[], str] = str) -> None:
    """Wait until the operator has nothing to do."""
    async with phase("operator: until idle", limit_seconds(count), progress):
        await under_test.idle()
