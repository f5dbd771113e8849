"""Events that look something up, in the engine and in a transaction: in order, once, and never in another's way."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.delivery.parts import Entries, Registry, Service, at_work, config_of, until

from eventplane.delivery.counts import Counts
from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.making import Maker
from eventplane.delivery.relayed import RelayedPartition
from eventplane.events.dead_letters import history_of
from eventplane.events.delivery import Failure
from eventplane.events.lookups import Found
from eventplane.events.record import PlainRecord
from eventplane.transports.kafka_member import Reading
from eventplane.transports.memory import MemoryLog, MemorySink, MemorySource, MemoryWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventplane.events.lookups import Answer

DOWN = Failure("Unavailable", "HTTP 503")
RETRY: dict[str, Any] = {
    "attempts": 3,
    "delaysMs": [1, 2],
    "giveUpOn": ["Undecodable", "Rejected"],
    "deadLetterTopic": "dlq",
}
RATE: dict[str, Any] = {"name": "rate", "key": "string(event.data)", "http": {"url": "http://rates/{key}"}}
CUSTOMER: dict[str, Any] = {"name": "customer", "key": "string(event.data)", "topic": {"topic": "customers"}}
TRANSFORM = "{'number': event.data, 'rate': lookups.rate}"


class World:
    """A topic and a consumer at work that asks a service."""

    def __init__(self, log: MemoryLog, sink: MemorySink, engine: Engine, lookups: Lookups) -> None:
        self.log = log
        self.sink = sink
        self.engine = engine
        self.lookups = lookups

    def write(self, *numbers: int, key: str | None = None) -> None:
        for number in numbers:
            self.log.append("orders", None if key is None else key.encode(), json.dumps(number).encode(), [])

    @property
    def delivered(self) -> list[Any]:
        return [json.loads(each or b"") for each in self.sink.data]

    @property
    def dead(self) -> list[tuple[str, str]]:
        histories = [history_of(each) for each in self.log.records("dlq")]
        return [(each.failure.reason, each.failure.message) for each in histories if each is not None]

    def committed(self) -> int:
        return sum(offset for (topic, _number), offset in self.log.groups["g"].offsets.items() if topic == "orders")


@asynccontextmanager
async def world(
    service: Service, *, partitions: int = 1, registry: Registry | None = None, **told: Any
) -> AsyncIterator[World]:
    log = MemoryLog()
    log.create("orders", partitions)
    log.create("dlq")
    asking = {"lookups": [RATE], "transform": TRANSFORM}
    config = config_of(**{"retry": RETRY, "http": {"url": "http://emails/"}, **asking, **told})
    lookups = Lookups({"customer": Entries(**{"1": Found("one")})}, {"rate": service})
    reading, sink = Reading.of(config, 1.0), MemorySink(keeps_order=True)
    source = MemorySource(log, "g", reading.topics, reading.retry_topics, "Earliest", reading.look_back)
    ports = Ports(source, sink, MemoryWriter(log), registry, lookups)
    engine = Engine(config, ports, Ambience(leave_seconds=0.2))
    async with at_work(engine, source):
        yield World(log, sink, engine, lookups)


async def test_what_is_looked_up_is_delivered_in_order_with_what_is_not() -> None:
    """All that has come is asked for at once; what needs no answer waits behind it all the same."""
    service = Service()
    service.may_answer.clear()
    service.kept = {"2": Found("cached")}
    async with world(service, filter="event.data != 4") as place:
        place.write(1, 2, 3, 4, 5)
        await until(lambda: len(service.asked) == 3)
        assert service.asked == ["1", "3", "5"], "once each, and not what the filter keeps back"
        assert place.delivered == []
        assert place.engine.counts.filtered == 0, "it waits for its turn, as all do behind what waits"
        service.may_answer.set()
        await until(lambda: place.committed() == 5)
    assert [each["number"] for each in place.delivered] == [1, 2, 3, 5]
    assert [each["rate"] for each in place.delivered] == ["1", "cached", "3", "5"]
    assert place.engine.counts.filtered == 1
    assert place.lookups.counts == {("rate", "Found", "Service"): 3, ("rate", "Found", "Cache"): 1}


async def test_what_stands_behind_one_that_waits_for_its_time_is_looked_up_anew_then() -> None:
    service = Service()
    async with world(service) as place:
        due_ms = time.time_ns() // 1_000_000 + 200
        place.log.append("orders", None, b"1", [("eventplane-not-before", str(due_ms).encode())])
        place.write(2)
        await until(lambda: place.engine.counts.postponed_in_place == 1)
        assert service.asked == ["1", "2"], "they are asked for together"
        await until(lambda: place.committed() == 2)
    assert service.asked == ["1", "2"] * 2, "nothing is delivered with an answer from before the wait"
    assert [each["number"] for each in place.delivered] == [1, 2]


async def test_a_failed_lookup_is_the_events_and_is_tried_again() -> None:
    service = Service()
    service.failures = {"1": [DOWN], "2": [DOWN] * 3, "3": [Failure("Rejected", "HTTP 400")]}
    async with world(service) as place:
        place.write(1, 2, 3, 4)
        await until(lambda: place.committed() == 4)
        assert sorted(place.dead) == [
            ("Rejected", "lookups.rate: HTTP 400"),
            ("Unavailable", "lookups.rate: HTTP 503"),
        ]
    assert sorted(each["number"] for each in place.delivered) == [1, 4]
    assert sorted(service.asked) == ["1"] * 2 + ["2"] * 3 + ["3", "4"]
    assert place.engine.counts.retried_in_place == 3
    assert place.lookups.counts == {("rate", "Found", "Service"): 2, ("rate", "Failed", "Service"): 5}


async def test_a_failed_lookup_keeps_the_order_of_its_key() -> None:
    service = Service()
    service.failures = {"1": [DOWN]}
    async with world(service) as place:
        place.write(1, 2, 3, key="a")
        await until(lambda: place.committed() == 3)
    assert [each["number"] for each in place.delivered] == [1, 2, 3]


async def test_what_must_be_there_waits_for_it_as_the_policy_says() -> None:
    key = {"key": "event.data == 1 ? 'none' : string(event.data)", "ifMissing": "Fail"}
    async with world(Service(), lookups=[{**RATE, **key}]) as place:
        place.write(1, 2)
        await until(lambda: place.committed() == 2)
        assert place.dead == [("LookupMissing", "lookups.rate: there is nothing under the event's key")]
    assert [each["number"] for each in place.delivered] == [2]
    assert place.lookups.counts["rate", "Missing", "Service"] == 3


async def test_filter_and_transform_look_up_one_after_the_other() -> None:
    second = {**RATE, "name": "other", "key": "string(event.data + 100)"}
    service = Service()
    told: dict[str, Any] = {"lookups": [RATE, CUSTOMER, second], "filter": "lookups.rate != '2'"}
    transform = "[lookups.rate, lookups.other, lookups.customer]"
    async with world(service, **told, transform=transform) as place:
        place.lookups._services = {"rate": service, "other": service}  # noqa: SLF001 - one for both
        place.write(1, 2, 3)
        await until(lambda: place.committed() == 3)
    assert place.delivered == [["1", "101", "one"], ["3", "103", None]]
    assert sorted(service.asked) == ["1", "101", "103", "2", "3"], "nothing for what the filter keeps back"
    assert place.lookups.counts == {
        ("rate", "Found", "Service"): 3,
        ("other", "Found", "Service"): 2,
        ("customer", "Found", "Table"): 1,
        ("customer", "Missing", "Table"): 1,
    }


async def test_tables_hold_nobody_up() -> None:
    told: dict[str, Any] = {"lookups": [CUSTOMER], "transform": "lookups.customer"}
    async with world(Service(), **told) as place:
        place.write(1, 2)
        await until(lambda: place.committed() == 2)
    assert place.delivered == ["one", None]


async def test_other_partitions_go_on() -> None:
    service = Service()
    service.may_answer.clear()
    async with world(service, partitions=2, filter="event.data < 0 || lookups.rate != ''", transform="1") as place:
        for number, partition in ((1, 0), (-1, 1), (-2, 1)):
            place.log.append("orders", None, json.dumps(number).encode(), [], partition=partition)
        await until(lambda: len(place.delivered) == 0 and len(service.asked) >= 1)
        service.may_answer.set()
        await until(lambda: place.committed() == 3)


async def test_what_is_looked_up_is_given_up_with_its_partition() -> None:
    """Whoever goes on there begins with it again."""
    service = Service()
    service.may_answer.clear()
    async with world(service) as place:
        place.write(1, 2)
        await until(lambda: len(service.asked) == 2)
    service.may_answer.set()
    await asyncio.sleep(0)
    assert (place.delivered, place.committed()) == ([], 0)


async def test_data_are_read_first_that_only_a_registry_can_tell() -> None:
    registry = Registry()
    registry.is_away = True
    service = Service()
    key = {**RATE, "key": "string(event.data.number)"}
    async with world(service, registry=registry, lookups=[key], transform="lookups.rate") as place:
        for body in (b"\0\0\0\0\x011", b"\0\0\0\0\x01?", b"\0\0\0\0\x013"):
            place.log.append("orders", None, body, [])
        await asyncio.sleep(0.05)
        assert service.asked == []
        registry.is_away = False
        await until(lambda: place.committed() == 3)
    assert place.delivered == ["1", "3"]
    assert place.dead == [("Undecodable", "no number")]


@settings(max_examples=20, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 9), max_size=40),
    cached=st.sets(st.integers(0, 9)),
    failing=st.dictionaries(st.integers(0, 9), st.integers(1, 2), max_size=4),
)
def test_each_event_ends_once_and_in_order_of_its_key(
    numbers: list[int], cached: set[int], failing: dict[int, int]
) -> None:
    async def run() -> None:
        service = Service()
        service.kept = {str(number): Found("cached") for number in cached}
        service.failures = {str(number): [DOWN] * times for number, times in failing.items()}
        async with world(service, filter="event.data != 0", retry={**RETRY, "attempts": 100}) as place:
            for number in numbers:
                place.write(number, key=f"k{number % 3}")
            await until(lambda: place.committed() == len(numbers))
        delivered = [each["number"] for each in place.delivered]
        for key in range(3):
            expected = [number for number in numbers if number % 3 == key and number]
            assert [number for number in delivered if number % 3 == key] == expected
        asked = sum(number for (_name, _outcome, source), number in place.lookups.counts.items() if source == "Service")
        assert asked == len(service.asked)

    asyncio.run(run())


async def test_all_begin_and_end_together() -> None:
    table, service = Entries(), Service()
    lookups = Lookups({"customer": table}, {"rate": service})
    await lookups.start()
    assert table.entries == 1
    await lookups.close()
    assert (table.entries, service.is_closed) == (0, True)


# --- in a transaction


@pytest.mark.parametrize(
    ("number", "written"),
    [
        pytest.param(1, ("out", b'"one"'), id="found"),
        pytest.param(2, ("out", b"null"), id="missing"),
        pytest.param(3, ("dlq", b"3"), id="it cannot be known"),
    ],
)
async def test_a_transaction_looks_into_tables(number: int, written: tuple[str, bytes]) -> None:
    known: dict[str, Answer] = {"1": Found("one"), "3": Failure("Rejected", "its record")}
    table = Entries(**known)
    config = config_of(retry=RETRY, topic={"topic": "out"}, lookups=[CUSTOMER], transform="lookups.customer")
    maker = Maker(config, "out", None, Ambience(), Lookups({"customer": table}))
    record = PlainRecord(("orders", 0), 0, str(number).encode())
    made = maker.make(
        [record], {("orders", 0): RelayedPartition(("orders", 0), is_retry=False, progress=0.0)}, Counts()
    )
    (write,) = made.writes
    assert (write.topic, write.value) == written
