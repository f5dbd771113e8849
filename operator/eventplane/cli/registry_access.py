"""The registry as a command reaches it: from its arguments and the environment to what was seen of a subject."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from eventplane.api.conditions import Reason
from eventplane.cli.definition_files import read_text
from eventplane.cli.failure import CommandError, ExitCode
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.outcome import BackendError
from eventplane.planning.schema_state import ObservedSubject, SubjectQuery

USERNAME: Final = "EVENTPLANE_REGISTRY_USERNAME"
PASSWORD: Final = "EVENTPLANE_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable

_OURS: Final = frozenset({Reason.DEFINITION_INVALID, Reason.SECRET_INVALID})
"""Reasons that lie in what the command was given; all others lie in the registry."""
_WORDS: Final = {
    "spec.schemaRegistry.url of the EventBus": "--registry",
    "spec.schemaRegistry.tls of the EventBus": "--ca",
    "the Secret that the EventBus names in spec.schemaRegistry.authentication": f"{USERNAME} and {PASSWORD}",
    "the bus's user": "the user",
}


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How to ask a registry, and how long to wait for each answer."""

    connection: RegistryConnection
    timeout_seconds: float

    def look(self, query: SubjectQuery) -> ObservedSubject:
        """Look at one subject.

        Raises:
            CommandError: no answer, not in time, or the registry refused to be asked or to judge the candidate.
        """
        seen = self.look_leniently(query)
        if seen.error is not None:
            raise self.failure(seen.error)
        return seen

    def look_leniently(self, query: SubjectQuery) -> ObservedSubject:
        """Look at one subject whose own error may be no obstacle.

        Raises:
            CommandError: no answer, not in time, or the registry refused to be asked.
        """
        return asyncio.run(self._look(query))

    def failure(self, error: BackendError) -> CommandError:
        """Say what a backend says, with what to do about it at a prompt."""
        code = ExitCode.USAGE if error.reason in _OURS else ExitCode.REGISTRY
        return CommandError(code, f"registry {self.connection.url}: {at_a_prompt(error.message)}")

    async def _look(self, query: SubjectQuery) -> ObservedSubject:
        from eventplane.backends.schema_registry import SchemaRegistryBackend  # noqa: PLC0415 - needs an extra

        try:
            backend = SchemaRegistryBackend(
                self.connection,
                client_id="eventplane-cli",
                timeout_seconds=self.timeout_seconds,
                batch_seconds=self.timeout_seconds,
            )
            try:
                return (await backend.observe([query]))[query]
            finally:
                await backend.close()
        except BackendError as error:
            raise self.failure(error) from error


def at_a_prompt(message: str) -> str:
    """Say what a backend says to the owner of an EventBus to somebody who has a command line instead.

    | set in an EventBus                  | at a prompt                    |
    |-------------------------------------|--------------------------------|
    | spec.schemaRegistry.url             | --registry                     |
    | spec.schemaRegistry.tls             | --ca                           |
    | spec.schemaRegistry.authentication  | the variables of the environment |
    """
    for there, here in _WORDS.items():
        message = message.replace(there, here)
    return message


def registry_access(
    url: str, ca: Path | None, timeout_seconds: float, environment: Mapping[str, str]
) -> RegistryAccess:
    """Make the connection from arguments and environment.

    Raises:
        CommandError: the address is none, or credentials are where they would be seen or by halves.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(ExitCode.USAGE, "--registry takes an address that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise CommandError(
            ExitCode.USAGE, f"--registry shows credentials to every process: set {USERNAME} and {PASSWORD} instead"
        )
    username, password = environment.get(USERNAME) or None, environment.get(PASSWORD) or None
    if (username is None) != (password is None):
        unset = USERNAME if username is None else PASSWORD
        raise CommandError(ExitCode.USAGE, f"{unset} is not set: {USERNAME} and {PASSWORD} go together")
    connection = RegistryConnection(
        url=url.rstrip("/"),
        ca_pem=read_text(ca, "the CA file") if ca else None,
        username=username,
        password=password,
    )
    return RegistryAccess(connection, timeout_seconds)
