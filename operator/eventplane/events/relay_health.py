"""Whether a relay of the event store is alive and ready, from what is seen of it.

| # | what is seen | alive | ready |
|---|---|---|---|
| 1 | it is told to end | yes | no |
| 2 | one step takes longer than any of them may: something hangs | no | no |
| 3 | something failed, and it begins again | yes: another process would do the same | no |
| 4 | it begins: asks for its turn, for the last position | yes | no |
| 5 | it relays, or stands by while another does | yes | yes: else a rollout would wait for the turn of who goes last |
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PATIENCE_SECONDS: Final = 300.0
"""Twice what the slowest step may take: to read the last position where a partition of the topic does not answer."""


class RelayState(StrEnum):
    """What a relay is at."""

    BEGINNING = "beginning"
    STANDING_BY = "standing by"
    RELAYING = "relaying"


@dataclass(frozen=True, slots=True)
class RelaySight:
    """A relay as its process sees it."""

    state: RelayState
    seconds_since_step: float
    problem: str | None = None
    """Why it begins again; None: it has got through since, or nothing has failed."""
    is_stopping: bool = False


def why_relay_not_alive(sight: RelaySight) -> tuple[str, ...]:
    """Return row 2, in words; nothing where all is well."""
    if sight.seconds_since_step > PATIENCE_SECONDS:
        return (f"the relay is stuck while {sight.state}: nothing has ended for {sight.seconds_since_step:.0f} s",)
    return ()


def why_relay_not_ready(sight: RelaySight) -> tuple[str, ...]:
    """Return rows 1 to 4, in words; nothing where all is well."""
    found = why_relay_not_alive(sight)
    if sight.is_stopping:
        found = (*found, "stopping")
    if sight.problem is not None:
        return (*found, f"the relay begins again: {sight.problem}")
    return (*found, "the relay has not begun yet") if sight.state is RelayState.BEGINNING else found
