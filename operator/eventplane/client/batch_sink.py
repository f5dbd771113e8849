"""Delivers events to an application's own function in lists; it tells of each event whether it failed."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from eventplane.client.calls import Calls, failure_of, told_of
from eventplane.client.codec import event_to_handle
from eventplane.client.event import Event
from eventplane.client.handlers import Handler
from eventplane.events.batches import BatchLimits
from eventplane.events.delivery import Failure
from eventplane.events.event import Event as ReadEvent
from eventplane.transports.batches import Batches
from eventplane.transports.seams import Answered

_NO_LIST: Final = "return None, or a list with one item for each event: an exception where it failed"


class _Given(NamedTuple):
    """An event as the function wants it."""

    event: Event[Any]
    answered: Answered


class BatchSink:
    """A Sink that is a function of a list of events.

    | the function | the events |
    |---|---|
    | returns None | are acknowledged |
    | returns a list as long as the batch, as `asyncio.gather` with `return_exceptions` does | fail where there is an exception |
    | returns anything else | all fail: nobody can tell what became of them |
    | raises | all fail with that exception |
    | is late | all fail, TimedOut |
    """  # noqa: E501 - a table

    keeps_order = False

    def __init__(self, handler: Handler, limits: BatchLimits, at_once: int, timeout_seconds: float) -> None:
        """Call it at most so many times at once."""
        self._handler = handler
        self._calls = Calls(at_once, timeout_seconds)
        self._batches: Batches[_Given] = Batches(limits, at_once, self._handle)

    def deliver(self, event: ReadEvent, new_data: bytes | None, answered: Answered) -> None:
        """Let an event wait for its batch."""
        made = event_to_handle(event, new_data, self._handler.wants)
        if isinstance(made, Failure):
            answered(made)
            return
        self._batches.give(_Given(made, answered), len(event.record.value() or b""))

    async def close(self) -> None:
        """Cut off what is under way; a function on a thread goes on, and nobody waits for it."""
        self._calls.closing()
        await self._batches.close()
        self._calls.close()

    async def _handle(self, batch: list[_Given]) -> None:
        events = [each.event for each in batch]
        answer = await self._calls.call(self._handler, events, partial(_told_of_all, events))
        for each, failure in zip(batch, self._failures(answer, events), strict=True):
            each.answered(failure)

    def _failures(self, answer: Any, events: list[Event[Any]]) -> Sequence[Failure | None]:
        """Read by the table above what became of each."""
        if answer is None or isinstance(answer, Failure):
            return [answer] * len(events)
        if not isinstance(answer, list | tuple) or len(answer) != len(events):
            wrong = Failure("Unavailable", f"{self._handler.name} returned a {type(answer).__name__}: {_NO_LIST}")
            return [wrong] * len(events)
        return [self._failure(found, event) for found, event in zip(answer, events, strict=True)]

    def _failure(self, found: Any, event: Event[Any]) -> Failure | None:
        if not isinstance(found, BaseException):
            return None
        return failure_of(self._handler, found, partial(told_of, event))


def _told_of_all(events: list[Event[Any]]) -> dict[str, str]:
    return {"events": str(len(events)), "first_event_id": events[0].event_id}
