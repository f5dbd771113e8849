"""Topics that have no bus: they are told why, and let go when they are deleted."""

import asyncio
import logging
from typing import Final

from eventplane.api import FINALIZER
from eventplane.api.event_topic import EventTopic
from eventplane.backends.kubernetes import Conflict
from eventplane.controllers.queue import WorkQueue
from eventplane.controllers.reconcile import Next, TopicReconciler
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.store import Key
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.topic_decisions import farewell_to

logger = logging.getLogger(__name__)

BATCH: Final = 500


class UnboundLane:
    """The lane of those whose bus does not exist, is ambiguous, or does not let them in."""

    def __init__(self, reconciler: TopicReconciler) -> None:
        self._reconciler = reconciler
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
            fields = key_fields(EventTopic.kind, key)
            logger.exception("not told: this is a fault of the operator", extra={"fields": fields})
            return Next.RETRY

    async def _part_or_refuse(self, key: Key) -> Next:
        topic = self._reconciler.store.topics.get(key)
        if topic is None or (topic.metadata.deleting and FINALIZER not in topic.metadata.finalizers):
            return Next.DONE
        bus = self._reconciler.store.bus_of(topic)
        if not isinstance(bus, Refusal):
            return Next.DONE  # it has found one
        if topic.metadata.deleting and farewell_to(topic, None, self._reconciler.now()).release:
            return await self._let_go(key)
        told = await self._reconciler.refuse(topic, bus)
        return Next.RETRY if topic.metadata.deleting else told

    async def _let_go(self, key: Key) -> Next:
        try:
            await self._reconciler.reporter.finalizer(self._reconciler.store.topics[key], present=False)
        except (Conflict, Unavailable, Rejected):
            return Next.RETRY
        return Next.DONE
