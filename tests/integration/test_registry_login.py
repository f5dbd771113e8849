"""The consumer reads a registry that asks who is there, with what is in its Secret and nothing else."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from builders import subscription, wanted_access
from confluent_kafka.serialization import MessageField, SerializationContext
from contract.registry_proxy import RegistryProxy
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics
from integration.http_service import HttpService
from integration.service_process import wait_until
from integration.subjects import Subject

from e2e.servers.certificates import Authority
from eventplane.client import EventSerializer, registry_settings
from eventplane.planning.connection import RegistryConnection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = [pytest.mark.kafka, pytest.mark.registry]

TOPIC = "run-login"
ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
READER = ("reader", "correct:horse")


def bind(folder: Path, registry: RegistryConnection) -> Path:
    """Mount what the operator writes about the registry into the Secret; of Kafka, this server's own."""
    binding = folder / "kafka"
    for name, text in wanted_access(subscription(), registry=registry).secret_data("p").items():
        if name.startswith("schemaRegistry"):
            (binding / name).write_text(text)
    return binding


async def test_avro_is_read_from_a_registry_that_asks_for_a_password_over_tls(
    event_kafka: Kafka, event_registry: Registry, tmp_path: Path
) -> None:
    topics = Topics(event_kafka)
    topics.create(TOPIC, f"{TOPIC}.dlq")
    Subject(event_registry, f"{TOPIC}-value", "AVRO").register(json.dumps(ORDER))
    authority = Authority(tmp_path)
    authority.create()
    ca = authority.certificate.read_text()
    with HttpService() as service:
        async with RegistryProxy(event_registry.url, tls=_server(authority), login=READER) as proxy:
            reader = RegistryConnection(proxy.url, ca, username=READER[0], password=READER[1])
            told = config_of(
                TOPIC,
                name="login",
                group="group-login",
                schemaRegistryUrl=proxy.url,
                http={"url": service.url},
                retry={"attempts": 2, "delaysMs": [10], "deadLetterTopic": f"{TOPIC}.dlq"},
            )
            event = _event({"url": event_registry.url})
            with consumers(tmp_path / "c", event_kafka, told) as started:
                topics.write(TOPIC, [(None, event, {})])
                bind(tmp_path / "c", RegistryConnection(proxy.url, ca))
                turned_away = await asyncio.to_thread(started.start)
                await asyncio.to_thread(wait_until, lambda: len(proxy.requests) > 0, "the registry is asked")
                await asyncio.sleep(1)
                assert (service.taken, topics.committed("group-login", TOPIC)) == ([], 0), "it waits, and loses nothing"
                assert await asyncio.to_thread(turned_away.terminate) == 0
                binding = bind(tmp_path / "c", reader)
                assert await asyncio.to_thread(_event, registry_settings(binding)) == event, "an application can, too"
                process = await asyncio.to_thread(started.start)
                await asyncio.to_thread(wait_until, lambda: topics.committed("group-login", TOPIC) == 1, "it is read")
                assert await asyncio.to_thread(process.terminate) == 0
                assert READER[1] not in process.log() + turned_away.log()
    assert [json.loads(request.body) for request in service.taken] == [{"id": "o-1"}]
    assert topics.read(f"{TOPIC}.dlq") == []


def _event(conf: Mapping[str, str]) -> bytes:
    with closing(EventSerializer(conf)) as serialize:
        return serialize({"id": "o-1"}, SerializationContext(TOPIC, MessageField.VALUE)) or b""


def _server(authority: Authority) -> ssl.SSLContext:
    certificate, key = authority.issue("registry", frozenset({"127.0.0.1"}))
    both = authority.directory / "both.pem"
    both.write_text(key + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return context
