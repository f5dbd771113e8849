"""How often and of what offsets are looked at: a loop for each bus, while this replica leads and the bus answers."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.backends.gauges import GaugeBackend
from eventplane.controllers.dispatch import Dispatcher
from eventplane.controllers.gauge_book import GaugeBook, News
from eventplane.controllers.queue import Urgency
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.shelf import Key
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.dependencies import needs_of
from eventplane.planning.gauges import Gauge, Measured, gauges_of, measure
from eventplane.planning.outcome import BackendError

logger = logging.getLogger(__name__)

TEND_SECONDS: Final = 1.0
"""How soon a new bus, or one that answers again, is looked at."""

ConnectGauges: TypeAlias = Callable[[KafkaConnection, Key], GaugeBackend]


class GaugeLoops:
    """The loops of all buses; what they see is in the book."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        book: GaugeBook,
        connect: ConnectGauges,
        seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        """Prepare to look.

        Args:
            dispatcher: knows the buses that answer, what is on them, and whom to mark.
            book: where it is written down.
            connect: opens a backend on a connection, for the bus of that namespace and name.
            seconds: from one look to the next.
            now: the clock.
        """
        self._dispatcher = dispatcher
        self._book = book
        self._connect = connect
        self._seconds = seconds
        self._now = now
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await self._tend()
                await asyncio.sleep(min(self._seconds, TEND_SECONDS))
        finally:
            await self._end(list(self._tasks))

    async def _tend(self) -> None:
        """Begin the loops of new buses, and end those of buses that are gone; one that died begins again."""
        lanes = self._dispatcher.subscriptions.lanes
        for key in lanes.keys() - self._tasks.keys():
            loop = BusGauges(key, self._dispatcher, self._book, self._connect, self._now)
            self._tasks[key] = asyncio.create_task(loop.run(self._seconds))
        gone = [key for key, task in self._tasks.items() if key not in lanes or task.done()]
        await self._end(gone)
        for key in gone:
            self._book.forget(key)

    async def _end(self, keys: Sequence[Key]) -> None:
        tasks = [self._tasks.pop(key) for key in keys]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class BusGauges:
    """The looks at one bus."""

    def __init__(
        self,
        bus: Key,
        dispatcher: Dispatcher,
        book: GaugeBook,
        connect: ConnectGauges,
        now: Callable[[], datetime],
    ) -> None:
        """Prepare to look; see GaugeLoops."""
        self._key = bus
        self._dispatcher = dispatcher
        self._store = dispatcher.store
        self._book = book
        self._connect = connect
        self._now = now
        self._backend: GaugeBackend | None = None
        self._connection: KafkaConnection | None = None
        self._problem = ""

    async def run(self, seconds: float) -> None:
        """Look until cancelled; close the connection then."""
        try:
            while True:
                looked = await self._look_or_say_why_not()
                await asyncio.sleep(seconds if looked else min(seconds, TEND_SECONDS))
        finally:
            await self._disconnect()

    async def _look_or_say_why_not(self) -> bool:
        """Look, if the bus answers; what keeps from it is logged once, since the lanes of the bus say it in status."""
        connection = self._usable_connection()
        if connection is None:
            self._book.silence(self._key)
            return False
        try:
            await self._look(connection)
        except BackendError as error:
            self._book.silence(self._key)
            self._log_problem(error.message)
        except Exception:
            self._book.silence(self._key)
            logger.exception("not measured: this is a fault of the operator", extra={"fields": self._fields()})
        else:
            self._problem = ""
        return True

    def _usable_connection(self) -> KafkaConnection | None:
        """Return how Kafka is reached; None while it is not."""
        lane = self._dispatcher.subscriptions.lanes.get(self._key)
        if lane is None or lane.problem is not None or lane.backend is None:
            return None
        connection: KafkaConnection = lane.backend.connection.kafka
        return connection

    async def _look(self, connection: KafkaConnection) -> None:
        bus = self._store.buses.get(self._key)
        if bus is None:
            return
        gauges = {each: tuple(those) for each, those in self._gauges(bus)}
        queries = {gauge.query for those in gauges.values() for gauge in those}
        seen = await (await self._backend_on(connection)).observe(queries) if queries else {}
        now = self._now()
        measured: dict[Key, list[Measured]] = {}
        shown: dict[Key, int | None] = {}
        for key, those in gauges.items():
            subscription = self._store.subscriptions.get(key)
            if subscription is not None:  # else it has gone meanwhile
                start = subscription.spec.start_from
                measured[key] = [measure(gauge, seen[gauge.query], start, now) for gauge in those]
                shown[key] = subscription.status.lag
        self._tell(self._book.record(self._key, measured, shown))

    def _gauges(self, bus: EventBus) -> Iterator[tuple[Key, Iterator[Gauge]]]:
        """List what is to be measured for each Subscription of the bus."""
        for key in self._store.subscriptions.of(self._key):
            subscription = self._store.subscriptions[key]
            sources, policy = self._store.topics_of(subscription), self._store.policy_of(subscription)
            yield key, gauges_of(subscription, bus, sources, self._store.children_of(subscription), policy)

    def _tell(self, news: News) -> None:
        """Mark those whose status would say something else now."""
        for key in news.subscriptions:
            self._dispatcher.subscriptions.mark(key, Urgency.RESYNC)
        holders = (self._store.subscriptions.get(key) for key in news.holders)
        needed = {place for each in holders if each is not None for place in needs_of(each)}
        for kind, key in needed:
            if kind == DeadLetterPolicy.kind:
                self._dispatcher.policies.mark(key, Urgency.RESYNC)

    async def _backend_on(self, connection: KafkaConnection) -> GaugeBackend:
        """Return the open backend, or open one: credentials may have changed."""
        if self._backend is None or connection != self._connection:
            await self._disconnect()
            self._backend, self._connection = self._connect(connection, self._key), connection
        return self._backend

    async def _disconnect(self) -> None:
        backend, self._backend, self._connection = self._backend, None, None
        if backend is not None:
            await backend.close()

    def _log_problem(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("not measured: %s", problem, extra={"fields": self._fields()})
        self._problem = problem

    def _fields(self) -> dict[str, str]:
        return key_fields(EventBus.kind, self._key)
