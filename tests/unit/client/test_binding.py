"""The Secret of an application, mounted, as the client of a registry reads it."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import REGISTRY_LOGIN, publication, wanted_access
from confluent_kafka.schema_registry import SchemaRegistryClient

from eventplane.client import registry_settings
from eventplane.planning.connection import RegistryConnection


def mounted(folder: Path, registry: RegistryConnection | None) -> Path:
    for name, text in wanted_access(publication(), registry=registry).secret_data("p").items():
        (folder / name).write_text(text)
    return folder


def test_everything_that_a_registry_may_ask_for(tmp_path: Path) -> None:
    assert registry_settings(mounted(tmp_path, REGISTRY_LOGIN)) == {
        "url": "http://registry:8081",
        "basic.auth.user.info": "reader:readers-own",
        "ssl.ca.location": str(tmp_path / "schemaRegistry.ca.crt"),
        "ssl.certificate.location": str(tmp_path / "schemaRegistry.tls.crt"),
        "ssl.key.location": str(tmp_path / "schemaRegistry.tls.key"),
    }


def test_a_registry_that_everybody_may_read(tmp_path: Path) -> None:
    assert registry_settings(mounted(tmp_path, RegistryConnection("http://r"))) == {"url": "http://r"}


def test_a_password_may_have_colons_and_confluents_client_takes_it(tmp_path: Path) -> None:
    login = replace(REGISTRY_LOGIN, ca_pem=None, certificate_pem=None, key_pem=None, password="a:b")  # noqa: S106
    settings = registry_settings(mounted(tmp_path, login))
    assert settings["basic.auth.user.info"] == "reader:a:b"
    client = SchemaRegistryClient(settings)
    client.close()


def test_a_bus_without_a_registry_has_nothing_to_say_of_one(tmp_path: Path) -> None:
    assert registry_settings(mounted(tmp_path, None)) == {}
    with pytest.raises(FileNotFoundError):
        registry_settings(tmp_path / "absent")
