"""Resources that have no bus: they are told why, and let go when they are deleted."""

import asyncio
import logging
from typing import Any, Final, Generic

from eventplane.backends.kubernetes import Conflict
from eventplane.controllers.queue import WorkQueue
from eventplane.controllers.reconcile import Next, R, Reconciler
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.shelf import Key
from eventplane.planning.decision import has_finalizer
from eventplane.planning.farewell import farewell_to
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal

logger = logging.getLogger(__name__)

BATCH: Final = 500


class UnboundLane(Generic[R]):
    """The lane of those whose bus does not exist, is ambiguous, does not let them in, or lacks what they need."""

    def __init__(self, reconciler: Reconciler[R, Any, Any]) -> None:
        self._reconciler = reconciler
        self._shelf = reconciler.shelf
        self.queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop().time)

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
            return await self._part_or_refuse(key)
        except Exception:
            fields = key_fields(self._reconciler.kind, key)
            logger.exception("not told: this is a fault of the operator", extra={"fields": fields})
            return Next.RETRY

    async def _part_or_refuse(self, key: Key) -> Next:
        resource = self._shelf.get(key)
        if resource is None or (resource.metadata.deleting and not has_finalizer(resource)):
            return Next.DONE
        bus = self._reconciler.home_of(resource)
        if not isinstance(bus, Refusal):
            return Next.DONE  # it has found one
        if resource.metadata.deleting and farewell_to(resource, None, self._reconciler.now()).release:
            return await self._let_go(resource)
        told = await self._reconciler.refuse(resource, bus)
        return Next.RETRY if resource.metadata.deleting else told

    async def _let_go(self, resource: R) -> Next:
        try:
            await self._reconciler.reporter.finalizer(self._shelf, resource, present=False)
        except (Conflict, Unavailable, Rejected):
            return Next.RETRY
        return Next.DONE
