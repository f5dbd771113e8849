"""A view in PostgreSQL, and how far it is."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg

from eventplane.eventstore.postgres import translated
from eventplane.eventstore.postgres_tables import Connection
from eventplane.eventstore.projections import Projection
from eventplane.eventstore.stored import BEGINNING, Position, StoredEvent

_IS_THERE: Final = "SELECT to_regclass('eventplane_projections')"
_TABLE: Final = "CREATE TABLE IF NOT EXISTS eventplane_projections (name text PRIMARY KEY, position text NOT NULL)"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('eventplane_projections/' || %s, 0))"
_POSITION: Final = "SELECT position FROM eventplane_projections WHERE name = %s"
_KEEP: Final = (
    "INSERT INTO eventplane_projections VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET position = excluded.position"
)


class PostgresProjection(Projection):
    """A view whose tables are yours: say what an event changes in them.

    Args:
        url: of the database of the view, which need not be that of the events.
        name: unique among the views of the database.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    @abstractmethod
    async def change(self, connection: Connection, stored: StoredEvent) -> None:
        """Change the view by one event. A transaction is open; leave it so."""

    @abstractmethod
    async def empty(self, connection: Connection) -> None:
        """Make the view's tables where there are none, and empty them; as above."""

    async def position(self) -> Position:
        """Look it up; a view that was never there begins empty."""
        async with self._transaction() as connection:
            found = await self._kept(connection)
            if found is None:
                await self._emptied(connection)
        return found or BEGINNING

    async def apply(self, events: Sequence[StoredEvent], after: Position) -> bool:
        """Change the view in a transaction; who works at the same view waits for its end."""
        async with self._transaction() as connection:
            if await self._kept(connection) != after:
                return False
            for each in events:
                await self.change(connection, each)
            await connection.execute(_KEEP, (self._name, str(events[-1].position)))
        return True

    async def clear(self) -> None:
        """Empty the view."""
        async with self._transaction() as connection:
            await self._emptied(connection)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _emptied(self, connection: Connection) -> None:
        await self.empty(connection)
        await connection.execute(_KEEP, (self._name, str(BEGINNING)))

    async def _kept(self, connection: Connection) -> Position | None:
        found = await (await connection.execute(_POSITION, (self._name,))).fetchone()
        return None if found is None else Position.parse(found[0])

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._turn, translated():
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                await _prepare(self._connection)
            async with self._connection.transaction():
                await self._connection.execute(_LOCK, (self._name,))
                yield self._connection


async def _prepare(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(_LOCK, ("",))
        found = await (await connection.execute(_IS_THERE)).fetchone()
        if found is not None and found[0] is None:
            await connection.execute(_TABLE)
