"""How long failed events wait for their next attempt, and how the topics are named in which they wait and end."""

from typing import Final

from eventplane.api.dead_letter_policy import Retry
from eventplane.api.quantities import milliseconds

_UNITS: Final = ("w", "d", "h", "m", "s", "ms")


def waits_ms(retry: Retry) -> tuple[int, ...]:
    """Compute the wait before the second attempt, the third, and so on, milliseconds."""
    wait, longest = milliseconds(retry.backoff.initial), milliseconds(retry.backoff.max)
    waits = []
    for _ in range(retry.attempts - 1):
        waits.append(min(wait, longest))
        wait = min(wait * retry.backoff.factor, longest)
    return tuple(waits)


def child_names(name: str, retry: Retry) -> tuple[str, ...]:
    """Name the EventTopics of a Subscription: its dead letters, and one for each length of wait, the shortest first."""
    delays = sorted(set(waits_ms(retry))) if retry.strategy == "RetryTopics" else []
    return (f"{name}.dlq", *(f"{name}.retry-{duration_text(delay)}" for delay in delays))


def duration_text(duration_ms: int) -> str:
    """Write milliseconds with the largest unit that divides them: 300000 is 5m."""
    whole = (unit for unit in _UNITS if duration_ms and duration_ms % milliseconds(f"1{unit}") == 0)
    unit = next(whole, "ms")
    return f"{duration_ms // milliseconds(f'1{unit}')}{unit}"
