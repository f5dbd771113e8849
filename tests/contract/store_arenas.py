"""The places where the contract of event stores is tried: a file of SQLite, and a database of a real PostgreSQL."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Protocol

import psycopg

from eventplane.eventstore import AggregateRoot, Event

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers.postgres import Postgres

_AGAIN = (
    "INSERT INTO eventplane.events (tenant, stream, version, event_id, event_type, document)"
    " VALUES ('', 'o-1', 1, 'x', 'x', '{}')"
)


class StoreArena(Protocol):
    """A database, and statements that go around the store."""

    @property
    def url(self) -> str: ...
    @property
    def changes(self) -> tuple[str, ...]:
        """Statements that change what happened."""
        ...

    def refusal(self, statement: str) -> str | None:
        """Say how the database refuses a statement of its owner; None: it does not."""
        ...


class SqliteArena:
    """A file."""

    changes = (
        "UPDATE events SET document = '{}'",
        "DELETE FROM events",
        "INSERT INTO events SELECT 9, tenant, stream, 1, event_id, event_type, '{}', recorded_at FROM events LIMIT 1",
        "INSERT INTO events SELECT 9, tenant, stream, 4, event_id, event_type, '{}', recorded_at FROM events LIMIT 1",
        "REPLACE INTO events SELECT 9, tenant, stream, 1, event_id, event_type, '{}', recorded_at FROM events LIMIT 1",
        "REPLACE INTO events SELECT 1, tenant, 'o-2', 1, event_id, event_type, '{}', recorded_at FROM events LIMIT 1",
    )

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"sqlite:///{path}"

    def refusal(self, statement: str) -> str | None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute(statement)
        except sqlite3.Error as error:
            return str(error)
        finally:
            connection.close()
        return None


class PostgresArena:
    """A database of its own."""

    changes = (
        "UPDATE eventplane.events SET document = '{}'",
        "DELETE FROM eventplane.events",
        "TRUNCATE eventplane.events",
        _AGAIN,
        f"{_AGAIN} ON CONFLICT (tenant, stream, version) DO UPDATE SET document = excluded.document",
    )

    def __init__(self, server: Postgres, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.create_database(name)

    def refusal(self, statement: str, url: str = "") -> str | None:
        try:
            with psycopg.connect(url or self.url, autocommit=True) as connection:
                connection.execute(statement.encode())
        except psycopg.Error as error:
            return str(error)
        return None


class Account(AggregateRoot):
    """An aggregate whose state depends on every event of it and on their order."""

    def __init__(self, account_id: str) -> None:
        super().__init__(account_id)
        self.balance = 0
        self.moves: list[int] = []

    def move(self, amount: int) -> None:
        self.raise_event(event("account.moved", amount=amount))

    def apply_event(self, event: Event) -> None:
        self.balance = 3 * self.balance + event.data["amount"]
        self.moves = [*self.moves[-3:], event.data["amount"]]


def event(event_type: str = "order.created", event_id: str = "", **data: object) -> Event:
    return Event(event_type, "1.0", "tests", data, event_id=event_id)
