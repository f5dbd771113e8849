"""What may start, and what is under way: never more than a sink is to have at a time."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from eventplane.delivery.work import PartitionWork, Work
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.processing import NewData, Routed
from eventplane.transports.seams import Sink


@dataclass(slots=True)
class Outlet:
    """A sink, and what is on its way there."""

    sink: Sink
    limit: int
    ready: deque[Work] = field(default_factory=deque)
    under_way: int = 0


class Flow:
    """Hands work to the sinks; a slow one holds up no other."""

    def __init__(self, outlets: Mapping[str, Outlet], answered: Callable[[Work, Failure | None], None]) -> None:
        """Tell `answered` how each ended, once `under_way` no longer counts it; outlets are by route."""
        self._outlets = outlets
        self._first = next(iter(outlets.values()))
        """What has failed before it had a route ends there."""
        self._answered = answered
        self._is_pumping = False
        self._loop = asyncio.get_running_loop()

    @property
    def under_way(self) -> int:
        """How many are on their way, in all."""
        return sum(each.under_way for each in self._outlets.values())

    def offer(self, work: Work) -> None:
        """Let work start with the next pump; what has routes starts by each of them, in the order of each."""
        following: Work | None = work
        while following is not None:
            following = self._queue(following)

    def offer_first(self, works: list[Work]) -> None:
        """Let work start before all other."""
        for work in reversed(works):
            self._outlet(work).ready.appendleft(work)

    def _queue(self, work: Work) -> Work | None:
        """Queue work; return what stands behind it where it leaves the lane of those that have no route yet."""
        if not isinstance(work.made, Routed):
            self._outlet(work).ready.append(work)
            return None
        partition, taken = work.partition, work.made.taken
        partition.shared[work.offset] = len(taken)
        for route, made in taken:
            part = dataclasses.replace(work, route=route, made=made)
            if partition.lanes[route].enter(part.lane, part.offset, part):
                self._outlets[route].ready.append(part)
        return partition.lanes[""].left(work.lane, work.offset)

    def _outlet(self, work: Work) -> Outlet:
        return self._outlets.get(work.route, self._first)

    def pump(self) -> None:
        """Start what may start; an answer that comes at once does not begin this anew."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while any(self._pump(each) for each in self._outlets.values()):  # an answer may let another sink go on
                pass
        finally:
            self._is_pumping = False

    def _pump(self, outlet: Outlet) -> bool:
        """Start what may start by an outlet; tell whether anything was there."""
        started = False
        while outlet.ready and outlet.under_way < outlet.limit:
            work = outlet.ready.popleft()
            started = True
            partition = work.partition
            if partition.stopped is not None:
                partition.held.append(work)
            elif not partition.is_leaving:
                self._start(work, partition, outlet)
        return started

    def _start(self, work: Work, partition: PartitionWork, outlet: Outlet) -> None:
        if partition.under_way == 0:
            partition.progress = self._loop.time()
        partition.under_way += 1
        outlet.under_way += 1
        answered = partial(self._end, work, outlet)
        match work.made, work.decoded:
            case (Failure() as failure, _) | (_, Failure() as failure):
                answered(failure)
            case made, Event() as event:
                try:
                    outlet.sink.deliver(event, made.data if isinstance(made, NewData) else None, answered)
                except Exception as error:  # noqa: BLE001 - what cannot be written is no reason to stop
                    answered(Failure("Undecodable", f"it cannot be written: {type(error).__name__} {error}"))

    def _end(self, work: Work, outlet: Outlet, failure: Failure | None) -> None:
        outlet.under_way -= 1
        self._answered(work, failure)
        self.pump()
