"""Spans of attempts behind a Subscription's sink: below the event's own, and named to whom it is delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from spans import PARENT, Spans, traceparent
from unit.delivery.parts import until
from unit.delivery.test_relay import world

from eventplane.delivery.attempt_spans import TracedSink
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.record import PlainRecord

if TYPE_CHECKING:
    from eventplane.transports.seams import Answered

OWN = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"), ("mine", b"kept"))
TRACED = (*OWN, ("traceparent", PARENT.encode()), ("tracestate", b"a=b"), ("baggage", b"tenant=acme"))


class Taken:
    """A Sink that keeps what it gets until somebody answers."""

    keeps_order = True
    is_closed = False

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: list[Answered] = []

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        assert new_data == b"{}"
        self.events.append(event)
        self.answers.append(answered)

    async def close(self) -> None:
        self.is_closed = True


def read(headers: tuple[tuple[str, bytes], ...]) -> Event:
    event = decode_record(PlainRecord(("orders", 2), 7, b"{}", b"k", headers))
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize("failure", [None, Failure("TimedOut", "no answer of http://secret")], ids=["taken", "failed"])
async def test_an_attempt_is_a_span_below_the_events_own(spans: Spans, failure: Failure | None) -> None:
    taken, ended = Taken(), list[Failure | None]()
    sink = TracedSink(taken, "g")
    assert sink.keeps_order
    sink.deliver(read(TRACED), b"{}", ended.append)
    assert (ended, spans.named("process orders")) == ([], [])
    taken.answers[0](failure)
    assert ended == [failure]
    span = spans.one("process orders")
    assert span.kind is trace.SpanKind.CONSUMER
    assert f"00-{span.parent.trace_id:032x}-{span.parent.span_id:016x}-01" == PARENT
    headers = taken.events[0].record.headers() or ()
    assert headers[: len(OWN)] == OWN
    assert dict(headers[len(OWN) :]) == {
        "traceparent": traceparent(span).encode(),
        "tracestate": b"a=b",
        "baggage": b"tenant=acme",
    }
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "2",
        "messaging.kafka.offset": 7,
        "messaging.consumer.group.name": "g",
        "messaging.message.id": "1",
        "cloudevents.event_id": "1",
        "cloudevents.event_source": "/s",
        "cloudevents.event_type": "t",
        **({} if failure is None else {"error.type": "TimedOut"}),
    }
    assert "secret" not in span.to_json()
    await sink.close()
    assert taken.is_closed


async def test_an_event_of_nobody_begins_a_trace(spans: Spans) -> None:
    taken = Taken()
    TracedSink(taken, "g").deliver(read(OWN), b"{}", lambda _failure: None)
    taken.answers[0](None)
    span = spans.one("process orders")
    assert span.parent is None
    assert dict(taken.events[0].record.headers() or ())["traceparent"] == traceparent(span).encode()


async def test_attributes_that_cannot_be_read_are_the_sinks_business(spans: Spans) -> None:
    taken, event = Taken(), read((*OWN, ("ce_odd", b"\xff")))
    TracedSink(taken, "g").deliver(event, b"{}", lambda _failure: None)
    assert taken.events == [event]
    assert not spans.exporter.get_finished_spans()


async def test_attempts_of_a_transaction_end_with_it(spans: Spans) -> None:
    """Those of one that was undone have failed; the record that is there names the last one."""
    async with world(partitions=1) as place:
        place.exchange.endings.extend(["Undone"])
        place.log.append("orders", b"k", b"{}", TRACED)
        await until(lambda: place.committed() == 1 and place.relay.under_way == 0)
    failed, done = spans.named("process orders")
    for each in (failed, done):
        assert each.parent is not None
        assert f"{each.parent.span_id:016x}" == PARENT.split("-")[2]
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "Unavailable"
    assert done.status.status_code is trace.StatusCode.UNSET
    (record,) = place.log.records("out")
    assert dict(record.headers() or ())["traceparent"] == traceparent(done).encode()
