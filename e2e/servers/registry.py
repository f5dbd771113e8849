"""A Confluent-compatible schema registry: Apicurio with its data in one H2 file."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e.servers import ports, run_directories
from e2e.servers.configuration import LOOPBACK
from e2e.servers.failure import ServerError, log_tail
from e2e.servers.launchers import choose_launcher
from e2e.servers.polling import poll
from e2e.servers.processes import ProcessId, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS = 90


@dataclass(frozen=True)
class RegistryPlace:
    """Where a registry runs and what it listens on; the port above `port` is its management port."""

    directory: Path
    address: str
    port: int

    @property
    def record(self) -> Path:
        """The identity of its process."""
        return self.directory / "process"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.directory / "server.log"

    def settings(self) -> dict[str, str]:
        """Return its configuration as environment variables."""
        return {
            "QUARKUS_HTTP_HOST": self.address,
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "QUARKUS_MANAGEMENT_HOST": self.address,
            "QUARKUS_MANAGEMENT_PORT": str(self.port + 1),
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "h2",
            # by default H2 confirms half a second before it writes, and SIGKILL takes that with it
            "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{self.directory}/registry;WRITE_DELAY=0",
        }


@dataclass(frozen=True)
class Registry:
    """A registry server."""

    place: RegistryPlace
    outlive: bool

    @property
    def url(self) -> str:
        """The base address of the Confluent-compatible API."""
        return f"http://{self.place.address}:{self.place.port}/apis/ccompat/v7"

    @property
    def answers(self) -> bool:
        """Whether it serves requests."""
        try:
            return self.request("GET", "/subjects") is not None
        except OSError:
            return False

    def start(self) -> None:
        """Start it unless it runs, wait until it answers, and make BACKWARD its default as Confluent's is."""
        self.place.directory.mkdir(parents=True, exist_ok=True)
        if recorded(self.place.record) is None:
            choose_launcher().start_registry(self.place, outlive=self.outlive)
        answered = poll(lambda: self.answers or recorded(self.place.record) is None, _START_SECONDS, every=0.1)
        if not answered or not self.answers:
            raise ServerError(f"the schema registry does not answer at {self.url}", log_tail(self.place.log))
        self.request("PUT", "/config", {"compatibility": "BACKWARD"})

    def stop(self) -> None:
        """Kill its process, if it runs; its data stay."""
        if process := recorded(self.place.record):
            process.end()

    def pause(self) -> None:
        """Stop it by SIGSTOP: its connections stay open and nothing answers."""
        self._process().pause()

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._process().send(signal.SIGCONT)

    def _process(self) -> ProcessId:
        process = recorded(self.place.record)
        if process is None:
            raise ServerError("the schema registry does not run")
        return process

    def request(self, method: str, path: str, body: object = None, *, seconds: float = 5) -> Any:
        """Ask it something by a path of its API, and return the answer; raise HTTPError where it says no."""
        request = urllib.request.Request(  # noqa: S310 - the address is this server's own
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310
            return json.load(response)


@contextmanager
def private_registry() -> Iterator[Registry]:
    """Run a registry of our own; it is gone with its data in the end."""
    directory = run_directories.create_private()
    registry = Registry(RegistryPlace(directory / "registry", LOOPBACK, ports.reserve(LOOPBACK)), outlive=False)
    try:
        registry.start()
        yield registry
    finally:
        run_directories.remove(directory)
