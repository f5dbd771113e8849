"""Aggregates: loaded from snapshot and tail, saved whole, tried again where somebody else was faster."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from contract.store_arenas import Account, event

from eventplane.eventstore import (
    AggregateRoot,
    ConcurrencyError,
    Event,
    EventSourcedRepository,
    EventStore,
    EventStoreError,
    every,
)


class Meeting(AggregateRoot):
    """Its state is no JSON."""

    def __init__(self, meeting_id: str) -> None:
        super().__init__(meeting_id)
        self.at: datetime | None = None

    def plan(self) -> None:
        self.raise_event(event("meeting.planned"))

    def apply_event(self, event: Event) -> None:
        self.at = event.timestamp


class Pair(Meeting):
    """Its state is JSON, but not the same when it is read."""

    def apply_event(self, event: Event) -> None:
        vars(self).update(at=None, both=(event.event_type, 1))


class Kept(Meeting):
    """It says itself what its state is."""

    def snapshot_state(self) -> dict[str, Any]:
        return {"at": self.at.isoformat() if self.at else None}

    def restore_state(self, state: Any) -> None:
        self.at = datetime.fromisoformat(state["at"])


class NewAccount(Account):
    """The same with another meaning of its state."""

    snapshot_schema = 2


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EventStore]:
    async with EventStore(f"sqlite:///{tmp_path / 'events.db'}") as opened:
        yield opened


def moved(account_id: str, *amounts: int) -> Account:
    account = Account(account_id)
    for amount in amounts:
        account.move(amount)
    return account


async def test_saved_and_loaded(store: EventStore) -> None:
    repository = EventSourcedRepository(store)
    account = moved("a-1", 1, 2, 3)
    assert [each.extensions["aggregateversion"] for each in account.uncommitted_events] == ["1", "2", "3"]
    await repository.save(account)
    assert account.uncommitted_events == []
    loaded = await repository.get_by_id("a-1", Account)
    assert loaded is not None
    assert (loaded.version, loaded.balance, loaded.moves) == (3, account.balance, [1, 2, 3])
    assert await repository.get_by_id("a-2", Account) is None
    await repository.save(loaded)
    assert await store.get_version("a-1") == 3, "nothing new is nothing to save"


async def test_who_saves_second_has_to_load_again(store: EventStore) -> None:
    repository = EventSourcedRepository(store)
    await repository.save(moved("a-1", 1))
    both = [await repository.get_by_id("a-1", Account) for _ in range(2)]
    for account in both:
        assert account is not None
        account.move(5)
        account.move(6)
    first, second = both
    assert first is not None
    assert second is not None
    await repository.save(first)
    with pytest.raises(ConcurrencyError) as lost:
        await repository.save(second)
    assert (lost.value.expected_version, lost.value.actual_version) == (1, 3)
    assert len(second.uncommitted_events) == 2


async def test_a_command_is_tried_again(store: EventStore) -> None:
    repository = EventSourcedRepository(store)

    async def move(account: Account) -> None:
        await asyncio.sleep(0)
        account.move(1)

    await asyncio.gather(*(repository.execute("a-1", Account, move, attempts=99, create=True) for _ in range(8)))
    assert await store.get_version("a-1") == 8
    account = await repository.execute("a-1", Account, lambda each: each.move(2))
    assert (account.version, account.moves[-1]) == (9, 2)
    with pytest.raises(KeyError):
        await repository.execute("a-2", Account, move)


async def test_a_command_gives_up(store: EventStore) -> None:
    repository = EventSourcedRepository(store)
    calls = 0

    async def too_slow(account: Account) -> None:
        nonlocal calls
        calls += 1
        await store.append_event("a-1", event("account.moved", amount=1))
        account.move(1)

    with pytest.raises(ConcurrencyError):
        await repository.execute("a-1", Account, too_slow, attempts=3, create=True)
    assert calls == 3


async def test_snapshots_by_policy(store: EventStore) -> None:
    repository = EventSourcedRepository(store, every(3))
    account = moved("a-1", 1, 2)
    await repository.save(account)
    assert await store.get_snapshot("a-1") is None
    account.move(3)
    account.move(4)
    await repository.save(account)
    snapshot = await store.get_snapshot("a-1")
    assert snapshot is not None
    assert (snapshot.version, snapshot.state["type"]) == (4, "Account")
    account.move(5)
    await repository.save(account)
    loaded = await repository.get_by_id("a-1", Account)
    assert loaded is not None
    assert (loaded.version, loaded.balance, loaded.moves) == (5, account.balance, [2, 3, 4, 5])
    assert loaded.uncommitted_events == []
    with pytest.raises(ValueError, match="1 or more"):
        every(0)


async def test_a_snapshot_is_really_used_and_only_where_it_means_the_same(store: EventStore) -> None:
    repository = EventSourcedRepository(store)
    await repository.save(moved("a-1", 1, 2))
    await store.create_snapshot("a-1", {"type": "Account", "schema": 1, "state": {"balance": 1000, "moves": []}}, 2)
    used, ignored, other = [await repository.get_by_id("a-1", each) for each in (Account, NewAccount, Other)]
    assert used is not None
    assert ignored is not None
    assert other is not None
    assert (used.balance, ignored.balance, other.balance) == (1000, 5, 5)


class Other(Account):
    """Another type of the same id."""


@pytest.mark.parametrize(("kind", "said"), [(Meeting, "override snapshot_state"), (Pair, "override snapshot_state")])
async def test_state_that_is_no_json_is_no_reason_to_fail(
    store: EventStore, caplog: pytest.LogCaptureFixture, kind: type[Meeting], said: str
) -> None:
    meeting = kind("m-1")
    meeting.plan()
    with caplog.at_level(logging.WARNING):
        await EventSourcedRepository(store, every(1)).save(meeting)
    assert caplog.messages == ["no snapshot was taken"]
    assert await store.get_version("m-1") == 1
    with pytest.raises(EventStoreError, match=said):
        meeting.snapshot_state()


async def test_state_as_the_aggregate_says(store: EventStore) -> None:
    repository = EventSourcedRepository(store, every(1))
    meeting = Kept("m-1")
    meeting.plan()
    await repository.save(meeting)
    assert await store.get_snapshot("m-1") is not None
    loaded = await repository.get_by_id("m-1", Kept)
    assert loaded is not None
    assert loaded.at == meeting.at
    assert loaded.at is not None
    assert loaded.at.tzinfo is UTC


async def test_state_is_not_shared_with_the_snapshot() -> None:
    account = moved("a-1", 1)
    state = account.snapshot_state()
    account.moves.append(7)
    assert state == {"balance": 1, "moves": [1]}


def test_history_without_versions_is_counted() -> None:
    account = Account("a-1")
    account.load_from_history([event(amount=1), event(amount=2)])
    assert account.version == 2


def test_what_cannot_be_applied_has_not_happened() -> None:
    account = Account("a-1")
    with pytest.raises(KeyError):
        account.raise_event(event("account.moved"))
    assert (account.version, account.uncommitted_events) == (0, [])


async def test_a_command_that_refuses_saves_nothing(store: EventStore) -> None:
    def refuse(account: Account) -> None:
        account.move(1)
        raise ValueError("not enough")

    with pytest.raises(ValueError, match="not enough"):
        await EventSourcedRepository(store).execute("a-1", Account, refuse, create=True)
    assert await store.get_version("a-1") == 0
