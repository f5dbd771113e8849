"""What may start, and what is under way: never more than the sink is to have at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from eventplane.delivery.work import PartitionWork, Work
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.processing import NewData
from eventplane.transports.seams import Sink


class Flow:
    """Hands work to the sink."""

    def __init__(self, sink: Sink, limit: int, answered: Callable[[Work, Failure | None], None]) -> None:
        """Tell `answered` how each ended, once `under_way` no longer counts it."""
        self.under_way = 0
        self._sink = sink
        self._limit = limit
        self._answered = answered
        self._ready: deque[Work] = deque()
        self._is_pumping = False
        self._loop = asyncio.get_running_loop()

    def offer(self, work: Work) -> None:
        """Let work start with the next pump."""
        self._ready.append(work)

    def offer_first(self, works: list[Work]) -> None:
        """Let work start before all other."""
        self._ready.extendleft(reversed(works))

    def pump(self) -> None:
        """Start what may start; an answer that comes at once does not begin this anew."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._ready and self.under_way < self._limit:
                work = self._ready.popleft()
                partition = work.partition
                if partition.stopped is not None:
                    partition.held.append(work)
                elif not partition.is_leaving:
                    self._start(work, partition)
        finally:
            self._is_pumping = False

    def _start(self, work: Work, partition: PartitionWork) -> None:
        if partition.under_way == 0:
            partition.progress = self._loop.time()
        partition.under_way += 1
        self.under_way += 1
        answered = partial(self._end, work)
        match work.made, work.decoded:
            case (Failure() as failure, _) | (_, Failure() as failure):
                answered(failure)
            case made, Event() as event:
                try:
                    self._sink.deliver(event, made.data if isinstance(made, NewData) else None, answered)
                except Exception as error:  # noqa: BLE001 - what cannot be written is no reason to stop
                    answered(Failure("Undecodable", f"it cannot be written: {type(error).__name__} {error}"))

    def _end(self, work: Work, failure: Failure | None) -> None:
        self.under_way -= 1
        self._answered(work, failure)
        if self._ready:
            self.pump()
