"""A breaking change in the middle of a stream: old and new consumers read all of it, each in its own major version."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.serialization import MessageField, SerializationContext
from integration.subjects import Subject, create_topic

from eventplane.client import EventDeserializer, EventSerializer
from eventplane.events.majors import Majors, MajorStep
from eventplane.events.validation import validator_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka

EACH = 200
"""Events by each of the three versions."""
PARTITIONS = 3
SECONDS = 60
UP = (
    "{'id': event.data.id, 'total': {'cents': event.data.cents, 'currency': 'EUR'}, "
    "'note': has(event.data.note) ? event.data.note : NONE}"
)
DOWN = "{'id': event.data.id, 'cents': event.data.total.cents, 'note': event.data.note}"


@dataclass(frozen=True)
class Case:
    """One type of schema: two compatible versions and one that breaks."""

    type: Literal["AVRO", "JSON", "PROTOBUF"]
    first: str
    second: str
    breaking: str
    none: str
    """What a note is that is not there."""

    @property
    def step(self) -> tuple[str, str]:
        return UP.replace("NONE", self.none), DOWN


def avro(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Order", "namespace": "shop", "fields": fields})


def json_schema(**properties: Any) -> str:
    required = [key for key in properties if key != "note"]
    return json.dumps({"type": "object", "properties": properties, "required": required, "additionalProperties": False})


ID = {"name": "id", "type": "string"}
CENTS = {"name": "cents", "type": "long"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
MONEY = {"type": "record", "name": "Money", "fields": [CENTS, {"name": "currency", "type": "string"}]}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
JSON_MONEY = {"type": "object", "properties": {"cents": NUMBER, "currency": TEXT}, "required": ["cents", "currency"]}
PROTO = 'syntax = "proto3";\npackage shop;\n'
CASES = [
    Case("AVRO", avro(ID, CENTS), avro(ID, CENTS, NOTE), avro(ID, {"name": "total", "type": MONEY}, NOTE), "null"),
    Case(
        "JSON",
        json_schema(id=TEXT, cents=NUMBER),
        json_schema(id=TEXT, cents=NUMBER, note=TEXT),
        json_schema(id=TEXT, total=JSON_MONEY, note=TEXT),
        "''",
    ),
    Case(
        "PROTOBUF",
        PROTO + "message Order { string id = 1; int64 cents = 2; }",
        PROTO + "message Order { string id = 1; int64 cents = 2; string note = 3; }",
        PROTO
        + "message Order { string id = 1; Money total = 2; string note = 3; }\n"
        + "message Money { int64 cents = 1; string currency = 2; }",
        "''",
    ),
]


class Stream:
    """A topic, its subject, who writes and who reads."""

    def __init__(self, kafka: Kafka, registry: Registry, case: Case) -> None:
        self.topic = f"orders-{case.type.lower()}"
        self.conf = {"url": registry.url}
        self.subject = Subject(registry, f"{self.topic}-value", case.type)
        self.context = SerializationContext(self.topic, MessageField.VALUE)
        self._config = kafka.client_config("PLAINTEXT") | {"log_level": 0}
        self._written = 0
        create_topic(kafka, self.topic, PARTITIONS)

    def write(self, serializer: EventSerializer, event: Callable[[int], dict[str, Any]]) -> None:
        """Write as many events as each version writes, and wait until they are on the broker."""
        producer = Producer(self._config | {"acks": "all", "enable.idempotence": True})
        with closing(serializer):
            for number in range(self._written, self._written + EACH):
                value = serializer(event(number), self.context)
                producer.produce(self.topic, key=f"order-{number}", value=value)
        assert producer.flush(SECONDS) == 0
        self._written += EACH

    def read(self, major: int, begun: Event) -> list[dict[str, Any]]:
        """Read all events that are ever written, in one major version."""
        deserializer = EventDeserializer(self.conf, major=major)
        settings = {"group.id": f"{self.topic}-{major}", "auto.offset.reset": "earliest"}
        consumer = Consumer(self._config | settings)
        consumer.subscribe([self.topic])
        found: list[dict[str, Any]] = []
        until = time.monotonic() + SECONDS
        try:
            while len(found) < 3 * EACH and time.monotonic() < until:
                for message in consumer.consume(50, timeout=1):
                    assert message.error() is None, message.error()
                    found.append(deserializer(message.value(), self.context))
                    begun.set()
            found += [deserializer(each.value(), self.context) for each in consumer.consume(50, timeout=1)]  # doubled
        finally:
            consumer.close()
            deserializer.close()
        return found


def old(number: int) -> dict[str, Any]:
    return {"id": f"order-{number}", "cents": cents(number)}


def noted(number: int) -> dict[str, Any]:
    return old(number) | {"note": f"note {number}"}


def new(number: int) -> dict[str, Any]:
    return {
        "id": f"order-{number}",
        "total": {"cents": cents(number), "currency": "EUR"},
        "note": f"note {number}",
    }


def cents(number: int) -> int:
    return 2**53 + number  # a double cannot hold it


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.type)
def test_consumers_of_both_majors_read_all_of_a_stream_that_breaks(
    event_kafka: Kafka, event_registry: Registry, case: Case
) -> None:
    stream = Stream(event_kafka, event_registry, case)
    stream.subject.register(case.first)
    reading = {1: Event(), 2: Event()}
    up, down = case.step
    with ThreadPoolExecutor(2) as pool:
        readers = {1: pool.submit(stream.read, 1, reading[1])}
        stream.write(EventSerializer(stream.conf), old)
        assert reading[1].wait(SECONDS)

        # the operator's part, while consumers of major version 1 are reading: then those of 2 join
        _, second = stream.subject.register(case.second)
        stream.write(EventSerializer(stream.conf, version=second), noted)
        stream.subject.record(Majors((MajorStep(1, second, up, down),)))
        stream.subject.register_breaking(case.breaking)
        readers[2] = pool.submit(stream.read, 2, reading[2])
        assert reading[2].wait(SECONDS)
        stream.write(EventSerializer(stream.conf, major=2), new)
        events = {major: reader.result(2 * SECONDS) for major, reader in readers.items()}

    expected = Counter(f"order-{number}" for number in range(3 * EACH))
    for major, text in ((1, case.second), (2, case.breaking)):
        assert Counter(event["id"] for event in events[major]) == expected
        problem = validator_for(case.type, text)
        assert [found for found in map(problem, events[major]) if found] == []
    assert all(event["cents"] == cents(number_of(event)) for event in events[1])
    assert all(event["total"] == new(number_of(event))["total"] for event in events[2])
    noted_ones = [event for event in events[2] if number_of(event) >= EACH]
    assert all(event["note"] == f"note {number_of(event)}" for event in noted_ones)


def number_of(event: dict[str, Any]) -> int:
    return int(event["id"].removeprefix("order-"))
