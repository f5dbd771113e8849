"""Events for later on the memory transports: each is delivered once, never before its time, and none is an attempt."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.delivery.parts import Registry, until

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.events.dead_letters import NOT_BEFORE, history_of
from eventplane.events.delivery import Failure
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySink, MemorySource, MemoryWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventplane.events.event import Event

DOWN = Failure("Unavailable", "HTTP 503")
IN_PLACE: dict[str, Any] = {"attempts": 3, "delaysMs": [1, 2], "deadLetterTopic": "dlq"}
TIERS = [{"topic": "r1", "delayMs": 20}, {"topic": "r2", "delayMs": 50}]
ASIDE = {**IN_PLACE, "tiers": TIERS}
DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Timed(MemorySink):
    """Notes when each event comes."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[int, int]] = []
        self.refuses = self._note

    def _note(self, event: Event) -> Failure | None:
        self.came.append((json.loads(event.body or b"0"), now_ms()))
        return None

    @property
    def numbers(self) -> list[int]:
        return [number for number, _at in self.came]


class World:
    """A log with topics, and one consumer at work."""

    def __init__(self, log: MemoryLog, engine: Engine, sink: Timed, source: MemorySource) -> None:
        self.log = log
        self.engine = engine
        self.sink = sink
        self.source = source

    def write(self, number: int, due_ms: int | str | None = None, partition: int = 0, **attributes: str) -> None:
        told = {"id": str(number), "source": "/shop", "type": "created", "specversion": "1.0", **attributes}
        headers = [(f"ce_{name}", value.encode()) for name, value in told.items()]
        if due_ms is not None:
            headers.append((NOT_BEFORE, str(due_ms).encode()))
        self.log.append("orders", b"k", str(number).encode(), headers, partition)

    def committed(self, topic: str = "orders") -> int:
        return sum(offset for (name, _number), offset in self.log.groups["g"].offsets.items() if name == topic)


@asynccontextmanager
async def world(retry: dict[str, Any], log: MemoryLog | None = None, **others: Any) -> AsyncIterator[World]:
    registry = others.pop("registry", None)
    if log is None:
        log = MemoryLog(now_ms)
        log.create("orders", 2)
        for topic in ("dlq", "r1", "r2"):
            log.create(topic)
    told = {"namespace": "shop", "name": "emails", "group": "g", "topics": ["orders"], "retry": retry, **others}
    config = RuntimeConfig.model_validate({"http": {"url": "http://emails/"}, **told})
    reading = Reading.of(config, 1.0)
    source = MemorySource(log, "g", reading.topics, reading.retry_topics, "Earliest", reading.look_back)
    sink = Timed()
    engine = Engine(config, Ports(source, sink, MemoryWriter(log), registry), Ambience(leave_seconds=0.2))
    source.start(engine)
    try:
        yield World(log, engine, sink, source)
    finally:
        await source.stop()
        engine.close()


async def test_in_topics_it_holds_up_nothing_and_its_waits_are_no_attempts() -> None:
    due_ms = now_ms() + 150
    async with world(ASIDE) as place:
        for number, due in enumerate((due_ms, now_ms() + DAY_MS, None, now_ms() - DAY_MS)):
            place.write(number, due)
        await until(lambda: len(place.sink.came) == 3)
    counts, hops = place.engine.counts, len(place.log.records("r1")) + len(place.log.records("r2"))
    assert place.committed() == 4
    assert place.sink.numbers == [2, 3, 0]
    assert dict(place.sink.came)[0] >= due_ms
    assert hops >= 2, "the first one, and the one that has a day left"
    assert (counts.retried_in_topic, counts.failures, counts.dead_lettered) == (0, {}, {})
    assert counts.postponed_in_topic == hops


async def test_what_fails_at_its_time_has_all_its_attempts_and_its_history_from_the_first_record() -> None:
    async with world(ASIDE) as place:
        place.sink.failures.extend([DOWN] * 3)
        place.write(1, now_ms() + 100)
        await until(lambda: len(place.log.records("dlq")) == 1)
        counts = place.engine.counts
        assert counts.retried_in_topic == 2
        assert counts.received == 1 + counts.postponed_in_topic + counts.retried_in_topic
    (dead,) = place.log.records("dlq")
    history = history_of(dead)
    assert history is not None
    assert (history.attempts, history.origin.place, history.origin.offset) == (3, ("orders", 0), 0)
    assert NOT_BEFORE in dict(dead.notes), "it had that before anything happened to it"


