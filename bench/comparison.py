"""What the operator needed beside what the floor needed."""

import statistics
from collections.abc import Sequence
from typing import Any

Measured = dict[str, Any]


def compared(runs: Sequence[float], floors: Sequence[float]) -> Measured:
    """Compare the medians of all turns, and show each."""
    seconds, floor_seconds = statistics.median(runs), statistics.median(floors)
    return {
        "seconds": seconds,
        "floor_seconds": floor_seconds,
        "ratio": seconds / floor_seconds,
        "seconds_each": list(runs),
        "floor_seconds_each": list(floors),
    }


def beside(measured: Measured, floor_seconds: float) -> Measured:
    """Put the floor next to what was measured in one turn."""
    return {
        "seconds": measured["seconds"],
        "floor_seconds": floor_seconds,
        "ratio": measured["seconds"] / floor_seconds,
    } | measured
