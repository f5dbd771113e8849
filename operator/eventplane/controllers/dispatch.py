"""From what the watch shows to what is dirty: events go into the store, their keys into the queue of a lane."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.api.model import field_problems
from eventplane.api.publication import Publication
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.backends.kubernetes import Gone
from eventplane.controllers.parsing import identity
from eventplane.controllers.policies import PolicyTrack
from eventplane.controllers.queue import Urgency
from eventplane.controllers.reporting import key_fields
from eventplane.controllers.shelf import Key
from eventplane.controllers.store import Store
from eventplane.controllers.tracks import Track
from eventplane.planning.dependencies import Place
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.telemetry import Metrics

logger = logging.getLogger(__name__)

RELIST_SETTLE_SECONDS: Final = 5.0
"""How long after the first sign of a repeated listing it is found out what has vanished."""

FAREWELL_SECONDS: Final = 60.0
"""How long the lanes of a deleted bus stay for resources that may follow it: what is in a namespace goes one by one."""

LISTING_LOOKS: Final = 40
LISTING_LOOK_SECONDS: Final = 0.1

ListKeys = Callable[[str], Awaitable[set[Key]]]
"""Lists the keys of a plural by asking the API server."""


class Dispatcher:
    """Keeps the store up to date, and once this replica leads, the lanes busy."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self.store = store
        self.topics = Track(store, store.topics, metrics)
        self.schemas = Track(store, store.schemas, metrics)
        self.publications = Track(store, store.publications, metrics)
        self.subscriptions = Track(store, store.subscriptions, metrics)
        self.policies = PolicyTrack(store)
        self.synced = asyncio.Event()
        """Everything that existed at the start has been seen."""
        self.cluster = ""
        """Identity of the Kubernetes cluster: the uid of its namespace kube-system, see `Owner.cluster`."""
        self._relisted = asyncio.Event()
        store.on_outward_change = self.mark_places

    @property
    def tracks(self) -> Mapping[str, Track[Any]]:
        """The kinds that live on a bus, by their plural."""
        return {
            EventTopic.plural: self.topics,
            Schema.plural: self.schemas,
            Publication.plural: self.publications,
            Subscription.plural: self.subscriptions,
        }

    @property
    def watched(self) -> Mapping[str, Track[Any] | PolicyTrack]:
        """The kinds that are watched beside EventBus, by their plural."""
        return {**self.tracks, DeadLetterPolicy.plural: self.policies}

    @property
    def leading(self) -> bool:
        """Whether this replica acts."""
        return all(track.unbound is not None for track in self.tracks.values())

    @property
    def is_idle(self) -> bool:
        """Whether no resource is dirty or being worked on."""
        return not any(lane.queue.depth() for track in self.tracks.values() for lane in track.lanes.values())

    # --- leading

    async def sync(self, list_keys: ListKeys) -> None:
        """Wait until the watch has shown everything that exists: an incomplete picture would be taken for deletions."""
        missing = True
        while missing:
            buses = await list_keys(EventBus.plural)
            resources = {plural: await list_keys(plural) for plural in self.watched}
            for _ in range(LISTING_LOOKS):
                missing = self._is_missing(buses, resources)
                if not missing:
                    break
                await asyncio.sleep(LISTING_LOOK_SECONDS)
        self.synced.set()

    def _is_missing(self, buses: set[Key], resources: Mapping[str, set[Key]]) -> bool:
        unseen = (keys - self.watched[plural].shelf.keys() for plural, keys in resources.items())
        # without its labels, a namespace would seem not to be let in
        namespaces = {namespace for keys in resources.values() for namespace, _ in keys}
        return bool(
            buses - self.store.buses.keys() - self.store.buses_not_understood
            or any(unseen)
            or namespaces - self.store.namespaces.keys()
            or not self.cluster
        )

    async def stop(self) -> None:
        """Stop to act: end the lanes and close their connections."""
        self.policies.stop()
        await asyncio.gather(*(track.stop() for track in self.tracks.values()))

    def stuck(self) -> list[Key]:
        """Name the lanes whose work has ended although it never should."""
        return [key for track in self.tracks.values() for key in track.stuck()]

    # --- what the watch shows

    def seen(self, plural: str, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take note of a bus or of another resource."""
        self._note_listing(listed=listed)
        track = self.watched.get(plural)
        if track is not None:
            track.seen(body)
        else:
            self._bus_seen(body)

    def deleted(self, plural: str, body: Mapping[str, Any]) -> None:
        """Forget a bus or another resource."""
        track = self.watched.get(plural)
        if track is not None:
            track.deleted(body)
        else:
            self._bus_deleted(body)

    def _bus_seen(self, body: Mapping[str, Any]) -> None:
        """Take note of a bus; what it rules is looked at again if something about it matters."""
        shown = Metadata.model_validate(body["metadata"])
        known = self.store.buses.get(shown.key)
        if not self.store.is_news(known.metadata if known else None, shown):
            return
        try:
            bus = EventBus.model_validate(body)
        except ValidationError as error:
            self.store.buses_not_understood.add(shown.key)
            fields = key_fields(EventBus.kind, shown.key) | {"problems": field_problems(error)}
            logger.warning("not understood: is the CRD of this version installed?", extra={"fields": fields})
            return
        self.store.buses_not_understood.discard(shown.key)
        if not self.store.put_bus(bus):
            return
        for track in self.tracks.values():
            track.bus_changed(bus)
            track.mark_all()

    def _bus_deleted(self, body: Mapping[str, Any]) -> None:
        namespace, name, uid = identity(body)
        key = (namespace, name)
        self.store.buses_not_understood.discard(key)
        if self.store.remove_bus(key, uid) is None:
            return
        for track in self.tracks.values():
            track.mark_all()
            track.bus_gone(key, FAREWELL_SECONDS)

    def namespace_seen(self, body: Mapping[str, Any]) -> None:
        """Take note of a namespace's labels, which may open or close a bus to it."""
        metadata = body.get("metadata", {})
        name = str(metadata.get("name"))
        if name == "kube-system":
            self.cluster = str(metadata.get("uid"))
        if self.store.put_namespace(name, dict(metadata.get("labels") or {})):
            for track in self.tracks.values():
                track.mark_all(namespace=name)

    def namespace_deleted(self, body: Mapping[str, Any]) -> None:
        """Forget a namespace; what was in it has been deleted before."""
        self.store.namespaces.pop(identity(body)[1], None)

    def mark_places(self, places: Iterable[Place]) -> None:
        """Look again at resources of which something that they refer to, or that refers to them, has changed."""
        by_kind: dict[str, Track[Any] | PolicyTrack] = {DeadLetterPolicy.kind: self.policies}
        by_kind |= {track.shelf.kind.kind: track for track in self.tracks.values()}
        for kind, key in places:
            by_kind[kind].mark(key, Urgency.CHANGE)

    # --- listings

    def _note_listing(self, *, listed: bool) -> None:
        """Take note of a repeated listing: the watch was interrupted, and says nothing of what has gone since."""
        if listed and self.synced.is_set():
            self._relisted.set()

    async def follow_listings(self, list_keys: ListKeys) -> None:
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

    async def _forget_vanished(self, list_keys: ListKeys) -> None:
        # known before the listing and not in it: gone, whatever the watch has shown since
        known = {plural: dict(track.shelf) for plural, track in self.watched.items()}
        buses = dict(self.store.buses)
        for plural, resources in known.items():
            for key in resources.keys() - await list_keys(plural):
                self.deleted(plural, {"metadata": resources[key].metadata.to_wire()})
        for key in buses.keys() - await list_keys(EventBus.plural):
            self.deleted(EventBus.plural, {"metadata": buses[key].metadata.to_wire()})
