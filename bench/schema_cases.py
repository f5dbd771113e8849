"""N Schemas created and changed at once, and one by one, with the operator running."""

from typing import Any, Final

from bench.bursts import Burst, all_at_once, one_by_one
from bench.counters import API_CALLS, REGISTRY_CALLS, Counts, per_topic
from bench.manifests import names
from bench.operator_process import OperatorProcess
from bench.schema_site import SchemaSite
from bench.watch import in_sync, in_sync_again

PREFIX: Final = "s"


async def create(place: SchemaSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the first create to the last Ready seen on a watch."""
    burst = Burst("create", names(PREFIX, count), place.create, in_sync)
    measured, counted = await all_at_once(place.api, place.path, under_test, burst)
    await place.check_registered(names(PREFIX, count), 1)
    return {**measured, **_calls(counted, count)}


async def update(place: SchemaSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the first new definition, compatible with the one before, to all in sync again."""
    burst = Burst("update", names(PREFIX, count), place.update, in_sync_again)
    measured, counted = await all_at_once(place.api, place.path, under_test, burst)
    await place.check_registered(names(PREFIX, count), 2)
    return {**measured, **_calls(counted, count)}


async def single_schemas(place: SchemaSite, under_test: OperatorProcess, count: int) -> dict[str, Any]:
    """Measure from the create request to the watch event that says Ready, schema by schema."""
    resources = names("single-", count)
    burst = Burst("schemas one by one", resources, place.create, in_sync)
    measured, counted = await one_by_one(place.api, place.path, under_test, burst)
    await place.delete(resources)
    return {**measured, **_calls(counted, count)}


def _calls(counted: Counts, count: int) -> dict[str, Any]:
    return {
        "api_calls_per_schema": per_topic(counted[API_CALLS], count),
        "registry_calls_per_schema": per_topic(counted[REGISTRY_CALLS], count),
    }
