"""How fast Subscriptions become users of Kafka, beside a bare script that does the same.

`python -m bench.subscriptions --n 500`. Exits with 1 if something did not converge or is not true, never for slowness.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

from bench.access_cases import PREFIX, create, delete, rest, single_subscriptions
from bench.access_site import AccessSite, access_site
from bench.api_server import ApiServer
from bench.comparison import Measured, beside, compared
from bench.creation import limit_seconds
from bench.operator_process import operator
from bench.phases import phase, say
from bench.run import run_bench
from bench.site import check_alone, install_crds

_SINGLE: Final = 50
_FEW: Final = "few-"


async def measure(kubeconfig: Path, wanted: argparse.Namespace, measured: Measured) -> None:
    """Measure what is wanted; what is known is in `measured` even if the rest fails.

    Floor and operator take turns, so that what else the machine does befalls both; the last turn goes on to the rest.
    """
    async with ApiServer.connect(kubeconfig) as api:
        await check_alone(api)  # before the CRDs of this checkout replace those that somebody works with
        await install_crds(api)
    count: int = wanted.n
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(1, wanted.rounds + 1):
        say(f"round {number} of {wanted.rounds}")
        async with access_site(kubeconfig, "floor", count) as place:
            measured["floor"] = await _floor(place, count)
        seconds["floor"].append(measured["floor"]["create"]["seconds"])
        async with access_site(kubeconfig, "operator", count) as place:
            async with operator(kubeconfig) as under_test:
                await place.started(under_test)
                created = await create(place, under_test, PREFIX, count)
                seconds["operator"].append(created["seconds"])
                measured |= compared(seconds["operator"], seconds["floor"]) | {"create": created}
                if number < wanted.rounds:
                    continue
                measured["single"] = await single_subscriptions(place, under_test, _SINGLE)
                measured["rss_peak_mib"] = under_test.peak_rss_mib()
            await _rest_and_end(place, wanted, measured)


async def _floor(place: AccessSite, count: int) -> dict[str, Measured]:
    async with phase(f"floor: create {count:,}", limit_seconds(count)):
        created = await place.floor("create", PREFIX, count)
    async with phase(f"floor: delete {count:,}", limit_seconds(count)):
        deleted = await place.floor("delete", PREFIX, count)
        await place.view.none_left()
    return {"create": created, "delete": deleted}


async def _rest_and_end(place: AccessSite, wanted: argparse.Namespace, measured: Measured) -> None:
    """Measure the rest of all, their deletion, and the rest of a tenth as many, which shows what grows."""
    few = max(1, wanted.n // 10)
    async with operator(place.place.kubeconfig, wanted.resync) as under_test:
        measured["at_rest"] = await rest(place, under_test, wanted.n, wanted.resync)
    async with operator(place.place.kubeconfig) as under_test:
        await place.started(under_test)
        deleted = await delete(place, under_test, PREFIX, wanted.n)
        measured["delete"] = beside(deleted, measured["floor"]["delete"]["seconds"])
        await create(place, under_test, _FEW, few)
    async with operator(place.place.kubeconfig, wanted.resync) as under_test:
        measured["at_rest_of_few"] = await rest(place, under_test, few, wanted.resync)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.subscriptions", description=__doc__)
    parser.add_argument("--n", type=int, default=500, help="Subscriptions (default: 500)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of floor and operator (default: 3)")
    parser.add_argument("--resync", type=float, default=20.0, help="resync period while at rest, seconds (default: 20)")
    parser.add_argument("--kubeconfig", type=Path, help="use this cluster, and bring none up")
    arguments = parser.parse_args()
    if arguments.n < 1 or arguments.rounds < 1:
        parser.error("--n and --rounds are at least 1")
    return arguments


def main() -> int:
    """Run the bench."""
    arguments = _arguments()
    measured: Measured = {"case": "subscriptions", "n": arguments.n}
    return run_bench(
        measured, arguments.kubeconfig, lambda kubeconfig: asyncio.run(measure(kubeconfig, arguments, measured))
    )


if __name__ == "__main__":
    sys.exit(main())
