"""What becomes of events when they are read: old versions, typed events, sealed data."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contract.store_arenas import event
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from eventplane.client.errors import InvalidEventError
from eventplane.events.majors import MajorStep
from eventplane.events.migrations import compile_steps
from eventplane.eventstore import Event, EventStore, EventStoreError, Upcasters


class Moved(BaseModel):
    """Data of a typed event."""

    cents: int


class Keys:
    """A Cipher with a key for each aggregate, in memory."""

    def __init__(self) -> None:
        self.keys: dict[str, AESGCM] = {}

    async def seal(self, tenant: str, aggregate_id: str, plain: bytes) -> bytes | None:
        if aggregate_id.startswith("public"):
            return None
        key = self.keys.setdefault(aggregate_id, AESGCM(AESGCM.generate_key(128)))
        nonce = os.urandom(12)
        return nonce + key.encrypt(nonce, plain, f"{tenant}/{aggregate_id}".encode())

    async def unseal(self, tenant: str, aggregate_id: str, sealed: bytes) -> bytes | None:
        key = self.keys.get(aggregate_id)
        return None if key is None else key.decrypt(sealed[:12], sealed[12:], f"{tenant}/{aggregate_id}".encode())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'events.db'}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[EventStore]:
    async with EventStore(url) as opened:
        yield opened


async def test_old_versions_are_read_as_new_ones(url: str, store: EventStore) -> None:
    await store.append_event("a-1", Event("moved", "1.0", "bank", {"amount": "1.50"}))
    await store.append_event("a-1", Event("moved", "2.0", "bank", {"amount": 2.5}))
    await store.append_event("a-1", Event("moved", "3.0", "bank", {"cents": 350}))
    await store.append_event("a-1", Event("closed", "1.0", "bank", None))
    upcasters = Upcasters()
    upcasters.register("moved", "2.0", "3.0", lambda data: {"cents": int(data["amount"] * 100)})
    upcasters.register("moved", "1.0", "2.0", lambda data: {"amount": float(data["amount"])})
    async with EventStore(url, upcasters=upcasters, types={"moved": Event[Moved]}) as reading:
        read = await reading.get_events("a-1")
        assert [each.data for each in read[:3]] == [Moved(cents=cents) for cents in (150, 250, 350)]
        assert [each.event_version for each in read] == ["3.0", "3.0", "3.0", "1.0"]
        assert [each.extensions["aggregateversion"] for each in read] == ["1", "2", "3", "4"]
        assert [each.event.data async for each in reading.stream_all()][:1] == [Moved(cents=150)]
    assert [each.event_version for each in await store.get_events("a-1")] == ["1.0", "2.0", "3.0", "1.0"]


async def test_migrations_of_a_schema_are_upcasters(url: str, store: EventStore) -> None:
    for version, data in (("1.4", {"amount": 5}), ("3.0", {"cents": 1}), ("draft", {"x": 1})):
        await store.append_event("a-1", Event("moved", version, "bank", data))
    path = compile_steps(
        [
            MajorStep(1, 1, '{"total": event.data.amount}', "event.data"),
            MajorStep(2, 2, '{"cents": event.data.total * 100}', "event.data"),
        ]
    )
    upcasters = Upcasters()
    upcasters.register_migrations("moved", path, 3)
    async with EventStore(url, upcasters=upcasters) as reading:
        read = await reading.get_events("a-1")
    assert [each.data for each in read] == [{"cents": 500}, {"cents": 1}, {"x": 1}]
    assert [each.event_version for each in read] == ["3.0", "3.0", "draft"]


async def test_a_step_that_cannot_be_taken_says_which_event(url: str, store: EventStore) -> None:
    await store.append_event("a-1", Event("moved", "1.0", "bank", {}, event_id="e-1"))
    by_function, by_migration = Upcasters(), Upcasters()
    by_function.register("moved", "1.0", "2.0", lambda data: data["amount"])
    by_migration.register_migrations("moved", compile_steps([MajorStep(1, 1, "event.data.amount", "event.data")]), 2)
    for upcasters in (by_function, by_migration):
        async with EventStore(url, upcasters=upcasters) as reading:
            with pytest.raises(EventStoreError, match="e-1"):
                await reading.get_events("a-1")
    async with EventStore(url, types={"moved": Event[Moved]}) as reading:
        with pytest.raises(EventStoreError, match=r"e-1 cannot be read: data of moved are no .*cents"):
            await reading.get_events("a-1")


def test_steps_that_lead_nowhere() -> None:
    upcasters = Upcasters()
    upcasters.register("moved", "1.0", "2.0", dict)
    with pytest.raises(ValueError, match="already"):
        upcasters.register("moved", "1.0", "3.0", dict)
    upcasters.register("moved", "2.0", "3.0", dict)
    with pytest.raises(ValueError, match="circle"):
        upcasters.register("moved", "3.0", "1.0", dict)


async def test_data_whose_key_is_destroyed_are_gone(url: str, store: EventStore) -> None:
    keys = Keys()
    written: list[Event[Any]] = [
        event("registered", email="john@example.com"),
        Event("note", "1", "s", "a text", content_type="text/plain"),
        Event("photo", "1", "s", b"\x00\x01"),
        Event("left", "1", "s", None),
    ]
    async with EventStore(url, cipher=keys) as sealing:
        await sealing.append_events("john", written, 0)
        await sealing.create_snapshot("john", {"email": "john@example.com"}, 4)
        read = await sealing.get_events("john")
        assert [each.data for each in read] == [each.data for each in written]
        assert [each.content_type for each in read] == [each.content_type for each in written]
        assert "sealedtype" not in read[0].extensions
        snapshot = await sealing.get_snapshot("john")
        assert snapshot is not None
        assert snapshot.state == {"email": "john@example.com"}
    assert b"john@example" not in Path(url.removeprefix("sqlite:///")).read_bytes()
    with pytest.raises(EventStoreError, match="give the store a cipher"):
        await store.get_events("john")
    with pytest.raises(EventStoreError, match="give the store a cipher"):
        await store.get_snapshot("john")
    async with EventStore(url, cipher=keys, types={"registered": Event[Moved]}) as sealing:
        del keys.keys["john"]
        read = await sealing.get_events("john")
        assert [each.data for each in read] == [None] * 4
        assert [each.extensions.get("shredded") for each in read] == ["true", "true", "true", None]
        assert [each.event_type for each in read] == ["registered", "note", "photo", "left"]
        assert await sealing.get_snapshot("john") is None


async def test_a_cipher_may_leave_data_as_they_are_and_is_bound_to_the_aggregate(url: str, store: EventStore) -> None:
    keys = Keys()
    async with EventStore(url, cipher=keys) as sealing:
        await sealing.append_event("public-1", event(n=1), 0)
        await sealing.create_snapshot("public-1", {"n": 1}, 1)
        await sealing.append_event("john", event(n=1), 0)
    assert [each.data for each in await store.get_events("public-1")] == [{"n": 1}]
    assert await store.get_snapshot("public-1") is not None
    sealed = await keys.seal("", "john", b"{}")
    assert sealed is not None
    with pytest.raises(InvalidTag):
        await keys.unseal("acme", "john", sealed)


async def test_data_that_are_no_json_are_refused_before_anything_is_appended(store: EventStore) -> None:
    with pytest.raises(InvalidEventError, match="no JSON"):
        await store.append_events("a-1", [event(), event(at=object())], 0)
    with pytest.raises(InvalidEventError, match="cannot be written"):
        await store.append_event("a-1", Event("x", "1", "\ud800", {}))
    assert await store.get_version("a-1") == 0


async def test_places_that_a_copied_event_has_are_not_kept(store: EventStore) -> None:
    await store.append_events("a-1", [event(), event()], 0)
    copied = (await store.get_events("a-1"))[1]
    await store.append_event("a-2", copied, 0)
    (read,) = await store.get_events("a-2")
    assert (read.extensions["aggregateid"], read.extensions["aggregateversion"]) == ("a-2", "1")
