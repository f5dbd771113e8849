"""Spans of OpenTelemetry where an application has set it up, and none where it has not or lacks the extra `tracing`.

| span | kind | from | to | parent |
|---|---|---|---|---|
| `send <topic>` | producer | the event is handed over | its acknowledgement | the application's span |
| `process <topic>` | consumer | a handler is called | it is through | the span that the record's headers name |

Headers: `traceparent` and `tracestate`, or what else the application's propagators write. No key and no data are told.
Names and attributes: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/, which are still in development.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from eventplane.client.event import Event, Received
from eventplane.client.receipt import Receipt
from eventplane.events.record import Header

try:
    from opentelemetry import context, propagate, trace

    _IS_THERE = True
except ImportError:  # the extra was not installed
    _IS_THERE = False

_NAME: Final = "eventplane"


class SendSpan:
    """One event on its way. `headers`: what goes along with it."""

    __slots__ = ("_span", "headers")

    def __init__(self, span: "trace.Span") -> None:
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(span))
        self.headers: Sequence[Header] = [(name, value.encode()) for name, value in carrier.items()]
        self._span = span

    def end(self, outcome: "asyncio.Future[Receipt]") -> None:
        """End it: the event is acknowledged, or is not, or nobody waits for that any more."""
        error = "cancelled" if outcome.cancelled() else outcome.exception()
        if error is None:
            receipt = outcome.result()
            self._span.set_attribute("messaging.destination.partition.id", str(receipt.partition))
            self._span.set_attribute("messaging.kafka.offset", receipt.offset)
        else:
            _fail(self._span, error if isinstance(error, str) else type(error).__name__)
        self._span.end()


def is_tracing() -> bool:
    """Tell whether the application has set it up; without, all else would only take time."""
    nobody = () if not _IS_THERE else (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return _IS_THERE and not isinstance(trace.get_tracer_provider(), nobody)


def begin_send(topic: str, event: Event[Any]) -> SendSpan | None:
    """Begin the span of an event that is published, where `is_tracing`."""
    if not is_tracing():
        return None
    attributes = _attributes("send", topic, event)
    tracer = trace.get_tracer(_NAME)
    return SendSpan(tracer.start_span(f"send {topic}", kind=trace.SpanKind.PRODUCER, attributes=attributes))


def headers_of_now() -> Sequence[Header]:
    """Return what names the span that the application is in: for events that are written later, with others."""
    if not is_tracing():
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return [(name, value.encode()) for name, value in carrier.items()]


@contextmanager
def processing(event: Event[Any], handler: str) -> "Iterator[ProcessSpan]":
    """Be in the span of an attempt of a handler, where `is_tracing`; what it publishes has that for a parent."""
    tracer, received = trace.get_tracer(_NAME), event.received or Received("", 0, 0)
    carrier = {name: value.decode("utf-8", "replace") for name, value in received.headers if value is not None}
    attributes = _attributes("process", received.topic, event) | {
        "messaging.destination.partition.id": str(received.partition),
        "messaging.kafka.offset": received.offset,
        "code.function.name": handler,
    }
    parent = propagate.extract(carrier)
    name = f"process {received.topic}"
    span = tracer.start_span(name, context=parent, kind=trace.SpanKind.CONSUMER, attributes=attributes)
    token = context.attach(trace.set_span_in_context(span, parent))
    try:
        yield ProcessSpan(span)
    finally:
        context.detach(token)
        span.end()


class ProcessSpan:
    """One attempt."""

    __slots__ = ("_span",)

    def __init__(self, span: "trace.Span") -> None:
        self._span = span

    def fail(self, reason: str) -> None:
        """Say that it failed, and for what reason."""
        _fail(self._span, reason)


def _attributes(operation: str, topic: str, event: Event[Any]) -> dict[str, Any]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": event.event_id,
        "cloudevents.event_id": event.event_id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.event_type,
    }


def _fail(span: "trace.Span", reason: str) -> None:
    span.set_attribute("error.type", reason)
    span.set_status(trace.StatusCode.ERROR)
