"""Delivers events to an application's own functions; an exception is a failed attempt, never the end of the event."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from eventplane.client.calls import Calls, told_of
from eventplane.client.codec import event_to_handle
from eventplane.client.event import Event
from eventplane.client.handlers import Handler, Handlers
from eventplane.client.tracing import is_tracing, processing
from eventplane.client.workers import Workers
from eventplane.events.delivery import Failure
from eventplane.events.event import Event as ReadEvent
from eventplane.events.event import UndecodableError
from eventplane.events.record import Record
from eventplane.transports.seams import Answered

_MOST_REMEMBERED: Final = 10_000


class _Given(NamedTuple):
    """An event, and what is to be called with it."""

    event: ReadEvent
    new_data: bytes | None
    handlers: Sequence[Handler]
    answered: Answered


class HandlerSink:
    """A Sink that is a set of functions, called one after the other; those that are through are not called again."""

    keeps_order = False

    def __init__(self, handlers: Handlers, threads: int, timeout_seconds: float) -> None:
        self._handlers = handlers
        self._calls = Calls(threads, timeout_seconds)
        self._workers = Workers(self._handle)
        self._through: dict[tuple[str, int, int], int] = {}
        """How many functions are through with an event that is tried again."""

    def deliver(self, event: ReadEvent, new_data: bytes | None, answered: Answered) -> None:
        """Call the functions for the event's type; where there is none, it is acknowledged."""
        try:
            handlers = self._handlers.of(event.attributes["type"])
        except UndecodableError as error:
            answered(Failure("Undecodable", str(error)))
            return
        if not handlers:
            answered(None)
            return
        self._workers.give(_Given(event, new_data, handlers, answered))

    def is_handling(self, task: "asyncio.Task[Any] | None") -> bool:
        """Tell whether it is a function of ours that asks."""
        return task in self._workers

    async def close(self) -> None:
        """Cut off what is under way; a function on a thread goes on, and nobody waits for it."""
        self._calls.closing()
        await self._workers.close()
        self._calls.close()

    async def _handle(self, given: "_Given") -> None:
        event, new_data, handlers, answered = given
        through = self._through.pop(_place(event.record), 0) if self._through else 0
        made: dict[type[Event[Any]], Event[Any]] = {}
        for number in range(through, len(handlers)):
            failure = await self._attempt(event, new_data, handlers[number], made)
            if failure is not None:
                self._remember(_place(event.record), number)
                answered(failure)
                return
        answered(None)

    def _remember(self, place: tuple[str, int, int], through: int) -> None:
        if through:
            self._through[place] = through
        if len(self._through) > _MOST_REMEMBERED:
            del self._through[next(iter(self._through))]

    async def _attempt(
        self,
        event: ReadEvent,
        new_data: bytes | None,
        handler: Handler,
        made: dict[type[Event[Any]], Event[Any]],
    ) -> Failure | None:
        if handler.wants not in made:
            found = event_to_handle(event, new_data, handler.wants)
            if isinstance(found, Failure):
                return found
            made[handler.wants] = found
        given = made[handler.wants]
        if not is_tracing():
            return await self._call(handler, given)
        with processing(given, handler.name) as span:
            failure = await self._call(handler, given)
            if failure is not None:
                span.fail(failure.reason)
            return failure

    async def _call(self, handler: Handler, event: Event[Any]) -> Failure | None:
        answer = await self._calls.call(handler, event, partial(told_of, event))
        return answer if isinstance(answer, Failure) else None


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic() or "", record.partition() or 0, record.offset() or 0
