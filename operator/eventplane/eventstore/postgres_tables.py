"""The tables in PostgreSQL, who may do what to them, and whether their order can be trusted."""

from collections.abc import Iterable
from typing import Any, Final

import psycopg
from psycopg import sql

from eventplane.eventstore.errors import EventStoreError

_LOCK: Final = 4_852_001_973
"""Taken by whoever makes the tables."""
_TABLES: Final = """
CREATE SCHEMA IF NOT EXISTS eventplane;
CREATE TABLE IF NOT EXISTS eventplane.events (
    tenant text NOT NULL,
    stream text NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    event_id text NOT NULL,
    event_type text NOT NULL,
    document text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (tenant, stream, version)
);
CREATE INDEX IF NOT EXISTS events_in_order ON eventplane.events (transaction_id, position);
CREATE TABLE IF NOT EXISTS eventplane.snapshots (
    tenant text NOT NULL,
    stream text NOT NULL,
    version bigint NOT NULL,
    document text NOT NULL,
    PRIMARY KEY (tenant, stream)
);
CREATE OR REPLACE FUNCTION eventplane.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are only ever appended' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON eventplane.events
FOR EACH STATEMENT EXECUTE FUNCTION eventplane.refuse_change();
"""
# neither transaction_id nor position: an application cannot choose where an event stands
_WRITER: Final = """
GRANT USAGE ON SCHEMA eventplane TO {role};
REVOKE ALL ON eventplane.events, eventplane.snapshots FROM {role};
GRANT SELECT, INSERT (tenant, stream, version, event_id, event_type, document) ON eventplane.events TO {role};
GRANT SELECT, INSERT, UPDATE ON eventplane.snapshots TO {role};
"""
_READER: Final = """
GRANT USAGE ON SCHEMA eventplane TO {role};
REVOKE ALL ON eventplane.events, eventplane.snapshots FROM {role};
GRANT SELECT ON eventplane.events TO {role};
"""
_FROM_THE_FUTURE: Final = """
SELECT 1 FROM eventplane.events WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
ORDER BY transaction_id DESC LIMIT 1
"""
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


async def prepare_database(url: str, writers: Iterable[str] = (), readers: Iterable[str] = ()) -> None:
    """Make the tables as their owner, and let roles that exist use them.

    Applications should not be owners: an owner can drop the trigger that keeps events as they are.

    Args:
        url: of PostgreSQL, as a user who may create a schema.
        writers: roles of applications: they append and read, they change and delete nothing.
        readers: roles of relays and projections: they read.

    Raises:
        EventStoreError: there is no such role, or no such right.
    """
    try:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await create_tables(connection)
            for roles, grants in ((writers, _WRITER), (readers, _READER)):
                for role in roles:
                    await connection.execute(sql.SQL(grants).format(role=sql.Identifier(role)))
    except psycopg.Error as error:
        raise EventStoreError(f"the database cannot be prepared: {error}") from error


async def create_tables(connection: Connection) -> None:
    """Make the tables where there are none; needs no right where they are there."""
    if await _are_there(connection):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not await _are_there(connection):
            await connection.execute(_TABLES)


async def _are_there(connection: Connection) -> bool:
    found = await (await connection.execute("SELECT to_regclass('eventplane.snapshots')")).fetchone()
    return found is not None and found[0] is not None


async def check_order(connection: Connection) -> None:
    """Make sure that events of a restored dump do not stand behind those that are yet to come.

    Raises:
        EventStoreError: they do, since a new cluster counts its transactions from the beginning.
    """
    if await (await connection.execute(_FROM_THE_FUTURE)).fetchone() is not None:
        raise EventStoreError(
            "events have numbers of transactions that this PostgreSQL has not reached: it was restored from a dump."
            " Stop it and raise its counter above theirs with pg_resetwal (docs/guide/eventstore.md)"
        )
