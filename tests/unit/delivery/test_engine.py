"""The engine on the memory transports: what becomes of each event, and in which order."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.delivery.parts import Registry, at_work, config_of, until

from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.events.dead_letters import history_of
from eventplane.events.delivery import Failure
from eventplane.events.event import Event
from eventplane.events.record import PlainRecord
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySink, MemorySource, MemoryWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from eventplane.transports.seams import Sink

DOWN = Failure("Unavailable", "HTTP 503")
REFUSED = Failure("Rejected", "HTTP 400")
RETRY: dict[str, Any] = {
    "attempts": 3,
    "delaysMs": [1, 2],
    "giveUpOn": ["Undecodable", "ExpressionFailed", "Rejected"],
    "deadLetterTopic": "dlq",
}


class World:
    """A log with a topic, and one consumer at work."""

    def __init__(self, log: MemoryLog, sink: MemorySink, engine: Engine, source: MemorySource) -> None:
        self.log = log
        self.sink = sink
        self.engine = engine
        self.source = source

    def write(self, number: int, key: str | None = None, **attributes: str) -> None:
        told = {"id": str(number), "source": "/shop", "type": "created", "specversion": "1.0", **attributes}
        headers = [(f"ce_{name}", value.encode()) for name, value in told.items()]
        value = json.dumps({"number": number}).encode()
        self.log.append("orders", None if key is None else key.encode(), value, headers)

    @property
    def delivered(self) -> list[int]:
        return [int(event.attributes["id"]) for event in self.sink.delivered]

    def committed(self) -> int:
        return sum(offset for (topic, _number), offset in self.log.groups["g"].offsets.items() if topic == "orders")


@asynccontextmanager
async def world(
    log: MemoryLog | None = None, sink: MemorySink | None = None, registry: Registry | None = None, **others: Any
) -> AsyncIterator[World]:
    """Begin with a topic of two partitions, unless a log is given."""
    if log is None:
        log = MemoryLog()
        log.create("orders", 2)
        log.create("dlq")
    config = config_of(**{"retry": RETRY, "http": {"url": "http://emails/"}, **others})
    sink = sink or MemorySink()
    reading = Reading.of(config, 1.0)
    source = MemorySource(log, "g", reading.topics, reading.retry_topics, "Earliest", reading.look_back)
    used: Sink = sink
    engine = Engine(config, Ports(source, used, MemoryWriter(log), registry), Ambience(leave_seconds=0.2))
    async with at_work(engine, source):
        yield World(log, sink, engine, source)


async def test_delivered_and_committed() -> None:
    async with world() as place:
        for number in range(300):
            place.write(number, f"key-{number % 7}")
        await until(lambda: place.committed() == 300)
    assert sorted(place.delivered) == list(range(300))
    assert (place.engine.counts.received, place.engine.counts.delivered) == (300, 300)


async def test_what_the_filter_keeps_back_is_committed() -> None:
    async with world(filter="event.data.number % 2 == 0", transform="event.data.number") as place:
        for number in range(10):
            place.write(number)
        await until(lambda: place.committed() == 10)
    assert place.delivered == [0, 2, 4, 6, 8]
    assert place.sink.data == [b"0", b"2", b"4", b"6", b"8"]
    assert place.engine.counts.filtered == 5


@pytest.mark.parametrize("keeps_order", [False, True])
async def test_failures_keep_the_order_of_a_key(keeps_order: bool) -> None:  # noqa: FBT001
    """A key's events wait for the one that is tried again; another key's do not."""
    sink = MemorySink(keeps_order=keeps_order)
    failed: set[str] = set()

    def refuse(event: Event) -> Failure | None:
        first = event.attributes["id"] not in failed
        failed.add(event.attributes["id"])
        return DOWN if first and event.record.key() == b"a" else None

    sink.refuses = refuse
    async with world(sink=sink) as place:
        for number in range(20):
            place.write(number, "a" if number % 2 else "b")
        await until(lambda: place.committed() == 20)
    assert [each for each in place.delivered if each % 2] == list(range(1, 20, 2))
    assert sorted(place.delivered) == list(range(20))
    assert place.engine.counts.retried_in_place == 10


async def test_what_was_put_off_through_no_fault_of_its_own_is_tried_again_soon_and_loses_no_attempt() -> None:
    put_off = Failure("Unavailable", "its turn has not come", blames_event=False)
    async with world(retry={**RETRY, "attempts": 2, "delaysMs": [1]}) as place:
        place.sink.failures.extend([put_off, DOWN, put_off])
        place.write(1, "a")
        await until(lambda: place.committed() == 1)
    assert place.delivered == [1]
    assert place.engine.counts.dead_lettered == {}


async def test_order_of_a_partition_and_no_order() -> None:
    async with world(delivery={"ordering": "Partition"}) as place:
        place.sink.failures.extend([DOWN, DOWN])
        for number in range(5):
            place.write(number, "same")
        await until(lambda: place.committed() == 5)
    assert place.delivered == list(range(5))
    async with world(delivery={"ordering": "None"}) as place:
        place.sink.failures.append(DOWN)
        for number in range(5):
            place.write(number, "same")
        await until(lambda: place.committed() == 5)
    assert place.delivered == [1, 2, 3, 4, 0]


async def test_given_up_after_the_last_attempt_and_at_once_where_it_is_no_use() -> None:
    sink = MemorySink()
    sink.refuses = lambda event: {"1": DOWN, "2": REFUSED}.get(event.attributes["id"])
    async with world(sink=sink) as place:
        for number in range(4):
            place.write(number, "a")
        await until(lambda: place.committed() == 4)
        letters = [history_of(each) for each in place.log.records("dlq")]
    assert place.delivered == [0, 3]
    assert [(each.failure.reason, each.attempts) for each in letters if each] == [("Unavailable", 3), ("Rejected", 1)]
    assert place.engine.counts.dead_lettered == {"Unavailable": 1, "Rejected": 1}


async def test_poison_goes_aside_as_it_came() -> None:
    async with world() as place:
        place.log.append("orders", b"k", b"\xff", [("mine", b"1")])
        place.write(1, "k")
        await until(lambda: place.committed() == 2)
        (letter,) = place.log.records("dlq")
    assert (letter.value(), letter.key(), dict(letter.notes)["mine"]) == (b"\xff", b"k", b"1")
    assert place.delivered == [1]


async def test_without_a_dead_letter_topic_poison_is_not_given_up() -> None:
    async with world(retry={"attempts": 1, "delaysMs": [1]}) as place:
        place.log.append("orders", b"k", b"\xff")
        place.write(1, "other")
        await until(lambda: place.engine.counts.retried_in_place > 3)
        assert place.delivered == [1]
    assert place.committed() == 1, "of the other's partition; the poison is where it was"


async def test_a_partition_stands_still_while_nothing_can_be_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventplane.delivery.setting_aside.AGAIN_SECONDS", 0.02)
    async with world() as place:
        place.log.refused["dlq"] = Failure("Unavailable", "dlq cannot be written to")
        place.sink.failures.append(REFUSED)
        place.write(0, "a")
        await until(lambda: any(sight.stopped for sight in place.engine.sights()))
        place.write(1, "a")
        place.write(2, "a")
        await asyncio.sleep(0.05)
        assert place.delivered == []
        assert place.committed() == 0
        del place.log.refused["dlq"]
        await until(lambda: place.committed() == 3)
        assert not any(sight.stopped for sight in place.engine.sights())
    assert place.delivered == [1, 2]


async def test_through_retry_topics() -> None:
    """What fails waits aside, what is behind it goes on, and attempts are counted over all topics."""
    log = MemoryLog()
    for topic in ("orders", "r1", "r2", "dlq"):
        log.create(topic)
    tiers = [{"topic": "r1", "delayMs": 10}, {"topic": "r2", "delayMs": 20}]
    sink = MemorySink()
    sink.refuses = lambda event: DOWN if event.attributes["id"] == "0" else None
    async with world(log, sink, retry={**RETRY, "tiers": tiers}) as place:
        for number in range(3):
            place.write(number, "a")
        log.append("r1", None, b"junk of a stranger")
        await until(lambda: len(log.records("dlq")) == 2)
        letters = [history_of(each) for each in log.records("dlq")]
    assert place.delivered == [1, 2]
    reached = {each.origin.place[0]: each for each in letters if each}
    assert (reached["orders"].attempts, reached["orders"].failure.reason) == (3, "Unavailable")
    assert reached["r1"].failure.reason == "Undecodable"
    assert place.engine.counts.retried_in_topic == 2


async def test_never_more_at_once_than_allowed() -> None:
    async with world(delivery={"concurrency": 3}) as place:
        place.sink.held = []
        for number in range(20):
            place.write(number)
        await until(lambda: len(place.sink.held or []) == 3)
        assert place.engine.under_way == 3
        held, place.sink.held = place.sink.held, None
        for answer in held:
            answer(None)
        await until(lambda: place.committed() == 20)
    assert place.sink.most_at_once == 3


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition is paused when it holds enough, and goes on later, with nothing lost in between."""
    monkeypatch.setattr("eventplane.delivery.work._MOST_RECORDS", 10)
    monkeypatch.setattr("eventplane.delivery.work._LEAST_RECORDS", 10)
    async with world() as place:
        place.sink.held = []
        for number in range(1_000):
            place.write(number, "one")
        await until(lambda: place.engine.buffered >= 10)
        await asyncio.sleep(0.05)
        assert place.engine.buffered <= 110, "one batch more, at most"
        held, place.sink.held = place.sink.held, None
        for answer in held:
            answer(None)
        await until(lambda: place.committed() == 1_000)
    assert place.delivered == list(range(1_000))


