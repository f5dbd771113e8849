"""Where Kafka and the registry are said to be: a dict, the service's keys, a mounted binding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventplane.client import BrokerConfig, ConfigurationError, EventPublisher, EventSubscriber
from eventplane.client.configuration import config_from_environment, config_of


def test_the_services_own_keys() -> None:
    config = config_of({"kafka_servers": ["k1:9092", "k2:9092"], "schema_registry_url": "http://registry:8081"})
    assert config.client == {"bootstrap.servers": "k1:9092,k2:9092"}
    assert config.schema_registry == {"url": "http://registry:8081"}
    assert config_of(config) is config


def test_settings_of_librdkafka_and_of_the_registrys_client() -> None:
    config = config_of(
        {
            "bootstrap.servers": "k:9092",
            "sasl.password": "secret",
            "acks": "all",
            "client_id": "web",
            "transactional_id_prefix": "shop.web-",
            "schema_registry": {"url": "http://r", "basic.auth.user.info": "u:secret"},
        }
    )
    assert config.client == {"bootstrap.servers": "k:9092", "sasl.password": "secret", "acks": "all"}
    assert (config.client_id, config.transactional_id_prefix) == ("web", "shop.web-")
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "kafka_servers"),
        ({"kafka_servers": "k", "kafka_server": "k"}, "kafka_server: no key"),
        ({"kafka_servers": "k", "acks": "1"}, "acks"),
        ({"kafka_servers": "k", "enable.idempotence": False}, "enable.idempotence"),
        ({"kafka_servers": "k", "enable.auto.commit": True}, "enable.auto.commit"),
    ],
)
def test_what_would_lose_events_or_means_nothing_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        config_of(given)


def binding(folder: Path, **files: str) -> Path:
    place = folder / "kafka"
    place.mkdir()
    (place / "librdkafka.json").write_text(json.dumps({"bootstrap.servers": "k:9092", "sasl.password": "secret"}))
    for name, text in files.items():
        (place / name).write_text(text)
    return folder


def test_a_mounted_binding_of_a_bus_whose_registry_asks_who_reads(tmp_path: Path) -> None:
    login = {"schemaRegistryUsername": "reader", "schemaRegistryPassword": "r:s3cret"}
    root = binding(tmp_path, schemaRegistryUrl="https://r", **login, **{"schemaRegistry.ca.crt": "PEM"})
    config = config_from_environment({"SERVICE_BINDING_ROOT": str(root)})
    assert config.schema_registry == {
        "url": "https://r",
        "basic.auth.user.info": "reader:r:s3cret",
        "ssl.ca.location": str(root / "kafka" / "schemaRegistry.ca.crt"),
    }
    assert "s3cret" not in repr(config)


def test_a_mounted_binding(tmp_path: Path) -> None:
    root = binding(
        tmp_path, group="shop.billing", topics="shop.orders,shop.users", schemaRegistryUrl="http://r", other="x"
    )
    config = config_from_environment({"SERVICE_BINDING_ROOT": str(root), "HOSTNAME": "billing-0"})
    assert config == BrokerConfig(
        {"bootstrap.servers": "k:9092", "sasl.password": "secret"},
        {"url": "http://r"},
        "billing-0",
        None,
        "shop.billing",
        ("shop.orders", "shop.users"),
    )
    environment = {"SERVICE_BINDING_ROOT": str(root)}
    EventPublisher.from_environment(environment, form="Envelope")
    EventSubscriber.from_environment(environment=environment)
    with pytest.raises(ConfigurationError, match=r"other.librdkafka\.json cannot be read"):
        config_from_environment(environment, binding="other")


def test_a_publication_says_how_transactional_ids_begin(tmp_path: Path) -> None:
    root = binding(tmp_path, transactionalIdPrefix="shop.web-")
    config = config_from_environment({"SERVICE_BINDING_ROOT": str(root)})
    assert (config.transactional_id_prefix, config.schema_registry, config.topics) == ("shop.web-", None, ())


def test_credentials_of_its_own_lie_beside_a_binding(tmp_path: Path) -> None:
    root = binding(tmp_path)
    for folder, names in {"certificate": ("tls.crt", "tls.key"), "oauth": ("clientId", "clientSecret")}.items():
        (root / folder).mkdir()
        with pytest.raises(ConfigurationError, match=f"{names[0]} is absent: credentials.{folder}SecretRef"):
            config_from_environment({"SERVICE_BINDING_ROOT": str(root)})
        for name in names:
            (root / folder / name).write_text(f"{name}-text\n")
    config = config_from_environment({"SERVICE_BINDING_ROOT": str(root)})
    assert {name: config.client[name] for name in config.client if name.startswith(("ssl.", "sasl.oauth"))} == {
        "ssl.certificate.location": str(root / "certificate" / "tls.crt"),
        "ssl.key.location": str(root / "certificate" / "tls.key"),
        "sasl.oauthbearer.client.id": "clientId-text",
        "sasl.oauthbearer.client.secret": "clientSecret-text",
    }
    assert "clientSecret-text" not in repr(config)


@pytest.mark.parametrize(("text", "problem"), [("{", "is not JSON"), ("[]", "does not hold settings")])
def test_a_broken_binding_is_named(tmp_path: Path, text: str, problem: str) -> None:
    root = binding(tmp_path)
    (root / "kafka" / "librdkafka.json").write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        config_from_environment({"SERVICE_BINDING_ROOT": str(root)})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"group_id": None}, "group_id"),
        ({"start_from": "soon"}, "start_from"),
        ({"retry": {"attempts": 0}}, r"retry\.attempts"),
        ({"filter": "event.kind == 1"}, "an event has no field kind"),
        ({"dead_letter_topic": None, "retry": {"strategy": "RetryTopics"}}, "deadLetterTopic"),
        ({"ordering": "Topic"}, "ordering"),
    ],
)
def test_what_a_subscriber_cannot_do_is_said_at_once(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        EventSubscriber({"kafka_servers": "k"}, **{"group_id": "g", **options})


async def test_what_is_missing_at_the_start_is_said() -> None:
    reader = EventSubscriber({"kafka_servers": "k"}, "g")
    with pytest.raises(ConfigurationError, match="subscribe"):
        await reader.start_consuming()
    with pytest.raises(ConfigurationError, match="circle"):
        reader.subscribe(["g.dlq"])
    reader = EventSubscriber({"kafka_servers": "k"}, "g")
    reader.subscribe("orders")
    with pytest.raises(ConfigurationError, match="handler"):
        await reader.start_consuming()
    with pytest.raises(ConfigurationError, match="async with"):
        reader.deliveries()
    assert reader.why_not_ready() == ("it has not started",)
    assert reader.lag == {}
    with pytest.raises(ConfigurationError, match="schemas are required"):
        EventPublisher({"kafka_servers": "k"}, schemas="Required")
