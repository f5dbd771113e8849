"""What only PostgreSQL can get wrong: transactions that commit late, rights, dumps, servers that die."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import psycopg
import pytest
from contract.store_arenas import event

from eventplane.eventstore import (
    BEGINNING,
    ConcurrencyError,
    EventStore,
    EventStoreError,
    StoreUnavailableError,
)
from eventplane.eventstore.postgres import PostgresBackend
from eventplane.eventstore.postgres_tables import prepare_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.store_arenas import PostgresArena

pytestmark = pytest.mark.postgres

INSERT = (
    "INSERT INTO eventplane.events (tenant, stream, version, event_id, event_type, document)"
    ' VALUES (\'\', %s, %s, %s, \'slow\', \'{"specversion": "1.0", "id": "i", "source": "s", "type": "t"}\')'
)


async def write_slowly(url: str, writer: int, events: int) -> None:
    """Append in transactions that stay open for a while."""
    chance = random.Random(writer)  # noqa: S311 - a test that can be repeated
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for number in range(1, events + 1):
            await connection.execute(INSERT.encode(), (f"slow-{writer}", number, f"{writer}-{number}"))
            await asyncio.sleep(chance.choice([0, 0, 0.002, 0.06]))
            await connection.commit()


async def read_naively(url: str, over: Callable[[], bool]) -> int:
    """Read on by positions alone, and count."""
    last = found = 0
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while not over():
            rows = await connection.execute("SELECT position FROM eventplane.events WHERE position > %s", (last,))
            positions = [position for (position,) in await rows.fetchall()]
            found += len(positions)
            last = max(positions, default=last)
    return found


async def test_transactions_that_commit_late_are_never_skipped(postgres_arena: PostgresArena) -> None:
    """Positions are given at insert and seen at commit: who reads on by them alone skips, as is shown beside it."""
    writers, each, fast = 8, 30, 200
    count = writers * each + fast
    async with EventStore(postgres_arena.url) as store:
        await store.get_version("made")

        async def append() -> None:
            for number in range(fast):
                await store.append_event(f"fast-{number % 3}", event())

        async def read() -> list[tuple[str, int]]:
            stream = store.stream_all(follow=True, batch=20)
            return [((stored := await anext(stream)).aggregate_id, stored.version) for _ in range(count)]

        writing = [asyncio.create_task(write_slowly(postgres_arena.url, writer, each)) for writer in range(writers)]
        writing.append(asyncio.create_task(append()))
        naively = read_naively(postgres_arena.url, lambda: all(task.done() for task in writing))
        found, naive = await asyncio.wait_for(asyncio.gather(read(), naively), 60)
        await asyncio.gather(*writing)
    assert len(found) == len(set(found)) == count
    for stream in {stream for stream, _ in found}:
        versions = [version for name, version in found if name == stream]
        assert versions == list(range(1, len(versions) + 1))
    assert naive < count, "there was nothing to skip"


async def test_what_is_behind_a_running_transaction_waits_for_it(postgres_arena: PostgresArena) -> None:
    backend = PostgresBackend(postgres_arena.url)
    await backend.open()
    async with EventStore(postgres_arena.url) as store:
        await store.get_version("made")

        async def seen() -> list[str]:
            return [each.aggregate_id async for each in store.stream_all()]

        async with await psycopg.AsyncConnection.connect(postgres_arena.url) as slow:
            await slow.execute(INSERT, ("slow", 1, "1"))
            await store.append_event("fast", event())
            assert await seen() == []
            assert (await backend.backlog(BEGINNING, 10)).events == 1, "what waits is seen to wait"
            await slow.commit()
            assert await seen() == ["slow", "fast"]
            await slow.execute(INSERT, ("slow", 2, "2"))
            await store.append_event("fast", event())
            await slow.rollback()
        assert await seen() == ["slow", "fast", "fast"]
    await backend.close()


async def test_a_loser_who_has_to_wait_for_the_winner(postgres_arena: PostgresArena) -> None:
    async with EventStore(postgres_arena.url) as store:
        await store.get_version("made")
        async with await psycopg.AsyncConnection.connect(postgres_arena.url) as slow:
            await slow.execute(INSERT, ("o-1", 1, "winner"))
            late = asyncio.create_task(store.append_event("o-1", event(), 0))
            anyone = asyncio.create_task(store.append_event("o-1", event()))
            await asyncio.sleep(0.2)
            assert not late.done()
            assert not anyone.done()
            await slow.commit()
            with pytest.raises(ConcurrencyError) as lost:
                await late
            assert lost.value.actual_version >= 1
            assert await anyone == 2


async def test_applications_and_relays_have_the_rights_that_they_need_and_no_others(
    postgres_arena: PostgresArena,
) -> None:
    server, name = postgres_arena.server, postgres_arena.name
    writer, reader = server.create_user(f"{name}_writer"), server.create_user(f"{name}_reader")
    await prepare_database(postgres_arena.url, writers=[writer.username], readers=[reader.username])
    await prepare_database(postgres_arena.url, writers=[writer.username], readers=[reader.username])
    async with EventStore(server.url(name, writer)) as store:
        await store.append_event("o-1", event(), 0)
        await store.create_snapshot("o-1", {}, 1)
    async with EventStore(server.url(name, reader)) as reading:
        assert [each.version async for each in reading.stream_all()] == [1]
        with pytest.raises(EventStoreError, match="permission denied"):
            await reading.append_event("o-1", event(), 1)
    columns = "tenant, stream, version, event_id, event_type, document"
    for statement in (
        "UPDATE eventplane.events SET document = ''",
        "DELETE FROM eventplane.events",
        "TRUNCATE eventplane.events",
        "DROP TRIGGER events_stay ON eventplane.events",
        f"INSERT INTO eventplane.events ({columns}, transaction_id) VALUES ('', 'o', 1, '', '', '', '3')",  # noqa: S608 - constants
    ):
        for user in (writer, reader):
            assert postgres_arena.refusal(statement, server.url(name, user)) is not None, statement
    with pytest.raises(EventStoreError, match="does not exist"):
        await prepare_database(postgres_arena.url, writers=["nobody_of_that_name"])


async def test_transactions_are_ordered_as_numbers(postgres_arena: PostgresArena) -> None:
    await prepare_database(postgres_arena.url)
    insert = INSERT.replace(" document)", " document, transaction_id)").replace("}')", "}', %s)")
    async with await psycopg.AsyncConnection.connect(postgres_arena.url) as connection:
        for version, transaction in enumerate(("9", "10", "99", "100"), 1):
            await connection.execute(insert.encode(), ("o-1", version, "", transaction))
    async with EventStore(postgres_arena.url) as store:
        for batch in (1, 3, 500):
            assert [each.version async for each in store.stream_all(batch=batch)] == [1, 2, 3, 4]


async def test_a_restored_dump_is_not_read_in_the_wrong_order(postgres_arena: PostgresArena) -> None:
    await prepare_database(postgres_arena.url)
    restored = INSERT.replace(" document)", " document, transaction_id)").replace("}')", "}', '999999999999')")
    async with await psycopg.AsyncConnection.connect(postgres_arena.url) as connection:
        await connection.execute(restored.encode(), ("o-1", 1, "old"))
    async with EventStore(postgres_arena.url) as store:
        with pytest.raises(EventStoreError, match="pg_resetwal"):
            await store.append_event("o-1", event(), 1)


async def test_a_server_that_dies_loses_nothing_that_was_acknowledged(postgres_arena: PostgresArena) -> None:
    server = postgres_arena.server
    async with EventStore(postgres_arena.url) as store:
        acknowledged: list[str] = []

        async def write() -> None:
            for number in range(10_000):
                new = event(event_id=str(number))
                await store.append_event("o-1", new, number)
                acknowledged.append(new.event_id)

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.kill)
        with pytest.raises(StoreUnavailableError):
            await writing
        await asyncio.to_thread(server.start)
        again = event(event_id=str(len(acknowledged)))
        version = 0
        async with asyncio.timeout(30):
            while not version:
                with contextlib.suppress(StoreUnavailableError):  # connections of before
                    version = await store.append_event("o-1", again, len(acknowledged))
        assert version == len(acknowledged) + 1, "whether it was there already or not"
        kept = [each.event_id for each in await store.get_events("o-1")]
        assert kept == [*acknowledged, again.event_id]
        assert acknowledged


async def test_who_says_nothing_for_too_long_loses_the_lease(postgres_arena: PostgresArena) -> None:
    backend = PostgresBackend(postgres_arena.url)
    held = await backend.lease("relay", 0.3)
    assert held is not None
    await asyncio.sleep(0.2)
    assert await held.is_held()
    await asyncio.sleep(0.2)
    assert await held.is_held()
    async with asyncio.timeout(10):
        while (next_one := await backend.lease("relay", 5)) is None:
            pass
    assert not await held.is_held()
    assert await next_one.is_held()
    await held.release()
    await next_one.release()
    await backend.close()
