"""What reading and replaying dead letters promises: on the broker in memory, and on a real Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from contract.client_arenas import ClientArena, KafkaClients, MemoryClients

from eventplane.client import (
    Choice,
    ConfigurationError,
    ConsumingError,
    DeadLetter,
    DeadLetters,
    Event,
    EventPublisher,
    EventRejectedError,
    EventSubscriber,
    PublisherClosedError,
    PublishUnavailableError,
    Span,
)
from eventplane.events.dead_letters import History, Origin
from eventplane.events.delivery import Failure
from eventplane.events.record import PlainRecord
from eventplane.transports import kafka_snapshot
from eventplane.transports.seams import Write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from e2e.servers import Kafka
    from eventplane.api.dead_letter_policy import FailureReason

NOW = datetime.now(UTC)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def clients(request: pytest.FixtureRequest) -> ClientArena:
    """A broker of every kind."""
    return MemoryClients() if request.param == "memory" else KafkaClients(request.getfixturevalue("kafka"))


@pytest.fixture
async def letters(clients: ClientArena) -> AsyncIterator[DeadLetters]:
    async with DeadLetters(clients.broker, timeout_seconds=5.0) as letters:
        yield letters


def dead(number: int, topic: str, reason: FailureReason = "Rejected", partition: int = 0) -> PlainRecord:
    """Return what a consumer writes that gives up an event."""
    record = PlainRecord((topic, partition), number, b"\xff%d" % number, b"key", (("mine", b"\xfe"), ("mine", None)))
    moment = int(NOW.timestamp() * 1000)
    failure = Failure(reason, "why")
    history = History("shop/billing", Origin((topic, partition), number, 5), failure, 1, moment, moment)
    return PlainRecord((f"{topic}.dlq", 0), 0, record.value(), record.key(), tuple(history.headers(record)))


async def put(clients: ClientArena, topic: str, *records: PlainRecord) -> None:
    """Write records in a transaction, whose mark is the last thing in a partition."""
    transactor = clients.broker.transactor(None, 20.0)
    writes = [Write(topic, each.key(), each.value(), each.headers() or (), ("", 0), 0) for each in records]
    await transactor.commit(writes, None)
    await transactor.close()


async def offsets(letters: DeadLetters, topic: str, **asked: object) -> list[int]:
    return [each.offset async for each in letters.read(topic, **asked)]  # type: ignore[arg-type]  # as the test says


async def test_everything_that_is_there_once_and_nothing_else(clients: ClientArena, letters: DeadLetters) -> None:
    """More than is read at once, with marks of transactions between them and at the end, and strangers."""
    clients.create("many.dlq")
    for first in range(0, 1200, 600):
        await put(clients, "many.dlq", *(dead(number, "many") for number in range(first, first + 600)))
    await put(clients, "many.dlq", PlainRecord(body=b"somebody else's"))
    assert await offsets(letters, "many.dlq") == list(range(1200))
    assert await offsets(letters, "many.dlq") == list(range(1200)), "nothing is committed"


async def test_partition_after_partition(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    clients.create(f"{topic}.dlq", 4)
    records = [replace(dead(number, topic), name=str(number % 5).encode()) for number in range(40)]
    await put(clients, f"{topic}.dlq", *records)
    found = [each async for each in letters.read(f"{topic}.dlq")]
    places = [(each.dead_letter_partition, each.dead_letter_offset) for each in found]
    assert places == sorted(places)
    assert sorted(each.offset for each in found) == list(range(40))
    assert len({each.dead_letter_partition for each in found}) > 1


async def test_an_empty_topic_and_none(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    clients.create(topic, 2)
    assert await offsets(letters, topic) == []
    with pytest.raises(ConsumingError, match=f"{topic}-none cannot be read"):
        await offsets(letters, f"{topic}-none")


@pytest.mark.kafka
async def test_a_leader_that_is_being_chosen_is_waited_for(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is of a topic that was made a moment ago; everything else is said by the broker."""
    refused: list[bool] = []

    class Early(Consumer):
        def get_watermark_offsets(self, *arguments: Any, **settings: Any) -> Any:
            if not refused:
                refused.append(True)
                raise KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
            return super().get_watermark_offsets(*arguments, **settings)

    monkeypatch.setattr(kafka_snapshot, "Consumer", Early)
    clients = KafkaClients(kafka)
    clients.create("early.dlq", 1)
    await put(clients, "early.dlq", dead(0, "early"))
    async with DeadLetters(clients.broker, timeout_seconds=5.0) as letters:
        assert await offsets(letters, "early.dlq") == [0]
    assert refused


