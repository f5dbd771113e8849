"""Tables of a real broker: what a compacted topic holds by key, read whole and followed."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # public, not exported
from contract.transport_arenas import until
from integration.event_topics import Topics, cloud_event

from eventplane.events.delivery import Failure
from eventplane.events.lookups import MISSING, Answer, Found
from eventplane.transports import kafka_table
from eventplane.transports.kafka_table import KafkaTable, TableOf
from eventplane.transports.kafka_tail import LARGE, KafkaTail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from e2e.servers import Kafka
    from eventplane.events.event import Event

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)
AWAY = Failure("Unavailable", "no answer of the registry", blames_event=False)


@pytest.fixture
def topics(kafka: Kafka) -> Topics:
    return Topics(kafka)


@pytest.fixture
def name() -> str:
    return f"table-{next(_NUMBERS)}"


class Registry:
    """Reads a wire format of a byte and a number; it may be away."""

    def __init__(self) -> None:
        self.is_away = True

    def read_all(self, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
        if self.is_away:
            return [AWAY] * len(events)
        for event, topic in events:
            event.set_data([topic, Decimal((event.body or b"")[5:].decode())])
        return [None] * len(events)


@asynccontextmanager
async def table_of(kafka: Kafka, topic: str, **others: Any) -> AsyncIterator[tuple[KafkaTable, list[str]]]:
    """Begin to follow a topic; also give problems that only a new process can solve."""
    problems: list[str] = []
    tail = partial(KafkaTail, kafka.client_config("PLAINTEXT"), "test", topic, bounds=LARGE)
    table = KafkaTable(TableOf(**{"name": "customer", "topic": topic, "most": 1000, **others}), tail, problems.append)
    starting = asyncio.ensure_future(table.start())
    try:
        yield table, problems
    finally:
        starting.cancel()
        await table.close()


def compacted(topics: Topics, name: str, partitions: int = 3) -> None:
    topics.create(name, partitions=partitions, **{"cleanup.policy": "compact"})


def value(number: int) -> bytes:
    return json.dumps(number).encode()


async def test_all_of_it_is_there_when_it_has_started_and_it_is_followed(
    kafka: Kafka, topics: Topics, name: str
) -> None:
    compacted(topics, name)
    topics.write(name, [(f"k{n}", value(n), {}) for n in range(3000)])
    topics.write(name, [(f"k{n}", value(-n), {}) for n in range(0, 3000, 3)])
    topics.write(name, [(f"k{n}", None, {}) for n in range(0, 3000, 5)])
    expected: dict[str, Answer] = {f"k{n}": Found(n if n % 3 else -n) if n % 5 else MISSING for n in range(3000)}
    async with table_of(kafka, name, most=2400) as (table, problems):
        assert table.problem == "the table customer is not read yet"
        await until(lambda: table.problem is None)
        assert table.entries == 2400
        assert {key: table.find(key) for key in expected} == expected
        topics.write(name, [("k1", None, {}), ("k2", value(7), {}), cloud_event(8, "cloud")])
        await until(lambda: table.find("cloud") == Found({"number": 8}))
        await until(lambda: (table.find("k1"), table.find("k2")) == (MISSING, Found(7)))
        assert problems == []


async def test_an_empty_topic_is_a_table_without_entries(kafka: Kafka, topics: Topics, name: str) -> None:
    compacted(topics, name)
    async with table_of(kafka, name) as (table, _problems):
        await until(lambda: table.problem is None)
        assert (table.find("a"), table.entries) == (MISSING, 0)


async def test_a_value_that_is_none_blames_nobody_and_may_be_mended(kafka: Kafka, topics: Topics, name: str) -> None:
    compacted(topics, name)
    topics.write(name, [("a", b"{", {}), ("b", value(1), {}), ("c", b"{", {"ce_specversion": "1.0"} | CLOUD)])
    async with table_of(kafka, name) as (table, _problems):
        await until(lambda: table.problem is None)
        found = table.find("a")
        assert isinstance(found, Failure)
        assert (found.reason, found.message[:12]) == ("Unavailable", "its record: ")
        assert isinstance(table.find("c"), Failure)
        assert table.find("b") == Found(1)
        topics.write(name, [("a", value(2), {})])
        await until(lambda: table.find("a") == Found(2))


CLOUD = {"ce_id": "1", "ce_source": "/s", "ce_type": "t", "content-type": "application/json"}


async def test_a_topic_that_is_not_there_is_waited_for(kafka: Kafka, topics: Topics, name: str) -> None:
    async with table_of(kafka, name) as (table, problems):
        await until(lambda: "cannot be read" in (table.problem or ""))
        assert name in (table.problem or "")
        compacted(topics, name)
        topics.write(name, [("a", value(1), {})])
        await until(lambda: table.find("a") == Found(1))
        assert (table.problem, problems) == (None, [])


async def test_a_table_that_is_too_large_is_a_problem_and_drops_nothing(
    kafka: Kafka, topics: Topics, name: str
) -> None:
    compacted(topics, name)
    topics.write(name, [(f"k{n}", value(n), {}) for n in range(3)])
    async with table_of(kafka, name, most=3) as (table, problems):
        await until(lambda: table.problem is None)
        topics.write(name, [("k0", value(9), {}), ("k1", None, {}), ("k3", value(9), {})])
        await until(lambda: table.find("k3") == Found(9))
        assert problems == []
        topics.write(name, [("k4", value(9), {})])
        await until(lambda: len(problems) == 1)
    words = "has more than 3 keys: raise lookups[customer].topicRef.maxEntries"
    assert problems == [f"look-up customer: topic {name} {words}"]


async def test_a_registry_that_does_not_answer_is_waited_for(kafka: Kafka, topics: Topics, name: str) -> None:
    compacted(topics, name)
    topics.write(name, [("a", b"\0\0\0\0\x017", {}), ("b", value(1), {})])
    registry = Registry()
    async with table_of(kafka, name, registry=registry) as (table, _problems):
        await until(lambda: "no answer of the registry" in (table.problem or ""))
        assert table.find("a") is MISSING, "it is not read yet"
        registry.is_away = False
        await until(lambda: table.problem is None)
        assert (table.find("a"), table.find("b")) == (Found([name, Decimal(7)]), Found(1))


async def test_without_a_registry_its_wire_format_is_no_value(kafka: Kafka, topics: Topics, name: str) -> None:
    compacted(topics, name)
    topics.write(name, [("a", b"\0\0\0\0\x017", {})])
    async with table_of(kafka, name) as (table, _problems):
        await until(lambda: table.problem is None)
        found = table.find("a")
    assert isinstance(found, Failure)
    assert "names no registry" in found.message


async def test_partitions_that_are_added_are_read(
    kafka: Kafka, topics: Topics, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_table, "_LOOK_SECONDS", 0.5)
    compacted(topics, name, partitions=1)
    topics.write(name, [("a", value(1), {})])
    async with table_of(kafka, name) as (table, _problems):
        await until(lambda: table.find("a") == Found(1))
        admin = AdminClient(kafka.client_config("PLAINTEXT") | {"log_level": 0})
        admin.create_partitions([NewPartitions(name, 5)])[name].result(30)
        topics.write(name, [(f"k{n}", value(n), {}) for n in range(50)])
        await until(lambda: table.entries == 51)
        assert table.problem is None
        assert table.find("a") == Found(1)
