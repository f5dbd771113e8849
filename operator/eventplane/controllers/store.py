"""What the watch has shown so far: resources by key, and the look-ups that decisions need. In memory, without IO."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.api.metadata import Metadata
from eventplane.planning.buses import BusDirectory, bus_reference
from eventplane.planning.desired import topic_name
from eventplane.planning.plan import Refusal

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a resource."""


class Store:
    """Resources as last seen, or as last written where the watch has not caught up with our own writes."""

    def __init__(self) -> None:
        self.topics: dict[Key, EventTopic] = {}
        self.buses: dict[Key, EventBus] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self._invalid: dict[Key, Refusal] = {}
        self._directory: BusDirectory | None = None
        self._places: dict[Key, _Place] = {}
        self._by_name: defaultdict[tuple[Key, str], set[Key]] = defaultdict(set)
        self._by_bus: defaultdict[Key, set[Key]] = defaultdict(set)
        self._by_age: defaultdict[tuple[Key, str], list[tuple[str, str]]] = defaultdict(list)

    # --- what the watch shows

    def is_news(self, known: Metadata | None, seen: Metadata) -> bool:
        """Tell whether an object is newer than what is stored, which may be our own write seen before its echo.

        The echo itself is news where it brings along what others changed between what we had seen and our write.
        """
        if known is None or known.uid != seen.uid:
            return True
        age, stored = _version(seen.resource_version), _version(known.resource_version)
        return age > stored or (age == stored and _intent(seen) != _intent(known))

    def put_topic(self, topic: EventTopic, invalid: Refusal | None = None) -> bool:
        """Store a topic, or why it is not understood; tell whether something that decisions hang on has changed."""
        key = topic.metadata.key
        self._invalid.pop(key, None)
        if invalid is not None:
            self._invalid[key] = invalid
        before = self.topics.get(key)
        self._displace(key)
        self.topics[key] = topic
        self._place(topic)
        return before is None or _cause(before) != _cause(topic)

    def put_bus(self, bus: EventBus) -> bool:
        """Store a bus; tell whether something that decisions hang on has changed."""
        before = self.buses.get(bus.metadata.key)
        self.buses[bus.metadata.key] = bus
        changed = before is None or _cause(before) != _cause(bus)
        if changed:
            self._replace_all()
        return changed

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """Store the labels of a namespace; tell whether they have changed."""
        changed = self.namespaces.get(name) != labels
        self.namespaces[name] = labels
        if changed:
            self._replace_all(namespace=name)
        return changed

    def remove_topic(self, key: Key, uid: str) -> EventTopic | None:
        """Forget a topic, unless another with its name has taken its place."""
        topic = self.topics.get(key)
        if topic is None or topic.metadata.uid != uid:
            return None
        self._displace(key)
        self._invalid.pop(key, None)
        return self.topics.pop(key)

    def remove_bus(self, key: Key, uid: str) -> EventBus | None:
        """Forget a bus, unless another with its name has taken its place."""
        bus = self.buses.get(key)
        if bus is None or bus.metadata.uid != uid:
            return None
        del self.buses[key]
        self._replace_all()
        return bus

    # --- what we wrote

    def wrote_topic_status(self, key: Key, uid: str, status: EventTopicStatus, resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        topic = self.topics.get(key)
        if topic is not None and topic.metadata.uid == uid:
            metadata = topic.metadata.model_copy(update={"resource_version": resource_version})
            self.put_topic(topic.model_copy(update={"status": status, "metadata": metadata}), self._invalid.get(key))

    def wrote_finalizers(self, key: Key, uid: str, finalizers: tuple[str, ...], resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        topic = self.topics.get(key)
        if topic is not None and topic.metadata.uid == uid:
            metadata = topic.metadata.model_copy(
                update={"finalizers": finalizers, "resource_version": resource_version}
            )
            self.topics[key] = topic.model_copy(update={"metadata": metadata})

    def wrote_bus_status(self, key: Key, uid: str, status: EventBusStatus, resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        bus = self.buses.get(key)
        if bus is not None and bus.metadata.uid == uid:
            metadata = bus.metadata.model_copy(update={"resource_version": resource_version})
            self.buses[key] = bus.model_copy(update={"status": status, "metadata": metadata})

    # --- look-ups

    @property
    def directory(self) -> BusDirectory:
        """The buses and namespaces as they are now."""
        if self._directory is None:
            self._directory = BusDirectory(self.buses.values(), self.namespaces)
        return self._directory

    def bus_of(self, topic: EventTopic) -> EventBus | Refusal:
        """Find the bus of a topic; one that is not understood has none."""
        return self._invalid.get(topic.metadata.key) or self.directory.resolve(
            topic.metadata.namespace, bus_reference(topic)
        )

    def topics_of(self, bus: Key) -> Iterable[Key]:
        """List the topics of a bus."""
        return tuple(self._by_bus.get(bus, ()))

    def rivals_of(self, topic: EventTopic) -> tuple[Metadata, ...]:
        """List the other topics that would own the same topic of the same bus and are not on their way out."""
        place = self._places.get(topic.metadata.key)
        if place is None or place.topic is None:
            return ()
        return self._owners_named(place.bus, place.topic, topic.metadata.key)

    def rivals_named_by(self, topic: EventTopic) -> tuple[Metadata, ...]:
        """List the topics that a new one, not stored yet, would rival."""
        bus = self.bus_of(topic)
        name = None if isinstance(bus, Refusal) else topic_name(topic, bus)
        if isinstance(bus, Refusal) or not isinstance(name, str):
            return ()
        return self._owners_named(bus.metadata.key, name, topic.metadata.key)

    def _owners_named(self, bus: Key, name: str, asking: Key) -> tuple[Metadata, ...]:
        others = (self.topics[key] for key in self._by_name.get((bus, name), set()) - {asking})
        return tuple(each.metadata for each in others if not each.metadata.deleting and each.spec.mode != "Observe")

    def elders_in_namespace(self, topic: EventTopic) -> int:
        """Count the older topics of the same namespace on the same bus."""
        place = self._places.get(topic.metadata.key)
        if place is None:  # not stored yet: all are older
            bus = self.bus_of(topic)
            known = (
                () if isinstance(bus, Refusal) else self._by_age.get((bus.metadata.key, topic.metadata.namespace), ())
            )
            return len(known)
        return bisect.bisect_left(self._by_age[place.bus, topic.metadata.namespace], topic.metadata.seniority)

    def claimants(self, bus: Key, name: str) -> Iterator[Key]:
        """List the topics that name a topic of a bus."""
        yield from self._by_name.get((bus, name), ())

    # --- indexes

    def _place(self, topic: EventTopic) -> None:
        bus = self.bus_of(topic)
        if isinstance(bus, Refusal):
            return
        name = topic_name(topic, bus)
        place = _Place(bus.metadata.key, name if isinstance(name, str) else None, topic.metadata)
        self._places[topic.metadata.key] = place
        self._by_bus[place.bus].add(topic.metadata.key)
        bisect.insort(self._by_age[place.bus, topic.metadata.namespace], topic.metadata.seniority)
        if place.topic is not None:
            self._by_name[place.bus, place.topic].add(topic.metadata.key)

    def _displace(self, key: Key) -> None:
        place = self._places.pop(key, None)
        if place is None:
            return
        self._by_bus[place.bus].discard(key)
        ages = self._by_age[place.bus, key[0]]
        del ages[bisect.bisect_left(ages, place.metadata.seniority)]
        if place.topic is not None:
            self._by_name[place.bus, place.topic].discard(key)
            if not self._by_name[place.bus, place.topic]:
                del self._by_name[place.bus, place.topic]

    def _replace_all(self, namespace: str | None = None) -> None:
        self._directory = None
        for key, topic in self.topics.items():
            if namespace is None or key[0] == namespace:
                self._displace(key)
                self._place(topic)


class _Place:
    """Where a topic stands in the indexes, remembered so that it can be taken out again."""

    __slots__ = ("bus", "metadata", "topic")

    def __init__(self, bus: Key, topic: str | None, metadata: Metadata) -> None:
        self.bus = bus
        self.topic = topic
        self.metadata = metadata


def _cause(resource: EventTopic | EventBus) -> tuple[object, ...]:
    """Reduce a resource to what makes a pass necessary: not its status, which is our own."""
    metadata = resource.metadata
    return (metadata.uid, metadata.generation, metadata.deletion_timestamp, tuple(sorted(metadata.annotations.items())))


def _intent(metadata: Metadata) -> tuple[object, ...]:
    """Reduce metadata to what others change."""
    return (metadata.generation, metadata.deletion_timestamp, metadata.annotations, metadata.finalizers)


def _version(resource_version: str) -> int:
    """Order resource versions, which Kubernetes has declared comparable (KEP-5504)."""
    return int(resource_version) if resource_version.isdecimal() else 0
