"""What one process takes on: requests and bytes under way, and the rate of each identity."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from eventplane.client.back_pressure import Room
from eventplane.events.rates import Bucket, full_bucket, take
from eventplane.gateway.problems import ProblemError

_AGAIN_SECONDS: Final = 1.0
_MOST_BUCKETS: Final = 100_000


class Admission:
    """Room for requests; who comes when there is none is told to come again, and waits elsewhere."""

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self._room = Room(most_requests, most_bytes)

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._room.events

    @contextmanager
    def admitted(self, size: int) -> Iterator[None]:
        """Hold room for a request of so many bytes.

        Raises:
            ProblemError: 503.
        """
        if not self._room.try_enter(size):
            problem = "as much is under way as this gateway can hold"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, problem, retry_after_seconds=_AGAIN_SECONDS)
        try:
            yield
        finally:
            self._room.leave(size)


class Rates:
    """A bucket for each identity; clock: seconds, forward only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, identity: str, count: int, rate: float) -> None:
        """Let somebody have so many events at a rate of events a second; with a count of 0 only look.

        Raises:
            ProblemError: 429.
        """
        now = self._clock()
        bucket = self._buckets.get(identity) or full_bucket(rate, now)
        taken, wait = take(bucket, count or 1, rate, now)
        if wait > 0:
            problem = f"{identity} publishes more than {rate:g} events a second"
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, problem, retry_after_seconds=wait)
        if count:
            if len(self._buckets) >= _MOST_BUCKETS:
                self._buckets.clear()  # all full again, which harms nobody
            self._buckets[identity] = taken
