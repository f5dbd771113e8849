"""One kind of resource and its lanes: a lane for each bus, and one for those that have none."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeAlias

from eventplane.api.event_bus import EventBus
from eventplane.api.metadata import Metadata
from eventplane.api.resource import Managed
from eventplane.controllers.lanes import Lane
from eventplane.controllers.parsing import identity, parse
from eventplane.controllers.queue import Urgency
from eventplane.controllers.reconcile import R
from eventplane.controllers.shelf import Key, Shelf
from eventplane.controllers.store import Store
from eventplane.controllers.unbound import UnboundLane
from eventplane.planning.plan import Refusal
from eventplane.telemetry import Metrics

AnyLane: TypeAlias = Lane[R, Any, Any]


class Track(Generic[R]):
    """Takes note of the resources of a kind, and once this replica leads, keeps their lanes busy."""

    def __init__(self, store: Store, shelf: Shelf[R], metrics: Metrics) -> None:
        self.shelf = shelf
        self.lanes: dict[Key, AnyLane[R]] = {}
        self.unbound: UnboundLane[R] | None = None
        self._store = store
        self._metrics = metrics
        self._open_lane: Callable[[EventBus], AnyLane[R] | None] | None = None
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._farewells: set[Key] = set()

    # --- leading

    def lead(self, open_lane: Callable[[EventBus], AnyLane[R] | None], unbound: UnboundLane[R]) -> None:
        """Start to act: a lane for each bus that wants one, and every resource is dirty."""
        self._open_lane = open_lane
        self.unbound = unbound
        for bus in self._store.buses.values():
            self._lane(bus)
        for key, resource in self.shelf.items():
            self.mark(key, _urgency_at_first(resource))

    async def stop(self) -> None:
        """Stop to act: end the lanes and close their connections."""
        self._open_lane = self.unbound = None
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.lanes.clear()
        self._tasks.clear()

    def stuck(self) -> list[Key]:
        """Name the lanes whose work has ended although it never should."""
        return [key for key, task in self._tasks.items() if task.done()]

    # --- what the watch shows

    def seen(self, body: Mapping[str, Any]) -> None:
        """Take note of a resource; mark it dirty if something about it matters."""
        shown = Metadata.model_validate(body["metadata"])
        known = self.shelf.get(shown.key)
        if not self._store.is_news(known.metadata if known else None, shown):
            return
        resource, invalid = parse(self.shelf.kind, body)
        if self.shelf.put(resource, invalid):
            self.mark(resource.metadata.key, Urgency.DELETE if resource.metadata.deleting else Urgency.CHANGE)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """Forget a resource, and let those that wanted the same thing have a try."""
        namespace, name, uid = identity(body)
        resource = self.shelf.get((namespace, name))
        if resource is None or resource.metadata.uid != uid:
            return
        rivals = [rival.key for rival in self.shelf.rivals_of(resource)]
        self.shelf.remove((namespace, name), uid)
        lane = self._lane_of(resource)
        if lane is not None:
            lane.resource_gone()
        for key in rivals:
            self.mark(key, Urgency.CHANGE)
        self.close_idle()

    def bus_changed(self, bus: EventBus) -> None:
        """Open the lane of a new bus, or let the one it has look at it again."""
        known = bus.metadata.key in self.lanes
        lane = self._lane(bus)
        if lane is not None and known:
            lane.bus_changed()

    def bus_gone(self, key: Key, farewell_seconds: float) -> None:
        """Let the lane of a bus go, unless resources being deleted need it, or may need it in a moment."""
        if key in self.lanes and self.lanes[key].may_have_work_left():
            self._farewells.add(key)
            asyncio.get_running_loop().call_later(farewell_seconds, self._end_farewell, key)
        self.close_idle()

    # --- lanes

    def mark(self, key: Key, urgency: Urgency) -> None:
        """Mark a resource dirty in the lane where it belongs; one that is gone is left out."""
        resource = self.shelf.get(key)
        if self.unbound is None or resource is None:
            return  # standing by, or gone meanwhile
        lane = self._lane_of(resource)
        (lane or self.unbound).queue.add(key, urgency)

    def mark_all(self, namespace: str | None = None) -> None:
        """Mark everything dirty, or all of a namespace."""
        for key in self.shelf:
            if namespace is None or key[0] == namespace:
                self.mark(key, Urgency.CHANGE)

    def _lane(self, bus: EventBus) -> AnyLane[R] | None:
        key = bus.metadata.key
        if self._open_lane is None or key in self.lanes:
            return self.lanes.get(key)
        lane = self._open_lane(bus)
        if lane is not None:
            self.lanes[key] = lane
            self._tasks[key] = asyncio.create_task(lane.run())
        return lane

    def _lane_of(self, resource: R) -> AnyLane[R] | None:
        """Find the lane of a resource; a deletion goes where it has been, though it would belong elsewhere now."""
        if resource.metadata.deleting and resource.status.bus is not None:
            namespace, _, name = resource.status.bus.partition("/")
            if (namespace, name) in self.lanes:
                return self.lanes[namespace, name]
        bus = self.shelf.bus_of(resource)
        return None if isinstance(bus, Refusal) else self._lane(bus)

    def _end_farewell(self, key: Key) -> None:
        self._farewells.discard(key)
        self.close_idle()

    def close_idle(self) -> None:
        """End the lanes of buses that are gone and that nothing needs any more."""
        for key in [key for key in self.lanes if key not in self._store.buses]:
            waits = key in self._farewells and self.lanes[key].may_have_work_left()
            if not waits and not self.lanes[key].has_work_left():
                del self.lanes[key]
                self._tasks.pop(key).cancel()
                self._metrics.forget_bus("/".join(key))


def _urgency_at_first(resource: Managed) -> Urgency:
    """Tell what goes first when the lead is taken: what nobody has looked at as it is now, before what was in order."""
    if resource.metadata.deleting:
        return Urgency.DELETE
    looked_at = resource.status.observed_generation == resource.metadata.generation
    return Urgency.RESYNC if looked_at else Urgency.CHANGE
