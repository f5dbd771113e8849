"""Events cross languages: what Java's libraries write Python reads, and what Python writes Node's libraries read."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.serialization import MessageField, SerializationContext
from integration.subjects import Subject, create_topic

from e2e.clients.programs import java_producer, node_consumer
from eventplane.client import EventDeserializer, EventSerializer

if TYPE_CHECKING:
    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

COUNT = 20
SECONDS = 30
AVRO = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [{"name": "id", "type": "string"}, {"name": "cents", "type": "long"}],
    }
)
HEAD = 'syntax = "proto3";\npackage shop;\n'
ORDER = "message Order {\n  string id = 1;\n  int64 cents = 2;\n}\n"
SHIPMENT = "message Shipment {\n  string id = 1;\n}\n"
TO_NODE = {"AVRO": AVRO, "PROTOBUF": HEAD + ORDER + SHIPMENT}
"""KafkaJS's library reads the first message of a file only, whatever place the event names."""
FROM_JAVA = {"AVRO": AVRO, "PROTOBUF": HEAD + SHIPMENT + ORDER}
"""Not the first message, so that its place in the event is not the short one."""


@pytest.fixture(params=["AVRO", "PROTOBUF"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def registered(kafka: Kafka, registry: Registry, topic: str, kind: str, text: str) -> int:
    """Make a topic and its subject; return the schema's id."""
    create_topic(kafka, topic)
    # another subject first: ids of contents and of versions are the same numbers in a new registry
    Subject(registry, f"{topic}-other", "AVRO").register(AVRO)
    Subject(registry, f"{topic}-again", "AVRO").register(AVRO)
    return Subject(registry, f"{topic}-value", kind).register(text)[0]


def test_python_reads_what_java_writes(event_kafka: Kafka, event_registry: Registry, kind: str) -> None:
    topic = f"from-java-{kind.lower()}"
    schema_id = registered(event_kafka, event_registry, topic, kind, FROM_JAVA[kind])
    brokers = event_kafka.bootstrap("PLAINTEXT")
    own_api = event_registry.url.replace("/ccompat/v7", "/registry/v3")
    java_producer(brokers, own_api, topic, kind, str(COUNT))

    context = SerializationContext(topic, MessageField.VALUE)
    payloads = read(event_kafka, topic)
    assert {payload[:5] for payload in payloads} == {b"\0" + schema_id.to_bytes(4, "big")}
    with closing(EventDeserializer({"url": event_registry.url})) as deserializer:
        events = [deserializer(payload, context) for payload in payloads]
    assert events == [{"id": f"java-{number}", "cents": 2**53 + number} for number in range(COUNT)]


def test_node_reads_what_python_writes(event_kafka: Kafka, event_registry: Registry, kind: str) -> None:
    topic = f"to-node-{kind.lower()}"
    registered(event_kafka, event_registry, topic, kind, TO_NODE[kind])
    context = SerializationContext(topic, MessageField.VALUE)
    producer = Producer(event_kafka.client_config("PLAINTEXT"))
    written: list[dict[str, Any]] = [{"id": f"python-{number}", "cents": 2**40 + number} for number in range(COUNT)]
    with closing(EventSerializer({"url": event_registry.url})) as serializer:
        for event in written:
            producer.produce(topic, serializer(event, context))
    assert producer.flush(SECONDS) == 0

    lines = node_consumer(event_kafka.bootstrap("PLAINTEXT"), event_registry.url, topic, kind, str(COUNT))
    read_by_node = [json.loads(line) for line in lines if line.startswith("{")]
    # Node prints numbers of 64 bits as text where its library has them as BigInt
    assert [{**event, "cents": int(event["cents"])} for event in read_by_node] == written


def read(kafka: Kafka, topic: str) -> list[bytes]:
    """Read as many events as are written."""
    consumer = Consumer(
        kafka.client_config("PLAINTEXT") | {"group.id": f"python-{topic}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[bytes] = []
    try:
        while len(found) < COUNT:
            message = consumer.poll(SECONDS)
            assert message is not None, f"{len(found)} of {COUNT} events within {SECONDS} s"
            assert message.error() is None, message.error()
            found.append(message.value() or b"")
    finally:
        consumer.close()
    return found
