"""The registry as a command reaches it: from its arguments and the environment to what was seen of a subject."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from eventplane.api.conditions import Reason
from eventplane.backends.schema_registry import SchemaRegistryBackend
from eventplane.cli.definition_files import read_text
from eventplane.cli.failure import CommandError, ExitCode
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.outcome import BackendError
from eventplane.planning.schema_state import ObservedSubject, SubjectQuery

USERNAME: Final = "EVENTPLANE_REGISTRY_USERNAME"
PASSWORD: Final = "EVENTPLANE_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable


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
        seen = asyncio.run(self._look(query))
        if seen.error is not None:
            raise self._failure(seen.error)
        return seen

    async def _look(self, query: SubjectQuery) -> ObservedSubject:
        backend = SchemaRegistryBackend(self.connection)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return (await backend.observe([query]))[query]
        except TimeoutError as error:
            message = f"no answer within {self.timeout_seconds:g} s: check --registry, or raise --timeout"
            raise CommandError(ExitCode.REGISTRY, f"registry {self.connection.url}: {message}") from error
        except BackendError as error:
            raise self._failure(error) from error
        finally:
            await backend.close()

    def _failure(self, error: BackendError) -> CommandError:
        """Say an error of the backend to somebody at a prompt, who knows of no EventBus and no Secret."""
        if error.reason is Reason.DEFINITION_INVALID:
            return CommandError(ExitCode.USAGE, error.message)
        words = error.message
        if error.reason is Reason.AUTHENTICATION_FAILED:
            given = "it does not know these credentials" if self.connection.username else "it asks for credentials"
            words = f"{given}: set {USERNAME} and {PASSWORD} to those of a user that it knows"
        elif error.reason is Reason.AUTHORIZATION_FAILED:
            words = f"user {self.connection.username or 'anonymous'} may not read this: ask its owner for the right to"
        return CommandError(ExitCode.REGISTRY, f"registry {self.connection.url}: {words}")


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
