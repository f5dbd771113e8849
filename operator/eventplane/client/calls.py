"""Calls an application's functions, each within its time; whatever one raises is a failed attempt."""

import asyncio
import contextvars
import logging
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from eventplane.client.errors import EventRejectedError, RetryLaterError
from eventplane.client.event import Event
from eventplane.client.handlers import Handler
from eventplane.client.workers import TimeLimit
from eventplane.events.delivery import Failure

logger = logging.getLogger(__name__)


class AbandonedError(Exception):
    """Nobody takes the event any more: no attempt was made."""


class Calls:
    """Calls functions: asynchronous ones on the loop, others on threads of its own."""

    def __init__(self, threads: int, timeout_seconds: float) -> None:
        """Take so many threads; a function that has none yet is not timed."""
        self._limit = TimeLimit(timeout_seconds)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="eventplane-handler")
        self._is_closing = False

    async def call(self, handler: Handler, given: Any, told: Callable[[], Mapping[str, str]]) -> Any:
        """Return what a function returns, or why it has failed; awaited by a task that `closing` is told of.

        Args:
            handler: the function.
            given: its argument.
            told: what logs say of that argument.
        """
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]  # a task is what is cancelled
        if handler.is_async:
            self._limit.begin(task)
        try:
            answer: Any = handler.call(given) if handler.is_async else self._run_on_thread(handler, given, task)
            answer = await answer
        except asyncio.CancelledError:
            if self._is_closing:
                raise
            return self._late(handler, task) or _cancelled(handler, task)
        except Exception as error:  # noqa: BLE001 - an application may raise what it likes
            return self._late(handler, task) or failure_of(handler, error, told)
        self._limit.end(task)
        return answer

    def closing(self) -> None:
        """Let cancellations through from now on."""
        self._is_closing = True

    def close(self) -> None:
        """End it; a function on a thread goes on, and nobody waits for it."""
        self._limit.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _late(self, handler: Handler, task: asyncio.Task[None]) -> Failure | None:
        """Say that it took too long, if that is what has ended it."""
        if not self._limit.end(task):
            return None
        return Failure("TimedOut", f"{handler.name} took longer than {self._limit.seconds:g} s")

    async def _run_on_thread(self, handler: Handler, given: Any, task: asyncio.Task[None]) -> Any:
        """Run it where it may block; its time begins with its thread. One that is late goes on, unheard."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()

        def run() -> Any:
            loop.call_soon_threadsafe(self._limit.begin, task)  # before the end, which goes the same way
            return context.run(handler.call, given)

        answer: Any = await loop.run_in_executor(self._threads, run)
        return await answer if asyncio.iscoroutine(answer) else answer


def failure_of(handler: Handler, error: BaseException, told: Callable[[], Mapping[str, str]]) -> Failure:
    """Judge what a function has raised; only what nobody has foreseen is logged."""
    match error:
        case AbandonedError():
            return Failure("Unavailable", "the subscriber stops", blames_event=False)
        case RetryLaterError(after_seconds=seconds):
            return Failure("Unavailable", f"{handler.name}: {error}", retry_after_ms=int(seconds * 1000))
        case EventRejectedError():
            return Failure("Rejected", f"{handler.name}: {error}")
        case _:
            _log(handler, error, told())
            return Failure("Unavailable", f"{handler.name} raised {type(error).__name__}: {error}")


def told_of(event: Event[Any]) -> Mapping[str, str]:
    """Say in a log which event it is."""
    told = {"event_type": event.event_type, "event_id": event.event_id}
    if event.received is not None:
        told |= {"topic": event.received.topic, "partition": str(event.received.partition)}
    return told


def _cancelled(handler: Handler, task: asyncio.Task[None]) -> Failure:
    """Say that a function has cancelled the task that it runs in, or was told by another that it is cancelled."""
    while task.cancelling():
        task.uncancel()
    return Failure("Unavailable", f"{handler.name} was cancelled")


def _log(handler: Handler, error: BaseException, told: Mapping[str, str]) -> None:
    """Say what failed and where; texts of exceptions may hold what the event held, so they are left to dead letters."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    fields = {"handler": handler.name, **told, "error": type(error).__name__, "where": where}
    logger.warning("a handler failed", extra={"fields": fields})
