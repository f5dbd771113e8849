"""How fast somebody may go: a bucket of tokens that fills at a constant rate and holds a second's worth.

| # | tokens in the bucket | asked for | what happens |
|---|---|---|---|
| 1 | enough | | they are taken |
| 2 | too few | at most what the bucket holds | wait until there are enough |
| 3 | full | more than the bucket holds | they are taken and leave a debt: else no large batch would ever pass |
| 4 | not full | more than the bucket holds | wait until it is full |
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens as of a moment, in seconds of any clock that only goes forward."""

    tokens: float
    at: float


def full_bucket(rate: float, now: float) -> Bucket:
    """Return the bucket of somebody who has taken nothing yet; rate: tokens a second."""
    return Bucket(_capacity(rate), now)


def take(bucket: Bucket, count: int, rate: float, now: float) -> tuple[Bucket, float]:
    """Take tokens by the table above.

    Args:
        bucket: as it was left.
        count: how many.
        rate: tokens a second.
        now: by the bucket's clock.

    Returns:
        The bucket, and how many seconds to wait before asking again; 0.0: they were taken.
    """
    capacity = _capacity(rate)
    tokens = min(capacity, bucket.tokens + (now - bucket.at) * rate)
    needed = min(float(count), capacity)
    if tokens >= needed:
        return Bucket(tokens - count, now), 0.0
    return Bucket(tokens, now), (needed - tokens) / rate


def _capacity(rate: float) -> float:
    """Hold a second's worth, and one event at least."""
    return max(rate, 1.0)
