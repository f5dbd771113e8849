"""Spans of an application's own events, as `eventplane.tracing` has them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from eventplane import tracing
from eventplane.client.event import Event, Received
from eventplane.client.receipt import Receipt
from eventplane.tracing import About, EventSpan, Read, begin_batch, begin_process

_FUNCTION: Final = "code.function.name"


class SendSpan:
    """One event on its way. `headers`: what goes along with it."""

    __slots__ = ("_span", "headers")

    def __init__(self, span: EventSpan) -> None:
        self.headers = span.headers
        self._span = span

    def end(self, outcome: "asyncio.Future[Receipt]") -> None:
        """End it: the event is acknowledged, or is not, or nobody waits for that any more."""
        error = "cancelled" if outcome.cancelled() else outcome.exception()
        if error is None:
            receipt = outcome.result()
            self._span.say(
                {"messaging.destination.partition.id": str(receipt.partition), "messaging.kafka.offset": receipt.offset}
            )
        else:
            self._span.fail(error if isinstance(error, str) else type(error).__name__)
        self._span.end()


def begin_send(topic: str, event: Event[Any]) -> SendSpan | None:
    """Begin the span of an event that is published, where anybody is tracing."""
    return SendSpan(tracing.begin_send(_about(topic, event))) if tracing.is_tracing() else None


def begin_attempt(event: Event[Any], handler: str) -> EventSpan:
    """Begin the span of an attempt of a handler, where anybody is tracing."""
    received = _received(event)
    read = Read(received.partition, received.offset, received.headers)
    return begin_process(_about(received.topic, event), read, {_FUNCTION: handler})


def begin_attempt_with_all(events: Sequence[Event[Any]], handler: str) -> EventSpan:
    """Begin the span of an attempt of a handler with a list of events, where anybody is tracing."""
    received = [_received(event) for event in events]
    return begin_batch(received[0].topic, [each.headers for each in received], {_FUNCTION: handler})


def _received(event: Event[Any]) -> Received:
    return event.received or Received("", 0, 0)


def _about(topic: str, event: Event[Any]) -> About:
    return About(topic, event.event_id, event.source, event.event_type)
