"""What a mounted binding says of Kafka: the files of a Secret, as the Service Binding Specification has them.

https://servicebinding.io/spec/core/1.1.0/ ; the operator writes these keys (docs/guide/access.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_ROOT: Final = "/bindings"
_CLIENT: Final = "librdkafka.json"
_URL: Final = "schemaRegistryUrl"
_USERNAME: Final = "schemaRegistryUsername"
_PASSWORD: Final = "schemaRegistryPassword"  # noqa: S105 - the name of a file
_OWN: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "certificate": (
        "credentials.certificateSecretRef",
        {"ssl.certificate.location": "tls.crt", "ssl.key.location": "tls.key"},
    ),
    "oauth": (
        "credentials.oauthSecretRef",
        {"sasl.oauthbearer.client.id": "clientId", "sasl.oauthbearer.client.secret": "clientSecret"},
    ),
}
"""Folders beside a binding with the credentials that a principal comes with: the field of a Subscription that names
the Secret, and which of its keys is which setting of librdkafka."""
_FILES: Final[Mapping[str, str]] = {
    "ssl.ca.location": "schemaRegistry.ca.crt",
    "ssl.certificate.location": "schemaRegistry.tls.crt",
    "ssl.key.location": "schemaRegistry.tls.key",
}
"""Settings of Confluent's client that want a file, and which it is."""


class BindingError(Exception):
    """A binding that is absent or wrong; the message names the file."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One application's access to a Kafka."""

    client: Mapping[str, Any] = field(repr=False)
    """Settings of librdkafka, with a password among them."""
    group: str | None = None
    topics: tuple[str, ...] = ()
    """Names in Kafka."""
    schema_registry: Mapping[str, str] | None = field(default=None, repr=False)
    """Settings of Confluent's client of a registry, with a password among them; None: the bus has no registry."""
    transactional_id_prefix: str | None = None


def binding_root(environment: Mapping[str, str]) -> Path:
    """Tell where bindings are: SERVICE_BINDING_ROOT."""
    return Path(environment.get("SERVICE_BINDING_ROOT", _ROOT))


def read_binding(folder: Path) -> Binding:
    """Read a binding.

    Raises:
        BindingError: naming the file.
    """
    client = _client(folder / _CLIENT)
    topics = _text(folder / "topics")
    registry = registry_settings(folder)
    return Binding(
        client,
        _text(folder / "group"),
        tuple(each.strip() for each in topics.split(",")) if topics is not None else (),
        registry if "url" in registry else None,
        _text(folder / "transactionalIdPrefix"),
    )


def own_credentials(bindings: Path) -> Mapping[str, str]:
    """Read the settings of librdkafka that a principal comes with where Kafka keeps none; empty where it does.

    A certificate stays where it is, so the folder has to as well; client id and secret are read here, once.

    Args:
        bindings: the folder that bindings are in, such as `/bindings`.

    Raises:
        BindingError: naming the file.
    """
    settings = {}
    for folder, (field_name, keys) in _OWN.items():
        for setting, key in keys.items() if (bindings / folder).is_dir() else ():
            path = bindings / folder / key
            if not path.is_file():
                raise BindingError(f"{path} is absent: {field_name} names a Secret without it")
            settings[setting] = str(path) if setting.endswith(".location") else path.read_text().strip()
    return settings


def registry_settings(binding: Path) -> dict[str, str]:
    """Read the settings of Confluent's client of a registry, which `EventSerializer` and `EventDeserializer` take.

    They have no `url` where the bus has no registry. Certificates stay where they are, so the folder has to as well.

    Args:
        binding: the folder that the Secret is mounted at, such as `/bindings/kafka`.

    Raises:
        OSError: the folder cannot be read.
    """
    there = {each.name for each in binding.iterdir()}
    settings = {setting: str(binding / name) for setting, name in _FILES.items() if name in there}
    if _URL in there:
        settings["url"] = (binding / _URL).read_text()
    if {_USERNAME, _PASSWORD} <= there:
        settings["basic.auth.user.info"] = f"{(binding / _USERNAME).read_text()}:{(binding / _PASSWORD).read_text()}"
    return settings


def _text(path: Path) -> str | None:
    return path.read_text().strip() or None if path.is_file() else None


def _client(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(path.read_bytes())
    except OSError as error:
        raise BindingError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BindingError(f"{path} is not JSON") from error
    if not isinstance(settings, dict) or "bootstrap.servers" not in settings:
        raise BindingError(f"{path} does not hold settings of librdkafka")
    return settings
