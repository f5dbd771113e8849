"""Spans from who publishes to who handles, in one trace; none of it where nobody asked for it."""

import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from spans import PARENT, Spans
from unit.client.test_handlers import read

from eventplane.client import Event, EventPublisher, EventRejectedError, EventSubscriber, PublishUnavailableError
from eventplane.client.batch_sink import BatchSink
from eventplane.client.handlers import handler_of
from eventplane.events.batches import BatchLimits
from eventplane.events.record import RecordWithHeaders
from eventplane.testing import MemoryBroker


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(topics=("orders", "bills", "g.dlq"))


def created(number: int = 1) -> Event:
    return Event("order.created", "1.0", "shop", {"number": number}, event_id=f"o-{number}")


async def handled(broker: MemoryBroker, handler: Any, **options: Any) -> None:
    subscriber = EventSubscriber(broker, "g", retry={"attempts": 1}, **options)
    subscriber.subscribe("orders")
    subscriber.register_handler("order.*", handler)
    async with subscriber:
        await broker.settled("g", "orders")


async def test_publishing_and_handling_are_one_trace(spans: Spans, broker: MemoryBroker) -> None:
    async with EventPublisher(broker) as publisher:

        async def bill(event: Event) -> None:
            await publisher.publish_event("bills", event)

        with trace.get_tracer("test").start_as_current_span("checkout"):
            receipt = await publisher.publish_event("orders", created())
        await handled(broker, bill)
    checkout, sent, processed = spans.one("checkout"), spans.one("send orders"), spans.one("process orders")
    billed = spans.one("send bills")
    assert {each.context.trace_id for each in (checkout, sent, processed, billed)} == {checkout.context.trace_id}
    assert sent.parent.span_id == checkout.context.span_id
    assert processed.parent.span_id == sent.context.span_id
    assert billed.parent.span_id == processed.context.span_id
    assert (sent.kind, processed.kind) == (trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER)
    assert sent.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": receipt.offset,
        "messaging.message.id": "o-1",
        "cloudevents.event_id": "o-1",
        "cloudevents.event_source": "shop",
        "cloudevents.event_type": "order.created",
    }
    assert processed.attributes["code.function.name"].endswith("bill")
    assert processed.attributes["messaging.operation.name"] == "process"


async def test_a_handler_on_a_thread_is_in_its_span(spans: Spans, broker: MemoryBroker) -> None:
    seen: list[int] = []

    def look(_event: Event) -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    async with EventPublisher(broker) as publisher:
        await publisher.publish_batch("orders", [created(1), created(2)])
    await handled(broker, look)
    assert sorted(seen) == sorted(each.context.span_id for each in spans.named("process orders") if each.context)
    assert len(seen) == len(spans.named("send orders")) == 2


async def test_an_attempt_that_fails_says_so(spans: Spans, broker: MemoryBroker) -> None:
    def refuse(_event: Event) -> None:
        raise EventRejectedError("no such customer")

    async with EventPublisher(broker) as publisher:
        await publisher.publish_event("orders", created())
    await handled(broker, refuse)
    processed = spans.one("process orders")
    assert processed.status.status_code is trace.StatusCode.ERROR
    assert processed.attributes["error.type"] == "Rejected"
    assert "customer" not in processed.to_json(), "texts of exceptions may hold what the event held"


async def test_what_is_not_published_says_so(spans: Spans, broker: MemoryBroker) -> None:
    async with EventPublisher(broker) as publisher:
        broker.refuse("orders")
        with pytest.raises(PublishUnavailableError):
            await publisher.publish_event("orders", created())
        waiting = asyncio.create_task(publisher.publish_event("bills", created()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert spans.one("send orders").attributes["error.type"] == "PublishUnavailableError"
    assert spans.one("send bills").attributes["error.type"] == "cancelled"


async def test_events_of_a_transaction_name_the_span_around_them(spans: Spans, broker: MemoryBroker) -> None:
    async with EventPublisher(broker) as publisher:
        with trace.get_tracer("test").start_as_current_span("checkout"):
            async with publisher.transaction() as transaction:
                await transaction.publish_event("orders", created())
    await handled(broker, lambda _event: None)
    assert spans.one("process orders").parent.span_id == spans.one("checkout").context.span_id


async def test_an_application_that_has_set_up_nothing_pays_for_nothing(broker: MemoryBroker) -> None:
    async with EventPublisher(broker) as publisher:
        await publisher.publish_event("orders", created())
        async with publisher.transaction() as transaction:
            await transaction.publish_event("orders", created(2))
    names = {name for record in broker.log.records("orders") for name, _ in record.headers() or ()}
    assert "traceparent" not in names


async def test_without_the_extra_there_are_no_spans(
    spans: Spans, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventplane.tracing._IS_THERE", False)
    async with EventPublisher(broker) as publisher:
        await publisher.publish_event("orders", created())
    assert not spans.exporter.get_finished_spans()


async def attempt(function: Any, count: int) -> None:
    """Call a function with a batch of events, the first of which nobody has traced."""
    sink = BatchSink(handler_of(function), BatchLimits(count, 1_000_000, 0.05), 1, 5.0)
    loop = asyncio.get_running_loop()
    answers = [loop.create_future() for _ in range(count)]
    for offset, answer in enumerate(answers):
        event = read(b"{}", offset=offset)
        headers = (("traceparent", PARENT.replace("b7", f"{offset:02x}", 1).encode()),) if offset else ()
        sink.deliver(event.with_record(RecordWithHeaders(event.record, headers)), None, answer.set_result)
    await asyncio.wait_for(asyncio.gather(*answers), 5)
    await sink.close()


async def test_a_batch_is_one_span_with_links_to_its_events(spans: Spans) -> None:
    seen: list[int] = []

    async def take(_events: list[Event]) -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    await attempt(take, 3)
    (batch,) = spans.exporter.get_finished_spans()
    assert batch.context is not None
    assert seen == [batch.context.span_id]
    assert batch.parent is None
    assert batch.attributes is not None
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert [f"{link.context.span_id:016x}" for link in batch.links] == ["01ad6b7169203331", "02ad6b7169203331"]
    assert batch.status.status_code is trace.StatusCode.UNSET


async def test_a_batch_of_which_an_event_fails_says_so(spans: Spans) -> None:
    async def refuse(events: list[Event]) -> list[Exception | None]:
        return [None, *(EventRejectedError("no such customer") for _ in events[1:])]

    await attempt(refuse, 2)
    (batch,) = spans.exporter.get_finished_spans()
    assert batch.attributes is not None
    assert batch.attributes["error.type"] == "Rejected"
