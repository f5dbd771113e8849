"""How fast EventTopics become Kafka topics, beside a bare script that does the same: `python -m bench.topics --n 1000`.

Exits with 1 if something did not converge, never for slowness.
"""

import argparse
import asyncio
import statistics
import sys
from pathlib import Path
from typing import Final

from bench.api_server import ApiServer
from bench.changes import create_and_delete, floor_changes, update
from bench.comparison import Measured, beside, compared
from bench.creation import cold_creation, floor_creation, operator_creation
from bench.idle import at_rest, single_topics
from bench.operator_process import OperatorProcess, operator
from bench.outage import outage
from bench.phases import phase, say
from bench.run import run_bench
from bench.site import Site, brokers_for, check_alone, install_crds, site

_FEW: Final = 3000
"""With more, one turn takes long enough, and a resync takes more than 20 s."""
_CHANGED: Final = 1000
_PENDING: Final = 50
_SINGLE: Final = 200
_OUTAGE_TOPICS: Final = 1000


async def measure(kubeconfig: Path, wanted: argparse.Namespace, measured: Measured) -> None:
    """Measure what is wanted; what is known is in `measured` even if the rest fails.

    Floor and operator take turns, so that what else the machine does befalls both; the last turn goes on to the rest.
    """
    await _prepare(kubeconfig)
    count: int = wanted.n
    floors: list[float] = []
    runs: list[float] = []
    for number in range(1, wanted.rounds + 1):
        say(f"round {number} of {wanted.rounds}")
        last = number == wanted.rounds
        changes = last and not wanted.creation_only
        async with site(kubeconfig, "floor", count) as place:
            floor = await floor_creation(place, count, wait_until_shown=changes)
            floors.append(floor["seconds"])
            measured |= {"floor": floor, "floor_seconds": statistics.median(floors)}
            floor_of_changes = await floor_changes(place, min(count, _CHANGED)) if changes else {}
        async with site(kubeconfig, "operator", count) as place:
            async with operator(kubeconfig) as under_test:
                created = await _create(place, under_test, count)
                runs.append(created["seconds"])
                measured |= compared(runs, floors) | {"create": created}
                if changes:
                    await _go_on(place, under_test, count, floor_of_changes, measured)
            if last:
                async with operator(kubeconfig, wanted.resync) as under_test:
                    measured["at_rest"] = await at_rest(place, under_test, count, wanted.resync)
    if not wanted.creation_only:
        measured["cold_seconds"] = await cold_creation(kubeconfig, count)
        measured["outage"] = await _outage(kubeconfig, min(count, _OUTAGE_TOPICS))


async def measure_single(kubeconfig: Path, count: int, measured: Measured) -> None:
    """Measure topics one by one beside others, and nothing else."""
    await _prepare(kubeconfig)
    async with site(kubeconfig, "operator", count) as place, operator(kubeconfig) as under_test:
        measured["create"] = await _create(place, under_test, count)
        measured["single"] = await single_topics(place, under_test, _SINGLE)


async def measure_rest(kubeconfig: Path, wanted: argparse.Namespace, measured: Measured) -> None:
    """Measure an operator that starts beside its topics: what it does when all is done, and how long it takes to see."""
    await _prepare(kubeconfig)
    async with site(kubeconfig, "operator", wanted.n) as place:
        async with operator(kubeconfig) as under_test:
            measured["create"] = await _create(place, under_test, wanted.n)
        async with operator(kubeconfig, wanted.resync) as under_test:
            measured["at_rest"] = await at_rest(place, under_test, wanted.n, wanted.resync)
    measured["cold_seconds"] = await cold_creation(kubeconfig, wanted.n)


async def _prepare(kubeconfig: Path) -> None:
    async with ApiServer.connect(kubeconfig) as api:
        await check_alone(api)  # before the CRDs of this checkout replace those that somebody works with
        await install_crds(api)


async def _outage(kubeconfig: Path, count: int) -> Measured:
    """Measure an outage in a place of its own: with many more partitions a killed broker takes minutes to come back."""
    async with site(kubeconfig, "outage", count) as place, operator(kubeconfig) as under_test:
        await _create(place, under_test, count)
        return await outage(place, min(_PENDING, count), count) | {"n": count}


async def _create(place: Site, under_test: OperatorProcess, count: int) -> Measured:
    async with phase("operator: start", 60):
        await under_test.leading()
        await place.bus_ready()
        await under_test.idle()
    rss_before = under_test.rss_mib()
    created = await operator_creation(place, under_test, count)
    return created | {"rss_before_mib": rss_before, "rss_mib": under_test.rss_mib()}


async def _go_on(
    place: Site, under_test: OperatorProcess, count: int, floors: dict[str, float], measured: Measured
) -> None:
    """Measure what comes after the creation, on the same operator."""
    changed = min(count, _CHANGED)
    measured["single"] = await single_topics(place, under_test, max(50, min(_SINGLE, count // 5)))
    measured["single_delete_policy"] = await single_topics(place, under_test, 50, "Delete")
    measured["update"] = beside(await update(place, under_test, changed), floors["update"]) | {"n": changed}
    of_both = await create_and_delete(place, under_test, changed)
    measured["create_delete_policy"] = beside(of_both["create"], floors["create_with_finalizer"])
    same = floors["create_same_requests"]
    measured["create_delete_policy"] |= {
        "floor_of_same_requests_seconds": same,
        "ratio_to_same_requests": of_both["create"]["seconds"] / same,
    }
    measured["delete"] = beside(of_both["delete"], floors["delete"]) | {"n": changed}
    measured["rss_peak_mib"] = under_test.peak_rss_mib()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.topics", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="EventTopics (default: 1000)")
    parser.add_argument(
        "--rounds", type=int, help="turns of floor and operator (default: 3 up to 3,000 topics, then 1)"
    )
    parser.add_argument(
        "--resync", type=float, help="resync period while at rest, seconds (default: 20 up to 3,000 topics, then 60)"
    )
    parser.add_argument("--creation-only", action="store_true", help="measure creation and rest, not the changes")
    parser.add_argument("--single-only", action="store_true", help="measure topics one by one beside N others")
    parser.add_argument("--rest-only", action="store_true", help="measure the rest beside N topics, and the cold start")
    parser.add_argument("--kubeconfig", type=Path, help="use this cluster, and bring none up")
    arguments = parser.parse_args()
    if arguments.n < 1:
        parser.error("--n is at least 1")
    arguments.rounds = arguments.rounds or (3 if arguments.n <= _FEW else 1)
    arguments.resync = arguments.resync or (20.0 if arguments.n <= _FEW else 60.0)
    return arguments


def main() -> int:
    """Run the bench."""
    arguments = _arguments()
    measured: Measured = {"case": "topics", "n": arguments.n, "brokers": brokers_for(arguments.n)}

    def run(kubeconfig: Path) -> None:
        if arguments.single_only:
            asyncio.run(measure_single(kubeconfig, arguments.n, measured))
        elif arguments.rest_only:
            asyncio.run(measure_rest(kubeconfig, arguments, measured))
        else:
            asyncio.run(measure(kubeconfig, arguments, measured))

    return run_bench(measured, arguments.kubeconfig, run)


if __name__ == "__main__":
    sys.exit(main())
