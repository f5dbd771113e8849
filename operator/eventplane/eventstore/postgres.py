"""Events in PostgreSQL, by psycopg and a pool of connections.

An append is one statement, which is what keeps the order of a stream: the version that it compares with is of a
snapshot taken before the statement has a transaction id, so whoever wrote that version has a lower one. Reading in
the order of (transaction id, position), and only below the oldest transaction that runs, meets every event once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import psycopg
from psycopg_pool import AsyncConnectionPool

from eventplane.eventstore.errors import ConcurrencyError, EventStoreError, StoreUnavailableError
from eventplane.eventstore.postgres_tables import Connection, check_order, create_tables
from eventplane.eventstore.stored import Backlog, NewRow, Position, Row, SnapshotRow

_CONNECTIONS: Final = 10
_WAIT_SECONDS: Final = 30.0
APPEND: Final = """
INSERT INTO eventplane.events (tenant, stream, version, event_id, event_type, document)
SELECT %(tenant)s, %(stream)s, head.version + new.number, new.event_id, new.event_type, new.document
FROM (
    SELECT coalesce(max(version), 0) AS version FROM eventplane.events
    WHERE tenant = %(tenant)s AND stream = %(stream)s
) AS head,
unnest(%(ids)s::text[], %(types)s::text[], %(documents)s::text[])
    WITH ORDINALITY AS new (event_id, event_type, document, number)
WHERE head.version = coalesce(%(expected)s::bigint, head.version)
ORDER BY new.number
RETURNING version
"""
# under a name of its own: ORDER BY would take the text for the column, and 1000 comes before 999 there
_COLUMNS: Final = "tenant, stream, version, transaction_id::text AS transaction, position, recorded_at, document"
_VERSION: Final = "SELECT coalesce(max(version), 0) FROM eventplane.events WHERE tenant = %s AND stream = %s"
_IDS: Final = (
    "SELECT event_id FROM eventplane.events WHERE tenant = %s AND stream = %s AND version > %s AND version <= %s"
    " ORDER BY version"
)
_READ: Final = (
    f"SELECT {_COLUMNS} FROM eventplane.events WHERE tenant = %s AND stream = %s AND version >= %s"  # noqa: S608 - constants
    " AND version <= coalesce(%s::bigint, version) ORDER BY version"
)
_READ_ALL: Final = (
    f"SELECT {_COLUMNS} FROM eventplane.events WHERE (transaction_id, position) > (%s::xid8, %s::bigint)"  # noqa: S608 - as above
    " AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) AND tenant = coalesce(%s::text, tenant)"
    " ORDER BY transaction_id, position LIMIT %s"
)
_BACKLOG: Final = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0) FROM (
    SELECT recorded_at FROM eventplane.events WHERE (transaction_id, position) > (%s::xid8, %s::bigint)
    ORDER BY transaction_id, position LIMIT %s
) AS behind
"""
_PUT_SNAPSHOT: Final = """
INSERT INTO eventplane.snapshots (tenant, stream, version, document) VALUES (%s, %s, %s, %s)
ON CONFLICT (tenant, stream) DO UPDATE SET version = excluded.version, document = excluded.document
WHERE excluded.version >= eventplane.snapshots.version
"""
_SNAPSHOT: Final = "SELECT version, document FROM eventplane.snapshots WHERE tenant = %s AND stream = %s"


