"""What resources of one bus leave behind: orphans to be recorded and dealt with, claims to be released."""

import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eventplane.api import FINALIZER
from eventplane.api.event_bus import EventBus, Orphan
from eventplane.api.event_topic import EventTopic
from eventplane.backends.kubernetes import Conflict
from eventplane.backends.topics import TopicBackend
from eventplane.controllers.reconcile import TopicReconciler
from eventplane.controllers.reporting import key_fields
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Plan
from eventplane.planning.topic_changes import ReleaseTopic, TopicChange
from eventplane.planning.topic_decisions import farewell_to
from eventplane.planning.topic_deletion import plan_orphan, stale_claims
from eventplane.planning.topic_state import TopicQuery

if TYPE_CHECKING:
    from eventplane.controllers.lanes import BusLane

logger = logging.getLogger(__name__)


class Leftovers:
    """The part of a lane that looks after what is gone or going."""

    def __init__(self, lane: "BusLane", reconciler: TopicReconciler) -> None:
        self._lane = lane
        self._reconciler = reconciler
        self.sweep_due = True
        """Claims may stand whose resources are gone."""

    def leaving(self) -> list[EventTopic]:
        """List what is being deleted and lives here, or would if there had been the time to say so."""
        store, mine = self._reconciler.store, "/".join(self._lane.key)
        leaving = [t for t in store.topics.values() if t.metadata.deleting and FINALIZER in t.metadata.finalizers]
        return [t for t in leaving if t.status.bus == mine or (t.status.bus is None and self._is_home_of(t))]

    def has_bound(self) -> bool:
        """Tell whether something lives here whose deletion must act outside the cluster."""
        mine = "/".join(self._lane.key)
        topics = self._reconciler.store.topics.values()
        return any(FINALIZER in each.metadata.finalizers and each.status.bus == mine for each in topics)

    def _is_home_of(self, topic: EventTopic) -> bool:
        home = self._reconciler.store.bus_of(topic)
        return isinstance(home, EventBus) and home.metadata.key == self._lane.key

    async def let_go(self) -> None:
        """Part from those that have waited too long for this bus, once they are on record."""
        now = self._reconciler.now()
        farewells = [(topic, farewell_to(topic, self._lane.bus, now)) for topic in self.leaving()]
        recorded = await self._record([each.orphan for _, each in farewells if each.orphan is not None])
        for topic, farewell in farewells:
            if not farewell.release or (farewell.orphan is not None and farewell.orphan.uid not in recorded):
                continue
            fields = key_fields(EventTopic.kind, topic.metadata.key) | {"orphan": farewell.orphan is not None}
            logger.warning("let go while its bus is unusable", extra={"fields": fields})
            with contextlib.suppress(Conflict, Unavailable, Rejected):
                await self._reconciler.reporter.finalizer(topic, present=False)

    async def _record(self, orphans: Sequence[Orphan]) -> frozenset[str]:
        """Put orphans on record in one write; return the uids that may go: all, where no bus is left to record them."""
        if orphans and self._lane.problem is not None:
            known = {each.uid: each for each in (*self._lane.bus.status.orphans, *orphans)}
            await self._lane.report_bus(self._lane.problem, tuple(known.values()))
        if self._lane.key not in self._reconciler.store.buses:
            return frozenset(orphan.uid for orphan in orphans)
        return frozenset(orphan.uid for orphan in self._lane.bus.status.orphans)

    async def sweep(self) -> None:
        """Deal with orphans, then release what resources that are gone had claimed."""
        backend, store = self._lane.backend, self._reconciler.store
        if backend is None:
            return
        self.sweep_due = False
        try:
            await self._settle_orphans(backend)
            # those of all buses: two of them may lead to one cluster and share its ledger
            remaining = [orphan for bus in store.buses.values() for orphan in bus.status.orphans]
            claims = await backend.claims()  # before the living are counted, who may have claimed something just now
            alive = [topic.metadata.uid for topic in store.topics.values()]
            stale = stale_claims(claims, self._reconciler.cluster, alive, remaining)
            outcomes = await backend.apply(stale) if stale else ()
        except (Unavailable, Rejected) as error:
            logger.warning("sweep failed: %s", error, extra={"fields": key_fields(EventBus.kind, self._lane.key)})
            self.sweep_due = True
            return
        self.sweep_due |= any(isinstance(outcome.error, Unavailable) for outcome in outcomes)
        for outcome in outcomes:
            if outcome.error is None and isinstance(outcome.change, ReleaseTopic):
                for key in store.claimants(self._lane.key, outcome.change.topic):
                    self._lane.queue.add(key)

    async def _settle_orphans(self, backend: TopicBackend) -> None:
        orphans = self._lane.bus.status.orphans
        if not orphans:
            return
        now_ms = int(self._reconciler.now().timestamp() * 1000)
        observed = await backend.observe({TopicQuery(orphan.topic_name, usage=True) for orphan in orphans})
        plans: list[Plan[TopicChange]] = [
            plan_orphan(
                orphan,
                observed[TopicQuery(orphan.topic_name, usage=True)],
                self._reconciler.cluster,
                now_ms=now_ms,
                idle_after_ms=self._reconciler.idle_after_ms,
            )
            for orphan in orphans
        ]
        outcomes = iter(await backend.apply([change for plan in plans for change in plan.changes]))
        errors = [[next(outcomes).error for _ in plan.changes] for plan in plans]
        remaining = tuple(orphan for orphan, failed in zip(orphans, errors, strict=True) if any(failed))
        for orphan, plan in zip(orphans, plans, strict=True):
            fields = key_fields(orphan.kind, (orphan.namespace, orphan.name)) | {"changes": plan.lines()}
            logger.info("orphan dealt with", extra={"fields": fields})
        state = await backend.probe()
        await self._lane.report_bus((state.cluster_id, state.brokers), remaining)
