"""Delivers events to an application's own functions; an exception is a failed attempt, never the end of the event."""

import asyncio
import contextvars
import logging
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from eventplane.client.codec import event_of
from eventplane.client.errors import EventRejectedError, InvalidEventError, RetryLaterError
from eventplane.client.event import Event
from eventplane.client.handlers import Handler, Handlers
from eventplane.client.tracing import is_tracing, processing
from eventplane.client.workers import TimeLimit, Workers
from eventplane.events.delivery import Failure
from eventplane.events.event import Event as ReadEvent
from eventplane.events.event import UndecodableError
from eventplane.events.record import Record
from eventplane.transports.seams import Answered

logger = logging.getLogger(__name__)

_MOST_REMEMBERED: Final = 10_000


class AbandonedError(Exception):
    """Nobody takes the event any more: no attempt was made."""


class _Given(NamedTuple):
    """An event, and what is to be called with it."""

    event: ReadEvent
    handlers: Sequence[Handler]
    answered: Answered


class HandlerSink:
    """A Sink that is a set of functions, called one after the other; those that are through are not called again."""

    keeps_order = False

    def __init__(self, handlers: Handlers, threads: int, timeout_seconds: float) -> None:
        self._handlers = handlers
        self._limit = TimeLimit(timeout_seconds)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="eventplane-handler")
        self._workers = Workers(self._handle)
        self._is_closing = False
        self._through: dict[tuple[str, int, int], int] = {}
        """How many functions are through with an event that is tried again."""

    def deliver(self, event: ReadEvent, new_data: bytes | None, answered: Answered) -> None:
        """Call the functions for the event's type; where there is none, it is acknowledged."""
        del new_data  # there is no transform before functions
        try:
            handlers = self._handlers.of(event.attributes["type"])
        except UndecodableError as error:
            answered(Failure("Undecodable", str(error)))
            return
        if not handlers:
            answered(None)
            return
        self._workers.give(_Given(event, handlers, answered))

    def is_handling(self, task: "asyncio.Task[Any] | None") -> bool:
        """Tell whether it is a function of ours that asks."""
        return task in self._workers

    async def close(self) -> None:
        """Cut off what is under way; a function on a thread goes on, and nobody waits for it."""
        self._is_closing = True
        await self._workers.close()
        self._limit.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _handle(self, given: "_Given") -> None:
        event, handlers, answered = given
        through = self._through.pop(_place(event.record), 0) if self._through else 0
        made: dict[type[Event[Any]], Event[Any]] = {}
        for number in range(through, len(handlers)):
            failure = await self._attempt(event, handlers[number], made)
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
        self, event: ReadEvent, handler: Handler, made: dict[type[Event[Any]], Event[Any]]
    ) -> Failure | None:
        try:
            if handler.wants not in made:
                made[handler.wants] = event_of(event, handler.wants)
        except (InvalidEventError, UndecodableError) as error:
            return Failure("Undecodable", str(error))
        except Exception as error:  # noqa: BLE001 - whatever these bytes do, the partition moves on
            return Failure("Undecodable", f"{type(error).__name__}: {error}")
        if not is_tracing():
            return await self._call(handler, made[handler.wants])
        with processing(made[handler.wants], handler.name) as span:
            failure = await self._call(handler, made[handler.wants])
            if failure is not None:
                span.fail(failure.reason)
            return failure

    async def _call(self, handler: Handler, event: Event[Any]) -> Failure | None:
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]  # it runs in a worker
        if handler.is_async:
            self._limit.begin(task)
        try:
            answer: Any = handler.call(event) if handler.is_async else self._run_on_thread(handler, event)
            await answer
        except asyncio.CancelledError:
            if self._is_closing:
                raise
            return self._late(handler, task) or _cancelled(handler, task)
        except Exception as error:  # noqa: BLE001 - an application may raise what it likes
            return self._late(handler, task) or _judged(handler, event, error)
        self._limit.end(task)
        return None

    def _late(self, handler: Handler, task: asyncio.Task[None]) -> Failure | None:
        """Say that it took too long, if that is what has ended it."""
        if not self._limit.end(task):
            return None
        return Failure("TimedOut", f"{handler.name} took longer than {self._limit.seconds:g} s")

    async def _run_on_thread(self, handler: Handler, event: Event[Any]) -> None:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        answer: Any = await loop.run_in_executor(self._threads, context.run, handler.call, event)
        if asyncio.iscoroutine(answer):
            await answer


def _cancelled(handler: Handler, task: asyncio.Task[None]) -> Failure:
    """Say that a function has cancelled the task that it runs in, or was told by another that it is cancelled."""
    while task.cancelling():
        task.uncancel()
    return Failure("Unavailable", f"{handler.name} was cancelled")


def _judged(handler: Handler, event: Event[Any], error: Exception) -> Failure:
    match error:
        case AbandonedError():
            return Failure("Unavailable", "the subscriber stops", blames_event=False)
        case RetryLaterError(after_seconds=seconds):
            return Failure("Unavailable", f"{handler.name}: {error}", retry_after_ms=int(seconds * 1000))
        case EventRejectedError():
            return Failure("Rejected", f"{handler.name}: {error}")
        case _:
            _log(handler, event, error)
            return Failure("Unavailable", f"{handler.name} raised {type(error).__name__}: {error}")


def _log(handler: Handler, event: Event[Any], error: Exception) -> None:
    """Say what failed and where; texts of exceptions may hold what the event held, so they are left to dead letters."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    told = {"handler": handler.name, "event_type": event.event_type, "event_id": event.event_id}
    if event.received is not None:
        told |= {"topic": event.received.topic, "partition": str(event.received.partition)}
    logger.warning("a handler failed", extra={"fields": told | {"error": type(error).__name__, "where": where}})


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic() or "", record.partition() or 0, record.offset() or 0