class PostgresBackend:
    """A Backend in a PostgreSQL of version 14 or later.

    Args:
        url: `postgresql://...`, as libpq takes it.
        connections: at most, for each process.
    """

    def __init__(self, url: str, connections: int = _CONNECTIONS) -> None:
        self._url = url
        self._pool = AsyncConnectionPool(
            url,
            kwargs={"autocommit": True, "prepare_threshold": 1},
            min_size=1,
            max_size=connections,
            timeout=_WAIT_SECONDS,
            open=False,
        )
        self._is_open = False

    async def open(self) -> None:
        """Connect, make the tables where there are none, and see whether their order can be trusted."""
        if self._is_open:
            return
        async with translated():
            if self._pool.closed:
                await self._pool.open()
        async with self._connection() as connection:
            await create_tables(connection)
            await check_order(connection)
        self._is_open = True

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()

    async def append(self, tenant: str, stream: str, expected: int | None, rows: Sequence[NewRow]) -> int:
        """Append by one statement; the primary key refuses whoever was slower."""
        values = {
            "tenant": tenant,
            "stream": stream,
            "expected": expected,
            "ids": [row.event_id for row in rows],
            "types": [row.event_type for row in rows],
            "documents": [row.document for row in rows],
        }
        async with self._connection() as connection:
            while True:
                with contextlib.suppress(psycopg.errors.UniqueViolation):
                    found = await (await connection.execute(APPEND, values)).fetchall()
                    if found:
                        return int(max(version for (version,) in found))
                if expected is not None:
                    return await _appended_before(connection, tenant, stream, expected, rows)

    async def version(self, tenant: str, stream: str) -> int:
        """Look up the last version."""
        async with self._connection() as connection:
            return await _version(connection, tenant, stream)

    async def read(self, tenant: str, stream: str, first: int, last: int | None) -> Sequence[Row]:
        """Read a stream."""
        return await self._rows(_READ, (tenant, stream, first, last))

    async def read_all(self, after: Position, limit: int, tenant: str | None = None) -> Sequence[Row]:
        """Read on by transaction and position, below the oldest transaction that runs."""
        return await self._rows(_READ_ALL, (str(after.transaction), after.number, tenant, limit))

    async def backlog(self, after: Position, most: int) -> Backlog:
        """Count and compare on the server, also above the oldest transaction that runs."""
        async with self._connection() as connection:
            found = await (await connection.execute(_BACKLOG, (str(after.transaction), after.number, most))).fetchone()
        events, seconds = found or (0, 0)
        return Backlog(int(events), max(0.0, float(seconds)))

    async def put_snapshot(self, tenant: str, stream: str, snapshot: SnapshotRow) -> None:
        """Insert, or replace an older one."""
        async with self._connection() as connection:
            await connection.execute(_PUT_SNAPSHOT, (tenant, stream, snapshot.version, snapshot.document))

    async def snapshot(self, tenant: str, stream: str) -> SnapshotRow | None:
        """Look it up."""
        async with self._connection() as connection:
            found = await (await connection.execute(_SNAPSHOT, (tenant, stream))).fetchone()
        return None if found is None else SnapshotRow(*found)

    async def lease(self, name: str, idle_seconds: float) -> "AdvisoryLease | None":
        """Take an advisory lock on a connection that the server ends when it is idle for too long."""
        async with translated():
            connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
            try:
                await connection.execute(
                    "SELECT set_config('idle_session_timeout', %s, false)", (f"{int(idle_seconds * 1000)}ms",)
                )
                found = await (
                    await connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
                ).fetchone()
            except BaseException:
                await connection.close()
                raise
        if found is not None and found[0]:
            return AdvisoryLease(connection, idle_seconds)
        await connection.close()
        return None

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with translated(), self._pool.connection() as connection:
            yield connection

    async def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Row]:
        async with self._connection() as connection:
            found = await (await connection.execute(statement.encode(), values)).fetchall()
        return [
            Row(tenant, stream, version, Position(int(transaction), number), recorded_at, document)
            for tenant, stream, version, transaction, number, recorded_at, document in found
        ]


class AdvisoryLease:
    """A lock that PostgreSQL takes back when the connection ends, or nothing is heard on it for too long."""

    def __init__(self, connection: Connection, idle_seconds: float) -> None:
        self._connection = connection
        self._idle_seconds = idle_seconds

    async def is_held(self) -> bool:
        """Tell whether the connection lives, which keeps it alive too."""
        try:
            async with asyncio.timeout(self._idle_seconds):
                await self._connection.execute("SELECT 1")
        except (psycopg.Error, TimeoutError):
            return False
        return True

    async def release(self) -> None:
        """Close the connection."""
        await self._connection.close()


async def _version(connection: Connection, tenant: str, stream: str) -> int:
    found = await (await connection.execute(_VERSION, (tenant, stream))).fetchone()
    return 0 if found is None else int(found[0])


async def _appended_before(
    connection: Connection, tenant: str, stream: str, expected: int, rows: Sequence[NewRow]
) -> int:
    """Return the version of rows that are there already: the answer to who appended them may have been lost."""
    last = expected + len(rows)
    found = await (await connection.execute(_IDS, (tenant, stream, expected, last))).fetchall()
    if [each for (each,) in found] != [row.event_id for row in rows]:
        raise ConcurrencyError(stream, expected, await _version(connection, tenant, stream))
    return last


@contextlib.asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Say what psycopg raises as our errors."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailableError(f"PostgreSQL: {error}") from error
    except psycopg.Error as error:
        raise EventStoreError(f"PostgreSQL: {error}") from error
