"""Views of the same kind in both databases: a balance for each account, and how many events made it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Protocol

import psycopg

from eventplane.eventstore.postgres_projection import PostgresProjection
from eventplane.eventstore.sqlite_projection import SqliteProjection

if TYPE_CHECKING:
    from eventplane.eventstore import StoredEvent
    from eventplane.eventstore.postgres_tables import Connection

Balances = dict[str, tuple[int, int]]
"""Balance and number of events by account."""


class BrokenError(Exception):
    """A view's own fault."""


class Fault:
    """Breaks a view at an event that is going to come."""

    def __init__(self) -> None:
        self.at: int | None = None

    def __call__(self, stored: StoredEvent) -> None:
        if stored.event.data["amount"] == self.at:
            raise BrokenError


class ProjectionArena(Protocol):
    """A place for views."""

    fault: Fault

    def view(self) -> SqliteProjection | PostgresProjection:
        """Open the view once more, as another process would."""
        ...

    def balances(self) -> Balances:
        """Look at it."""
        ...


_CHANGE = (
    "INSERT INTO balances VALUES ({0}, {0}, 1) ON CONFLICT (account) DO UPDATE"
    " SET balance = 3 * balances.balance + excluded.balance, events = balances.events + 1"
)
_TABLE = "CREATE TABLE IF NOT EXISTS balances (account text PRIMARY KEY, balance bigint, events bigint)"
_ALL = "SELECT account, balance, events FROM balances"


class InSqlite(SqliteProjection):
    """The view in a file."""

    fault: Fault

    def change(self, connection: sqlite3.Connection, stored: StoredEvent) -> None:
        connection.execute(_CHANGE.format("?"), (stored.aggregate_id, stored.event.data["amount"]))
        self.fault(stored)

    def empty(self, connection: sqlite3.Connection) -> None:
        connection.execute(_TABLE)
        connection.execute("DELETE FROM balances")


class InPostgres(PostgresProjection):
    """The view in a database."""

    fault: Fault

    async def change(self, connection: Connection, stored: StoredEvent) -> None:
        await connection.execute(_CHANGE.format("%s").encode(), (stored.aggregate_id, stored.event.data["amount"]))
        self.fault(stored)

    async def empty(self, connection: Connection) -> None:
        await connection.execute(_TABLE)
        await connection.execute("TRUNCATE balances")


class SqliteViews:
    """Views in a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.fault = Fault()

    def view(self) -> InSqlite:
        made = InSqlite(self._path, "balances")
        made.fault = self.fault
        return made

    def balances(self) -> Balances:
        connection = sqlite3.connect(self._path)
        found = {account: (balance, events) for account, balance, events in connection.execute(_ALL)}
        connection.close()
        return found


class PostgresViews:
    """Views in a database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.fault = Fault()

    def view(self) -> InPostgres:
        made = InPostgres(self._url, "balances")
        made.fault = self.fault
        return made

    def balances(self) -> Balances:
        with psycopg.connect(self._url) as connection:
            return {account: (balance, events) for account, balance, events in connection.execute(_ALL)}
