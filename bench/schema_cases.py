"""N Schemas created and changed at once, and one by one, with the operator running."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bench.counters import API_CALLS, REGISTRY_CALLS, per_topic, since
from bench.creation import limit_seconds, settle
from bench.idle import percentiles
from bench.manifests import names
from bench.operator_process import OperatorProcess
from bench.phases import phase
from bench.schema_site import SchemaSite
from bench.watch import ResourceWatch, Sight, in_sync, in_sync_again

PREFIX: Final = "s"


async def create(place: SchemaSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the first create to the last Ready seen on a watch."""
    measured = await _all_at_once(place, under_test, count, ("create", place.create, in_sync))
    await place.check_registered(names(PREFIX, count), 1)
    return measured


async def update(place: SchemaSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the first new definition, compatible with the one before, to all in sync again."""
    measured = await _all_at_once(place, under_test, count, ("update", place.update, in_sync_again))
    await place.check_registered(names(PREFIX, count), 2)
    return measured


async def _all_at_once(
    place: SchemaSite,
    under_test: OperatorProcess,
    count: int,
    what: tuple[str, Callable[[list[str]], Awaitable[None]], Sight],
) -> dict[str, Any]:
    title, request, sight = what
    resources = names(PREFIX, count)
    async with ResourceWatch.at(place.api, place.path) as watch:
        expected = watch.expect(resources, sight)
        await place.api.open_connections()
        before, busy, own = await under_test.counts(), under_test.cpu_seconds(), time.process_time()
        async with phase(f"operator: {title} {count:,}", limit_seconds(count), expected.progress):
            begun = time.perf_counter()
            await request(resources)
            requested = time.perf_counter()
            ready = await watch.until(expected)
    busy, own = under_test.cpu_seconds() - busy, time.process_time() - own
    await settle(under_test, count)
    counted = since(before, await under_test.counts())
    return {
        "seconds": ready - begun,
        "requests_seconds": requested - begun,
        "operator_cpu_seconds": busy,
        "load_cpu_seconds": own,
        **_calls(counted, count),
    }


async def single_schemas(place: SchemaSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the create request to the watch event that says Ready, schema by schema."""
    milliseconds: list[float] = []
    before = await under_test.counts()
    resources = names("single-", count)
    async with (
        ResourceWatch.at(place.api, place.path) as watch,
        phase(f"single: {count} schemas one by one", 60 + 5 * count, lambda: f"{len(milliseconds)} of {count}"),
    ):
        for name in resources:
            expected = watch.expect([name])
            begun = time.perf_counter()
            await place.create([name])
            milliseconds.append((await watch.until(expected) - begun) * 1000)
            await asyncio.sleep(random.uniform(0.02, 0.12))  # noqa: S311 - not in step with the operator's timers
    await settle(under_test, count)
    counted = since(before, await under_test.counts())
    await place.delete(resources)
    rounded = {key: round(value, 1) for key, value in percentiles(milliseconds).items()}
    return {"samples": count, **rounded, **_calls(counted, count)}


def _calls(counted: dict[str, Counter[str]], count: int) -> dict[str, Any]:
    return {
        "api_calls_per_schema": per_topic(counted[API_CALLS], count),
        "registry_calls_per_schema": per_topic(counted[REGISTRY_CALLS], count),
    }
