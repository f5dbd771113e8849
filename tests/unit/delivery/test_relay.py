"""The relay in an exchange in memory: each event ends in one place, whatever is undone on the way."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.delivery.parts import Registry, config_of, until

from eventplane.delivery.relay import Relay
from eventplane.events.dead_letters import NOT_BEFORE, history_of
from eventplane.events.delivery import Failure
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySource
from eventplane.transports.memory_exchange import MemoryExchange
from eventplane.transports.seams import Write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventplane.transports.memory_exchange import Ending

DOWN = Failure("Unavailable", "out cannot be written to")
RETRY: dict[str, Any] = {
    "attempts": 3,
    "delaysMs": [1, 2],
    "giveUpOn": ["Undecodable", "ExpressionFailed", "Rejected"],
    "deadLetterTopic": "dlq",
}
LARGE = "x" * 2_000


class World:
    """A log with a topic, and one relay at work."""

    def __init__(self, log: MemoryLog, relay: Relay, exchange: MemoryExchange) -> None:
        self.log = log
        self.relay = relay
        self.exchange = exchange

    def write(
        self, number: int, key: str | None = None, note: str = "", due: str | None = None, partition: int | None = None
    ) -> None:
        told = {"id": str(number), "source": "/shop", "type": "created", "specversion": "1.0"}
        headers = [(f"ce_{name}", value.encode()) for name, value in told.items()]
        if due is not None:
            headers.append((NOT_BEFORE, due.encode()))
        value = json.dumps({"number": number, "note": note}).encode()
        self.log.append("orders", None if key is None else key.encode(), value, headers, partition)

    def numbers(self, topic: str) -> list[int]:
        return [int(dict(each.notes)["ce_id"] or b"") for each in self.log.records(topic)]

    def committed(self) -> int:
        return sum(offset for (topic, _number), offset in self.log.groups["g"].offsets.items() if topic == "orders")


@asynccontextmanager
async def world(
    registry: Registry | None = None, partitions: int = 2, log: MemoryLog | None = None, **others: Any
) -> AsyncIterator[World]:
    log = log or MemoryLog(lambda: 1)
    log.create("orders", partitions)
    for topic in ("out", "dlq", "r1", "r2"):
        log.create(topic)
    log.largest["out"] = 1_000
    once = {"topic": {"topic": "out"}, "delivery": {"guarantee": "ExactlyOnce"}}
    config = config_of(**{"retry": RETRY, **once, **others})
    reading = Reading.of(config, 1.0)
    exchange = MemoryExchange(
        MemorySource(log, "g", reading.topics, reading.retry_topics, "Earliest", reading.look_back)
    )
    relay = Relay(config, "out", registry)
    exchange.start(relay)
    try:
        yield World(log, relay, exchange)
    finally:
        await exchange.stop()


async def test_delivered_filtered_and_counted_once_it_is_certain() -> None:
    async with world(filter="event.data.number % 2 == 0", transform="{'n': event.data.number}") as place:
        place.exchange.endings.extend(["Undone", "Unseen"])
        for number in range(40):
            place.write(number, f"key-{number % 3}")
        await until(lambda: place.committed() == 40 and place.relay.under_way == 0)
        counts = place.relay.counts
        assert sorted(place.numbers("out")) == list(range(0, 40, 2))
        assert json.loads(place.log.records("out")[0].value() or b"") == {"n": place.numbers("out")[0]}
        assert counts.received < 40, "what was committed unseen is not counted"
        assert counts.received == counts.delivered + counts.filtered
        assert (place.relay.is_assigned, place.relay.buffered) == (True, 0)
        assert place.exchange.lag() == {("orders", 0): 0, ("orders", 1): 0}
    assert place.relay.ended_event.is_set()
    assert place.relay.problem is None


async def test_what_kafka_refuses_is_a_dead_letter_and_stands_still_while_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventplane.delivery.relay.AGAIN_SECONDS", 0.02)
    async with world(partitions=1) as place:
        for number in range(6):
            place.write(number, "a", LARGE if number == 2 else "")
        place.log.refused["dlq"] = Failure("Unavailable", "dlq cannot be written to")
        await until(lambda: any(sight.stopped for sight in place.relay.sights()))
        await until(lambda: place.numbers("out") == [0, 1])
        assert place.committed() == 2, "it and those behind it"
        del place.log.refused["dlq"]
        await until(lambda: place.committed() == 6)
        assert not any(sight.stopped for sight in place.relay.sights())
    assert place.numbers("out") == [0, 1, 3, 4, 5]
    ((letter, *others),) = [[history_of(each) for each in place.log.records("dlq")]]
    assert letter is not None
    assert (letter.failure.reason, letter.attempts, others) == ("Rejected", 1, [])
    assert place.relay.counts.dead_lettered == {"Rejected": 1}


async def test_a_topic_that_is_away_is_tried_as_often_as_the_policy_says() -> None:
    async with world(partitions=1) as place:
        place.log.refused["out"] = DOWN
        place.write(0, "a")
        place.write(1, "b")
        await until(lambda: len(place.log.records("dlq")) == 2)
        histories = [history_of(each) for each in place.log.records("dlq")]
    assert [(each.attempts, each.failure.reason) for each in histories if each] == [(3, "Unavailable")] * 2
    assert place.relay.counts.retried_in_place >= 2


async def test_in_place_a_partition_waits_and_others_go_on() -> None:
    async with world(retry={"attempts": 1, "delaysMs": [1]}, filter="event.data.number >= 0") as place:
        place.log.append("orders", b"b", b"\xff")
        for number in range(10):
            place.write(number, "a" if number < 5 else "b")
        await until(lambda: place.relay.counts.retried_in_place > 3)
        assert len(place.numbers("out")) in {0, 5}
        assert 5 not in place.numbers("out")


async def test_through_retry_topics() -> None:
    tiers = [{"topic": "r1", "delayMs": 5}, {"topic": "r2", "delayMs": 10}]
    async with world(partitions=1, retry={**RETRY, "tiers": tiers, "giveUpOn": []}) as place:
        place.write(0, "a", "fits")
        place.log.append("orders", b"a", b"\xff", [("ce_id", b"1")])
        place.write(2, "a")
        await until(lambda: len(place.log.records("dlq")) == 1)
        (letter,) = [history_of(each) for each in place.log.records("dlq")]
        await until(lambda: place.relay.counts.retried_in_topic == 2)
    assert place.numbers("out") == [0, 2]
    assert (place.numbers("r1"), place.numbers("r2")) == ([1], [1])
    assert letter is not None
    assert (letter.attempts, letter.origin.place, letter.origin.offset) == (3, ("orders", 0), 1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_what_is_for_later_waits_in_topics_and_holds_up_nothing() -> None:
    tiers = [{"topic": "r1", "delayMs": 20}, {"topic": "r2", "delayMs": 50}]
    due_ms, log = now_ms() + 150, MemoryLog(now_ms)
    only = "event.data.number != 8"
    async with world(partitions=1, log=log, retry={**RETRY, "tiers": tiers}, filter=only) as place:
        place.exchange.endings.extend(["Undone", "Unseen", "Undone"])
        place.write(0, due=str(due_ms))
        place.write(7, due=str(due_ms + 86_400_000))
        place.write(8, due=str(due_ms))
        place.write(9, due="soon")
        place.write(1)
        await until(lambda: len(place.numbers("out")) == 2 and place.numbers("dlq") == [9])
        counts = place.relay.counts
    out = {int(dict(each.notes)["ce_id"] or b""): each for each in log.records("out")}
    assert set(out) == {0, 1}
    assert out[0].written_ms >= due_ms
    assert {name for each in out.values() for name, _value in each.notes if "eventplane" in name} == set()
    (letter,) = [history_of(each) for each in log.records("dlq")]
    assert letter is not None
    assert (letter.failure.reason, letter.attempts, letter.origin.offset) == ("Undecodable", 1, 3)
    assert (counts.retried_in_topic, counts.retried_in_place, counts.postponed_in_place) == (0, 0, 0)


async def test_what_is_for_later_waits_in_place_without_topics() -> None:
    async with world() as place:
        place.write(0, due=str(now_ms() + 3_000_000), partition=0)
        place.write(1, partition=0)
        place.write(2, partition=1)
        await until(lambda: place.numbers("out") == [2] and place.relay.counts.postponed_in_place == 1)
        assert place.committed() == 1
        assert place.relay.counts.retried_in_place == 0
    due_ms, log = now_ms() + 150, MemoryLog(now_ms)
    async with world(log=log) as place:
        place.write(0, due=str(due_ms), partition=0)
        place.write(1, partition=0)
        await until(lambda: place.committed() == 2)
    out = {int(dict(each.notes)["ce_id"] or b""): each for each in log.records("out")}
    assert list(out) == [0, 1]
    assert out[0].written_ms >= due_ms
    assert (place.relay.counts.received, place.relay.counts.delivered) == (2, 2)


async def test_data_are_read_with_the_help_of_a_registry() -> None:
    registry = Registry()
    registry.is_away = True
    async with world(registry, partitions=1, filter="event.data.number < 2", retry={**RETRY}) as place:
        for number in (b"1", b"2", b"x"):
            place.log.append("orders", b"k", b"\x00\x00\x00\x00\x01" + number)
        await until(lambda: place.relay.counts.failures["Unavailable"] > 0)
        assert place.committed() == 0, "no event is to blame"
        registry.is_away = False
        await until(lambda: place.committed() == 3)
    assert [each.value() for each in place.log.records("out")] == [b"\x00\x00\x00\x00\x011"]
    assert [each.failure.message for each in map(history_of, place.log.records("dlq")) if each] == ["no number"]


async def test_what_cannot_be_written_costs_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise RecursionError("too deep")

    async with world(partitions=1) as place:
        monkeypatch.setattr("eventplane.delivery.making.topic_record", fail)
        place.write(0, "a")
        await until(lambda: place.committed() == 1)
    assert place.relay.counts.dead_lettered == {"Undecodable": 1}


async def test_trouble_is_shown_and_over_with_the_next_commit() -> None:
    async with world() as place:
        await until(lambda: place.relay.is_assigned)
        for times in range(1, 4):
            place.relay.undone("no answer")
            assert {sight.stopped for sight in place.relay.sights()} == {"no answer" if times == 3 else None}
        place.relay.committed()
        assert {sight.stopped for sight in place.relay.sights()} == {None}
        stranger = Write("out", None, None, (), ("orders", 9), 0)
        place.relay.refused(stranger, DOWN, certain=True)
        place.relay.ended("the first problem")
        place.relay.ended(None)
    assert place.relay.problem == "the first problem"


ENDINGS: st.SearchStrategy[list[Ending]] = st.lists(st.sampled_from(["Committed", "Undone", "Unseen"]), max_size=12)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([False, False, True])), max_size=10), ENDINGS)
def test_each_is_there_once_and_in_order(events: list[tuple[str, bool]], endings: list[Ending]) -> None:
    """However transactions end: delivered or dead, once, and in the order of its key."""

    async def run() -> None:
        async with world() as place:
            place.exchange.endings.extend(endings)
            for number, (key, is_large) in enumerate(events):
                place.write(number, key, LARGE if is_large else "")
            await until(lambda: place.committed() == len(events))
            out, dead = place.numbers("out"), place.numbers("dlq")
        assert sorted(out + dead) == list(range(len(events)))
        for key in "abc":
            of_key = [number for number in out if events[number][0] == key]
            assert of_key == sorted(of_key)

    asyncio.run(run())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), max_size=12), ENDINGS)
def test_what_comes_twice_is_written_once(numbers: list[int], endings: list[Ending]) -> None:
    """However transactions end, and though a record is read again then."""

    async def run() -> None:
        delivery = {"guarantee": "ExactlyOnce", "deduplicate": {"window": "1h"}}
        async with world(partitions=1, delivery=delivery) as place:
            place.exchange.endings.extend(endings)
            for number in numbers:
                place.write(number, "k")
            await until(lambda: place.committed() == len(numbers))
            out, counts = place.numbers("out"), place.relay.counts
        assert out == list(dict.fromkeys(numbers))
        assert counts.received == counts.delivered + counts.deduplicated

    asyncio.run(run())


async def test_who_comes_after_knows_what_was_written() -> None:
    delivery = {"guarantee": "ExactlyOnce", "deduplicate": {"window": "1h"}}
    async with world(partitions=1, delivery=delivery) as place:
        for number in (1, 2):
            place.write(number, "k")
        await until(lambda: place.committed() == 2)
    log = place.log
    async with world(partitions=1, delivery=delivery, log=log) as place:
        for number in (2, 3, 1):
            place.write(number, "k")
        await until(lambda: place.committed() == 5)
    assert place.numbers("out") == [1, 2, 3]
