"""Kafka as a command reaches it: by a mounted binding, a file of settings, or an address."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from eventplane.cli.failure import CommandError, ExitCode
from eventplane.client.configuration import BrokerConfig, config_from_environment, config_of
from eventplane.client.errors import ConfigurationError

STANDARD_INPUT = "-"


def kafka_config(servers: str | None, settings: str | None, environment: Mapping[str, str]) -> BrokerConfig:
    """Make the configuration from arguments, else from the binding that the environment names.

    Args:
        servers: host:port,..., for a Kafka that asks for nothing.
        settings: path of a file like librdkafka.json of an application's Secret, or `-` for standard input: passwords
            are in there, where no other process sees them.
        environment: of the process.

    Raises:
        CommandError: there is none, or it cannot be used.
    """
    try:
        if settings is not None:
            return config_of(_settings(settings))
        if servers is not None:
            return config_of({"kafka_servers": servers})
        return config_from_environment(environment)
    except ConfigurationError as error:
        advice = "" if servers or settings else "; or say --kafka or --config"
        raise CommandError(ExitCode.USAGE, f"{error}{advice}") from error


def _settings(path: str) -> Mapping[str, Any]:
    name = "standard input" if path == STANDARD_INPUT else path
    try:
        if path == STANDARD_INPUT:
            found = json.load(sys.stdin)
        else:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as it was typed
                found = json.load(file)
    except OSError as error:
        raise CommandError(ExitCode.USAGE, f"--config {name}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"--config {name} is not JSON") from error
    if not isinstance(found, dict):
        raise CommandError(ExitCode.USAGE, f"--config {name} holds no settings")
    return found
