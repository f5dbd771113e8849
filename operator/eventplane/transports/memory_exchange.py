"""An Exchange without servers: what was made of a batch is in the log with its offsets, or not at all."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from eventplane.events.record import Place, Record
from eventplane.transports.memory import MemorySource
from eventplane.transports.seams import Made, Worker

Ending: TypeAlias = Literal["Committed", "Undone", "Unseen"]
"""Unseen: it is committed, and whoever asked for that is not told."""


class MemoryExchange:
    """An Exchange on a MemoryLog, which reads by a MemorySource."""

    def __init__(self, source: MemorySource) -> None:
        self.endings: deque[Ending] = deque()
        """How the next transactions end; then all are committed."""
        self._source = source
        self._log = source.log
        self._offsets = source.offsets
        self._worker: Worker
        self._firsts: dict[Place, int] = {}
        self._waiting: dict[Place, asyncio.TimerHandle] = {}

    def start(self, worker: Worker) -> None:
        """Join."""
        self._worker = worker
        self._source.start(self)

    def lag(self) -> Mapping[Place, int]:
        """Count what is left."""
        return self._source.lag()

    def seconds_since_poll(self) -> float:
        """Be always at work."""
        return 0.0

    async def stop(self) -> None:
        """Leave."""
        await self._source.stop()

    # --- what the source tells

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        """Begin with partitions."""
        self._firsts |= {place: finished.get(place, self._source.position(place)) for place in places}
        self._worker.assigned(places, finished)

    def take(self, records: Sequence[Record]) -> None:
        """Make one transaction of them."""
        made = self._worker.work(records)
        refusals = [(each, why) for each in made.writes if (why := self._log.refusal(each.topic, each.value))]
        ending: Ending = "Undone" if refusals else self.endings.popleft() if self.endings else "Committed"
        if ending != "Undone":
            self._commit(made)
        if ending == "Committed":
            self._worker.committed()
            self._leave_alone(made.waits)
            return
        for write, failure in refusals:
            self._worker.refused(write, failure, certain=write.alone or failure.reason != "Rejected")
        self._worker.undone("the transaction is undone")
        self._read_again()

    async def leave(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Give partitions away; what was made in them is committed already."""
        self.lost(places)
        return {}

    def lost(self, places: Sequence[Place]) -> None:
        """Forget partitions."""
        for place in places:
            self._go_on(place)
        self._worker.lost(places)

    def ended(self, problem: str | None) -> None:
        """Pass it on."""
        self._worker.ended(problem)

    # --- transactions

    def _commit(self, made: Made) -> None:
        for each in made.writes:
            self._log.append(each.topic, each.key, each.value, each.headers)
        self._offsets |= made.positions

    def _read_again(self) -> None:
        for place, first in self._firsts.items():
            self._go_on(place)
            self._source.seek(place, self._offsets.get(place, first))

    def _leave_alone(self, waits: Mapping[Place, float]) -> None:
        for place, seconds in waits.items():
            self._source.pause(place)
            self._source.seek(place, self._offsets[place])
            self._waiting[place] = asyncio.get_running_loop().call_later(seconds, self._go_on, place)

    def _go_on(self, place: Place) -> None:
        timer = self._waiting.pop(place, None)
        if timer is not None:
            timer.cancel()
            self._source.resume(place)
