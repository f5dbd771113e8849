"""The work queue: level-based, one flight per key, deletes first, and backoff with jitter for what failed."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 60.0
SAME_TIME_SECONDS = 1.0
"""What two clocks may differ by that tell of one appointment: it is told anew by each pass, and kept once."""
RESYNC_PASS_SECONDS = 0.1
"""How long a pass over resyncs should take: a change that arrives meanwhile waits for its end."""
MOST_RESYNCS = 200
LEAST_RESYNCS = 20
"""So many go along with what is urgent, too: it shares their pass, and a resync goes on while changes keep coming."""
LEAST_RESYNC_SHARE = 50
"""One in so many of what waits is taken at least: a pass costs something of itself, so many small ones never end."""


class Urgency(IntEnum):
    """What goes first."""

    DELETE = 0
    CHANGE = 1
    RESYNC = 2


@dataclass(frozen=True, slots=True)
class Item(Generic[K]):
    """A key that was taken, and since when (loop time, seconds) it was waiting."""

    key: K
    since: float
    urgency: Urgency


class WorkQueue(Generic[K]):
    """Keys that are dirty. A key is taken by one worker at a time; what becomes dirty meanwhile waits for its return.

    Times are seconds of the given clock, which the event loop's is.
    """

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._waiting: dict[K, tuple[Urgency, float]] = {}
        self._in_flight: set[K] = set()
        self._again: dict[K, tuple[Urgency, float]] = {}
        self._retries: dict[K, int] = {}
        self._later: list[tuple[float, int, K]] = []
        self._appointments: dict[K, float] = {}
        self._order = itertools.count()
        self._resyncs = MOST_RESYNCS
        self._news = asyncio.Event()

    def add(self, key: K, urgency: Urgency = Urgency.CHANGE) -> None:
        """Mark a key dirty."""
        place = self._again if key in self._in_flight else self._waiting
        known = place.get(key)
        since = self._clock() if known is None else known[1]
        place[key] = (urgency if known is None else min(urgency, known[0]), since)
        self._news.set()

    def retry(self, key: K) -> float:
        """Mark a key dirty after a delay that doubles with each retry in a row; return the delay in seconds."""
        tries = self._retries.get(key, 0)
        self._retries[key] = tries + 1
        delay: float = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(tries, 16)) * (
            0.75 + 0.5 * self._jitter()
        )
        heapq.heappush(self._later, (self._clock() + delay, next(self._order), key))
        self._news.set()
        return delay

    def add_later(self, key: K, seconds: float) -> None:
        """Mark a key dirty after a delay, and once where this is said often: what is due before that stays."""
        due = self._clock() + seconds
        known = self._appointments.get(key)
        if known is not None and known <= due + SAME_TIME_SECONDS:
            return
        self._appointments[key] = due
        heapq.heappush(self._later, (due, next(self._order), key))
        self._news.set()

    def done(self, key: K, *, ok: bool = True) -> None:
        """Give a key back; what made it dirty meanwhile takes effect now. Success ends its row of retries."""
        self._in_flight.discard(key)
        if ok:
            self._retries.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self._waiting[key] = again
            self._news.set()

    def discard(self, key: K) -> None:
        """Forget that a key is dirty."""
        self._waiting.pop(key, None)
        self._again.pop(key, None)
        self._retries.pop(key, None)

    async def ready(self) -> None:
        """Wait until keys are dirty."""
        while not self._waiting:
            self._news.clear()
            self._wake_up()
            if not self._waiting:
                await self._wait()

    def take(self, limit: int) -> list[Item[K]]:
        """Take up to `limit` dirty keys, the most urgent and oldest first, and few resyncs: what comes next waits.

        | taken before it    | resyncs taken                                                            |
        |--------------------|--------------------------------------------------------------------------|
        | nothing            | as many as `paced` found, at least one in `LEAST_RESYNC_SHARE` that wait |
        | changes or deletes | up to `LEAST_RESYNCS`                                                    |
        """
        self._wake_up()
        urgent: list[tuple[K, tuple[Urgency, float]]] = []
        resyncs: list[tuple[K, tuple[Urgency, float]]] = []
        for entry in self._waiting.items():
            (resyncs if entry[1][0] is Urgency.RESYNC else urgent).append(entry)
        chosen = heapq.nsmallest(limit, urgent, key=lambda entry: entry[1])
        alone = max(self._resyncs, len(resyncs) // LEAST_RESYNC_SHARE)
        room = min(limit - len(chosen), LEAST_RESYNCS if chosen else alone)
        chosen += heapq.nsmallest(room, resyncs, key=lambda entry: entry[1])
        for key, _ in chosen:
            del self._waiting[key]
            self._in_flight.add(key)
        return [Item(key, since, urgency) for key, (urgency, since) in chosen]

    def paced(self, items: Sequence[Item[K]], seconds: float) -> None:
        """Learn from the time that a pass over nothing but resyncs took how many the next one takes."""
        if len(items) >= LEAST_RESYNCS and all(item.urgency is Urgency.RESYNC for item in items):
            in_time = int(len(items) * RESYNC_PASS_SECONDS / max(seconds, 0.001))
            self._resyncs = max(LEAST_RESYNCS, min(MOST_RESYNCS, in_time, 2 * self._resyncs))

    def depth(self) -> int:
        """Count the keys that wait or are being worked on."""
        return len(self._waiting) + len(self._in_flight)

    def oldest_seconds(self) -> float:
        """Tell how long the longest waiting key has waited, seconds."""
        return max((self._clock() - since for _, since in self._waiting.values()), default=0.0)

    def _wake_up(self) -> None:
        """Move what is due from later to now."""
        while self._later and self._later[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._later)
            if self._appointments.get(key) == due:
                del self._appointments[key]
            self.add(key)

    async def _wait(self) -> None:
        due = self._later[0][0] - self._clock() if self._later else None
        try:
            async with asyncio.timeout(due):
                await self._news.wait()
        except TimeoutError:
            return
