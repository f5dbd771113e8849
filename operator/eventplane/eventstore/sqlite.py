"""Events in an SQLite file, by the standard library's module on threads: the store of one machine.

Durable when acknowledged (WAL, synchronous FULL). One writer at a time, so positions are in the order of commits.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from eventplane.eventstore.errors import ConcurrencyError, EventStoreError, StoreUnavailableError
from eventplane.eventstore.stored import Backlog, NewRow, Position, Row, SnapshotRow

T = TypeVar("T")

_BUSY_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 0.02
_MEMORY: Final = ":memory:"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    document TEXT NOT NULL,
    recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    UNIQUE (tenant, stream, version)
) STRICT;
CREATE TABLE IF NOT EXISTS snapshots (
    tenant TEXT NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, stream)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are only ever appended'); END;
CREATE TRIGGER IF NOT EXISTS events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are only ever appended'); END;
CREATE TRIGGER IF NOT EXISTS events_are_not_replaced BEFORE INSERT ON events
WHEN NEW.version <> 1 + (
    SELECT coalesce(max(version), 0) FROM events WHERE tenant = NEW.tenant AND stream = NEW.stream
) OR EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'events are only ever appended, version by version'); END;
"""
# INSERT OR REPLACE deletes without asking the trigger of deletions, hence the third one
_APPEND: Final = (
    "INSERT INTO events (tenant, stream, version, event_id, event_type, document) VALUES (?, ?, ?, ?, ?, ?)"
)
_BACKLOG: Final = """
SELECT count(*), coalesce((julianday('now') - julianday(min(recorded_at))) * 86400, 0) FROM (
    SELECT recorded_at FROM events WHERE position > ? ORDER BY position LIMIT ?
)
"""
_COLUMNS: Final = "tenant, stream, version, position, recorded_at, document"


