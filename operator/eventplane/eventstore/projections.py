"""Views that are made of all events: how far each is is kept with it, so every event counts once; and made anew.

| what goes wrong | the view |
|---|---|
| the process ends, a change raises, the database does not answer | is as before the batch, and goes on from there |
| two work at it at the same time | one waits for the other, and goes on behind it |
| it is made by other rules now | `rebuild` empties it and begins with the first event |
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from eventplane.eventstore.store import EventStore
from eventplane.eventstore.stored import Position, StoredEvent

_BATCH: Final = 500
_IDLE_SECONDS: Final = 0.1


class Projection(ABC):
    """A view and how far it is, in one database: `PostgresProjection`, `SqliteProjection`, or your own."""

    @abstractmethod
    async def position(self) -> Position:
        """Tell how far it is; BEGINNING: it is empty."""

    @abstractmethod
    async def apply(self, events: Sequence[StoredEvent], after: Position) -> bool:
        """Change the view by events, in order, and keep the position of the last, all or nothing.

        Args:
            events: at least one.
            after: how far the view has to be for them. False: it is elsewhere, and nothing was changed.
        """

    @abstractmethod
    async def clear(self) -> None:
        """Empty the view, and forget how far it was, both or neither."""


async def catch_up(store: EventStore, projection: Projection, batch: int = _BATCH) -> Position:
    """Apply everything that is stored by now, and return how far the view is."""
    while True:
        after = await projection.position()
        events = await _next(store, after, batch)
        if not events:
            return after
        await projection.apply(events, after)


async def follow(store: EventStore, projection: Projection, over: asyncio.Event, batch: int = _BATCH) -> None:
    """Apply everything that is stored, and what comes, until `over` is set.

    Raises:
        EventStoreError: an event cannot be read; or whatever the projection raises. The view is as before the batch.
    """
    while not over.is_set():
        await catch_up(store, projection, batch)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _IDLE_SECONDS)


async def rebuild(store: EventStore, projection: Projection, batch: int = _BATCH) -> Position:
    """Make the view anew of all events, and return how far it is."""
    await projection.clear()
    return await catch_up(store, projection, batch)


async def _next(store: EventStore, after: Position, batch: int) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    async with contextlib.aclosing(store.stream_all(after, batch=batch)) as events:
        async for each in events:
            found.append(each)
            if len(found) == batch:
                break
    return found
