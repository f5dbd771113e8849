"""Phases of a bench: each has a time limit and tells how far it is."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from bench.failure import NotConverged

_TELL_SECONDS: Final = 5.0


@contextlib.asynccontextmanager
async def phase(title: str, limit_seconds: float, progress: Callable[[], str] = str) -> AsyncIterator[None]:
    """Limit what happens inside, and tell how far it is every few seconds.

    Args:
        title: what happens.
        limit_seconds: when to give up.
        progress: says how far it is.

    Raises:
        NotConverged: it did not end in time.
    """
    begun = time.perf_counter()
    telling = asyncio.create_task(_tell(title, progress, begun))
    try:
        async with asyncio.timeout(limit_seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise NotConverged(f"{title}: not done within {limit_seconds:.0f} s: {progress()}") from None
        raise
    finally:
        telling.cancel()
    say(f"{title}: {time.perf_counter() - begun:.2f} s")


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"  {line}", flush=True)


async def _tell(title: str, progress: Callable[[], str], begun: float) -> None:
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        say(f"{title}: {progress()} ({time.perf_counter() - begun:.0f} s)")
