"""What the benches of the data plane share: a broker and a folder of their own, and turns of a floor and of ours."""

import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.failure import BenchError
from bench.phases import say
from bench.report import print_report
from e2e.servers import Kafka


class Turn(NamedTuple):
    """The same work done twice; both return seconds."""

    events: int
    floor: Callable[[], float]
    ours: Callable[[], float]


def run_with_a_broker(measured: dict[str, Any], work: Callable[[Kafka, Path], None]) -> int:
    """Measure and print what is known; return the exit code, which says whether all came to its end.

    Args:
        measured: what is known already; `work` adds to it, so that what it found stands even if the rest fails.
        work: is given a broker, and a folder that goes again.
    """
    measured["load_average_before"] = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="eventplane-bench-"))
    try:
        with Kafka(brokers=1) as kafka:
            work(kafka, folder)
    except (BenchError, OSError, KeyboardInterrupt, subprocess.TimeoutExpired) as failure:
        measured["failed"] = str(failure) or type(failure).__name__
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    measured["load_average_after"] = os.getloadavg()[0]
    print_report(measured)
    return 1 if "failed" in measured else 0


def take_turns(turns: Mapping[str, Turn], rounds: int, measured: dict[str, Any]) -> None:
    """Measure all cases; of several rounds the one with the median ratio stands."""
    for case, turn in turns.items():
        say(f"{case}: {turn.events:,} events")
        runs = [(turn.floor(), turn.ours()) for _ in range(rounds)]
        ratios = [floor_seconds / seconds for floor_seconds, seconds in runs]
        floor_seconds, seconds = runs[ratios.index(statistics.median_low(ratios))]
        measured[case] = {
            "n": turn.events,
            "seconds": seconds,
            "floor_seconds": floor_seconds,
            "ratio": floor_seconds / seconds,
            "events_per_second": round(turn.events / seconds),
            "ratios": ratios,
        }
    add_up(measured, turns)


def add_up(measured: dict[str, Any], cases: Collection[str]) -> None:
    """Add the seconds of cases, and relate the sums."""
    for name in ("seconds", "floor_seconds"):
        measured[name] = sum(measured[case][name] for case in cases)
    measured["ratio"] = measured["floor_seconds"] / measured["seconds"]