async def test_in_place_it_holds_up_its_partition_but_not_what_is_kept_back_nor_another_partition() -> None:
    due_ms = now_ms() + 150
    async with world(IN_PLACE, filter="event.type != 'skipped'") as place:
        place.write(8, now_ms() + DAY_MS, type="skipped")
        place.write(0, due_ms)
        place.write(9, now_ms() + DAY_MS, type="skipped")
        place.write(1)
        place.write(2, partition=1)
        await until(lambda: place.committed() == 5)
    assert place.sink.numbers == [2, 0, 1]
    assert dict(place.sink.came)[0] >= due_ms
    counts = place.engine.counts
    assert (counts.postponed_in_place, counts.postponed_in_topic, counts.filtered) == (1, 0, 2)
    assert counts.retried_in_place == 0


@pytest.mark.parametrize(("ordering", "behind"), [("Partition", [0, 1]), ("Key", [1, 0]), ("None", [1, 0])])
async def test_order_of_a_partition_is_kept_in_place(ordering: str, behind: list[int]) -> None:
    async with world(ASIDE, delivery={"ordering": ordering}) as place:
        place.write(0, now_ms() + 100)
        place.write(1)
        await until(lambda: len(place.sink.came) == 2)
    assert place.sink.numbers == behind


async def test_who_takes_over_what_waits_in_place_waits_on() -> None:
    due_ms = now_ms() + 200
    async with world(IN_PLACE) as place:
        place.write(0, due_ms)
        place.write(1)
        await until(lambda: place.engine.counts.postponed_in_place == 1)
        (sight,) = [each for each in place.engine.sights() if each.place == ("orders", 0)]
        assert (sight.under_way, sight.stopped) == (0, None), "no probe is worried"
    assert (place.sink.came, place.committed()) == ([], 0)
    async with world(IN_PLACE, place.log) as other:
        await until(lambda: other.committed() == 2)
    assert other.sink.numbers == [0, 1]
    assert other.sink.came[0][1] >= due_ms


async def test_a_wait_in_place_is_looked_at_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventplane.delivery.reading._LOOKS_AFTER_MS", 5)
    due_ms = now_ms() + 50
    async with world(IN_PLACE) as place:
        place.write(0, due_ms)
        await until(lambda: place.committed() == 1)
    assert place.sink.came[0][1] >= due_ms
    assert place.engine.counts.postponed_in_place == 1, "and is one wait"


@pytest.mark.parametrize("retry", [pytest.param(IN_PLACE, id="in place"), pytest.param(ASIDE, id="in topics")])
@pytest.mark.parametrize("give_up_on", [[], ["Undecodable"]])
@pytest.mark.parametrize("told", ["tomorrow", str(10**18)])
async def test_what_is_no_time_is_never_ignored(retry: dict[str, Any], give_up_on: list[str], told: str) -> None:
    async with world({**retry, "giveUpOn": give_up_on}) as place:
        place.write(0, told)
        place.write(1)
        await until(lambda: len(place.log.records("dlq")) == 1)
    (dead,) = place.log.records("dlq")
    history = history_of(dead)
    assert history is not None
    assert (history.failure.reason, history.attempts) == ("Undecodable", 1 if give_up_on else 3)
    assert history.failure.message.startswith("eventplane-not-before: ")
    assert place.sink.numbers == [1]


async def test_what_comes_twice_is_delivered_once_and_what_comes_back_is_no_repetition() -> None:
    due_ms = now_ms() + 100
    async with world(ASIDE, delivery={"deduplicate": {"window": "1h"}}) as place:
        for _ in range(2):
            place.write(0, due_ms)
        await until(lambda: len(place.sink.came) == 1 and place.committed() == 2)
        assert place.engine.counts.deduplicated == 1
        assert place.engine.counts.received == 2 + place.engine.counts.postponed_in_topic
    assert place.sink.came[0][1] >= due_ms


