"""N Subscriptions created and deleted at once, created one by one, and at rest, with the operator running."""

from typing import Any, Final

from bench.access_site import AccessSite
from bench.bursts import Burst, all_at_once, one_by_one
from bench.counters import ADMIN_CALLS, API_CALLS, Counts, per_topic
from bench.idle import at_rest
from bench.manifests import names
from bench.operator_process import OperatorProcess
from bench.phases import phase
from bench.watch import gone, in_sync
from eventplane.api.subscription import Subscription

PREFIX: Final = "sub-"
_PROBE: Final = "DescribeCluster"


async def create(place: AccessSite, under_test: OperatorProcess, prefix: str, count: int) -> dict[str, Any]:
    """Measure from the first create to the last Ready seen on a watch; then check that it is true."""
    resources = names(prefix, count)
    rss_before = under_test.rss_mib()
    burst = Burst("create", resources, place.create, in_sync)
    measured, counted = await all_at_once(place.api, place.path, under_test, burst)
    async with phase(f"the rights of {count:,} users", 60):
        await place.check(resources)
    memory = {"rss_before_mib": rss_before, "rss_mib": under_test.rss_mib()}
    return {**measured, **_calls(counted, count), **memory}


async def delete(place: AccessSite, under_test: OperatorProcess, prefix: str, count: int) -> dict[str, Any]:
    """Measure from the first DELETE until Kafka has neither users nor ACLs of them."""
    burst = Burst("delete", names(prefix, count), place.delete, gone, place.view.none_left)
    measured, counted = await all_at_once(place.api, place.path, under_test, burst)
    return {**measured, **_calls(counted, count)}


async def single_subscriptions(place: AccessSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the create request to the watch event that says Ready, one after the other; delete them."""
    resources = names("single-", count)
    burst = Burst("subscriptions one by one", resources, place.create, in_sync)
    measured, counted = await one_by_one(place.api, place.path, under_test, burst)
    await place.delete(resources)
    async with phase("operator: until idle", 60):
        await under_test.idle()
    return {**measured, **_calls(counted, count)}


async def rest(place: AccessSite, under_test: OperatorProcess, count: int, resync_seconds: float) -> dict[str, Any]:
    """Measure an operator that was started anew; a sweep passes over each Subscription once.

    A lane that looks whether its Kafka is alive reads the Secret of the bus each time; the rest of the GETs are for
    Subscriptions.
    """
    measured = await at_rest(place.place, under_test, count, resync_seconds)
    passes = measured["passes"].get(Subscription.kind, 0)
    gets = measured["api_reads"] - measured["kafka_calls"][_PROBE]
    return {
        "n": count,
        **measured,
        "sweeps": passes / count,
        "secret_gets_per_subscription_and_sweep": gets / passes if passes else 0.0,
    }


def _calls(counted: Counts, count: int) -> dict[str, Any]:
    return {
        "api_calls_per_subscription": per_topic(counted[API_CALLS], count),
        "kafka_calls": dict(sorted(counted[ADMIN_CALLS].items())),
        "kafka_calls_per_subscription": counted[ADMIN_CALLS].total() / count,
    }
