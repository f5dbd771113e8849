"""Events one by one, for those who would rather loop than register functions."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from eventplane.client.calls import AbandonedError
from eventplane.client.event import Event


class Delivery:
    """One attempt at an event: `async with delivery as event`. An exception in there is a failed attempt, no more."""

    def __init__(self, event: Event[Any]) -> None:
        self.event = event
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def acknowledge(self) -> None:
        """Be through with the event. Harmless twice."""
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Have it tried again, or set aside; harmless once it has ended."""
        if not self.ended.done():
            self.ended.set_exception(error)

    async def __aenter__(self) -> Event[Any]:
        return self.event

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if error is None:
            self.acknowledge()
            return False
        self.fail(error if isinstance(error, Exception) else AbandonedError())
        return isinstance(error, Exception)


class Feed:
    """A function that hands events to whoever loops, and waits for what becomes of them."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._open: set[Delivery] = set()
        self._is_closed = False

    async def __call__(self, event: Event[Any]) -> None:
        """Hand over an event."""
        if self._is_closed:
            raise AbandonedError
        delivery = Delivery(event)
        self._open.add(delivery)
        self._queue.put_nowait(delivery)
        try:
            await delivery.ended
        finally:
            self._open.discard(delivery)

    def close(self) -> None:
        """Hand over nothing more; what nobody is through with comes again, to another."""
        self._is_closed = True
        for delivery in self._open:
            delivery.fail(AbandonedError())
        self._queue.put_nowait(None)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """Give what there is until it is closed."""
        while (delivery := await self._queue.get()) is not None:
            if not delivery.ended.done():
                yield delivery