class SqliteBackend:
    """A Backend in a file, or in memory (`:memory:`), which is gone when it is closed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._writer = FileConnection(path)
        self._reader = self._writer if path == _MEMORY else FileConnection(path)
        self._is_open = False

    async def open(self) -> None:
        """Open the file, and make the tables where there are none."""
        if self._is_open:
            return
        await self._writer.run(_prepare)
        self._is_open = True

    async def close(self) -> None:
        """Close the file."""
        for each in {self._writer, self._reader}:
            await each.close()

    async def append(self, tenant: str, stream: str, expected: int | None, rows: Sequence[NewRow]) -> int:
        """Append in a transaction that no other writer can come between."""
        return await self._writer.run(lambda connection: _append(connection, tenant, stream, expected, rows))

    async def version(self, tenant: str, stream: str) -> int:
        """Look up the last version."""
        return await self._reader.run(lambda connection: _version(connection, tenant, stream))

    async def read(self, tenant: str, stream: str, first: int, last: int | None) -> Sequence[Row]:
        """Read a stream."""
        return await self._rows(
            f"SELECT {_COLUMNS} FROM events WHERE tenant = ? AND stream = ? AND version >= ?"  # noqa: S608 - constants
            " AND version <= coalesce(?, version) ORDER BY version",
            (tenant, stream, first, last),
        )

    async def read_all(self, after: Position, limit: int, tenant: str | None = None) -> Sequence[Row]:
        """Read on by position."""
        return await self._rows(
            f"SELECT {_COLUMNS} FROM events WHERE position > ? AND tenant = coalesce(?, tenant)"  # noqa: S608 - as above
            " ORDER BY position LIMIT ?",
            (after.number, tenant, limit),
        )

    async def backlog(self, after: Position, most: int) -> Backlog:
        """Count and compare."""
        values = (after.number, most)
        events, seconds = await self._reader.run(lambda connection: connection.execute(_BACKLOG, values).fetchone())
        return Backlog(events, max(0.0, seconds))

    async def put_snapshot(self, tenant: str, stream: str, snapshot: SnapshotRow) -> None:
        """Insert, or replace an older one."""
        values = (tenant, stream, snapshot.version, snapshot.document)
        statement = (
            "INSERT INTO snapshots (tenant, stream, version, document) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET version = excluded.version, document = excluded.document WHERE excluded.version >= snapshots.version"
        )
        await self._writer.run(lambda connection: connection.execute(statement, values))

    async def snapshot(self, tenant: str, stream: str) -> SnapshotRow | None:
        """Look it up."""
        statement = "SELECT version, document FROM snapshots WHERE tenant = ? AND stream = ?"
        found = await self._reader.run(lambda connection: connection.execute(statement, (tenant, stream)).fetchone())
        return None if found is None else SnapshotRow(*found)

    async def lease(self, name: str, idle_seconds: float) -> "FileLease | None":  # noqa: ARG002 - a process that ends is all that counts on one machine
        """Lock a file beside the database."""
        if self._path == _MEMORY:
            raise EventStoreError("a store in memory is this process's alone: nobody else could relay it")
        return await asyncio.to_thread(_lock, Path(f"{self._path}.{name}.lock"))

    async def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Row]:
        found = await self._reader.run(lambda connection: connection.execute(statement, values).fetchall())
        return [
            Row(tenant, stream, version, Position(0, number), datetime.fromisoformat(recorded_at), document)
            for tenant, stream, version, number, recorded_at, document in found
        ]


class FileLease:
    """A file that is locked until this process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    async def is_held(self) -> bool:
        """Tell whether it was not released."""
        return self._descriptor is not None

    async def release(self) -> None:
        """Unlock it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class FileConnection:
    """A connection on a thread of its own, opened when it is first used."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-store")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def close(self) -> None:
        """Close it, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = _connect(self._path)
            return work(self._connection)
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(f"{self._path}: {error}") from error
        except sqlite3.Error as error:
            raise EventStoreError(f"{self._path}: {error}") from error

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    until = time.monotonic() + _BUSY_SECONDS
    while not _has_write_ahead_log(connection):
        if time.monotonic() > until:
            connection.close()
            raise StoreUnavailableError(f"{path}: others keep it locked")
        time.sleep(_AGAIN_SECONDS)  # noqa: TID251 - on the thread of this connection
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _has_write_ahead_log(connection: sqlite3.Connection) -> bool:
    """Switch to it; where others do so at the same time SQLite says that it is busy, whatever the timeout."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _prepare(connection: sqlite3.Connection) -> None:
    connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")


def _append(
    connection: sqlite3.Connection, tenant: str, stream: str, expected: int | None, rows: Sequence[NewRow]
) -> int:
    with transaction(connection):
        actual = _version(connection, tenant, stream)
        if expected is not None and actual != expected:
            return _appended_before(connection, tenant, stream, (expected, actual), rows)
        connection.executemany(
            _APPEND,
            [
                (tenant, stream, version, row.event_id, row.event_type, row.document)
                for version, row in enumerate(rows, actual + 1)
            ],
        )
        return actual + len(rows)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all at the end, or nothing; no other writer comes between."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _appended_before(
    connection: sqlite3.Connection, tenant: str, stream: str, versions: tuple[int, int], rows: Sequence[NewRow]
) -> int:
    """Return the version of rows that are there already: the answer to who appended them may have been lost."""
    expected, actual = versions
    last = expected + len(rows)
    found = connection.execute(
        "SELECT event_id FROM events WHERE tenant = ? AND stream = ? AND version > ? AND version <= ? ORDER BY version",
        (tenant, stream, expected, last),
    ).fetchall()
    if [each for (each,) in found] != [row.event_id for row in rows]:
        raise ConcurrencyError(stream, expected, actual)
    return last


def _version(connection: sqlite3.Connection, tenant: str, stream: str) -> int:
    statement = "SELECT coalesce(max(version), 0) FROM events WHERE tenant = ? AND stream = ?"
    version: int = connection.execute(statement, (tenant, stream)).fetchone()[0]
    return version


def _lock(path: Path) -> FileLease | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return FileLease(descriptor)
    os.close(descriptor)
    return None
