"""What publishers and subscribers promise: on the broker in memory that is shipped for tests, and on a real Kafka."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from contract.client_arenas import ClientArena, KafkaClients, MemoryClients

from eventplane.client import (
    ConfigurationError,
    ConsumingError,
    Event,
    EventPublisher,
    EventRejectedError,
    EventSubscriber,
    PublisherClosedError,
    PublishUnavailableError,
    TransactionError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

QUICK: dict[str, Any] = {"attempts": 3, "backoff": {"initial": "20ms", "max": "50ms"}}


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def clients(request: pytest.FixtureRequest) -> ClientArena:
    """A broker of every kind."""
    return MemoryClients() if request.param == "memory" else KafkaClients(request.getfixturevalue("kafka"))


@pytest.fixture
async def publisher(clients: ClientArena) -> AsyncIterator[EventPublisher]:
    """One on the broker."""
    async with EventPublisher(clients.broker) as publisher:
        yield publisher


async def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.01)


def event(number: int = 0, event_type: str = "order.created", **fields: Any) -> Event[Any]:
    return Event(event_type, "1.0", "shop", {"number": number}, **fields)


class Running:
    """A subscriber at work."""

    def __init__(self, subscriber: EventSubscriber) -> None:
        self.subscriber = subscriber

    async def __aenter__(self) -> EventSubscriber:
        self._task = asyncio.create_task(self.subscriber.start_consuming())
        await until(lambda: self._has_begun() or self._task.done())
        return self.subscriber

    def _has_begun(self) -> bool:
        return all("stands still" in why for why in self.subscriber.why_not_ready())

    async def __aexit__(self, *error: object) -> None:
        await self.subscriber.stop()
        await self._task


def subscriber(clients: ClientArena, topic: str, **options: Any) -> EventSubscriber:
    made = EventSubscriber(clients.broker, f"g-{topic}", **{"retry": QUICK, **options})
    made.subscribe([topic])
    return made


# --- publishing


async def test_a_receipt_says_where_an_event_is(clients: ClientArena, topic: str, publisher: EventPublisher) -> None:
    clients.create(topic, 3)
    first, second = event(1, subject="o-1"), event(2)
    receipts = [await publisher.publish_event(topic, each, "same") for each in (first, second)]
    assert [(each.topic, each.offset) for each in receipts] == [(topic, 0), (topic, 1)]
    assert len({each.partition for each in receipts}) == 1
    assert abs((receipts[0].timestamp - first.timestamp).total_seconds()) < 60
    assert await clients.published(topic) == [first, second]


async def test_what_was_not_published_is_an_error(clients: ClientArena, topic: str, publisher: EventPublisher) -> None:
    clients.create(topic)
    with pytest.raises(PublishUnavailableError, match=f"{topic}-none"):
        await publisher.publish_event(f"{topic}-none", event())
    with pytest.raises(EventRejectedError, match="too large"):
        await publisher.publish_event(topic, Event("big", "1.0", "shop", {"text": "x" * 2_000_000}))
    with pytest.raises(EventRejectedError, match="no JSON"):
        await publisher.publish_event(topic, Event("odd", "1.0", "shop", {"what": object()}))
    await publisher.close()
    with pytest.raises(PublisherClosedError):
        await publisher.publish_event(topic, event())
    assert await clients.published(topic) == []


async def test_a_batch_keeps_the_order_of_keys_and_tells_of_each(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic, 3)
    events: list[Event[Any]] = [event(number, subject=f"key-{number % 5}") for number in range(300)]
    events[7] = Event("big", "1.0", "shop", {"text": "x" * 2_000_000}, subject="key-2")
    report = await publisher.publish_batch(topic, events, lambda each: each.subject)
    assert dict(report) == {"success": 299, "failed": 1}
    assert isinstance(report.outcomes[7], EventRejectedError)
    assert len({(each.partition, each.offset) for each in report.receipts}) == 299
    read = await clients.published(topic)
    for key in range(5):
        numbers = [each.data["number"] for each in read if each.subject == f"key-{key}"]
        assert numbers == [number for number in range(key, 300, 5) if number != 7]


async def test_more_than_fits_waits(clients: ClientArena, topic: str) -> None:
    clients.create(topic)
    async with EventPublisher(clients.broker, max_in_flight=10) as small:
        report = await small.publish_batch(topic, [event(number) for number in range(200)])
    assert (report["success"], len(await clients.published(topic))) == (200, 200)


@pytest.mark.parametrize("form", ["Binary", "Structured", "Envelope"])
async def test_every_form_is_read_again(clients: ClientArena, topic: str, form: Any) -> None:
    clients.create(topic)
    told = event(1, correlation_id="c", trace_id="t", subject="s", extensions={"shard": "7"})
    async with EventPublisher(clients.broker, form=form) as publisher:
        await publisher.publish_event(topic, told)
    got: list[Event[Any]] = []
    reader = subscriber(clients, topic)
    reader.register_handler("order.created", got.append)
    async with Running(reader):
        await until(lambda: len(got) == 1)
    assert got == [told]
    assert got[0].received is not None
    assert (got[0].received.topic, got[0].received.offset, got[0].received.key) == (topic, 0, told.event_id.encode())


# --- subscribing


async def test_handlers_by_type_pattern_and_kind(clients: ClientArena, topic: str, publisher: EventPublisher) -> None:
    clients.create(topic)
    calls: list[tuple[str, int]] = []

    async def created(event: Event) -> None:
        calls.append(("created", event.data["number"]))

    def also(event: Event) -> None:
        calls.append(("also", event.data["number"]))

    reader = subscriber(clients, topic)
    reader.register_handler("order.created", created)
    reader.register_handler("order.created", also)
    reader.register_handler("order.*", lambda event: calls.append(("any order", event.data["number"])))
    for number, kind in enumerate(["order.created", "order.paid", "user.left"]):
        await publisher.publish_event(topic, event(number, kind), "key")
    async with Running(reader):
        await until(lambda: len(calls) == 4)
    assert calls[:3] == [("created", 0), ("also", 0), ("any order", 0)]
    assert calls[3] == ("any order", 1)
    assert await clients.committed(f"g-{topic}", topic) == 3, "what nobody handles is acknowledged"


async def test_a_failing_handler_is_tried_again_then_its_event_is_a_dead_letter(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    clients.create(f"g-{topic}.dlq")
    attempts: list[int] = []

    async def fail(event: Event) -> None:
        attempts.append(event.data["number"])
        if event.data["number"] == 1:
            raise ValueError("no such user")
        if event.data["number"] == 2:
            raise EventRejectedError("never")

    reader = subscriber(clients, topic)
    reader.register_handler("*", fail)
    for number in range(4):
        await publisher.publish_event(topic, event(number), "key")
    async with Running(reader):
        await until(lambda: 3 in attempts)
        await until(lambda: reader.lag == {} or not sum(reader.lag.values()))
    letters = await clients.dead_letters(f"g-{topic}.dlq")
    assert attempts == [0, 1, 1, 1, 2, 3], "in order, each of the key waits for the one before"
    assert [(each["reason"], each["attempts"], each["offset"]) for each in letters] == [
        ("Unavailable", 3, 1),
        ("Rejected", 1, 2),
    ]
    assert "no such user" in letters[0]["error_reason"]
    assert await clients.committed(f"g-{topic}", topic) == 4


async def test_a_handler_that_is_through_is_not_called_again_for_one_that_failed(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    calls: list[str] = []

    def second(_event: Event) -> None:
        calls.append("second")
        if calls.count("second") < 3:
            raise OSError

    reader = subscriber(clients, topic)
    reader.register_handler("*", lambda _event: calls.append("first"))
    reader.register_handler("*", second)
    await publisher.publish_event(topic, event())
    async with Running(reader):
        await until(lambda: calls.count("second") == 3)
    assert calls == ["first", "second", "second", "second"]


async def test_without_its_dead_letter_topic_a_partition_stands_still_and_loses_nothing(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    calls: list[int] = []

    def fail(event: Event) -> None:
        calls.append(event.data["number"])
        raise ValueError

    reader = subscriber(clients, topic, retry={"attempts": 1}, leave_seconds=1.0)
    reader.register_handler("*", fail)
    for number in range(3):
        await publisher.publish_event(topic, event(number), "key")
    async with Running(reader):
        await until(lambda: any("stands still" in why and ".dlq" in why for why in reader.why_not_ready()))
        assert calls == [0]
    assert await clients.committed(f"g-{topic}", topic) == 0


async def test_keys_run_side_by_side_and_each_in_order(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    running: set[str] = set()
    most, done = 0, dict[str, list[int]]()

    async def slow(event: Event) -> None:
        nonlocal most
        key = event.subject or ""
        assert key not in running
        running.add(key)
        most = max(most, len(running))
        await asyncio.sleep(0.01)
        running.remove(key)
        done.setdefault(key, []).append(event.data["number"])

    reader = subscriber(clients, topic, concurrency=4)
    reader.register_handler("*", slow)
    events: list[Event[Any]] = [event(number, subject=f"k{number % 8}") for number in range(80)]
    await publisher.publish_batch(topic, events, lambda each: each.subject)
    async with Running(reader):
        await until(lambda: sum(map(len, done.values())) == 80)
    assert done == {f"k{key}": list(range(key, 80, 8)) for key in range(8)}
    assert most == 4


async def test_stop_waits_for_handlers_and_another_goes_on(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    ended: list[int] = []

    async def slow(event: Event) -> None:
        await asyncio.sleep(0.05)
        ended.append(event.data["number"])
        if len(ended) == 3:
            await first.stop()  # of itself: it does not wait for itself

    first = subscriber(clients, topic, ordering="Partition")
    first.register_handler("*", slow)
    for number in range(10):
        await publisher.publish_event(topic, event(number))
    await first.start_consuming()
    assert ended == list(range(len(ended))), "what had started was waited for"
    assert len(ended) < 10
    assert await clients.committed(f"g-{topic}", topic) == len(ended)
    second = subscriber(clients, topic)
    second.register_handler("*", lambda event: ended.append(event.data["number"]))
    async with Running(second):
        await until(lambda: len(ended) >= 10)
    assert sorted(ended) == list(range(10))


async def test_a_loop_acknowledges_what_it_went_past(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    for number in range(5):
        await publisher.publish_event(topic, event(number), "key")
    seen: list[int] = []
    async with subscriber(clients, topic) as first:
        async for each in first:
            seen.append(each.data["number"])
            if len(seen) == 2:
                break
    with pytest.raises(KeyError):  # noqa: PT012 - the loop is what is tried
        async with subscriber(clients, topic) as second:
            async for each in second:
                seen.append(each.data["number"])
                raise KeyError
    async with subscriber(clients, topic) as third:
        async for each in third:
            seen.append(each.data["number"])
            if len(seen) == 6:
                break
    assert seen == [0, 1, 2, 2, 3, 4]
    assert await clients.committed(f"g-{topic}", topic) == 5


async def test_an_attempt_of_a_loop_may_fail_and_is_made_again(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    clients.create(f"g-{topic}.dlq")
    for number in range(3):
        await publisher.publish_event(topic, event(number), "key")
    seen: list[int] = []
    async with subscriber(clients, topic) as reader:
        async for delivery in reader.deliveries():
            async with delivery as each:
                seen.append(each.data["number"])
                if each.data["number"] == 1:
                    raise ValueError("not this one")
            if 2 in seen:
                break
    assert seen == [0, 1, 1, 1, 2]
    assert [each["offset"] for each in await clients.dead_letters(f"g-{topic}.dlq")] == [1]
    assert await clients.committed(f"g-{topic}", topic) == 3


async def test_through_retry_topics(clients: ClientArena, topic: str, publisher: EventPublisher) -> None:
    clients.create(topic)
    for name in ("dlq", "retry-20ms", "retry-40ms"):
        clients.create(f"g-{topic}.{name}")
    seen: list[int] = []

    def fail(event: Event) -> None:
        seen.append(event.data["number"])
        if event.data["number"] == 0:
            raise ValueError

    reader = subscriber(clients, topic, retry={**QUICK, "strategy": "RetryTopics"} | {"backoff": {"initial": "20ms"}})
    reader.register_handler("*", fail)
    for number in range(3):
        await publisher.publish_event(topic, event(number), "key")
    async with Running(reader):
        await until(lambda: seen.count(0) == 3 and 2 in seen)
        async with asyncio.timeout(20):
            while not (letters := await clients.dead_letters(f"g-{topic}.dlq")):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    assert [(each["topic"], each["attempts"]) for each in letters] == [(topic, 3)]


async def test_what_is_published_for_later_is_handled_then_and_holds_up_nothing_where_there_are_retry_topics(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    for name in ("dlq", "retry-100ms", "retry-200ms"):
        clients.create(f"g-{topic}.{name}")
    handled: dict[int, datetime] = {}
    reader = subscriber(
        clients, topic, retry={"attempts": 3, "backoff": {"initial": "100ms"}, "strategy": "RetryTopics"}
    )
    reader.register_handler("*", lambda event: handled.setdefault(event.data["number"], datetime.now(UTC)))
    due = datetime.now(UTC) + timedelta(milliseconds=700)
    await publisher.publish_at(topic, event(9), timedelta(days=100), "key")
    await publisher.publish_at(topic, event(0), due, "key")
    async with publisher.transaction() as transaction:
        await transaction.publish_at(topic, event(1), due, "key")
        await transaction.publish_batch(topic, [event(2)], "key", at=due)
    report = await publisher.publish_batch(topic, [event(3), event(6)], "key", at=due)
    await publisher.publish_at(topic, event(4), timedelta(seconds=-1), "key")
    await publisher.publish_event(topic, event(5), "key")
    async with Running(reader):
        await until(lambda: len(handled) == 7)
    assert report["success"] == 2
    assert set(handled) == set(range(7)), "none waits behind the one that has a hundred days left"
    assert all(handled[number] >= due for number in (0, 1, 2, 3, 6))
    assert await clients.dead_letters(f"g-{topic}.dlq") == []


async def test_what_is_published_for_later_waits_in_place_without_retry_topics(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    handled: list[tuple[int, datetime]] = []
    reader = subscriber(clients, topic, filter="event.data.number < 9")
    reader.register_handler("*", lambda event: handled.append((event.data["number"], datetime.now(UTC))))
    due = datetime.now(UTC) + timedelta(milliseconds=500)
    await publisher.publish_at(topic, event(9), timedelta(days=100))
    await publisher.publish_at(topic, event(0), due.astimezone(timezone(timedelta(hours=-5))), headers=[("mine", b"1")])
    await publisher.publish_event(topic, event(1))
    async with Running(reader):
        await until(lambda: len(handled) == 2)
    assert [number for number, _at in handled] == [0, 1], "and what is behind it waits with it"
    assert handled[0][1] >= due


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(datetime(2030, 1, 1), id="no zone"),  # noqa: DTZ001 - that is what is wrong with it
        pytest.param(timedelta(days=367), id="too far ahead"),
    ],
)
async def test_a_time_that_is_none_is_refused(
    clients: ClientArena, topic: str, publisher: EventPublisher, at: datetime | timedelta
) -> None:
    clients.create(topic)
    with pytest.raises(EventRejectedError, match="at: a time"):
        await publisher.publish_at(topic, event(), at)
    with pytest.raises(EventRejectedError, match="at: a time"):
        await publisher.publish_batch(topic, [event()], at=at)
    with pytest.raises(EventRejectedError, match="at: a time"):
        async with publisher.transaction() as transaction:
            await transaction.publish_at(topic, event(), at)
    assert await clients.published(topic) == []


async def test_cutting_off_who_consumes_ends_in_order_too(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)
    await publisher.publish_event(topic, event())
    got: list[Event[Any]] = []
    reader = subscriber(clients, topic)
    reader.register_handler("*", got.append)
    task = asyncio.create_task(reader.start_consuming())
    await until(lambda: len(got) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await clients.committed(f"g-{topic}", topic) == 1


async def test_what_only_a_new_subscriber_can_solve_is_raised(clients: ClientArena, topic: str) -> None:
    clients.create(topic)
    reader = subscriber(clients, topic)
    reader.register_handler("*", lambda _event: None)
    task = asyncio.create_task(reader.start_consuming())
    await until(lambda: not reader.why_not_ready())
    assert reader._consuming is not None  # noqa: SLF001 - nothing breaks a broker in just this way
    reader._consuming.engine.ended("it is fenced")  # noqa: SLF001
    with pytest.raises(ConsumingError, match="fenced"):
        await task


# --- transactions


async def test_all_of_a_transaction_is_there_and_in_order(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    for name in ("a", "b"):
        clients.create(f"{topic}-{name}", 2)
    for round_ in range(3):
        async with publisher.transaction() as transaction:
            await transaction.publish_batch(f"{topic}-a", [event(round_ * 10 + number) for number in range(10)], "key")
            await transaction.publish_event(f"{topic}-b", event(round_))
    assert [each.data["number"] for each in await clients.published(f"{topic}-a")] == list(range(30))
    assert sorted(each.data["number"] for each in await clients.published(f"{topic}-b")) == [0, 1, 2]


async def test_nothing_of_a_transaction_is_there_if_anything_failed(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    clients.create(topic)

    async def publish(second: Event[Any], to: str = topic) -> None:
        async with publisher.transaction() as transaction:
            await transaction.publish_event(topic, event(1))
            await transaction.publish_event(to, second)

    async def fail() -> None:
        async with publisher.transaction() as transaction:
            await transaction.publish_event(topic, event(1))
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    with pytest.raises(EventRejectedError, match="too large"):
        await publish(Event("big", "1.0", "shop", {"text": "x" * 2_000_000}))
    with pytest.raises(TransactionError, match=f"{topic}-none"):
        await publish(event(2), f"{topic}-none")
    assert await clients.published(topic) == []
    await publish(event(2))
    assert [each.data["number"] for each in await clients.published(topic)] == [1, 2], "it goes on as if nothing was"


async def test_what_is_consumed_goes_with_what_is_made_of_it(
    clients: ClientArena, topic: str, publisher: EventPublisher
) -> None:
    """A handler that fails after it published has published nothing, and what it made comes once."""
    clients.create(topic)
    clients.create(f"{topic}-made")
    clients.create(f"g-{topic}.dlq")
    await publisher.publish_batch(topic, [event(number) for number in range(20)])
    failed: set[int] = set()
    reader = subscriber(clients, topic, ordering="Partition")

    async def make(event: Event) -> None:
        async with publisher.transaction() as transaction:
            transaction.consumed(reader, event)
            await transaction.publish_event(f"{topic}-made", event)
            if event.data["number"] % 3 == 0 and event.data["number"] not in failed:
                failed.add(event.data["number"])
                raise OSError

    reader.register_handler("*", make)
    async with Running(reader):
        async with asyncio.timeout(30):
            while await clients.committed(f"g-{topic}", topic) < 20:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
    assert [each.data["number"] for each in await clients.published(f"{topic}-made")] == list(range(20))


async def test_consumed_events_need_an_order(clients: ClientArena, topic: str, publisher: EventPublisher) -> None:
    reader = subscriber(clients, topic)
    with pytest.raises(ConfigurationError, match="ordering"):
        async with publisher.transaction() as transaction:
            transaction.consumed(reader, event())
