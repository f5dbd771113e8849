"""How much may be on its way at a time: who comes when it is too much waits, in the order of coming."""

import asyncio
from collections import deque


class Room:
    """Room for so many events of so many bytes; one event alone always fits."""

    def __init__(self, most_events: int, most_bytes: int) -> None:
        self.events = 0
        self.bytes = 0
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_enter(self, size: int) -> bool:
        """Take room if there is some now and nobody waits for it."""
        if self._waiting or not self._fits(size):
            return False
        self._take(size)
        return True

    async def enter(self, size: int) -> None:
        """Take room, as soon as there is some."""
        if self.try_enter(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(size)  # it was given just now
            raise

    def leave(self, size: int) -> None:
        """Give room back."""
        self.events -= 1
        self.bytes -= size
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            waiting, turn = self._waiting.popleft()
            if not turn.done():
                self._take(waiting)
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self.events == 0 or (self.events < self._most_events and self.bytes + size <= self._most_bytes)

    def _take(self, size: int) -> None:
        self.events += 1
        self.bytes += size
