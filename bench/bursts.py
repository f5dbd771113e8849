"""Many resources asked for at once, and few one after the other, with the operator running."""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.api_server import ApiServer
from bench.counters import Counts, since
from bench.creation import limit_seconds, settle
from bench.operator_process import OperatorProcess
from bench.phases import phase
from bench.watch import ResourceWatch, Sight


@dataclass(frozen=True)
class Burst:
    """Something that is asked of all resources at once."""

    title: str
    resources: Sequence[str]
    request: Callable[[list[str]], Awaitable[None]]
    """Asks for it."""
    sight: Sight
    """Tells from a watch event that a resource has come through."""
    elsewhere: Callable[[], Awaitable[float]] | None = None
    """Waits until it is done outside of the cluster too; returns when that was, `time.perf_counter`."""


async def all_at_once(
    api: ApiServer, path: str, under_test: OperatorProcess, burst: Burst
) -> tuple[dict[str, float], Counts]:
    """Measure from the first request until all resources came through; return also what the operator counted."""
    count = len(burst.resources)
    async with ResourceWatch.at(api, path) as watch:
        expected = watch.expect(burst.resources, burst.sight)
        await api.open_connections()
        before, busy, own = await under_test.counts(), under_test.cpu_seconds(), time.process_time()
        async with phase(f"operator: {burst.title} {count:,}", limit_seconds(count), expected.progress):
            begun = time.perf_counter()
            await burst.request(list(burst.resources))
            requested = time.perf_counter()
            done = await watch.until(expected)
            if burst.elsewhere is not None:
                done = max(done, await burst.elsewhere())
    busy, own = under_test.cpu_seconds() - busy, time.process_time() - own
    await settle(under_test, count)
    measured = {
        "seconds": done - begun,
        "requests_seconds": requested - begun,
        "operator_cpu_seconds": busy,
        "load_cpu_seconds": own,
    }
    return measured, since(before, await under_test.counts())


async def one_by_one(
    api: ApiServer, path: str, under_test: OperatorProcess, burst: Burst
) -> tuple[dict[str, float], Counts]:
    """Measure from the request to the watch event, resource by resource; return also what the operator counted."""
    milliseconds: list[float] = []
    count = len(burst.resources)
    before = await under_test.counts()
    async with (
        ResourceWatch.at(api, path) as watch,
        phase(f"single: {count} {burst.title}", 60 + 5 * count, lambda: f"{len(milliseconds)} of {count}"),
    ):
        for name in burst.resources:
            expected = watch.expect([name], burst.sight)
            begun = time.perf_counter()
            await burst.request([name])
            milliseconds.append((await watch.until(expected) - begun) * 1000)
            await asyncio.sleep(random.uniform(0.02, 0.12))  # noqa: S311 - not in step with the operator's timers
    await settle(under_test, count)
    rounded = {key: round(value, 1) for key, value in percentiles(milliseconds).items()}
    return {"samples": count, **rounded}, since(before, await under_test.counts())


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum; the 99th of few samples is their maximum."""
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {"p50_ms": statistics.median(milliseconds), "p99_ms": cuts[98], "max_ms": max(milliseconds)}
