"""Loads aggregates from their latest snapshot and what came after it, and saves all that they decided or nothing."""

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

from eventplane.eventstore.aggregate import AggregateRoot
from eventplane.eventstore.errors import ConcurrencyError, EventStoreError
from eventplane.eventstore.store import EventStore

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=AggregateRoot)
SnapshotPolicy: TypeAlias = Callable[[int, int], bool]
"""Tells by the versions before and after a save whether a snapshot is due."""
_FIRST_WAIT_SECONDS: Final = 0.005
_LONGEST_WAIT_SECONDS: Final = 0.5


def every(events: int) -> SnapshotPolicy:
    """Take a snapshot each time that another so many events are full."""
    if events < 1:
        raise ValueError("events: 1 or more")
    return lambda before, after: before // events < after // events


class EventSourcedRepository:
    """Aggregates of an event store.

    Args:
        event_store: where their events are.
        snapshots: when to take one; None: never.
    """

    def __init__(self, event_store: EventStore, snapshots: SnapshotPolicy | None = None) -> None:
        self.event_store = event_store
        self._is_snapshot_due = snapshots

    async def get_by_id(self, aggregate_id: str, aggregate_class: type[A]) -> A | None:
        """Return an aggregate as its events make it; None where it has none.

        Raises:
            EventStoreError: an event of it cannot be read.
            StoreUnavailableError: no answer.
        """
        aggregate = aggregate_class(aggregate_id)
        await self._restore(aggregate)
        aggregate.load_from_history(await self.event_store.get_events(aggregate_id, aggregate.version + 1))
        return aggregate if aggregate.version else None

    async def save(self, aggregate: AggregateRoot) -> None:
        """Append what is new, all or nothing.

        Raises:
            ConcurrencyError: somebody else saved it since it was loaded; load it again and decide again.
            InvalidEventError: data that are no JSON.
            StoreUnavailableError: no answer; it may be saved again.
        """
        new = list(aggregate.uncommitted_events)
        if not new:
            return
        before = aggregate.version - len(new)
        await self.event_store.append_events(aggregate.aggregate_id, new, before)
        aggregate.mark_events_as_committed()
        if self._is_snapshot_due is not None and self._is_snapshot_due(before, aggregate.version):
            await self._take_snapshot(aggregate)

    async def execute(
        self,
        aggregate_id: str,
        aggregate_class: type[A],
        command: Callable[[A], Awaitable[None] | None],
        *,
        attempts: int = 10,
        create: bool = False,
    ) -> A:
        """Load an aggregate, have it decide, save it; and all that again where somebody else was faster.

        Args:
            aggregate_id: which.
            aggregate_class: what it is.
            command: calls its methods; may be called several times, so it does nothing else.
            attempts: how often at most.
            create: begin with a new one where there is none.

        Raises:
            ConcurrencyError: somebody else was faster each time.
            KeyError: there is no such aggregate.
        """
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            aggregate = await self.get_by_id(aggregate_id, aggregate_class)
            if aggregate is None:
                if not create:
                    raise KeyError(aggregate_id)
                aggregate = aggregate_class(aggregate_id)
            answer = command(aggregate)
            if inspect.isawaitable(answer):
                await answer
            try:
                await self.save(aggregate)
            except ConcurrencyError:
                attempts -= 1
                if attempts < 1:
                    raise
            else:
                return aggregate
            await asyncio.sleep(random.uniform(0, wait_seconds))  # noqa: S311 - so that two do not meet again
            wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)

    async def _restore(self, aggregate: AggregateRoot) -> None:
        snapshot = await self.event_store.get_snapshot(aggregate.aggregate_id)
        if snapshot is None or not _fits(snapshot.state, aggregate):
            return
        aggregate.restore_state(snapshot.state["state"])
        aggregate.version = snapshot.version

    async def _take_snapshot(self, aggregate: AggregateRoot) -> None:
        """Take one; without it loading takes longer, so that it failed is no reason to say that nothing was saved."""
        kind = type(aggregate)
        try:
            state = {"type": kind.__name__, "schema": kind.snapshot_schema, "state": aggregate.snapshot_state()}
            await self.event_store.create_snapshot(aggregate.aggregate_id, state, aggregate.version)
        except EventStoreError as error:
            logger.warning("no snapshot was taken", extra={"fields": {"type": kind.__name__, "problem": str(error)}})


def _fits(state: Any, aggregate: AggregateRoot) -> bool:
    kind = type(aggregate)
    return bool(state.get("type") == kind.__name__ and state.get("schema") == kind.snapshot_schema)