async def test_data_are_read_with_the_help_of_a_registry() -> None:
    registry = Registry()
    registry.is_away = True
    async with world(registry=registry, filter="event.data.number < 2") as place:
        for number in (b"1", b"2", b"x"):
            place.log.append("orders", b"k", b"\x00\x00\x00\x00\x01" + number)
        place.log.append("orders", b"k", b"\xff")
        await asyncio.sleep(0.05)
        assert place.committed() == 0, "no event is to blame"
        registry.is_away = False
        await until(lambda: place.committed() == 4)
    assert [event.data()["number"] for event in place.sink.delivered] == [1]
    reasons = [history_of(each) for each in place.log.records("dlq")]
    assert [each.failure.message for each in reasons if each] == ["no number", reasons[1].failure.message]  # type: ignore[union-attr]


async def test_what_is_under_way_is_waited_for_and_what_takes_too_long_is_not() -> None:
    async with world() as place:
        place.sink.held = []
        place.write(0, "a")
        place.write(1, "a")
        await until(lambda: len(place.sink.held or []) == 1)
        leaving = asyncio.create_task(place.source.stop())
        await asyncio.sleep(0.02)
        place.sink.held[0](None)
        await leaving
    assert (place.delivered, place.committed()) == ([0], 1)
    async with world() as place:
        place.sink.held = []
        place.write(0, "a")
        await until(lambda: len(place.sink.held or []) == 1)
        held = place.sink.held
    held[0](None)
    assert place.committed() == 0
    assert place.engine.under_way == 0


