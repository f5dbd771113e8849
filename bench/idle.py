"""What an idle system does: one topic at a time, and nothing at all."""

import asyncio
import time
from collections import Counter
from functools import partial
from typing import Any

from bench.bursts import Burst, one_by_one
from bench.counters import ADMIN_CALLS, API_CALLS, PASSES, REGISTRY_CALLS, per_topic, read_witness, since, writes
from bench.manifests import names, topics_path
from bench.operator_process import OperatorProcess
from bench.phases import phase, say
from bench.site import Site
from bench.watch import in_sync
from eventplane.api.metadata import DeletionPolicy


async def single_topics(
    place: Site, under_test: OperatorProcess, count: int, policy: DeletionPolicy = "Retain"
) -> dict[str, Any]:
    """Measure from the create request to the watch event that says Ready, topic by topic."""
    title, resources = f"topics one by one, deletionPolicy {policy}", names(f"single-{policy.lower()}-", count)
    burst = Burst(title, resources, partial(place.create, policy=policy), in_sync)
    measured, counted = await one_by_one(place.api, topics_path(place.namespace), under_test, burst)
    return {
        **measured,
        "api_calls_per_topic": per_topic(counted[API_CALLS], count),
        "kafka_calls_per_topic": per_topic(counted[ADMIN_CALLS], count),
    }


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
        "passes": dict(sorted(Counter(counted[PASSES]).items())),
        "cpu_seconds": round(busy, 2),
        "cpu_percent_of_a_core": round(100 * busy / seconds, 1),
        "rss_mib": under_test.rss_mib(),
        "rss_peak_mib": under_test.peak_rss_mib(),
    }
