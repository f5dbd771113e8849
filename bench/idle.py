"""What an idle system does: one topic at a time, and nothing at all."""

import asyncio
import random
import statistics
import time
from collections import Counter
from typing import Any

from bench.counters import ADMIN_CALLS, API_CALLS, REGISTRY_CALLS, per_topic, read_witness, since, writes
from bench.creation import settle
from bench.manifests import names
from bench.operator_process import OperatorProcess
from bench.phases import phase, say
from bench.site import Site
from bench.watch import TopicWatch
from eventplane.api.metadata import DeletionPolicy


async def single_topics(
    place: Site, under_test: OperatorProcess, count: int, policy: DeletionPolicy = "Retain"
) -> dict[str, Any]:
    """Measure from the create request to the watch event that says Ready, topic by topic."""
    milliseconds: list[float] = []
    before = await under_test.counts()
    title = f"single: {count} topics one by one, deletionPolicy {policy}"
    async with (
        TopicWatch.open(place.api, place.namespace) as watch,
        phase(title, 60 + 5 * count, lambda: f"{len(milliseconds)} of {count}"),
    ):
        for name in names(f"single-{policy.lower()}-", count):
            expected = watch.expect([name])
            begun = time.perf_counter()
            await place.create([name], policy)
            milliseconds.append((await watch.until(expected) - begun) * 1000)
            await asyncio.sleep(random.uniform(0.02, 0.12))  # noqa: S311 - not in step with the operator's timers
    await settle(under_test, count)
    counted = since(before, await under_test.counts())
    return {
        "samples": count,
        **{key: round(value, 1) for key, value in percentiles(milliseconds).items()},
        "api_calls_per_topic": per_topic(counted[API_CALLS], count),
        "kafka_calls_per_topic": per_topic(counted[ADMIN_CALLS], count),
    }


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum; the 99th of few samples is their maximum."""
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {"p50_ms": statistics.median(milliseconds), "p99_ms": cuts[98], "max_ms": max(milliseconds)}


async def at_rest(
    place: Site, under_test: OperatorProcess, topics: int, resync_seconds: float, periods: int = 2
) -> dict[str, Any]:
    """Measure what an operator with nothing to do does in some resync periods.

    The Lease is not among it: the operator under test runs without election.
    """
    async with phase("at rest: until idle after the start", 60 + topics / 10):
        await under_test.leading()
        await place.bus_ready()
        await asyncio.sleep(2)
        await under_test.idle()
    before, busy, witness = await under_test.counts(), under_test.cpu_seconds(), await read_witness(place.api)
    begun = time.perf_counter()
    async with phase(
        f"at rest: {periods} resync periods of {resync_seconds:.0f} s", 120 + periods * resync_seconds * 2
    ):
        await asyncio.sleep(periods * resync_seconds * 1.1)  # a period is jittered by a tenth
        await under_test.idle()  # what has begun is counted whole
    seconds = time.perf_counter() - begun
    busy = under_test.cpu_seconds() - busy
    counted, seen = since(before, await under_test.counts()), await read_witness(place.api) - witness
    say(f"at rest: {writes(counted[API_CALLS])} writes, Kafka {dict(counted[ADMIN_CALLS])}")
    return {
        "seconds": round(seconds, 1),
        "resync_seconds": resync_seconds,
        "api_writes": writes(counted[API_CALLS]),
        "api_writes_seen_by_api_server": sum(seen.values()),
        "api_reads": counted[API_CALLS]["GET"],
        "kafka_calls": dict(sorted(Counter(counted[ADMIN_CALLS]).items())),
        "registry_calls": dict(sorted(Counter(counted[REGISTRY_CALLS]).items())),
        "cpu_seconds": round(busy, 2),
        "cpu_percent_of_a_core": round(100 * busy / seconds, 1),
        "rss_mib": under_test.rss_mib(),
        "rss_peak_mib": under_test.peak_rss_mib(),
    }
