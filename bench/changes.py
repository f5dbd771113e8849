"""Many topics changed and deleted at once, by the operator and by the floor."""

import time
from typing import Any

from bench.counters import ADMIN_CALLS, API_CALLS, per_topic, since
from bench.creation import PREFIX, limit_seconds, settle, until_shown
from bench.manifests import ALTERED, altered_spec, names, topic_name
from bench.operator_process import OperatorProcess
from bench.phases import phase
from bench.processes import run_floor
from bench.site import Site
from bench.watch import TopicWatch, gone, in_sync_again

_DOOMED = "doomed-"
_HELD = "held-"


async def floor_changes(place: Site, count: int) -> dict[str, float]:
    """Measure the floor of an update and of a deletion, after `floor_creation`."""
    measured: dict[str, float] = {}
    async with phase(f"floor: update {count:,}", limit_seconds(count)):
        measured["update"] = (await run_floor(place.work("update", PREFIX, count)))["seconds"]
    async with phase(f"floor: create {count:,} with a finalizer", limit_seconds(count)):
        created = await run_floor(place.work("create", _DOOMED, count, finalizer=True))
        measured["create_with_finalizer"] = created["seconds"]
    await until_shown(place, names(_DOOMED, count))  # a broker refuses to delete what it does not show yet
    async with phase(f"floor: delete {count:,}", limit_seconds(count)):
        measured["delete"] = (await run_floor(place.work("delete", _DOOMED, count)))["seconds"]
    async with phase(f"floor: create {count:,}, then set a finalizer on each", limit_seconds(count)):
        created = await run_floor(place.work("create", _HELD, count, finalizer=True, patched=True))
        measured["create_same_requests"] = created["seconds"]
    return measured


async def update(place: Site, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the first change of a spec to all in sync again."""
    resources = names(PREFIX, count)
    before = await under_test.counts()
    async with TopicWatch.open(place.api, place.namespace) as watch:
        expected = watch.expect(resources, in_sync_again)
        async with phase(f"operator: update {count:,}", limit_seconds(count), expected.progress):
            begun = time.perf_counter()
            await place.patch(resources, altered_spec())
            seconds = await watch.until(expected) - begun
    await settle(under_test, count)
    async with phase("until the brokers show the new setting", limit_seconds(count)):
        await place.view.show_setting([topic_name(place.namespace, name) for name in resources], ALTERED)
    return {"seconds": seconds, **_calls(since(before, await under_test.counts()), count)}


async def create_and_delete(place: Site, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure topics with deletionPolicy Delete: until Ready, and from the first deletion to gone everywhere."""
    resources = names(_DOOMED, count)
    start = await under_test.counts()
    async with TopicWatch.open(place.api, place.namespace) as watch:
        expected = watch.expect(resources)
        async with phase(f"operator: create {count:,} with policy Delete", limit_seconds(count), expected.progress):
            begun = time.perf_counter()
            await place.create(resources, "Delete")
            created = await watch.until(expected) - begun
        await until_shown(place, resources)
        await settle(under_test, count)
        middle = await under_test.counts()
        expected = watch.expect(resources, gone)
        async with phase(f"operator: delete {count:,}", limit_seconds(count), expected.progress):
            begun = time.perf_counter()
            await place.delete(resources)
            gone_from_api = await watch.until(expected)
            gone_from_kafka = await place.view.none_left({topic_name(place.namespace, name) for name in resources})
    await settle(under_test, count)
    return {
        "create": {"seconds": created, **_calls(since(start, middle), count)},
        "delete": {
            "seconds": max(gone_from_api, gone_from_kafka) - begun,
            **_calls(since(middle, await under_test.counts()), count),
        },
    }


def _calls(counted: dict[str, Any], count: int) -> dict[str, Any]:
    return {
        "api_calls_per_topic": per_topic(counted[API_CALLS], count),
        "kafka_calls_per_topic": per_topic(counted[ADMIN_CALLS], count),
    }
