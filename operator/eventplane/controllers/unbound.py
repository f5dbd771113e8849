"""Resources that have no bus: they are told why, and let go when they are deleted."""

from typing import Any, Generic

from eventplane.backends.kubernetes import Conflict
from eventplane.controllers.reconcile import Next, R, Reconciler
from eventplane.controllers.shelf import Key
from eventplane.controllers.status_lane import StatusLane
from eventplane.planning.decision import has_finalizer
from eventplane.planning.farewell import farewell_to
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal


class UnboundLane(StatusLane, Generic[R]):
    """The lane of those whose bus does not exist, is ambiguous, does not let them in, or lacks what they need."""

    def __init__(self, reconciler: Reconciler[R, Any, Any]) -> None:
        super().__init__(reconciler.kind)
        self._reconciler = reconciler
        self._shelf = reconciler.shelf

    async def tell(self, key: Key) -> Next:
        """Part with a resource that is being deleted, or say why it has no bus."""
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
