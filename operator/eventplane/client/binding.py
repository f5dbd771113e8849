"""What the Secret of a Publication or Subscription, mounted as files, says of how to reach the schema registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_URL: Final = "schemaRegistryUrl"
_USERNAME: Final = "schemaRegistryUsername"
_PASSWORD: Final = "schemaRegistryPassword"  # noqa: S105 - the name of a file
_FILES: Final[Mapping[str, str]] = {
    "ssl.ca.location": "schemaRegistry.ca.crt",
    "ssl.certificate.location": "schemaRegistry.tls.crt",
    "ssl.key.location": "schemaRegistry.tls.key",
}
"""Settings of Confluent's client that want a file, and which it is."""


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
