"""A view in an SQLite file, and how far it is."""

import sqlite3
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from eventplane.eventstore.projections import Projection
from eventplane.eventstore.sqlite import FileConnection, transaction
from eventplane.eventstore.stored import BEGINNING, Position, StoredEvent

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS eventplane_projections (name TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID"
)
_POSITION: Final = "SELECT position FROM eventplane_projections WHERE name = ?"
_KEEP: Final = "INSERT OR REPLACE INTO eventplane_projections VALUES (?, ?)"


class SqliteProjection(Projection):
    """A view whose tables are yours: say what an event changes in them. These methods run on a thread.

    Args:
        path: of the file.
        name: unique among the views of the file.
    """

    def __init__(self, path: str, name: str) -> None:
        self._name = name
        self._connection = FileConnection(path)

    @abstractmethod
    def change(self, connection: sqlite3.Connection, stored: StoredEvent) -> None:
        """Change the view by one event. A transaction is open; leave it so."""

    @abstractmethod
    def empty(self, connection: sqlite3.Connection) -> None:
        """Make the view's tables where there are none, and empty them; as above."""

    async def position(self) -> Position:
        """Look it up; a view that was never there begins empty."""
        return await self._connection.run(self._position)

    async def apply(self, events: Sequence[StoredEvent], after: Position) -> bool:
        """Change the view in a transaction that no other can come between."""
        return await self._connection.run(lambda connection: self._apply(connection, events, after))

    async def clear(self) -> None:
        """Empty the view."""
        await self._connection.run(self._clear)

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()

    def _position(self, connection: sqlite3.Connection) -> Position:
        with transaction(connection):
            found = self._kept(connection)
            if found is None:
                self._emptied(connection)
        return found or BEGINNING

    def _apply(self, connection: sqlite3.Connection, events: Sequence[StoredEvent], after: Position) -> bool:
        with transaction(connection):
            if self._kept(connection) != after:
                return False
            for each in events:
                self.change(connection, each)
            connection.execute(_KEEP, (self._name, str(events[-1].position)))
        return True

    def _clear(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute(_TABLE)
            self._emptied(connection)

    def _emptied(self, connection: sqlite3.Connection) -> None:
        self.empty(connection)
        connection.execute(_KEEP, (self._name, str(BEGINNING)))

    def _kept(self, connection: sqlite3.Connection) -> Position | None:
        connection.execute(_TABLE)
        found = connection.execute(_POSITION, (self._name,)).fetchone()
        return None if found is None else Position.parse(found[0])
