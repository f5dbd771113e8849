"""Work that cannot be looked at yet: its time has not come, or its data are read with the help of a registry."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.interpreting import Interpreter
from eventplane.delivery.work import PartitionWork, Work
from eventplane.events.dead_letters import first_topic
from eventplane.events.delivery import Failure, RetryInPlace, decide
from eventplane.events.event import Event

_AT_ONCE: Final = 500
_LOOKS_AFTER_MS: Final = 60_000
"""At most until a wait is looked at again: clocks are set, and a partition that has gone is not held for days."""


class DataReader(Protocol):
    """Decodes data with the help of a registry; takes its time."""

    def read_all(self, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
        """Give each event, with the topic that it was written to, its data; return what went wrong for each."""
        ...


def read_data(registry: DataReader, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
    """Give events their data, whatever the registry's client does."""
    try:
        return registry.read_all(events)
    except Exception as error:  # noqa: BLE001 - a codec's bug is no reason to lose the partition
        return [Failure("Undecodable", f"{type(error).__name__}: {error}")] * len(events)


class Inbox:
    """Takes work from the inboxes of partitions, in order, as soon as it can be looked at."""

    def __init__(
        self,
        config: RuntimeConfig,
        registry: DataReader | None,
        interpreter: Interpreter,
        now_ms: Callable[[], int],
        enter: Callable[[Work], bool],
        pump: Callable[[], None],
    ) -> None:
        """Tell `enter` what can be looked at; False from there: it stays at the head until it is due."""
        self._rules = config.retry
        self._failed_readings = 0
        self._registry = registry
        self._interpreter = interpreter
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
            elif self._unread(head):
                partition.is_reading = True
                self._begin(self._read_head(partition))
            elif self._enter(head):
                partition.inbox.popleft()

    def read_again(self, work: Work, read: Callable[[Work], None]) -> None:
        """Read again what could not be read, and tell."""
        if self._unread(work):
            self._begin(self._read_one(work, read))
        else:
            read(work)

    def _unread(self, work: Work) -> bool:
        return work.made is None and isinstance(work.decoded, Event) and self._interpreter.asks_registry(work.decoded)

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
        """Read what stands at the head; where no event is to blame for a failure, it stays there for a while."""
        works: list[Work] = []
        for work in partition.inbox:
            if len(works) == _AT_ONCE or self._wait_ms(work) > 0:
                break
            works.append(work)
        await self._read([work for work in works if self._unread(work)])
        if partition.is_leaving:
            return
        for work in works:
            if isinstance(work.made, Failure) and not work.made.blames_event:
                verdict = decide(work.made, self._failed_readings + 1, self._rules, "Partition")
                self._failed_readings += 1
                work.made = None
                self._come_back(partition, verdict.delay_ms if isinstance(verdict, RetryInPlace) else 0)
                break
            self._failed_readings = 0
            if not self._enter(work):
                self._go_on(partition)
                break
            partition.inbox.popleft()
        else:
            self._go_on(partition)
        self._pump()

    async def _read_one(self, work: Work, read: Callable[[Work], None]) -> None:
        await self._read([work])
        if not work.partition.is_leaving:
            read(work)

    async def _read(self, works: Sequence[Work]) -> None:
        """Read data; what could not be read is noted in the work."""
        registry = self._registry
        if registry is None:
            return
        events = [
            (work.decoded, first_topic(work.past, work.partition.place))
            for work in works
            if isinstance(work.decoded, Event)
        ]
        outcomes = await asyncio.to_thread(read_data, registry, events)
        for work, failure in zip(works, outcomes, strict=True):
            work.made = failure

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
