"""What resources of one bus leave behind while it cannot be asked: who may go, and what is put on record then."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from eventplane.api.event_bus import EventBus, EventBusStatus, Orphan
from eventplane.backends import Backend
from eventplane.backends.kubernetes import Conflict
from eventplane.controllers.reconcile import R, Reconciler
from eventplane.controllers.reporting import key_fields
from eventplane.planning.decision import has_finalizer
from eventplane.planning.farewell import farewell_to
from eventplane.planning.outcome import Change, Rejected, Unavailable

if TYPE_CHECKING:
    from eventplane.controllers.lanes import Lane

logger = logging.getLogger(__name__)


class Leftovers(Generic[R]):
    """The part of a lane that looks after what is gone or going."""

    def __init__(self, lane: "Lane[R, Any, Any]", reconciler: Reconciler[R, Any, Any]) -> None:
        self._lane = lane
        self._reconciler = reconciler
        self.sweep_due = True
        """Things may stand whose resources are gone."""

    def leaving(self) -> list[R]:
        """List what is being deleted and lives here, or would if there had been the time to say so."""
        mine = "/".join(self._lane.key)
        leaving = [each for each in self._reconciler.shelf.values() if each.metadata.deleting and has_finalizer(each)]
        return [t for t in leaving if t.status.bus == mine or (t.status.bus is None and self._is_home_of(t))]

    def has_bound(self) -> bool:
        """Tell whether something lives here whose deletion must act outside the cluster."""
        mine = "/".join(self._lane.key)
        return any(has_finalizer(each) and each.status.bus == mine for each in self._reconciler.shelf.values())

    def _is_home_of(self, resource: R) -> bool:
        home = self._reconciler.shelf.bus_of(resource)
        return isinstance(home, EventBus) and home.metadata.key == self._lane.key

    def orphans(self) -> tuple[Orphan, ...]:
        """List what is on record of this kind."""
        return tuple(orphan for orphan in self._lane.bus.status.orphans if orphan.kind == self._reconciler.kind)

    async def let_go(self) -> None:
        """Part from those that have waited too long for this bus, once they are on record."""
        now = self._reconciler.now()
        farewells = [(resource, farewell_to(resource, self._lane.bus, now)) for resource in self.leaving()]
        recorded = await self._record([each.orphan for _, each in farewells if each.orphan is not None])
        for resource, farewell in farewells:
            if not farewell.release or (farewell.orphan is not None and farewell.orphan.uid not in recorded):
                continue
            fields = key_fields(self._reconciler.kind, resource.metadata.key)
            logger.warning(
                "let go while its bus is unusable", extra={"fields": fields | {"orphan": farewell.orphan is not None}}
            )
            with contextlib.suppress(Conflict, Unavailable, Rejected):
                await self._reconciler.reporter.finalizer(self._reconciler.shelf, resource, present=False)

    async def _record(self, orphans: Sequence[Orphan]) -> frozenset[str]:
        """Put orphans on record in one write; return the uids that may go: all, where no bus is left to record them."""
        if orphans:
            await self._write(orphans, settled=())
        if self._lane.key not in self._reconciler.store.buses:
            return frozenset(orphan.uid for orphan in orphans)
        return frozenset(orphan.uid for orphan in self._lane.bus.status.orphans)

    async def deal_with(self, backend: Backend[Any, Any, Any], plans: Mapping[Orphan, Sequence[Change]]) -> bool:
        """Make what is planned for orphans, all at once, and take those off the record for which it is done.

        Returns:
            Whether none is left.

        Raises:
            Unavailable, Rejected: it must be tried again.
        """
        changes = [change for those in plans.values() for change in those]
        outcomes = iter(await backend.apply(changes) if changes else ())
        settled = []
        for orphan, those in plans.items():
            errors = [next(outcomes).error for _ in those]
            if any(errors):
                continue
            settled.append(orphan.uid)
            fields = key_fields(orphan.kind, (orphan.namespace, orphan.name))
            logger.info(
                "orphan dealt with", extra={"fields": fields | {"changes": [each.describe() for each in those]}}
            )
        if settled:
            await self._write((), settled)
        return len(settled) == len(plans)

    async def _write(self, new: Sequence[Orphan], settled: Sequence[str]) -> None:
        def update(before: EventBusStatus) -> EventBusStatus:
            known = {each.uid: each for each in (*before.orphans, *new) if each.uid not in settled}
            return before.model_copy(update={"orphans": tuple(known.values())})

        await self._lane.report_bus(update)
