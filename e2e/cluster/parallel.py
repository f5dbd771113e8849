"""Joins two pieces of work that run side by side, so that neither outlives the other's failure."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, TypeVar

from e2e.cluster.commands import stop_running

Wanted = TypeVar("Wanted")
Other = TypeVar("Other")


def both(wanted: Future[Wanted], other: Future[Other]) -> tuple[Wanted, Other]:
    """Return both results.

    Raises whatever either raises, as soon as it does, after stopping the programs that the other waits for.
    """
    try:
        both: list[Future[Any]] = [wanted, other]
        for done in wait(both, return_when=FIRST_EXCEPTION).done:
            done.result()
        return wanted.result(), other.result()
    except BaseException:
        stop_running()
        raise
