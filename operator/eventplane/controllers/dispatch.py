"""From what the watch shows to what is dirty: events go into the store, their keys into the queue of a lane."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.backends.kubernetes import Gone
from eventplane.controllers.lanes import BusLane
from eventplane.controllers.queue import Urgency
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.store import Key, Store
from eventplane.controllers.unbound import UnboundLane
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.telemetry import Metrics

logger = logging.getLogger(__name__)

RELIST_SETTLE_SECONDS: Final = 5.0
"""How long after the first sign of a repeated listing it is found out what has vanished."""

FAREWELL_SECONDS: Final = 60.0
"""How long the lane of a deleted bus stays for topics that may follow it: what is in a namespace goes one by one."""

LISTING_LOOKS: Final = 40
LISTING_LOOK_SECONDS: Final = 0.1


class Dispatcher:
    """Keeps the store up to date, and once this replica leads, the lanes busy."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self.store = store
        self.lanes: dict[Key, BusLane] = {}
        self.unbound: UnboundLane | None = None
        self.synced = asyncio.Event()
        """Everything that existed at the start has been seen."""
        self.cluster = ""
        """Identity of the Kubernetes cluster: the uid of its namespace kube-system, see `Owner.cluster`."""
        self._metrics = metrics
        self._open_lane: Callable[[EventBus], BusLane] | None = None
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._relisted = asyncio.Event()
        self._not_understood: set[Key] = set()
        self._farewells: set[Key] = set()

    # --- leading

    async def sync(self, list_keys: Callable[[str], Awaitable[set[Key]]]) -> None:
        """Wait until the watch has shown everything that exists: an incomplete picture would be taken for deletions.

        Args:
            list_keys: lists the keys of a plural by asking the API server.
        """
        missing = True
        while missing:
            buses, topics = await list_keys(EventBus.plural), await list_keys(EventTopic.plural)
            for _ in range(LISTING_LOOKS):
                missing = self._is_missing(buses, topics)
                if not missing:
                    break
                await asyncio.sleep(LISTING_LOOK_SECONDS)
        self.synced.set()

    def _is_missing(self, buses: set[Key], topics: set[Key]) -> bool:
        namespaces = {namespace for namespace, _ in topics}  # without its labels, one would seem not to be let in
        return bool(
            buses - self.store.buses.keys() - self._not_understood
            or topics - self.store.topics.keys()
            or namespaces - self.store.namespaces.keys()
            or not self.cluster
        )

    def lead(self, open_lane: Callable[[EventBus], BusLane], unbound: UnboundLane) -> None:
        """Start to act: a lane for each bus, and every resource is dirty."""
        self._open_lane = open_lane
        self.unbound = unbound
        for bus in self.store.buses.values():
            self._lane(bus)
        for key, topic in self.store.topics.items():
            self._mark(key, Urgency.DELETE if topic.metadata.deleting else Urgency.RESYNC)

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

    def topic_seen(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take note of a topic; mark it dirty if something about it matters."""
        self._note_listing(listed=listed)
        if not self._is_news(body, self.store.topics):
            return
        topic, invalid = parse_topic(body)
        if self.store.put_topic(topic, invalid):
            self._mark(topic.metadata.key, Urgency.DELETE if topic.metadata.deleting else Urgency.CHANGE)

    def topic_deleted(self, body: Mapping[str, Any]) -> None:
        """Forget a topic, and let those that wanted the same one have a try."""
        namespace, name, uid = _identity(body)
        topic = self.store.topics.get((namespace, name))
        if topic is None or topic.metadata.uid != uid:
            return
        rivals = [rival.key for rival in self.store.rivals_of(topic)]
        self.store.remove_topic((namespace, name), uid)
        lane = self._lane_of(topic)
        if lane is not None:
            lane.topic_gone()
        for key in rivals:
            self._mark(key, Urgency.CHANGE)
        self._close_idle_lanes()

    def bus_seen(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take note of a bus; what it rules is looked at again if something about it matters."""
        self._note_listing(listed=listed)
        if not self._is_news(body, self.store.buses):
            return
        try:
            bus = EventBus.model_validate(body)
        except ValidationError as error:
            self._not_understood.add(_identity(body)[:2])
            fields = key_fields(EventBus.kind, _identity(body)[:2]) | {"problems": problems_of(error)}
            logger.warning("not understood: is the CRD of this version installed?", extra={"fields": fields})
            return
        if not self.store.put_bus(bus):
            return
        known = bus.metadata.key in self.lanes
        lane = self._lane(bus)
        if lane is not None and known:
            lane.bus_changed()
        self._mark_all()

    def bus_deleted(self, body: Mapping[str, Any]) -> None:
        """Forget a bus; its lane stays while resources being deleted need it, or may need it in a moment."""
        namespace, name, uid = _identity(body)
        key = (namespace, name)
        if self.store.remove_bus(key, uid) is None:
            return
        self._mark_all()
        if key in self.lanes and self.lanes[key].may_have_work_left():
            self._farewells.add(key)
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._end_farewell, key)
        self._close_idle_lanes()

    def namespace_seen(self, body: Mapping[str, Any]) -> None:
        """Take note of a namespace's labels, which may open or close a bus to it."""
        metadata = body.get("metadata", {})
        name = str(metadata.get("name"))
        if name == "kube-system":
            self.cluster = str(metadata.get("uid"))
        if self.store.put_namespace(name, dict(metadata.get("labels") or {})):
            self._mark_all(namespace=name)

    def namespace_deleted(self, body: Mapping[str, Any]) -> None:
        """Forget a namespace; what was in it has been deleted before."""
        self.store.namespaces.pop(_identity(body)[1], None)

    def _note_listing(self, *, listed: bool) -> None:
        """Take note of a repeated listing: the watch was interrupted, and says nothing of what has gone since."""
        if listed and self.synced.is_set():
            self._relisted.set()

    async def follow_listings(self, list_keys: Callable[[str], Awaitable[set[Key]]]) -> None:
        """Forget what vanished while the watch was interrupted, each time that it was, until cancelled."""
        while True:
            await self._relisted.wait()
            await asyncio.sleep(RELIST_SETTLE_SECONDS)
            self._relisted.clear()
            try:
                await self._forget_vanished(list_keys)
            except (Unavailable, Rejected, Gone) as error:
                logger.warning("the API server is asked again: %s", error)
                self._relisted.set()

    async def _forget_vanished(self, list_keys: Callable[[str], Awaitable[set[Key]]]) -> None:
        # known before the listing and not in it: gone, whatever the watch has shown since
        topics, buses = dict(self.store.topics), dict(self.store.buses)
        for key in topics.keys() - await list_keys(EventTopic.plural):
            self.topic_deleted({"metadata": topics[key].metadata.to_wire()})
        for key in buses.keys() - await list_keys(EventBus.plural):
            self.bus_deleted({"metadata": buses[key].metadata.to_wire()})

    def _is_news(self, body: Mapping[str, Any], known: Mapping[Key, EventTopic] | Mapping[Key, EventBus]) -> bool:
        seen = Metadata.model_validate(body["metadata"])
        resource = known.get(seen.key)
        return self.store.is_news(resource.metadata if resource else None, seen)

    # --- lanes

    def _lane(self, bus: EventBus) -> BusLane | None:
        if self._open_lane is None or bus.metadata.key in self.lanes:
            return self.lanes.get(bus.metadata.key)
        lane = self._open_lane(bus)
        self.lanes[bus.metadata.key] = lane
        self._tasks[bus.metadata.key] = asyncio.create_task(lane.run())
        return lane

    def _lane_of(self, topic: EventTopic) -> BusLane | None:
        """Find the lane of a topic; a deletion goes where the topic has been, though it would belong elsewhere now."""
        if topic.metadata.deleting and topic.status.bus is not None:
            namespace, _, name = topic.status.bus.partition("/")
            if (namespace, name) in self.lanes:
                return self.lanes[namespace, name]
        bus = self.store.bus_of(topic)
        return None if isinstance(bus, Refusal) else self._lane(bus)

    def _mark(self, key: Key, urgency: Urgency) -> None:
        if self.unbound is None:
            return  # standing by
        lane = self._lane_of(self.store.topics[key])
        (lane or self.unbound).queue.add(key, urgency)

    def _mark_all(self, namespace: str | None = None) -> None:
        for key in self.store.topics:
            if namespace is None or key[0] == namespace:
                self._mark(key, Urgency.CHANGE)

    def _end_farewell(self, key: Key) -> None:
        self._farewells.discard(key)
        self._close_idle_lanes()

    def _close_idle_lanes(self) -> None:
        for key in [key for key in self.lanes if key not in self.store.buses]:
            waits = key in self._farewells and self.lanes[key].may_have_work_left()
            if not waits and not self.lanes[key].has_work_left():
                del self.lanes[key]
                self._tasks.pop(key).cancel()
                self._metrics.forget_bus("/".join(key))


def _identity(body: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = body.get("metadata", {})
    return str(metadata.get("namespace", "")), str(metadata.get("name", "")), str(metadata.get("uid", ""))


def parse_topic(body: Mapping[str, Any]) -> tuple[EventTopic, Refusal | None]:
    """Read a topic; one that this version does not understand is read as an empty one, with a refusal that says why."""
    try:
        return EventTopic.model_validate(body), None
    except ValidationError as error:
        message = f"this version of Eventplane does not understand it: {problems_of(error)}"
        return _understood(body), Refusal(Reason.INVALID_SPEC, message)


def _understood(body: Mapping[str, Any]) -> EventTopic:
    """Read what can be read without the spec: what is known of the topic stays known, its deletion keeps it."""
    bare = {"metadata": body["metadata"], "spec": {}}
    try:
        return EventTopic.model_validate(bare | {"status": body.get("status", {})})
    except ValidationError:
        return EventTopic.model_validate(bare)


def problems_of(error: ValidationError) -> str:
    """Say what a model did not accept, by field; without the values, which the user knows."""
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False))