async def test_only_those_that_are_asked_for(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    name = f"{topic}.dlq"
    clients.create(name)
    await put(clients, name, *(dead(number, topic, "TimedOut" if number % 2 else "Rejected") for number in range(6)))
    assert await offsets(letters, name, limit=2) == [0, 1]
    assert await offsets(letters, name, limit=0) == []
    assert await offsets(letters, name, choice=Choice({"TimedOut"}), limit=2) == [1, 3]
    assert await offsets(letters, name, choice=Choice(spans=[Span(0, 2, 3), Span(0, 5, None)])) == [2, 3, 5]
    assert await offsets(letters, name, since=NOW - timedelta(hours=1)) == list(range(6))
    assert await offsets(letters, name, since=NOW + timedelta(hours=1)) == []
    with pytest.raises(ConfigurationError, match="time zone"):
        await offsets(letters, name, since=NOW.replace(tzinfo=None))


async def test_since_a_time_between_two(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    name = f"{topic}.dlq"
    clients.create(name)
    await put(clients, name, dead(0, topic))
    await asyncio.sleep(0.05)
    between = datetime.now(UTC)
    await asyncio.sleep(0.05)
    await put(clients, name, dead(1, topic))
    assert await offsets(letters, name, since=between) == [1]


async def only(letters: DeadLetters, topic: str) -> DeadLetter:
    (found,) = [each async for each in letters.read(topic)]
    return found


async def test_replayed_as_it_was_where_it_was(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    """Also in a partition that its key alone would not lead to."""
    clients.create(topic, 3)
    clients.create(f"{topic}.other")
    for partition in range(3):
        clients.create(f"{topic}.dlq{partition}")
        await put(clients, f"{topic}.dlq{partition}", dead(7, topic, partition=partition))
        letter = await only(letters, f"{topic}.dlq{partition}")
        receipt = await letters.replay(letter)
        assert (receipt.topic, receipt.partition, receipt.offset) == (topic, partition, 0)
        assert (await only(letters, f"{topic}.dlq{partition}")) == letter, "it stays"
    assert (await letters.replay(letter, to=f"{topic}.other")).topic == f"{topic}.other"
    snapshot = [each async for records in clients.broker.snapshot(topic, None) for each in records]
    assert [(each.key(), each.value()) for each in snapshot] == [(b"key", b"\xff7")] * 3
    assert [list(each.headers() or ()) for each in snapshot] == [
        [("mine", b"\xfe"), ("mine", None), ("eventplane-replayed-from", f"{topic}.dlq{partition}/0/0".encode())]
        for partition in range(3)
    ]


async def test_what_is_not_replayed_is_an_error(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    clients.create(topic)
    clients.create(f"{topic}.dlq")
    await put(clients, f"{topic}.dlq", dead(0, topic, partition=5))
    letter = await only(letters, f"{topic}.dlq")
    with pytest.raises(PublishUnavailableError, match=topic):
        await letters.replay(letter)
    with pytest.raises(PublishUnavailableError, match=f"{topic}-none"):
        await letters.replay(letter, to=f"{topic}-none")
    huge = replace(letter, original_message=b"x" * 2**21, partition=0)
    with pytest.raises(EventRejectedError, match="too large"):
        await letters.replay(huge, to=topic)
    assert [each async for records in clients.broker.snapshot(topic, None) for each in records] == []
    await letters.close()
    with pytest.raises(PublisherClosedError):
        await letters.replay(letter)


async def until(holds: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.01)


async def test_a_consumer_takes_it_the_second_time(clients: ClientArena, letters: DeadLetters, topic: str) -> None:
    """One that knows events by their ids, too: whoever replays one wants it to be delivered."""
    group = f"g-{topic}"
    clients.create(topic)
    clients.create(f"{group}.dlq")
    reader = EventSubscriber(clients.broker, group, retry={"attempts": 1}, deduplicate={"window": "1h"})
    reader.subscribe([topic])
    seen: list[Event] = []

    async def take(event: Event) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise EventRejectedError("not yet")

    reader.register_handler("*", take)
    sent = Event("order.created", "1.0", "shop", {"number": 1}, correlation_id="c-1")
    async with reader, EventPublisher(clients.broker) as publisher:
        await publisher.publish_event(topic, sent, "o-1")
        await until(lambda: seen and not sum(reader.lag.values()))
        found: list[DeadLetter] = []
        async with asyncio.timeout(30):
            while not found:
                found = [each async for each in letters.read(f"{group}.dlq")]
        (letter,) = found
        assert (letter.reason, letter.topic, letter.attempts, letter.key) == ("Rejected", topic, 1, b"o-1")
        assert "not yet" in letter.error_reason
        await letters.replay(letter)
        await until(lambda: len(seen) == 2)
    assert seen[0] == seen[1] == sent
    assert seen[1].received is not None
    assert dict(seen[1].received.headers)["eventplane-replayed-from"] == f"{group}.dlq/0/0".encode()
