"""What every event store promises: versions without gaps, nobody overwritten, nothing changed, every event met once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from contract.store_arenas import event

from eventplane.eventstore import BEGINNING, ConcurrencyError, EventStore, EventStoreError, Position
from eventplane.eventstore.configuration import backend_of
from eventplane.eventstore.stored import Backlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from contract.store_arenas import StoreArena

    from eventplane.eventstore import StoredEvent

WRITERS = 16


@pytest.fixture
async def store(store_arena: StoreArena) -> AsyncIterator[EventStore]:
    async with EventStore(store_arena.url) as opened:
        yield opened


async def everything(store: EventStore, after: Position = BEGINNING, batch: int = 500) -> list[StoredEvent]:
    return [each async for each in store.stream_all(after, batch=batch)]


async def test_what_is_appended_is_read_as_it_was(store: EventStore) -> None:
    first = event(order="o-1", lines=[1, 2.5, None, "ü\u0000"])
    assert await store.append_event("o-1", first, 0) == 1
    (read,) = await store.get_events("o-1")
    assert read.extensions == {"aggregateid": "o-1", "aggregateversion": "1"}
    assert (read.data, read.event_id, read.timestamp) == (first.data, first.event_id, first.timestamp)


async def test_versions_are_read_from_and_to(store: EventStore) -> None:
    assert await store.append_events("o-1", [event(number=number) for number in range(1, 6)], 0) == 5

    async def numbers(*versions: int) -> list[int]:
        return [each.data["number"] for each in await store.get_events("o-1", *versions)]

    assert await numbers() == [1, 2, 3, 4, 5]
    assert await numbers(3) == [3, 4, 5]
    assert await numbers(2, 3) == [2, 3]
    assert await numbers(6) == []
    assert await store.get_events("o-2") == []
    assert (await store.get_version("o-1"), await store.get_version("o-2")) == (5, 0)


@pytest.mark.parametrize("expected", [0, 1, 3, 99])
async def test_a_loser_is_told_the_actual_version(store: EventStore, expected: int) -> None:
    await store.append_events("o-1", [event(), event()], 0)
    with pytest.raises(ConcurrencyError, match="o-1 is at version 2") as lost:
        await store.append_events("o-1", [event(), event()], expected)
    assert (lost.value.expected_version, lost.value.actual_version) == (expected, 2)
    assert await store.get_version("o-1") == 2, "all or nothing"


async def test_the_same_events_again_are_there_once(store: EventStore) -> None:
    """Whoever got no answer asks again."""
    both = [event(), event()]
    assert await store.append_events("o-1", both, 0) == 2
    await store.append_event("o-1", event(), 2)
    assert await store.append_events("o-1", both, 0) == 2
    assert await store.get_version("o-1") == 3
    with pytest.raises(ConcurrencyError):
        await store.append_events("o-1", [both[0], event()], 0)


async def test_sixteen_writers_of_one_aggregate(store_arena: StoreArena, store: EventStore) -> None:
    """Accepted = versions: none lost, none doubled, each decided on the version that it followed."""
    accepted: list[tuple[int, str]] = []
    lost = 0

    async def write(writer: int) -> None:
        nonlocal lost
        async with EventStore(store_arena.url) as own:
            for number in range(8):
                while True:
                    seen = await own.get_version("hot")
                    new = event(event_id=f"{writer}-{number}", after=seen)
                    try:
                        accepted.append((await own.append_event("hot", new, seen), new.event_id))
                        break
                    except ConcurrencyError as error:
                        lost += error.actual_version > seen

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    events = await store.get_events("hot")
    assert sorted(accepted) == [(version, each.event_id) for version, each in enumerate(events, 1)]
    assert len({each.event_id for each in events}) == 8 * WRITERS
    assert [each.data["after"] for each in events] == list(range(8 * WRITERS))
    assert lost > 0, "nobody met anybody"


async def test_who_expects_no_version_is_never_a_loser(store_arena: StoreArena, store: EventStore) -> None:
    async def write(writer: int) -> list[int]:
        async with EventStore(store_arena.url) as own:
            return [await own.append_events("log", [event(writer=writer), event(writer=writer)]) for _ in range(4)]

    told = await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    assert sorted(version for each in told for version in each) == list(range(2, 8 * WRITERS + 1, 2))
    writers = [each.data["writer"] for each in await store.get_events("log")]
    assert writers[0::2] == writers[1::2], "what is appended together stands together"


async def test_all_events_each_once_in_order_while_others_write(store_arena: StoreArena, store: EventStore) -> None:
    async def write(writer: int) -> None:
        async with EventStore(store_arena.url) as own:
            for number in range(15):
                await own.append_events(f"s-{number % 5}", [event(writer=writer), event(writer=writer)])

    async def read() -> list[StoredEvent]:
        found: list[StoredEvent] = []
        async for each in store.stream_all(follow=True, batch=7):
            found.append(each)
            if len(found) == 30 * WRITERS:
                return found
        raise AssertionError("it follows")

    writing = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    reading = asyncio.create_task(read())
    await asyncio.wait_for(asyncio.gather(*writing), 60)
    found = await asyncio.wait_for(reading, 30)
    assert [each.position for each in found] == sorted({each.position for each in found})
    assert len({each.event.event_id for each in found}) == 30 * WRITERS
    for stream in {each.aggregate_id for each in found}:
        versions = [each.version for each in found if each.aggregate_id == stream]
        assert versions == list(range(1, len(versions) + 1))


async def test_it_goes_on_behind_a_position(store: EventStore) -> None:
    for number in range(7):
        await store.append_event(f"o-{number}", event(number=number))
    every = await everything(store, batch=3)
    assert [each.event.data["number"] for each in every] == list(range(7))
    kept = str(every[3].position)
    assert [each.aggregate_id for each in await everything(store, Position.parse(kept))] == ["o-4", "o-5", "o-6"]
    assert await everything(store, every[-1].position) == []
    assert all(each.recorded_at.utcoffset() is not None for each in every)


async def test_what_is_behind_a_position_is_measured(store_arena: StoreArena, store: EventStore) -> None:
    backend = backend_of(store_arena.url)
    await backend.open()
    assert await backend.backlog(BEGINNING, 10) == Backlog(0, 0.0)
    async with EventStore(store_arena.url, tenant="acme") as acme:
        await acme.append_event("o-1", event())
    await store.append_events("o-1", [event() for _ in range(3)])
    first, *_others, last = await backend.read_all(BEGINNING, 10)
    await asyncio.sleep(0.05)
    behind = await backend.backlog(BEGINNING, 10)
    assert behind.events == 4, "of all tenants"
    assert 0.05 <= behind.seconds < 60
    assert (await backend.backlog(BEGINNING, 2)).events == 2
    assert (await backend.backlog(first.position, 10)).events == 3
    assert await backend.backlog(last.position, 10) == Backlog(0, 0.0)
    await backend.close()


async def test_tenants_do_not_see_each_other(store_arena: StoreArena, store: EventStore) -> None:
    async with EventStore(store_arena.url, tenant="acme") as acme:
        await acme.append_event("o-1", event(of="acme"), 0)
        await store.append_event("o-1", event(of="nobody"), 0)
        await acme.create_snapshot("o-1", {"of": "acme"}, 1)
        (read,) = await acme.get_events("o-1")
        assert (read.data, read.extensions["tenantid"]) == ({"of": "acme"}, "acme")
        assert [each.event.data for each in await everything(acme)] == [{"of": "acme"}]
        assert [each.event.data for each in await everything(store)] == [{"of": "nobody"}]
        assert await store.get_snapshot("o-1") is None
    backend = backend_of(store_arena.url)
    await backend.open()
    assert [row.tenant for row in await backend.read_all(BEGINNING, 10)] == ["acme", ""]
    await backend.close()


async def test_the_newest_snapshot_is_kept(store: EventStore) -> None:
    await store.append_events("o-1", [event() for _ in range(3)], 0)
    assert await store.get_snapshot("o-1") is None
    await store.create_snapshot("o-1", {"total": 2}, 2)
    await store.create_snapshot("o-1", {"total": 1}, 1)
    snapshot = await store.get_snapshot("o-1")
    assert snapshot is not None
    assert (snapshot.version, snapshot.state) == (2, {"total": 2})
    for version in (0, 4):
        with pytest.raises(EventStoreError, match="no event"):
            await store.create_snapshot("o-1", {}, version)
    with pytest.raises(EventStoreError, match="no JSON"):
        await store.create_snapshot("o-1", {"at": object()}, 3)


async def test_the_database_itself_refuses_to_change_what_happened(store_arena: StoreArena, store: EventStore) -> None:
    """Its owner is refused too."""
    await store.append_events("o-1", [event(event_id="first"), event(event_id="second")], 0)
    for statement in store_arena.changes:
        refusal = store_arena.refusal(statement)
        assert refusal is not None, statement
        assert "only ever appended" in refusal or "duplicate key" in refusal, statement
    assert [each.event_id for each in await store.get_events("o-1")] == ["first", "second"]


async def test_one_at_a_time_has_a_lease(store_arena: StoreArena) -> None:
    backend = backend_of(store_arena.url)
    first = await backend.lease("relay", 5)
    assert first is not None
    assert await backend.lease("relay", 5) is None
    other = await backend.lease("another", 5)
    assert other is not None
    assert await first.is_held()
    await first.release()
    assert not await first.is_held()
    second = await backend.lease("relay", 5)
    assert second is not None
    await second.release()
    await other.release()
    await backend.close()


async def test_nothing_is_appended_where_nothing_is_said(store: EventStore) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await store.append_events("o-1", [], 0)
    with pytest.raises(ValueError, match="0 or more"):
        await store.append_event("o-1", event(), -1)
