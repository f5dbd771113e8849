"""Resources that are told something and nothing else: a queue, a look at each, a status where it differs."""

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Final

from eventplane.controllers.queue import WorkQueue
from eventplane.controllers.reconcile import Next
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.shelf import Key

logger = logging.getLogger(__name__)

BATCH: Final = 500


class StatusLane(ABC):
    """A lane without a system behind it."""

    def __init__(self, kind: str) -> None:
        """Make an empty queue for resources of a kind."""
        self._kind = kind
        self.queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop().time)

    @abstractmethod
    async def tell(self, key: Key) -> Next:
        """Say in the status of a resource what is the case about it."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.queue.ready()
            keys = [item.key for item in self.queue.take(BATCH)]
            results = await asyncio.gather(*(self._tell(key) for key in keys))
            for key, result in zip(keys, results, strict=True):
                self.queue.done(key, ok=result is Next.DONE)
                if result is Next.RETRY:
                    self.queue.retry(key)

    async def _tell(self, key: Key) -> Next:
        try:
            return await self.tell(key)
        except Exception:
            logger.exception("not told: this is a fault of the operator", extra={"fields": key_fields(self._kind, key)})
            return Next.RETRY
