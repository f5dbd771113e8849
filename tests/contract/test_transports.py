"""The contract of sources and writers: on the memory transport, and on a real broker."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from contract.transport_arenas import KafkaTransports, MemoryTransports, Notebook, TransportArena, until

from eventplane.events.beginning import LookBack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.servers.kafka import Kafka
    from eventplane.events.delivery import Failure
    from eventplane.transports.seams import Source


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def transports(request: pytest.FixtureRequest) -> AsyncIterator[TransportArena]:
    """A log of every kind."""
    arena: TransportArena = (
        MemoryTransports() if request.param == "memory" else KafkaTransports(request.getfixturevalue("kafka"))
    )
    yield arena
    await arena.close()


@pytest.fixture
async def kafka_transports(kafka: Kafka) -> AsyncIterator[KafkaTransports]:
    """A real broker, for what only that can do."""
    arena = KafkaTransports(kafka)
    yield arena
    await arena.close()


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[Notebook]:
    """Read until the context ends; what was read is finished and committed then."""
    notebook = Notebook()
    source.start(notebook)
    try:
        await until(lambda: notebook.assignments > 0 or notebook.is_over)
        yield notebook
    finally:
        await source.stop()
        await until(lambda: notebook.is_over)


async def test_records_come_as_they_were_written(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    transports.append(topic, b"key", b"value", [("a", b"1"), ("b", None), ("a", b"2")])
    transports.append(topic, None, None)
    async with reading(transports.source(f"g-{topic}", topic)) as notebook:
        await until(lambda: len(notebook.taken) == 2)
    first, second = notebook.taken
    assert (first.topic(), first.partition(), first.offset()) == (topic, 0, 0)
    assert (first.key(), first.value()) == (b"key", b"value")
    assert list(first.headers() or ()) == [("a", b"1"), ("b", None), ("a", b"2")]
    assert (second.offset(), second.key(), second.value(), second.headers()) == (1, None, None, None)
    assert first.timestamp()[0] == 1


async def test_somebody_else_goes_on_where_one_left(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    for number in range(5):
        transports.append(topic, b"k", b"%d" % number)
    async with reading(transports.source(f"g-{topic}", topic)) as first:
        await until(lambda: len(first.taken) == 5)
    assert first.left == [(topic, 0)]
    assert first.problem is None
    transports.append(topic, b"k", b"5")
    async with reading(transports.source(f"g-{topic}", topic)) as second:
        await until(lambda: len(second.taken) == 1)
    assert second.values == [b"5"]


async def test_what_is_paused_waits_and_is_not_lost(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    transports.append(topic, b"k", b"0")
    source = transports.source(f"g-{topic}", topic)
    async with reading(source) as notebook:
        await until(lambda: len(notebook.taken) == 1)
        source.pause((topic, 0))
        with pytest.raises(TimeoutError):
            await until(lambda: len(notebook.taken) > 1, 0.3)
        for number in range(1, 20):
            transports.append(topic, b"k", b"%d" % number)
        with pytest.raises(TimeoutError):
            await until(lambda: len(notebook.taken) > 1, 0.3)
        source.resume((topic, 0))
        await until(lambda: len(notebook.taken) == 20)
    assert notebook.values == [b"%d" % number for number in range(20)]


async def test_latest_is_the_end_at_the_first_start_and_stays_it(transports: TransportArena, topic: str) -> None:
    """What comes while nobody reads is not skipped, though nothing was ever read."""
    transports.create(topic)
    transports.append(topic, b"k", b"old")
    async with reading(transports.source(f"g-{topic}", topic, start_from="Latest")) as first:
        pass
    assert first.taken == []
    transports.append(topic, b"k", b"new")
    async with reading(transports.source(f"g-{topic}", topic, start_from="Latest")) as second:
        await until(lambda: len(second.taken) == 1)
    assert second.values == [b"new"]


async def test_retry_topics_are_read_from_their_beginning(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    transports.create(f"{topic}.retry")
    transports.append(topic, b"k", b"old")
    transports.append(f"{topic}.retry", b"k", b"waits")
    source = transports.source(f"g-{topic}", topic, (f"{topic}.retry",), start_from="Latest")
    async with reading(source) as notebook:
        await until(lambda: len(notebook.taken) == 1)
    assert notebook.values == [b"waits"]


async def test_from_a_time_on(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    transports.append(topic, b"k", b"old")
    async with reading(transports.source(f"g1-{topic}", topic, start_from="2999-01-01T00:00:00Z")) as late:
        pass
    assert late.taken == []
    async with reading(transports.source(f"g2-{topic}", topic, start_from="1970-01-01T00:00:00Z")) as early:
        await until(lambda: len(early.taken) == 1)


@pytest.mark.parametrize(("age_ms", "most"), [(0, 1_000), (5_000_000, 1_000), (0, 5)])
async def test_a_look_back_begins_before_what_is_committed(
    transports: TransportArena, topic: str, age_ms: int, most: int
) -> None:
    """Whether the last record is new or the group is far behind; topics for retries are not looked back in."""
    transports.create(topic)
    transports.create(f"{topic}.retry")
    end_ms = time.time_ns() // 1_000_000 - age_ms
    for number in range(100):
        transports.append(topic, b"k", b"%d" % number, written_ms=end_ms - (99 - number) * 1_000)
    transports.append(f"{topic}.retry", b"k", b"waits", written_ms=end_ms)
    async with reading(transports.source(f"g-{topic}", topic, (f"{topic}.retry",))) as first:
        await until(lambda: len(first.taken) == 101)
    transports.append(topic, b"k", b"100", written_ms=end_ms)
    look_back = LookBack(10_000, most)
    source = transports.source(f"g-{topic}", topic, (f"{topic}.retry",), look_back=look_back)
    async with reading(source) as second:
        await until(lambda: b"100" in second.values)
    assert (first.finished, second.finished) == ({}, {(topic, 0): 100})
    offsets = [each.offset() or 0 for each in second.taken]
    assert offsets == list(range(offsets[0], 101)), "without a hole, and nothing of the retry topic"
    assert min(11, most) <= len(offsets) - 1 <= min(100, most), "all of the window"


@pytest.mark.kafka
async def test_no_look_back_in_a_topic_that_is_shorter_than_what_is_committed(
    kafka_transports: KafkaTransports, topic: str
) -> None:
    """What is committed is of a topic that was there before, so all that is in this one is new."""
    kafka_transports.create(topic)
    kafka_transports.commit(f"g-{topic}", topic, 500)
    for number in range(5):
        kafka_transports.append(topic, b"k", b"%d" % number)
    async with reading(kafka_transports.source(f"g-{topic}", topic, look_back=LookBack(10_000, 1_000))) as notebook:
        await until(lambda: len(notebook.taken) == 5)
    assert (notebook.finished, notebook.values) == ({}, [b"%d" % number for number in range(5)])


async def test_partitions_are_shared_and_handed_over(transports: TransportArena, topic: str) -> None:
    transports.create(topic, 4)
    first, second = transports.source(f"g-{topic}", topic), transports.source(f"g-{topic}", topic)
    async with reading(first) as one:
        await until(lambda: len(one.places) == 4)
        async with reading(second) as other:
            await until(lambda: len(one.places) == 2 and len(other.places) == 2)
            assert one.places.isdisjoint(other.places)
            for number in range(40):
                transports.append(topic, b"%d" % number, b"%d" % number)
            await until(lambda: len(one.taken) + len(other.taken) == 40)
        await until(lambda: len(one.places) == 4)
        transports.append(topic, b"last", b"last")
        await until(lambda: len(one.taken) + len(other.taken) == 41)
    assert len({*one.values, *other.values}) == 41, "nothing came twice"


async def test_committed_while_it_runs(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    for number in range(3):
        transports.append(topic, b"k", b"%d" % number)
    source = transports.source(f"g-{topic}", topic)
    notebook = Notebook()
    source.start(notebook)
    await until(lambda: len(notebook.taken) == 3)
    source.commit({(topic, 0): 2, ("somebody-elses", 0): 7})
    notebook.take([])
    notebook.offsets.clear()
    assert source.seconds_since_poll() < 30
    await source.stop()
    await source.stop()
    assert notebook.is_over


async def test_written_records_are_read(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    answers: list[Failure | None] = []
    writer = transports.writer()
    for number in range(100):
        writer.write(topic, b"k", b"%d" % number, [("n", b"%d" % number)], answers.append)
    writer.write(topic, None, None, [], answers.append)
    await until(lambda: len(answers) == 101)
    assert answers == [None] * 101
    async with reading(transports.source(f"g-{topic}", topic)) as notebook:
        await until(lambda: len(notebook.taken) == 101)
    assert notebook.values == [*(b"%d" % number for number in range(100)), None]


async def test_what_cannot_be_written_is_told(transports: TransportArena, topic: str) -> None:
    transports.create(topic)
    answers: list[Failure | None] = []
    writer = transports.writer()
    writer.write(f"{topic}.none", b"k", b"v", [], answers.append)
    await until(lambda: len(answers) == 1)
    writer.write(topic, b"k", b"x" * 2_000_000, [], answers.append)
    await until(lambda: len(answers) == 2)
    writer.write(topic, b"k", b"fits", [], answers.append)
    await until(lambda: len(answers) == 3)
    absent, large, fits = answers
    assert absent is not None
    assert (absent.reason, f"{topic}.none" in absent.message) == ("Unavailable", True)
    assert large is not None
    assert large.reason == "Rejected"
    assert fits is None