async def test_a_partition_that_begins_anew_is_begun_anew() -> None:
    """After its records were deleted under the reader, say, offsets may go back: nothing is skipped silently."""
    async with world() as place:
        place.sink.held = []
        place.write(0, "a")
        await until(lambda: len(place.sink.held or []) == 1)
        (stale,) = place.sink.held
        place.sink.held = None
        (again,) = place.log.records("orders")
        place.engine.take([again])
        await until(lambda: place.committed() == 1)
        stale(None)
    assert place.delivered == [0, 0]


async def test_what_cannot_be_taken_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_record: object) -> None:
        raise RuntimeError("a bug")

    async with world() as place:
        await until(lambda: place.engine.is_assigned)
        monkeypatch.setattr("eventplane.events.record.PlainRecord.offset", fail)
        place.write(0, "a")
        await until(place.engine.ended_event.is_set)
        assert place.engine.problem == "records could not be taken: RuntimeError a bug"
        monkeypatch.undo()
        place.write(1, "a")
    assert place.committed() == 0


class Poisonous(MemorySink):
    """Cannot even be handed some events."""

    def deliver(self, event: Event, new_data: bytes | None, answered: Callable[[Failure | None], None]) -> None:
        if event.attributes["id"] == "1":
            raise RecursionError("too deep")
        super().deliver(event, new_data, answered)


async def test_a_sink_that_raises_costs_one_event() -> None:
    async with world(sink=Poisonous()) as place:
        for number in range(3):
            place.write(number, "a")
        await until(lambda: place.committed() == 3)
    assert place.delivered == [0, 2]
    assert place.engine.counts.dead_lettered == {"Undecodable": 1}


