"""Publishers and subscribers with a real registry: data are held to schemas, and come back as what they were."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from integration.subjects import Subject, create_topic
from pydantic import BaseModel

from e2e.servers.registry import private_registry
from eventplane.client import (
    Event,
    EventPublisher,
    EventRejectedError,
    EventSubscriber,
    PublishUnavailableError,
)
from eventplane.client.topic_schemas import TopicSchemas

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka

AVRO = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "fields": [{"name": "order", "type": "string"}, {"name": "tags", "type": {"type": "array", "items": "string"}}],
    }
)
JSON = json.dumps(
    {
        "type": "object",
        "required": ["order"],
        "additionalProperties": False,
        "properties": {"order": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    }
)
PROTOBUF = 'syntax = "proto3"; message Order { string order = 1; repeated string tags = 2; }'
DATA = {"order": "o-1", "tags": ["a", "b"]}


class Order(BaseModel):
    """What the data are."""

    order: str
    tags: list[str]


def config(kafka: Kafka, registry: Registry) -> dict[str, Any]:
    return {**kafka.client_config("PLAINTEXT"), "schema_registry": {"url": registry.url, "max.retries": 0}}


async def read(
    told: dict[str, Any], topic: str, count: int, data_type: type[BaseModel] | None = None
) -> list[Event[Any]]:
    reader, got = EventSubscriber(told, f"g-{topic}"), list[Event[Any]]()
    reader.subscribe([topic])
    reader.register_handler("*", got.append, data_type=data_type)
    async with reader, asyncio.timeout(60):
        while len(got) < count:  # noqa: ASYNC110 - what is waited for happens on a thread
            await asyncio.sleep(0.05)
    return got


@pytest.mark.parametrize(("kind", "text"), [("AVRO", AVRO), ("JSON", JSON), ("PROTOBUF", PROTOBUF)])
@pytest.mark.parametrize("form", ["Binary", "Envelope"])
async def test_what_fits_is_published_and_read_and_what_does_not_is_refused(
    event_kafka: Kafka, event_registry: Registry, kind: str, text: str, form: Any
) -> None:
    topic = f"sdk-{kind}-{form}".lower()
    create_topic(event_kafka, topic)
    Subject(event_registry, f"{topic}-value", kind).register(text)
    told = config(event_kafka, event_registry)
    plain = Event("order.created", "1.0", "shop", DATA, subject="o-1")
    typed = Event[Order]("order.created", "1.0", "shop", Order(order="o-2", tags=[]))
    async with EventPublisher(told, form=form, schemas="Required") as publisher:
        for event in (plain, typed):
            await publisher.publish_event(topic, event, "key")
        for data in ({"order": 7, "tags": []}, {"order": "o", "tags": [], "unknown": 1}):
            with pytest.raises(EventRejectedError, match="do not fit"):
                await publisher.publish_event(topic, Event("order.created", "1.0", "shop", data))
    first, second = await read(told, topic, 2)
    assert first == plain
    assert (second.event_id, second.data["order"]) == (typed.event_id, "o-2")
    reader = EventSubscriber(told, f"typed-{topic}")
    reader.subscribe(topic)
    async with reader:
        async for event in reader:
            assert event.data == DATA
            break


async def test_a_topic_without_a_schema(event_kafka: Kafka, event_registry: Registry) -> None:
    create_topic(event_kafka, "sdk-free")
    told = config(event_kafka, event_registry)
    event = Event("order.created", "1.0", "shop", {"any": [1, None]})
    async with EventPublisher(told) as publisher, EventPublisher(told, schemas="Required") as strict:
        await publisher.publish_event("sdk-free", event)
        with pytest.raises(EventRejectedError, match="it has no schema"):
            await strict.publish_event("sdk-free", event)
    assert await read(told, "sdk-free", 1) == [event]


async def test_typed_events_of_a_registry(event_kafka: Kafka, event_registry: Registry) -> None:
    create_topic(event_kafka, "sdk-typed")
    Subject(event_registry, "sdk-typed-value", "AVRO").register(AVRO)
    told = config(event_kafka, event_registry)
    async with EventPublisher(told) as publisher:
        await publisher.publish_event("sdk-typed", Event("order.created", "1.0", "shop", DATA))
    (event,) = await read(told, "sdk-typed", 1, Order)
    assert event.data == Order(order="o-1", tags=["a", "b"])


async def test_a_registry_that_is_away_stops_only_what_it_was_never_asked_about(event_kafka: Kafka) -> None:
    for topic in ("sdk-known", "sdk-new"):
        create_topic(event_kafka, topic)
    with private_registry() as registry:
        Subject(registry, "sdk-known-value", "AVRO").register(AVRO)
        now = 0.0
        conf = {"url": registry.url, "max.retries": 0, "timeout": 2}
        schemas = TopicSchemas(conf, {}, clock=lambda: now)
        known = await schemas.of("sdk-known")
        registry.stop()
        now = 3600.0
        assert await schemas.of("sdk-known") is known
        with pytest.raises(PublishUnavailableError, match="sdk-new"):
            await schemas.of("sdk-new")
        schemas.close()


async def test_a_mounted_binding_is_all_that_an_application_needs(
    event_kafka: Kafka, event_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topic(event_kafka, "sdk-bound")
    (tmp_path / "kafka").mkdir()
    files = {"group": "bound", "topics": "sdk-bound", "schemaRegistryUrl": event_registry.url}
    files["librdkafka.json"] = json.dumps(event_kafka.client_config("PLAINTEXT"))
    for name, text in files.items():
        (tmp_path / "kafka" / name).write_text(text)
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path))
    event = Event("order.created", "1.0", "shop", DATA)
    async with EventPublisher.from_environment() as publisher:
        await publisher.publish_event("sdk-bound", event)
    async with EventSubscriber.from_environment() as reader:
        async for each in reader:
            assert each == event
            break
