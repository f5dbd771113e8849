"""How fast Schemas become subjects, beside a bare script that does the same: `python -m bench.schemas --n 1000`.

Exits with 1 if something did not converge, never for slowness.
"""

import argparse
import asyncio
import statistics
import sys
from pathlib import Path
from typing import Final

from bench.api_server import ApiServer
from bench.comparison import Measured, beside, compared
from bench.creation import limit_seconds
from bench.idle import at_rest
from bench.operator_process import OperatorProcess, operator
from bench.phases import phase, say
from bench.run import run_bench
from bench.schema_cases import PREFIX, create, single_schemas, update
from bench.schema_site import SchemaServers, SchemaSite, registry_ready, servers
from bench.site import check_alone, install_crds

_SINGLE: Final = 100
_PERIODS: Final = 2
_ONCE_A_SWEEP: Final = "ListVersions"


async def measure(run: SchemaServers, wanted: argparse.Namespace, measured: Measured) -> None:
    """Measure what is wanted; what is known is in `measured` even if the rest fails.

    Floor and operator take turns, so that what else the machine does befalls both; the last turn goes on to the rest.
    """
    async with ApiServer.connect(run.kubeconfig) as api:
        await install_crds(api)
        await check_alone(api)
    await run.warm_up()
    seconds: dict[str, list[float]] = {"operator": [], "floor": [], "registry": []}
    for number in range(1, wanted.rounds + 1):
        say(f"round {number} of {wanted.rounds}")
        last = number == wanted.rounds
        floors = await _floors(run, wanted.n, changes=last)
        seconds["registry"].append(floors["register"])
        seconds["floor"].append(floors["create"])
        async with run.site("operator", wanted.n) as place:
            async with operator(run.kubeconfig) as under_test:
                created = await _create(place, under_test, wanted.n)
                seconds["operator"].append(created["seconds"])
                measured |= _compared(seconds) | {"create": created}
                if last:
                    await _go_on(place, under_test, wanted.n, floors["update"], measured)
            if last:
                measured["at_rest"] = await _rest(run, place, wanted.n, wanted.resync)
    await _rest_of_few(run, max(1, wanted.n // 10), wanted, measured)


async def _floors(run: SchemaServers, count: int, *, changes: bool) -> dict[str, float]:
    """Measure the registry's own POSTs alone, and then with what the API server must be asked besides."""
    seconds: dict[str, float] = {}
    async with run.site("floor", 2 * count) as place:
        async with phase(f"floor: register {count:,}", limit_seconds(count)):
            seconds["register"] = (await place.floor("register", "raw", count))["seconds"]
        async with phase(f"floor: create {count:,}", limit_seconds(count)):
            seconds["create"] = (await place.floor("create", PREFIX, count))["seconds"]
        if changes:
            async with phase(f"floor: update {count:,}", limit_seconds(count)):
                seconds["update"] = (await place.floor("update", PREFIX, count))["seconds"]
    return seconds


def _compared(each: dict[str, list[float]]) -> Measured:
    measured = compared(each["operator"], each["floor"])
    registry = statistics.median(each["registry"])
    return {
        **measured,
        "registry_floor_seconds": registry,
        "registry_ratio": measured["seconds"] / registry,
        "registry_floor_seconds_each": list(each["registry"]),
    }


async def _create(place: SchemaSite, under_test: OperatorProcess, count: int) -> Measured:
    async with phase("operator: start", 60):
        await under_test.leading()
        await registry_ready(place)
        await under_test.idle()
    rss_before = under_test.rss_mib()
    created = await create(place, under_test, count)
    return created | {"rss_before_mib": rss_before, "rss_mib": under_test.rss_mib()}


async def _go_on(
    place: SchemaSite, under_test: OperatorProcess, count: int, floor_seconds: float, measured: Measured
) -> None:
    """Measure what comes after the creation, on the same operator."""
    measured["single"] = await single_schemas(place, under_test, _SINGLE)
    updated = await update(place, under_test, count)
    measured["update"] = beside(updated, floor_seconds)
    measured["rss_peak_mib"] = under_test.peak_rss_mib()


async def _rest(run: SchemaServers, place: SchemaSite, count: int, resync_seconds: float) -> Measured:
    """Measure what an operator started anew does once it has looked at everything; the schemas have two versions."""
    async with operator(run.kubeconfig, resync_seconds) as under_test:
        found = await at_rest(place.place, under_test, count, resync_seconds, _PERIODS)
    return {"n": count} | found


async def _rest_of_few(run: SchemaServers, count: int, wanted: argparse.Namespace, measured: Measured) -> None:
    """Measure the rest of a tenth as many, which shows what grows."""
    async with run.site("few", count) as place:
        async with operator(run.kubeconfig) as under_test:
            await _create(place, under_test, count)
            await update(place, under_test, count)
        measured["at_rest_of_few"] = await _rest(run, place, count, wanted.resync)
    measured["registry_calls_per_schema_and_sweep"] = {
        str(at_rest["n"]): _per_sweep(at_rest) for at_rest in (measured["at_rest"], measured["at_rest_of_few"])
    }


def _per_sweep(rest: Measured) -> dict[str, float]:
    """Divide calls by schemas and sweeps; a sweep lists the versions of each subject once."""
    calls: dict[str, int] = rest["registry_calls"]
    sweeps = calls[_ONCE_A_SWEEP] / rest["n"]
    return {"sweeps": sweeps} | {call: count / rest["n"] / sweeps for call, count in calls.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.schemas", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="Schemas (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and operator (default: 3)")
    parser.add_argument("--resync", type=float, default=90.0, help="resync period while at rest, seconds (default: 90)")
    parser.add_argument("--kubeconfig", type=Path, help="use this cluster, and bring none up")
    arguments = parser.parse_args()
    if arguments.n < 2:
        parser.error("--n is at least 2")
    return arguments


def main() -> int:
    """Run the bench."""
    arguments = _arguments()
    measured: Measured = {"case": "schemas", "n": arguments.n}

    def on_servers(kubeconfig: Path) -> None:
        with servers(kubeconfig) as those:
            asyncio.run(measure(those, arguments, measured))

    return run_bench(measured, arguments.kubeconfig, on_servers)


if __name__ == "__main__":
    sys.exit(main())
