"""Spans from who publishes to who handles, in one trace; none of it where nobody asked for it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from eventplane.client import Event, EventPublisher, EventRejectedError, EventSubscriber, PublishUnavailableError
from eventplane.testing import MemoryBroker


class Spans:
    """What was told."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> Any:
        (span,) = self.named(name)
        return span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    made = Spans()
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", made.provider)
    yield made
    made.provider.shutdown()


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
    monkeypatch.setattr("eventplane.client.tracing._IS_THERE", False)
    async with EventPublisher(broker) as publisher:
        await publisher.publish_event("orders", created())
    assert not spans.exporter.get_finished_spans()
