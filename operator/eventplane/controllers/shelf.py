"""The resources of one kind as the watch has shown them, and where they stand. In memory, without IO."""

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.metadata import Metadata
from eventplane.api.resource import Managed, ManagedStatus
from eventplane.controllers.tally import Tally
from eventplane.planning.buses import BusDirectory, bus_reference
from eventplane.planning.plan import Refusal

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a resource."""
R = TypeVar("R", bound=Managed)


class Shelf(Mapping[Key, R], Generic[R]):
    """The resources of one kind, and where they stand: by bus, by the name of the thing they want, by age."""

    def __init__(
        self,
        kind: type[R],
        name_of: Callable[[R, EventBus], str | Refusal | None],
        directory: Callable[[], BusDirectory],
        moved: Callable[[R | None, R | None], None],
    ) -> None:
        """Make an empty shelf.

        Args:
            kind: what it holds.
            name_of: names the thing that a resource wants on its bus; None where that is not known yet.
            directory: the buses as they are now.
            moved: told what a resource was before and is now, None where it is absent.
        """
        self.kind = kind
        self.tally = Tally()
        self._name_of = name_of
        self._directory = directory
        self._moved = moved
        self._resources: dict[Key, R] = {}
        self._invalid: dict[Key, Refusal] = {}
        self._places: dict[Key, _Place] = {}
        self._by_name: defaultdict[tuple[Key, str], set[Key]] = defaultdict(set)
        self._by_bus: defaultdict[Key, set[Key]] = defaultdict(set)
        self._by_age: defaultdict[tuple[Key, str], list[tuple[str, str]]] = defaultdict(list)

    def __getitem__(self, key: Key) -> R:
        return self._resources[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)

    # --- what the watch shows, and what we wrote

    def put(self, resource: R, invalid: Refusal | None = None) -> bool:
        """Store a resource, or why it is not understood; tell whether something that decisions hang on has changed."""
        key = resource.metadata.key
        self._invalid.pop(key, None)
        if invalid is not None:
            self._invalid[key] = invalid
        before = self._resources.get(key)
        self._displace(key)
        self._resources[key] = resource
        self._place(resource)
        self.tally.moved(before, resource)
        self._moved(before, resource)
        return before is None or cause(before) != cause(resource)

    def remove(self, key: Key, uid: str) -> R | None:
        """Forget a resource, unless another with its name has taken its place."""
        resource = self._resources.get(key)
        if resource is None or resource.metadata.uid != uid:
            return None
        self._displace(key)
        self._invalid.pop(key, None)
        del self._resources[key]
        self.tally.moved(resource, None)
        self._moved(resource, None)
        return resource

    def wrote_status(self, resource: R, status: ManagedStatus, resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        known = self._known(resource)
        if known is not None:
            metadata = known.metadata.model_copy(update={"resource_version": resource_version})
            written = known.model_copy(update={"status": status, "metadata": metadata})
            self.put(written, self._invalid.get(resource.metadata.key))

    def wrote_finalizers(self, resource: R, finalizers: tuple[str, ...], resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        known = self._known(resource)
        if known is not None:
            changed = {"finalizers": finalizers, "resource_version": resource_version}
            written = known.model_copy(update={"metadata": known.metadata.model_copy(update=changed)})
            self._resources[resource.metadata.key] = written

    def _known(self, resource: R) -> R | None:
        known = self._resources.get(resource.metadata.key)
        return known if known is not None and known.metadata.uid == resource.metadata.uid else None

    def shown(self, resource: R) -> R:
        """Take the resource as last seen or written: another of its fields may have moved on since the pass began."""
        return self._known(resource) or resource

    # --- look-ups

    def bus_of(self, resource: R) -> EventBus | Refusal:
        """Find the bus of a resource; one that is not understood has none."""
        return self._invalid.get(resource.metadata.key) or self._directory().resolve(
            resource.metadata.namespace, bus_reference(resource)
        )

    def of(self, bus: Key) -> Iterable[Key]:
        """List the resources of a bus."""
        return tuple(self._by_bus.get(bus, ()))

    def rivals_of(self, resource: R) -> tuple[Metadata, ...]:
        """List the others that would own the same thing of the same bus and are not on their way out."""
        place = self._places.get(resource.metadata.key)
        if place is None or place.name is None:
            return ()
        return self.owners_named(place.bus, place.name, resource.metadata.key)

    def rivals_named_by(self, resource: R) -> tuple[Metadata, ...]:
        """List those that a new one, not stored yet, would rival."""
        bus = self.bus_of(resource)
        name = None if isinstance(bus, Refusal) else self._name_of(resource, bus)
        if isinstance(bus, Refusal) or not isinstance(name, str):
            return ()
        return self.owners_named(bus.metadata.key, name, resource.metadata.key)

    def owners_named(self, bus: Key, name: str, asking: Key) -> tuple[Metadata, ...]:
        """List those that would own a thing of a bus by its name, but for the one that asks."""
        others = (self._resources[key] for key in self._by_name.get((bus, name), set()) - {asking})
        return tuple(each.metadata for each in others if not each.metadata.deleting and each.spec.mode != "Observe")

    def elders_in_namespace(self, resource: R) -> int:
        """Count the older ones of the same namespace on the same bus."""
        place = self._places.get(resource.metadata.key)
        if place is None:  # not stored yet: all are older
            bus = self.bus_of(resource)
            if isinstance(bus, Refusal):
                return 0
            return len(self._by_age.get((bus.metadata.key, resource.metadata.namespace), ()))
        return bisect.bisect_left(self._by_age[place.bus, resource.metadata.namespace], resource.metadata.seniority)

    def claimants(self, bus: Key, name: str) -> Iterator[Key]:
        """List those that name a thing of a bus."""
        yield from self._by_name.get((bus, name), ())

    # --- indexes

    def _place(self, resource: R) -> None:
        bus = self.bus_of(resource)
        if isinstance(bus, Refusal):
            return
        name = self._name_of(resource, bus)
        place = _Place(bus.metadata.key, name if isinstance(name, str) else None, resource.metadata)
        self._places[resource.metadata.key] = place
        self._by_bus[place.bus].add(resource.metadata.key)
        bisect.insort(self._by_age[place.bus, resource.metadata.namespace], resource.metadata.seniority)
        if place.name is not None:
            self._by_name[place.bus, place.name].add(resource.metadata.key)

    def _displace(self, key: Key) -> None:
        place = self._places.pop(key, None)
        if place is None:
            return
        self._by_bus[place.bus].discard(key)
        ages = self._by_age[place.bus, key[0]]
        del ages[bisect.bisect_left(ages, place.metadata.seniority)]
        if place.name is not None:
            self._by_name[place.bus, place.name].discard(key)
            if not self._by_name[place.bus, place.name]:
                del self._by_name[place.bus, place.name]

    def replace(self, namespace: str | None = None) -> None:
        """Find everything its place anew: what buses or namespaces say has changed."""
        for key, resource in self._resources.items():
            if namespace is None or key[0] == namespace:
                self._displace(key)
                self._place(resource)


class _Place:
    """Where a resource stands in the indexes, remembered so that it can be taken out again."""

    __slots__ = ("bus", "metadata", "name")

    def __init__(self, bus: Key, name: str | None, metadata: Metadata) -> None:
        self.bus = bus
        self.name = name
        self.metadata = metadata


def cause(resource: Managed | EventBus | DeadLetterPolicy) -> tuple[object, ...]:
    """Reduce a resource to what makes a pass necessary: not its status, which is our own."""
    metadata = resource.metadata
    return (metadata.uid, metadata.generation, metadata.deletion_timestamp, tuple(sorted(metadata.annotations.items())))
