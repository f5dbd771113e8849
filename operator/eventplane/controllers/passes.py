"""How a lane passes over its resources: dirty ones go in batches, and those that have to wait are kept."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic

from eventplane.api.conditions import Reason
from eventplane.controllers.queue import Item
from eventplane.controllers.reconcile import Batch, Next, R, Reconciler
from eventplane.controllers.shelf import Key
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

if TYPE_CHECKING:
    from eventplane.controllers.lanes import Lane

logger = logging.getLogger(__name__)

LINGER_SECONDS: Final = 0.02
"""How long the first dirty key waits for company: what arrives together shares its requests."""
REPORTS_AT_ONCE: Final = 3
"""Batches whose statuses are being written while the next one is under way."""


class Passes(Generic[R]):
    """The part of a lane that passes over its resources."""

    def __init__(
        self, lane: "Lane[R, Any, Any]", reconciler: Reconciler[R, Any, Any], batch_size: int, resync_seconds: float
    ) -> None:
        """Prepare to work.

        Args:
            lane: whose queue it empties, and whose connection it uses.
            reconciler: passes over resources.
            batch_size: how many a pass may have.
            resync_seconds: after which the next resync has come for certain.
        """
        self._lane = lane
        self._reconciler = reconciler
        self._batch_size = batch_size
        self._resync_seconds = resync_seconds
        self._clock = asyncio.get_running_loop().time
        self._parked: set[Key] = set()
        self._reports: set[asyncio.Task[None]] = set()
        self._report_slots = asyncio.Semaphore(REPORTS_AT_ONCE)
        self._pass: asyncio.Task[Batch[R, Any]] | None = None

    def go_on(self) -> None:
        """Take up what had to wait for the bus."""
        for key in self._parked:
            self._lane.queue.add(key)
        self._parked.clear()

    def end(self) -> None:
        """End the pass that is under way: its connection is of no use any more."""
        if self._pass is not None:
            self._pass.cancel()

    async def drop_reports(self) -> None:
        """Write no more statuses."""
        for report in self._reports:
            report.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._report_slots.acquire()
            await self._lane.queue.ready()
            await asyncio.sleep(LINGER_SECONDS)
            items = self._lane.queue.take(self._batch_size)
            begun = self._clock()
            batch, error = await self._pass_over(items)
            self._lane.queue.paced(items, self._clock() - begun)
            task = asyncio.create_task(self._finish(items, batch, error))
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)

    async def _pass_over(self, items: Sequence[Item[Key]]) -> tuple[Batch[R, Any] | None, BackendError | None]:
        """Make a pass; no batch if the bus is, or turns out to be, unusable, and the error that said so."""
        if self._lane.problem is not None or self._lane.backend is None:
            return None, None
        failed: BackendError | None = None
        keys = [item.key for item in items]
        self._pass = asyncio.create_task(self._reconciler.change(self._lane.bus, self._lane.backend, keys))
        try:
            return await asyncio.shield(self._pass), None
        except (Unavailable, Rejected) as error:
            failed = error
            logger.warning("pass failed: %s", error, extra={"fields": self._lane.fields()})
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # we are being stopped; else the supervisor ended the pass
                self._pass.cancel()
                await asyncio.gather(self._pass, return_exceptions=True)
                raise
        except Exception:
            logger.exception("pass failed", extra={"fields": self._lane.fields()})
        finally:
            self._pass = None
        self._lane.look_again()
        return None, failed

    async def _finish(
        self, items: Sequence[Item[Key]], batch: Batch[R, Any] | None, error: BackendError | None
    ) -> None:
        results: Mapping[Key, Next]
        try:
            results = await (self._hold(items, error) if batch is None else self._reconciler.report(batch))
        except Exception:
            logger.exception("a report failed", extra={"fields": self._lane.fields()})
            results = {item.key: Next.RETRY for item in items}
        finally:
            self._report_slots.release()
        outcomes, later = (batch.outcomes(), batch.again()) if batch is not None else ({}, {})
        for item in items:
            again = results.get(item.key) is Next.RETRY
            self._lane.queue.done(item.key, ok=not again)
            if again:
                self._parked.add(item.key)  # an outage that ends ends the wait as well
                self._lane.queue.retry(item.key)
            else:
                self._look_later(item.key, later.get(item.key))
                outcome = outcomes.get(item.key, Reason.BUS_UNAVAILABLE)
                self._reconciler.metrics.seconds.labels(self._reconciler.kind, outcome).observe(
                    self._clock() - item.since
                )

    def _look_later(self, key: Key, seconds: float | None) -> None:
        """Look at a resource again when its time comes; where that is far off, a resync finds out anew before."""
        if seconds is not None and seconds < self._resync_seconds:
            self._lane.queue.add_later(key, seconds)

    async def _hold(self, items: Sequence[Item[Key]], error: BackendError | None) -> dict[Key, Next]:
        """Say that the bus is unusable, and keep the keys until it is usable again."""
        resources = self._reconciler.resources_at(self._lane.bus, [item.key for item in items])
        if self._lane.problem is None:  # the pass failed and the supervisor has yet to find out why
            if isinstance(error, Rejected):  # the bus answers, and this is its answer
                await asyncio.gather(*(self._reconciler.refuse(resource, error) for resource in resources))
            return {item.key: Next.RETRY for item in items}
        self._parked.update(item.key for item in items)
        problem = self._lane.unusable(self._lane.problem)
        results = await asyncio.gather(*(self._reconciler.refuse(resource, problem) for resource in resources))
        if self._lane.problem is None:  # it came back while we were saying so
            return {item.key: Next.RETRY for item in items}
        return {resource.metadata.key: result for resource, result in zip(resources, results, strict=True)}