KEYS = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30)
OUTCOMES = st.lists(st.sampled_from([None, None, DOWN, REFUSED]), max_size=30)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30),
    OUTCOMES,
    st.sampled_from(["Key", "Partition", "None"]),
)
def test_sent_is_delivered_or_dead(keys: list[str | None], outcomes: list[Failure | None], ordering: str) -> None:
    """Every event ends in exactly one place, whatever fails, and the offsets say so."""

    async def run() -> None:
        async with world(delivery={"ordering": ordering, "concurrency": 4}) as place:
            place.sink.failures.extend(outcomes)
            for number, key in enumerate(keys):
                place.write(number, key)
            await until(lambda: place.committed() == len(keys))
            dead = [int(dict(each.notes)["ce_id"] or b"") for each in place.log.records("dlq")]
        assert sorted(place.delivered + dead) == list(range(len(keys)))

    asyncio.run(run())


DEDUPLICATE: dict[str, Any] = {"deduplicate": {"window": "1s"}}


def shop_log(now: list[int]) -> MemoryLog:
    log = MemoryLog(lambda: now[0])
    log.create("orders", 2)
    log.create("dlq")
    log.create("r1")
    return log


async def test_what_comes_twice_within_the_window_is_delivered_once() -> None:
    now = [0]
    async with world(shop_log(now), delivery=DEDUPLICATE) as place:
        for now[0], number in ((0, 1), (0, 2), (1_000, 1), (1_001, 1), (1_500, 2), (1_500, 2)):
            place.write(number, "k")
        await until(lambda: place.committed() == 6)
        counts = place.engine.counts
    assert place.delivered == [1, 2, 1, 2]
    assert (counts.received, counts.delivered, counts.deduplicated) == (6, 4, 2)


async def test_who_comes_after_knows_what_came_before() -> None:
    """Also what is read twice since it was not finished, and what no bytes of its own can tell."""
    now = [0]
    log = shop_log(now)
    async with world(log, delivery=DEDUPLICATE) as place:
        for number in range(10):
            place.write(number, "k")
        log.append("orders", b"k", b"\xff", [("ce_specversion", b"1.0"), ("ce_id", b"\xff"), ("ce_source", b"s")])
        await until(lambda: place.committed() == 11)
    sink = MemorySink()
    sink.held = []
    async with world(log, sink, delivery=DEDUPLICATE) as place:
        for number in (5, 10, 5, 10):
            place.write(number, "k")
        await until(lambda: len(sink.held or ()) == 1)
        assert place.committed() < 14, "10 is not finished"
    async with world(log, delivery=DEDUPLICATE) as place:
        place.write(11, "k")
        await until(lambda: place.committed() == 16)
        counts = place.engine.counts
    assert place.delivered == [10, 11]
    assert (counts.received, counts.delivered) == (counts.delivered + counts.deduplicated, 2)


async def test_what_was_set_aside_is_no_repetition() -> None:
    """Neither in a retry topic, nor where somebody sends a dead letter once more."""
    sink = MemorySink()
    sink.failures.extend([DOWN, REFUSED])
    retry = {**RETRY, "tiers": [{"topic": "r1", "delayMs": 1}, {"topic": "r1", "delayMs": 1}]}
    async with world(shop_log([0]), sink, retry=retry, delivery=DEDUPLICATE) as place:
        place.write(1, "k")
        await until(lambda: len(place.log.records("dlq")) == 1)
        (dead,) = place.log.records("dlq")
        place.log.append("orders", dead.key(), dead.value(), dead.headers() or ())
        await until(lambda: len(place.delivered) == 1)
    assert place.engine.counts.deduplicated == 0


async def test_a_topic_that_is_made_anew_while_it_is_looked_back_in_loses_nothing() -> None:
    log = shop_log([0])
    async with world(log, delivery=DEDUPLICATE) as place:
        await until(lambda: place.engine.is_assigned)
        place.engine.assigned([("orders", 0)], {("orders", 0): 100})
        for offset, number in ((90, 1), (91, 2), (0, 3), (1, 2)):
            told = {"id": str(number), "source": "/shop", "type": "created", "specversion": "1.0"}
            notes = tuple((f"ce_{name}", value.encode()) for name, value in told.items())
            place.engine.take([PlainRecord(("orders", 0), offset, b"{}", None, notes)])
        await until(lambda: len(place.delivered) == 2)
    assert place.delivered == [3, 2], "its offsets are earlier than those of what came before"
