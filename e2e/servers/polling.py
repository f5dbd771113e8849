"""Waiting for a condition of the outside world, with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def poll(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Return whether `condition` became true within `seconds`, asking `every` so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
