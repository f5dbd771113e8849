"""However often snapshots are taken and writers collide: snapshot and tail are what all events make."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from contract.store_arenas import Account, PostgresArena, SqliteArena, event
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventplane.eventstore import ConcurrencyError, EventSourcedRepository, EventStore, every

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from e2e.servers.postgres import Postgres

AMOUNTS = st.lists(st.integers(-9, 9), min_size=1, max_size=4)
NUMBERS = count()


class Accounts(RuleBasedStateMachine):
    """One account, of which two copies are held, as two processes would."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.account_id = f"a-{next(NUMBERS)}"
        self.model: list[int] = []

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize(events=st.integers(1, 5))
    def begin(self, events: int) -> None:
        self.store = EventStore(self.url)
        self.with_snapshots = EventSourcedRepository(self.store, every(events))
        self.without = EventSourcedRepository(self.store)
        self.held = [Account(self.account_id), Account(self.account_id)]

    @rule(which=st.integers(0, 1), amounts=AMOUNTS)
    def save(self, which: int, amounts: list[int]) -> None:
        account = self.held[which]
        is_newest = account.version == len(self.model)
        for amount in amounts:
            account.move(amount)
        if is_newest:
            self.run(self.with_snapshots.save(account))
            self.model += amounts
            return
        with pytest.raises(ConcurrencyError) as lost:
            self.run(self.with_snapshots.save(account))
        assert lost.value.actual_version == len(self.model)
        self.load(which)

    @rule(which=st.integers(0, 1))
    def load(self, which: int) -> None:
        self.held[which] = self.run(self.with_snapshots.get_by_id(self.account_id, Account)) or Account(self.account_id)

    @rule(amount=st.integers(-9, 9))
    def append_beside(self, amount: int) -> None:
        self.run(self.store.append_event(self.account_id, event("account.moved", amount=amount)))
        self.model.append(amount)

    @precondition(lambda self: self.model)
    @rule()
    def snapshot_now(self) -> None:
        account = self.run(self.without.get_by_id(self.account_id, Account))
        state = {"type": "Account", "schema": 1, "state": account.snapshot_state()}
        self.run(self.store.create_snapshot(self.account_id, state, account.version))

    @invariant()
    def snapshot_and_tail_are_what_all_events_make(self) -> None:
        if not self.model:
            return
        loaded = self.run(self.with_snapshots.get_by_id(self.account_id, Account))
        replayed = Account(self.account_id)
        replayed.load_from_history(self.run(self.store.get_events(self.account_id)))
        balance = 0
        for amount in self.model:
            balance = 3 * balance + amount
        told = (loaded.version, loaded.balance, loaded.moves)
        assert told == (replayed.version, replayed.balance, replayed.moves)
        assert told == (len(self.model), balance, self.model[-4:])


def test_in_sqlite(tmp_path: Path) -> None:
    Accounts.url = SqliteArena(tmp_path / "events.db").url
    run_state_machine_as_test(Accounts, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))


@pytest.mark.postgres
def test_in_postgres(postgres: Postgres) -> None:
    Accounts.url = PostgresArena(postgres, "accounts").url
    run_state_machine_as_test(Accounts, settings=settings(max_examples=10, stateful_step_count=20, deadline=None))