@pytest.mark.parametrize("retry", [pytest.param(IN_PLACE, id="in place"), pytest.param(ASIDE, id="in topics")])
async def test_data_are_read_with_the_help_of_a_registry(retry: dict[str, Any]) -> None:
    due_ms = now_ms() + 100
    async with world(retry, registry=Registry(), filter="event.data.number < 3") as place:
        notes = [(NOT_BEFORE, str(due_ms).encode())]
        for number in (1, 3, 2):
            place.log.append("orders", b"k", b"\x00\x00\x00\x00\x01%d" % number, notes, 0)
        place.sink.refuses = lambda event: place.sink.came.append((event.data()["number"], now_ms()))
        await until(lambda: len(place.sink.came) == 2 and place.committed() == 3)
    assert sorted(place.sink.numbers) == [1, 2]
    assert all(at >= due_ms for _number, at in place.sink.came)
    assert {event.data()["topic"] for event in place.sink.delivered} == {"orders"}, "whose subject its data are of"
    assert {event.attributes["id"] for event in place.sink.delivered} == {"orders/0/0", "orders/0/2"}


async def test_a_topic_that_cannot_be_written_to_stops_the_partition_until_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventplane.delivery.setting_aside.AGAIN_SECONDS", 0.02)
    due_ms = now_ms() + 100
    async with world(ASIDE) as place:
        place.log.refused |= dict.fromkeys(("r1", "r2"), Failure("Unavailable", "there is no such topic"))
        place.write(0, due_ms)
        await until(lambda: any(sight.stopped for sight in place.engine.sights()))
        place.write(1)
        await asyncio.sleep(0.05)
        assert (place.sink.came, place.committed()) == ([], 0)
        place.log.refused.clear()
        await until(lambda: len(place.sink.came) == 2 and place.committed() == 2)
    assert place.sink.numbers == [1, 0]
    assert place.sink.came[1][1] >= due_ms


async def test_without_its_tier_it_waits_where_it_is() -> None:
    """A policy that has become one in place still has what lies in topics, and that has its time."""
    due_ms = now_ms() + 300
    async with world(ASIDE) as place:
        place.write(0, due_ms)
        await until(lambda: place.engine.counts.postponed_in_topic == 1)
    assert (place.sink.came, place.committed()) == ([], 1)
    async with world({**IN_PLACE, "draining": TIERS}, place.log) as other:
        await until(lambda: len(other.sink.came) == 1)
        assert other.engine.counts.postponed_in_place == 1
    assert other.sink.came[0][1] >= due_ms


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventplane.delivery.work._MOST_RECORDS", 10)
    monkeypatch.setattr("eventplane.delivery.work._LEAST_RECORDS", 10)
    async with world(IN_PLACE) as place:
        place.write(0, now_ms() + 200)
        for number in range(1, 1_000):
            place.write(number)
        await until(lambda: place.engine.buffered >= 10)
        assert place.engine.buffered <= 110, "one batch more, at most"
        await until(lambda: place.committed() == 1_000)
    assert place.sink.numbers == list(range(1_000))


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.none() | st.integers(-50, 120), st.integers(0, 1)), max_size=15),
    st.sampled_from([IN_PLACE, ASIDE, {**ASIDE, "tiers": [{"topic": "r1", "delayMs": 7}] * 2}]),
    st.sampled_from(["Key", "Partition", "None"]),
    st.lists(st.sampled_from([None, None, DOWN]), max_size=6),
)
def test_each_is_there_once_and_never_before_its_time(
    events: list[tuple[int | None, int]], retry: dict[str, Any], ordering: str, outcomes: list[Failure | None]
) -> None:
    """Whatever fails besides: delivered or a dead letter, once, and the counts add up."""

    async def run() -> None:
        async with world(retry, delivery={"ordering": ordering}) as place:
            place.sink.failures.extend(outcomes)
            began_ms = now_ms()
            dues = [None if wait is None else began_ms + wait for wait, _partition in events]
            for number, (due_ms, (_wait, partition)) in enumerate(zip(dues, events, strict=True)):
                place.write(number, due_ms, partition)
            counts = place.engine.counts
            await until(lambda: counts.delivered + counts.dead_lettered.total() == len(events))
            assert counts.received == len(events) + counts.postponed_in_topic + counts.retried_in_topic
        delivered = [int(event.attributes["id"]) for event in place.sink.delivered]
        dead = [int(dict(each.notes)["ce_id"] or b"") for each in place.log.records("dlq")]
        assert sorted(delivered + dead) == list(range(len(events)))
        assert all(at >= (dues[number] or 0) for number, at in place.sink.came)

    asyncio.run(run())
