"""Events for later on the memory transports: each is delivered once, never before its time, and none is an attempt."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.delivery.parts import Registry, at_work, config_of, until

from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.events.dead_letters import NOT_BEFORE, history_of
from eventplane.events.delivery import Failure
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySink, MemorySource, MemoryWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from eventplane.events.event import Event

DOWN = Failure("Unavailable", "HTTP 503")
IN_PLACE: dict[str, Any] = {"attempts": 3, "delaysMs": [1, 2], "deadLetterTopic": "dlq"}
TIERS = [{"topic": "r1", "delayMs": 20}, {"topic": "r2", "delayMs": 50}]
ASIDE = {**IN_PLACE, "tiers": TIERS}
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are looked at again at once, by a clock that goes only when a test lets it."""
    monkeypatch.setattr("eventplane.delivery.reading._LOOKS_AFTER_MS", 1)


class Clock:
    """Tells milliseconds since 1970."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


class Timed(MemorySink):
    """Notes which event comes when, in milliseconds from the beginning."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.came: list[tuple[int, int]] = []
        self.refuses = self._note
        self._clock, self._began_ms = clock, clock.ms

    def _note(self, event: Event) -> Failure | None:
        self.came.append((int(event.attributes["id"]), self._clock.ms - self._began_ms))
        return None

    @property
    def numbers(self) -> list[int]:
        return [number for number, _at in self.came]


