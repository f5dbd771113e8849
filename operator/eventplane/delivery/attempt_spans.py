"""Spans of attempts to deliver an event: one that ends with its answer, and those that end with a transaction."""

from collections.abc import Sequence

from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.record import Header, RecordWithHeaders, place_of_record
from eventplane.tracing import About, EventSpan, Read, begin_process
from eventplane.transports.seams import Answered, Sink


class TracedSink:
    """A Sink whose attempts are spans; what is delivered names its attempt's span in place of the one it came with.

    What is set aside keeps the headers that it came with, so another attempt has the same parent.
    """

    def __init__(self, sink: Sink, group: str) -> None:
        """Deliver to another sink, for a consumer group."""
        self.keeps_order = sink.keeps_order
        self._sink = sink
        self._group = group

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Deliver an event within its span."""
        span = begin_attempt(event, self._group)
        if span is None:
            self._sink.deliver(event, new_data, answered)
            return

        def ended(failure: Failure | None) -> None:
            if failure is not None:
                span.fail(failure.reason)
            span.end()
            answered(failure)

        headers = tuple(span.replace_headers(event.record.headers() or ()))
        self._sink.deliver(event.with_record(RecordWithHeaders(event.record, headers)), new_data, ended)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()


class TransactionSpans:
    """Spans of what is delivered in one transaction."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._open: list[EventSpan] = []

    def begin(self, event: Event, headers: Sequence[Header]) -> Sequence[Header]:
        """Begin an attempt; return the headers of its record, with its span in place of the one that they name."""
        span = begin_attempt(event, self._group)
        if span is None:
            return headers
        self._open.append(span)
        return span.replace_headers(headers)

    def end(self, failure: str | None) -> None:
        """End them, for a reason where nothing of it has happened."""
        for span in self._open:
            if failure is not None:
                span.fail(failure)
            span.end()
        self._open.clear()


def begin_attempt(event: Event, group: str) -> EventSpan | None:
    """Begin the span of an attempt to deliver an event; None: it has no attributes that could be told."""
    try:
        attributes = event.attributes
    except UndecodableError:
        return None
    topic, partition = place_of_record(event.record)
    about = About(topic, attributes["id"], attributes["source"], attributes["type"])
    read = Read(partition, event.record.offset() or 0, event.record.headers() or ())
    return begin_process(about, read, {"messaging.consumer.group.name": group})
