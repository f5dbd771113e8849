"""The consumer reads every major version as the one that its Subscription asks for, and waits for a registry."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.serialization import MessageField, SerializationContext
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, header
from integration.http_service import HttpService
from integration.service_process import wait_until
from integration.subjects import Subject

from eventplane.client import EventSerializer
from eventplane.events.majors import Majors, MajorStep

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka

TOPIC = "run-majors"
CENTS = {"name": "cents", "type": "long"}
FIRST = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}, CENTS]}
MONEY = {"type": "record", "name": "Money", "fields": [CENTS]}
SECOND = {**FIRST, "fields": [{"name": "id", "type": "string"}, {"name": "total", "type": MONEY}]}
UP = "{'id': event.data.id, 'total': {'cents': event.data.cents}}"
DOWN = "{'id': event.data.id, 'cents': event.data.total.cents}"


@pytest.mark.registry
def test_majors_are_read_as_asked(event_kafka: Kafka, event_registry: Registry, tmp_path: Path) -> None:
    topics = Topics(event_kafka)
    topics.create(TOPIC, f"{TOPIC}.dlq")
    subject = Subject(event_registry, f"{TOPIC}-value", "AVRO")
    _id, version = subject.register(json.dumps(FIRST))
    subject.record(Majors((MajorStep(1, version, UP, DOWN),)))
    subject.register_breaking(json.dumps(SECOND))
    context = SerializationContext(TOPIC, MessageField.VALUE)
    with closing(EventSerializer({"url": event_registry.url}, version=version)) as old:
        values = [old({"id": str(number), "cents": number * 100}, context) for number in range(20)]
    with closing(EventSerializer({"url": event_registry.url}, major=2)) as new:
        values += [new({"id": str(number), "total": {"cents": number * 100}}, context) for number in range(20, 40)]
    with HttpService() as service:
        told = config_of(
            TOPIC,
            name="majors",
            group="group-majors",
            schemaRegistryUrl=event_registry.url,
            majors={TOPIC: 2},
            filter="event.data.total.cents < 3900",
            http={"url": service.url},
            retry={"attempts": 2, "delaysMs": [10], "giveUpOn": ["Undecodable"], "deadLetterTopic": f"{TOPIC}.dlq"},
        )
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write(TOPIC, [(None, value, {}) for value in values])
            topics.write(TOPIC, [(None, b"\x00\x00\x00\x00\x01short", {}), (None, b"\x00\x00\x0f\xff\xffunknown", {})])
            process = started.start()
            wait_until(lambda: topics.committed("group-majors", TOPIC) == 42, "all is finished")
            assert process.terminate() == 0
    bodies = [json.loads(request.body) for request in service.taken]
    assert sorted(bodies, key=lambda body: int(body["id"])) == [
        {"id": str(number), "total": {"cents": number * 100}} for number in range(39)
    ]
    assert {request.headers["content-type"] for request in service.taken} == {"application/json"}
    assert {header(each, "eventplane-reason") for each in topics.read(f"{TOPIC}.dlq")} == {"Undecodable"}
