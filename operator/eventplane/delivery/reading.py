"""Work that waits: its time has not come, its data are read with the help of a registry, something is looked up."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.interpreting import Interpreter
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.work import PartitionWork, Work
from eventplane.events.dead_letters import first_topic
from eventplane.events.delivery import Failure, RetryInPlace, decide
from eventplane.events.event import Event
from eventplane.events.lookups import LookUp
from eventplane.transports.data_readers import DataReader, read_data

_AT_ONCE: Final = 500
_LOOKS_AFTER_MS: Final = 60_000
"""At most until a wait is looked at again: clocks are set, and a partition that has gone is not held for days."""


@dataclass(frozen=True, slots=True)
class Readers:
    """What has to be read for an event, and by whom."""

    interpreter: Interpreter
    registry: DataReader | None
    lookups: Lookups


class Inbox:
    """Takes work from the inboxes of partitions, in order, as soon as nothing has to be waited for."""

    def __init__(
        self,
        config: RuntimeConfig,
        readers: Readers,
        now_ms: Callable[[], int],
        enter: Callable[[Work], bool],
        pump: Callable[[], None],
    ) -> None:
        """Tell `enter` what can be looked at; False from there: it stays at the head until it is due."""
        self._rules = config.retry
        self._failed_readings = 0
        self._registry = readers.registry
        self._interpreter = readers.interpreter
        self._lookups = readers.lookups
        self._now_ms = now_ms
        self._enter = enter
        self._pump = pump
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def advance(self, partition: PartitionWork) -> None:
        """Go through an inbox as far as it goes."""
        while partition.inbox and not partition.is_reading and not partition.is_leaving:
            head = partition.inbox[0]
            wait_ms = self._wait_ms(head)
            if wait_ms > 0:
                self._come_back(partition, wait_ms)
            elif self._unread(head) or self._looks_up(head):
                partition.is_reading = True
                self._begin(self._read_head(partition))
            elif self._enter(head):
                partition.inbox.popleft()

    def read_again(self, work: Work, read: Callable[[Work], None]) -> None:
        """Read and look up again for work that failed, and tell."""
        if self._unread(work) or self._looks_up(work):
            self._begin(self._read_one(work, read))
        else:
            read(work)

    def _unread(self, work: Work) -> bool:
        return work.made is None and isinstance(work.decoded, Event) and self._interpreter.asks_registry(work.decoded)

    def _looks_up(self, work: Work) -> bool:
        """Ask the expressions; tell whether something has to be fetched before they can answer."""
        if work.made is None:
            work.made = self._interpreter.process(work.decoded)
        return isinstance(work.made, LookUp)

    def _wait_ms(self, work: Work) -> int:
        return work.due_ms - self._now_ms() if work.due_ms else 0

    def _come_back(self, partition: PartitionWork, wait_ms: int) -> None:
        partition.is_reading = True
        self._loop.call_later(min(wait_ms, _LOOKS_AFTER_MS) / 1000, self._go_on, partition)

    def _go_on(self, partition: PartitionWork) -> None:
        partition.is_reading = False
        self.advance(partition)
        self._pump()

    async def _read_head(self, partition: PartitionWork) -> None:
        """Read what stands at the head; where no event is to blame for a failure, it stays there for a while.

        What is looked up is fetched for all of it at once, and enters in order, each as soon as it is there.
        """
        works: list[Work] = []
        for work in partition.inbox:
            if len(works) == _AT_ONCE or self._wait_ms(work) > 0:
                break
            works.append(work)
        await self._read([work for work in works if self._unread(work)])
        looking_up = {work.offset: self._begin(self._look_up(work)) for work in self._readable(works)}
        for work in works:
            if work.offset in looking_up:
                await looking_up[work.offset]
            if partition.is_leaving:
                return
            if (failure := _put_off(work)) is not None:
                verdict = decide(failure, self._failed_readings + 1, self._rules, "Partition")
                self._failed_readings += 1
                work.made = None
                self._come_back(partition, verdict.delay_ms if isinstance(verdict, RetryInPlace) else 0)
                break
            self._failed_readings = 0
            if not self._enter(work):
                await self._forget(works[works.index(work) + 1 :], looking_up)
                self._go_on(partition)
                break
            partition.inbox.popleft()
            self._pump()
        else:
            self._go_on(partition)

    async def _forget(self, works: Sequence[Work], looking_up: Mapping[int, asyncio.Task[None]]) -> None:
        """Look up anew, later, what stands behind one that waits, maybe for long."""
        await asyncio.gather(*(looking_up[work.offset] for work in works if work.offset in looking_up))
        for work in works:
            work.made = None

    async def _read_one(self, work: Work, read: Callable[[Work], None]) -> None:
        await self._read([work] if self._unread(work) else [])
        if self._looks_up(work):
            await self._look_up(work)
        if not work.partition.is_leaving:
            read(work)

    async def _read(self, works: Sequence[Work]) -> None:
        """Read data; what could not be read is noted in the work."""
        registry = self._registry
        if registry is None or not works:
            return
        events = [
            (work.decoded, first_topic(work.past, work.partition.place))
            for work in works
            if isinstance(work.decoded, Event)
        ]
        outcomes = await asyncio.to_thread(read_data, registry, events)
        for work, failure in zip(works, outcomes, strict=True):
            work.made = failure

    def _readable(self, works: Sequence[Work]) -> Iterator[Work]:
        """Yield what something has to be looked up for, up to where it cannot go on anyway."""
        for work in works:
            if _put_off(work) is not None:
                return
            if self._looks_up(work):
                yield work

    async def _look_up(self, work: Work) -> None:
        """Fetch what the next expression reads, until none reads what is not known."""
        while isinstance(work.made, LookUp):
            found = await self._lookups.fetch(work.made.wanted)
            work.made = self._interpreter.process(work.decoded, {**work.made.known, **found})

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _put_off(work: Work) -> Failure | None:
    """Return why work cannot go on now through no fault of its own."""
    return work.made if isinstance(work.made, Failure) and not work.made.blames_event else None
