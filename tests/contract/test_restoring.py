"""A store that is made anew of topics is the store that a relay has published, in every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from contract.store_arenas import event

from eventplane.eventstore import BEGINNING, ConcurrencyError, EventStore, EventStoreError, restore
from eventplane.eventstore.configuration import backend_of
from eventplane.eventstore.relay.routes import Routes
from eventplane.testing import MemoryBroker

if TYPE_CHECKING:
    from pathlib import Path

    from contract.store_arenas import StoreArena

TOPICS = ["orders", "payments"]
ROUTES = Routes.parse("order.*=orders,*=payments")


class Reversing:
    """A Cipher that keeps nobody from anything."""

    async def seal(self, _tenant: str, _aggregate_id: str, plain: bytes) -> bytes | None:
        return plain[::-1]

    async def unseal(self, _tenant: str, _aggregate_id: str, sealed: bytes) -> bytes | None:
        return sealed[::-1]


async def relayed(url: str) -> MemoryBroker:
    """Write all events as the relay does."""
    broker, backend = MemoryBroker(TOPICS), backend_of(url)
    await backend.open()
    for row in await backend.read_all(BEGINNING, 1_000):
        write = ROUTES.write(row)
        assert write is not None
        broker.log.append(write.topic, write.key, write.value, write.headers)
    await backend.close()
    return broker


async def contents(url: str, **options: Any) -> dict[str, list[Any]]:
    """Read all events of a tenant, by aggregate."""
    found: dict[str, list[Any]] = {}
    async with EventStore(url, **options) as store:
        async for each in store.stream_all():
            found.setdefault(each.aggregate_id, []).append((each.version, each.event))
    return found


@pytest.fixture
def lost(tmp_path: Path) -> str:
    """The address of the store that was."""
    return f"sqlite:///{tmp_path / 'lost.db'}"


async def test_all_is_as_it_was_also_where_an_aggregate_is_in_two_topics(store_arena: StoreArena, lost: str) -> None:
    async with EventStore(lost) as store, EventStore(lost, tenant="north", cipher=Reversing()) as north:
        for number in range(3):
            for event_type in ("payment.made", "order.created", "order.sent", "payment.refunded"):
                await store.append_event(f"o-{number}", event(event_type, number=number, text="\u00e4"))
                await north.append_event(f"o-{number}", event(event_type, note="hush"))
    broker = await relayed(lost)
    broker.log.append("orders", b"k", b"from somebody else", [])
    assert b"hush" not in b"".join(each.value() or b"" for each in broker.log.records("orders"))
    for _ in range(2):
        restored = await restore(store_arena.url, broker, TOPICS)
        assert (restored.events, restored.aggregates, restored.passed_over) == (24, 6, 1)
    for options in ({}, {"tenant": "north", "cipher": Reversing()}):
        assert await contents(store_arena.url, **options) == await contents(lost, **options)


async def test_what_is_missing_is_told(store_arena: StoreArena, lost: str) -> None:
    async with EventStore(lost) as store:
        for event_type in ("order.created", "payment.made", "order.sent"):
            await store.append_event("o-1", event(event_type))
    broker = await relayed(lost)
    with pytest.raises(EventStoreError, match="1 aggregates have gaps: no topic holds event 2 of o-1, but later ones"):
        await restore(store_arena.url, broker, ["orders"])
    assert [version for version, _ in (await contents(store_arena.url))["o-1"]] == [1]
    await restore(store_arena.url, broker, TOPICS)
    assert await contents(store_arena.url) == await contents(lost)


async def test_what_happened_otherwise_is_not_overwritten(store_arena: StoreArena, lost: str) -> None:
    async with EventStore(lost) as store:
        await store.append_event("o-1", event("order.created"))
    async with EventStore(store_arena.url) as other:
        await other.append_event("o-1", event("order.created", number=2))
    broker = await relayed(lost)
    with pytest.raises(ConcurrencyError):
        await restore(store_arena.url, broker, TOPICS)


async def test_what_is_of_a_store_and_no_event_is_told_with_its_place(store_arena: StoreArena) -> None:
    broker = MemoryBroker(TOPICS)
    broker.log.append("orders", b"o-1", b"{}", [("ce_aggregateid", b"o-1")])
    with pytest.raises(EventStoreError, match="orders, partition 0, offset 0"):
        await restore(store_arena.url, broker, TOPICS)
