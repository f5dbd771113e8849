"""A real PostgreSQL, for the event store.

It refuses to run as root. Where we are root it runs as nobody, who is let into our directories by a capability.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql

from e2e.servers import distribution, ports, run_directories
from e2e.servers.configuration import LOOPBACK, Credentials
from e2e.servers.failure import ServerError, log_tail
from e2e.servers.polling import poll
from e2e.servers.private_files import write_private
from e2e.servers.processes import ProcessId, recorded, spawn

if TYPE_CHECKING:
    from types import TracebackType

_START_SECONDS = 60
_NOBODY = 65534
_AS_NOBODY = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    # without the bit, access(2) would not ask for capabilities
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"),
    *("--pdeathsig", "KILL", "--"),  # the kernel forgets it when the user changes
)
_SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """A server with its data in a directory of its own; it ends with this interpreter, however that ends.

    `durable=False` does not wait for the disk: enough for a process that dies, not for a machine.
    """

    durable: bool = False
    address: str = LOOPBACK
    """Where clients reach it, with their passwords."""
    admin: Credentials = field(default_factory=lambda: Credentials("eventplane", secrets.token_urlsafe(18)))
    directory: Path = field(default_factory=run_directories.create_private)
    port: int = field(default_factory=lambda: ports.reserve(LOOPBACK))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it and delete its data; it gets a moment, or a piece of shared memory would stay behind."""
        if process := recorded(self._record):
            process.send(signal.SIGINT)
            poll(lambda: not process.running, seconds=5)
        run_directories.remove(self.directory)

    def url(self, database: str = "postgres", user: Credentials | None = None) -> str:
        """Return the address of a database, for the admin or another user."""
        user = user or self.admin
        return f"postgresql://{user.username}:{user.password}@{self.address}:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers; raise ServerError where it does not."""
        self._place.mkdir(exist_ok=True)
        password = self._place / "password"
        if not password.exists():
            write_private(password, self.admin.password)
        as_user = _AS_NOBODY if os.geteuid() == 0 else ()
        if as_user:
            for path in (self._place, password):
                os.chown(path, _NOBODY, _NOBODY)
        if recorded(self._record) is None:
            script = self._script(as_user)
            spawn(["/bin/sh", "-ec", script], record=self._record, log=self._log, outlive=False)
        poll(lambda: self.answers or recorded(self._record) is None, _START_SECONDS)
        if not self.answers:
            raise ServerError("PostgreSQL does not answer", log_tail(self._log))

    def kill(self) -> None:
        """Kill it by SIGKILL and return when it is gone; `start` has it recover."""
        self.process.end()

    @property
    def process(self) -> ProcessId:
        """Its running process; raise ServerError where there is none."""
        process = recorded(self._record)
        if process is None:
            raise ServerError("PostgreSQL does not run", log_tail(self._log))
        return process

    @property
    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        self._execute(sql.SQL("CREATE DATABASE {} STRATEGY FILE_COPY").format(sql.Identifier(name)))
        return self.url(name)

    def create_user(self, name: str) -> Credentials:
        """Create a user who may do nothing yet."""
        user = Credentials(name, secrets.token_urlsafe(18))
        self._execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(user.password))
        )
        return user

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    @property
    def _place(self) -> Path:
        return self.directory / "postgres"

    @property
    def _record(self) -> Path:
        return self._place / "process"

    @property
    def _log(self) -> Path:
        return self._place / "server.log"

    def _script(self, as_user: tuple[str, ...]) -> str:
        programs, data = distribution.postgres_directory() / "bin", self._place / "data"
        first = [str(programs / "initdb"), "-D", str(data), "-U", self.admin.username, "-E", "UTF8", "--no-sync"]
        first += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={self._place / 'password'}"]
        settings = _SETTINGS | {"listen_addresses": self.address, "port": str(self.port)}
        settings |= {} if self.durable else {"fsync": "off"}
        server = [str(programs / "postgres"), "-D", str(data)]
        server += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        made = shlex.quote(str(data / "PG_VERSION"))
        rules = shlex.quote(str(data / "pg_hba.conf"))
        let_in = "" if self.address == LOOPBACK else f" && echo 'host all all all scram-sha-256' >> {rules}"
        initialize = f"{shlex.join([*as_user, *first])}{let_in}"
        return f"[ -e {made} ] || {{ {initialize}; }}\nexec {shlex.join([*as_user, *server])}\n"
