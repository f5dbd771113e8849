"""Sends what comes by itself in batches: gathers, watches the clock, and never has too many under way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from eventplane.events.batches import BatchLimits, Gathering

T = TypeVar("T")


class Batches(Generic[T]):
    """As `events.batches` has it; while the most are under way, further ones become fuller."""

    def __init__(self, limits: BatchLimits, at_once: int, send: Callable[[list[T]], Awaitable[None]]) -> None:
        """Have batches sent, at most so many at a time, by `send`, which raises nothing."""
        self._gathering: Gathering[T] = Gathering(limits)
        self._free = at_once
        self._send = send
        self._under_way: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def give(self, item: T, size: int) -> None:
        """Have an item of so many bytes sent, soon; after the end it is dropped."""
        if not self._is_closed:
            self._gathering.add(item, size, asyncio.get_running_loop().time())
            self._look()

    async def close(self) -> None:
        """Cut off what is under way, and leave the rest."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while self._free and not self._is_closed and (due := self._gathering.due_at()) is not None:
            if due > loop.time():
                self._timer = self._timer or loop.call_at(due, self._ring)
                return
            self._free -= 1
            task = loop.create_task(self._run(self._gathering.take()))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _ring(self) -> None:
        self._timer = None
        self._look()

    async def _run(self, batch: list[T]) -> None:
        try:
            await self._send(batch)
        finally:
            self._free += 1
        self._look()
