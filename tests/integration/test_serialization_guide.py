"""The guide to serialization, executed block by block as it stands there; and what happens without a registry."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.serialization import MessageField, SerializationContext
from integration.subjects import Subject, topics_of_a_page

from e2e.servers.registry import private_registry
from eventplane.client import (
    DeserializationError,
    EventDeserializer,
    EventSerializer,
    RegistryUnavailableError,
    SerializationError,
    UnknownMajorError,
)
from eventplane.events.majors import Majors, MajorStep, record_subject

if TYPE_CHECKING:
    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka

GUIDE = Path(__file__).parents[2] / "docs/guide/serialization.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UP = "{'id': event.data.id, 'total': {'cents': event.data.cents, 'currency': 'EUR'}}"
DOWN = "{'id': event.data.id, 'cents': event.data.total.cents}"
QUICK = {"max.retries": 1, "retries.wait.ms": 10, "timeout": 5}


def record(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}, *fields]})


CENTS = {"name": "cents", "type": "long"}
MONEY = {"type": "record", "name": "Money", "fields": [CENTS, {"name": "currency", "type": "string"}]}
OLD, NEW = record(CENTS), record({"name": "total", "type": MONEY})


def two_majors(subject: Subject) -> None:
    _, version = subject.register(OLD)
    subject.record(Majors((MajorStep(1, version, UP, DOWN),)))  # first, as the operator does
    subject.register_breaking(NEW)


def test_its_blocks_do_what_they_say(event_kafka: Kafka, event_registry: Registry) -> None:
    subject = Subject(event_registry, "orders-value", "AVRO")
    two_majors(subject)
    names: dict[str, Any] = {"REGISTRY": event_registry.url, "BROKERS": event_kafka.bootstrap("PLAINTEXT")}
    blocks = _BLOCK.findall(GUIDE.read_text())
    assert len(blocks) == 4
    with topics_of_a_page(event_kafka, "orders"):
        for block in blocks:
            exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102 - the page is ours
    subject.remove()  # other pages have a topic of this name, too
    for name in ("serialize", "deserialize"):
        names[name].close()


def test_a_registry_that_is_away_costs_nothing_known_and_never_a_wrong_answer() -> None:
    context = SerializationContext("away", MessageField.VALUE)
    with private_registry() as registry:
        conf = {"url": registry.url, **QUICK}
        two_majors(Subject(registry, "away-value", "AVRO"))
        with (
            closing(EventSerializer(conf, major=1)) as old,
            closing(EventSerializer(conf, major=2)) as new,
            closing(EventDeserializer(conf, major=1)) as known,
            closing(EventDeserializer(conf, major=2)) as late,
        ):
            events = [old({"id": "a", "cents": 1}, context), new({"id": "b", "total": MONEY_OF_2}, context)]
            read = [{"id": "a", "cents": 1}, {"id": "b", "cents": 2}]
            assert [known(event, context) for event in events] == read
            registry.stop()
            assert [known(event, context) for event in events] == read
            assert old({"id": "a", "cents": 1}, context) == events[0]
            with pytest.raises(RegistryUnavailableError, match="did not answer"):
                late(events[0], context)
            registry.start()
            assert late(events[0], context) == {"id": "a", "total": {"cents": 1, "currency": "EUR"}}


MONEY_OF_2 = {"cents": 2, "currency": "EUR"}


def test_events_that_cannot_be_read_or_written_say_why(event_registry: Registry) -> None:
    subject = Subject(event_registry, "odd-value", "AVRO")
    two_majors(subject)
    other_id, _ = Subject(event_registry, "other-value", "AVRO").register('{"type": "string"}')
    context = SerializationContext("odd", MessageField.VALUE)
    conf = {"url": event_registry.url, **QUICK}
    with closing(EventDeserializer(conf)) as read, closing(EventSerializer(conf, major=3)) as write:
        for payload, problem in (
            (b"\0\0\0\xff\xff!", r"schema 65535: "),
            (b"\0" + other_id.to_bytes(4, "big") + b"!", "is no version of subject odd-value"),
            (b"{}", "2 bytes are no event"),
        ):
            with pytest.raises(DeserializationError, match=problem):
                read(payload, context)
        with pytest.raises(SerializationError, match="major version 3 of subject odd-value does not exist"):
            write({"id": "a"}, context)


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        ("damaged-record", json.dumps(json.loads(Majors().to_text()) | {"x-eventplane-majors": {"steps": 7}})),
        ("foreign-record", '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}'),
    ],
)
def test_a_record_that_cannot_be_read_is_never_guessed_at(event_registry: Registry, topic: str, record: str) -> None:
    Subject(event_registry, f"{topic}-value", "AVRO").register(OLD)
    Subject(event_registry, record_subject(f"{topic}-value"), "JSON").register(record)
    context = SerializationContext(topic, MessageField.VALUE)
    conf = {"url": event_registry.url, **QUICK}
    with closing(EventDeserializer(conf)) as read, closing(EventSerializer(conf, version=1)) as write:
        event = write({"id": "a", "cents": 1}, context)
        with pytest.raises(UnknownMajorError, match=rf"__eventplane\.{topic}-value: not a record"):
            read(event, context)