class World:
    """A log with topics, and one consumer at work."""

    def __init__(self, log: MemoryLog, clock: Clock, engine: Engine, sink: Timed) -> None:
        self.log = log
        self.clock = clock
        self.engine = engine
        self.counts = engine.counts
        self.sink = sink

    def write(self, number: int, wait_ms: int | None = None, partition: int = 0, kind: str = "created") -> None:
        """Write an event that is to be delivered in so many milliseconds."""
        self.write_raw(number, None if wait_ms is None else str(self.clock.ms + wait_ms), partition, kind)

    def write_raw(self, number: int, due: str | None, partition: int = 0, kind: str = "created") -> None:
        told = {"id": str(number), "source": "/shop", "type": kind, "specversion": "1.0"}
        headers = [(f"ce_{name}", value.encode()) for name, value in told.items()]
        if due is not None:
            headers.append((NOT_BEFORE, due.encode()))
        self.log.append("orders", b"k", b"{}", headers, partition)

    async def later(self, holds: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        async with asyncio.timeout(20):
            while not holds():
                self.clock.ms += 3
                await asyncio.sleep(0.001)

    def in_tiers(self) -> int:
        return len(self.log.records("r1")) + len(self.log.records("r2"))

    def committed(self) -> int:
        return sum(offset for (name, _number), offset in self.log.groups["g"].offsets.items() if name == "orders")


@asynccontextmanager
async def world(retry: dict[str, Any], log: MemoryLog | None = None, **others: Any) -> AsyncIterator[World]:
    clock, registry = Clock(), others.pop("registry", None)
    if log is None:
        log = MemoryLog(clock)
        log.create("orders", 2)
        for topic in ("dlq", "r1", "r2"):
            log.create(topic)
    config = config_of(**{"http": {"url": "http://emails/"}, "retry": retry, **others})
    reading = Reading.of(config, 1.0)
    source = MemorySource(log, "g", reading.topics, reading.retry_topics, "Earliest", reading.look_back)
    sink = Timed(clock)
    engine = Engine(config, Ports(source, sink, MemoryWriter(log), registry), Ambience(now_ms=clock, leave_seconds=0.2))
    async with at_work(engine, source):
        yield World(log, clock, engine, sink)


async def test_in_topics_it_holds_up_nothing_and_its_waits_are_no_attempts() -> None:
    async with world(ASIDE) as place:
        for number, wait_ms in enumerate((150, DAY_MS, None, -DAY_MS)):
            place.write(number, wait_ms)
        await until(lambda: len(place.sink.came) == 2)
        assert place.sink.came == [(2, 0), (3, 0)]
        await place.later(lambda: len(place.sink.came) == 3)
    assert place.sink.came[2][0] == 0
    assert place.sink.came[2][1] >= 150
    assert place.committed() == 4
    counts = place.counts
    assert (counts.retried_in_topic, counts.failures, counts.dead_lettered) == (0, {}, {})
    assert counts.postponed_in_topic == place.in_tiers() > 3


async def test_what_fails_at_its_time_has_all_its_attempts_and_its_history_from_the_first_record() -> None:
    async with world(ASIDE) as place:
        place.sink.failures.extend([DOWN] * 3)
        place.write(1, 100)
        await place.later(lambda: len(place.log.records("dlq")) == 1)
        counts = place.counts
        assert counts.retried_in_topic == 2
        assert counts.received == 1 + counts.postponed_in_topic + counts.retried_in_topic
    (dead,) = place.log.records("dlq")
    history = history_of(dead)
    assert history is not None
    assert (history.attempts, history.origin.place, history.origin.offset) == (3, ("orders", 0), 0)
    assert history.first_failure_ms >= 1_700_000_000_100
    assert NOT_BEFORE in dict(dead.notes), "it had that before anything happened to it"


async def test_what_could_only_wait_in_place_for_long_is_a_dead_letter_and_the_rest_goes_on() -> None:
    async with world(IN_PLACE) as place:
        place.write(0, DAY_MS)
        place.write(1)
        await until(lambda: place.committed() == 2)
    assert place.sink.came == [(1, 0)]
    (dead,) = place.log.records("dlq")
    found = history_of(dead)
    assert found is not None
    assert (found.failure.reason, found.attempts) == ("TooFarAhead", 1)
    assert place.counts.dead_lettered["TooFarAhead"] == 1


async def test_in_place_it_holds_up_its_partition_but_not_what_is_kept_back_nor_another_partition() -> None:
    async with world(IN_PLACE, filter="event.type != 'skipped'") as place:
        place.write(8, DAY_MS, kind="skipped")
        place.write(0, 150)
        place.write(9, DAY_MS, kind="skipped")
        place.write(1)
        place.write(2, partition=1)
        await until(lambda: place.sink.numbers == [2] and place.counts.postponed_in_place == 1)
        await place.later(lambda: len(place.sink.came) == 3)
    assert place.sink.numbers == [2, 0, 1]
    assert place.sink.came[1][1] >= 150
    assert place.committed() == 5
    counts = place.counts
    assert (counts.postponed_in_place, counts.postponed_in_topic, counts.filtered) == (1, 0, 2)
    assert counts.retried_in_place == 0


@pytest.mark.parametrize(("ordering", "order"), [("Partition", [0, 1]), ("Key", [1, 0]), ("None", [1, 0])])
async def test_only_the_order_of_a_partition_is_kept_in_place(ordering: str, order: list[int]) -> None:
    async with world(ASIDE, delivery={"ordering": ordering}) as place:
        place.write(0, 100)
        place.write(1)
        await until(lambda: place.counts.postponed_in_place + len(place.sink.came) == 1)
        await place.later(lambda: len(place.sink.came) == 2)
    assert place.sink.numbers == order


async def test_who_takes_over_what_waits_in_place_waits_on() -> None:
    async with world(IN_PLACE) as place:
        place.write(0, 200)
        place.write(1)
        await until(lambda: place.counts.postponed_in_place == 1)
        (sight,) = [each for each in place.engine.sights() if each.place == ("orders", 0)]
        assert (sight.under_way, sight.stopped) == (0, None), "no probe is worried"
    assert (place.sink.came, place.committed()) == ([], 0)
    async with world(IN_PLACE, place.log) as other:
        await until(lambda: other.counts.postponed_in_place == 1)
        await other.later(lambda: len(other.sink.came) == 2)
    assert other.sink.numbers == [0, 1]
    assert other.sink.came[0][1] >= 200
    assert other.committed() == 2


@pytest.mark.parametrize("retry", [pytest.param(IN_PLACE, id="in place"), pytest.param(ASIDE, id="in topics")])
@pytest.mark.parametrize("give_up_on", [[], ["Undecodable"]])
@pytest.mark.parametrize("told", ["tomorrow", str(10**18 - 1)])
async def test_what_is_no_time_is_never_ignored(retry: dict[str, Any], give_up_on: list[str], told: str) -> None:
    async with world({**retry, "giveUpOn": give_up_on}) as place:
        place.write_raw(0, told)
        place.write(1)
        await place.later(lambda: len(place.log.records("dlq")) == 1 and len(place.sink.came) == 1)
    (dead,) = place.log.records("dlq")
    history = history_of(dead)
    assert history is not None
    assert (history.failure.reason, history.attempts) == ("Undecodable", 1 if give_up_on else 3)
    assert history.failure.message.startswith("eventplane-not-before: ")
    assert place.sink.numbers == [1]


async def test_what_comes_twice_is_delivered_once_and_what_comes_back_is_no_repetition() -> None:
    async with world(ASIDE, delivery={"deduplicate": {"window": "1h"}}) as place:
        for _ in range(2):
            place.write(0, 100)
        await place.later(lambda: len(place.sink.came) == 1 and place.counts.deduplicated == 1)
        assert place.counts.received == 2 + place.counts.postponed_in_topic
    assert place.sink.came[0][1] >= 100
    assert place.committed() == 2


@pytest.mark.parametrize("retry", [pytest.param(IN_PLACE, id="in place"), pytest.param(ASIDE, id="in topics")])
async def test_data_are_read_with_the_help_of_a_registry(retry: dict[str, Any]) -> None:
    came: list[tuple[int, int]] = []

    def note(event: Event) -> None:
        came.append((event.data()["number"], place.clock.ms))

    async with world(retry, registry=Registry(), filter="event.data.number < 3") as place:
        place.sink.refuses = note
        due_ms = place.clock.ms + 100
        for number in (1, 3, 2):
            value = b"\x00\x00\x00\x00\x01%d" % number
            place.log.append("orders", b"k", value, [(NOT_BEFORE, str(due_ms).encode())], 0)
        await place.later(lambda: len(came) == 2 and place.counts.filtered == 1)
    assert sorted(number for number, _at in came) == [1, 2]
    assert all(at >= due_ms for _number, at in came)
    assert {event.data()["topic"] for event in place.sink.delivered} == {"orders"}, "whose subject its data are of"
    assert {event.attributes["id"] for event in place.sink.delivered} == {"orders/0/0", "orders/0/2"}


async def test_a_topic_that_cannot_be_written_to_stops_the_partition_until_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventplane.delivery.setting_aside.AGAIN_SECONDS", 0.02)
    async with world(ASIDE) as place:
        place.log.refused |= dict.fromkeys(("r1", "r2"), Failure("Unavailable", "there is no such topic"))
        place.write(0, 100)
        await until(lambda: any(sight.stopped for sight in place.engine.sights()))
        place.write(1)
        await until(lambda: place.counts.received == 2)
        assert place.sink.came == []
        place.log.refused.clear()
        await until(lambda: place.sink.numbers == [1])
        await place.later(lambda: len(place.sink.came) == 2)
    assert place.sink.came[1][1] >= 100
    assert place.committed() == 2


async def test_without_its_tier_it_waits_where_it_is() -> None:
    """A policy that has become one in place still has what lies in topics, and that has its time."""
    async with world(ASIDE) as place:
        place.write(0, 300)
        await until(lambda: place.counts.postponed_in_topic == 1)
    assert (place.sink.came, place.committed()) == ([], 1)
    async with world({**IN_PLACE, "draining": TIERS}, place.log) as other:
        await other.later(lambda: len(other.sink.came) == 1)
        assert other.counts.postponed_in_place == 1
    assert other.sink.came[0][1] >= 300


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventplane.delivery.work._MOST_RECORDS", 10)
    monkeypatch.setattr("eventplane.delivery.work._LEAST_RECORDS", 10)
    async with world(IN_PLACE) as place:
        place.write(0, 200)
        for number in range(1, 1_000):
            place.write(number)
        await until(lambda: place.engine.buffered >= 10)
        await asyncio.sleep(0.05)
        assert place.engine.buffered <= 110, "one batch more, at most"
        await place.later(lambda: len(place.sink.came) == 1_000)
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
            for number, (wait_ms, partition) in enumerate(events):
                place.write(number, wait_ms, partition)
            counts = place.counts
            await place.later(lambda: counts.delivered + counts.dead_lettered.total() == len(events))
            assert counts.received == len(events) + counts.postponed_in_topic + counts.retried_in_topic
        delivered = [int(event.attributes["id"]) for event in place.sink.delivered]
        dead = [int(dict(each.notes)["ce_id"] or b"") for each in place.log.records("dlq")]
        assert sorted(delivered + dead) == list(range(len(events)))
        assert all(at >= (events[number][0] or 0) for number, at in place.sink.came)

    asyncio.run(run())
