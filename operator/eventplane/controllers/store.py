"""What the watch has shown so far: buses, namespaces, and the resources on them with who refers to whom. Without IO."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from eventplane.api.access import Access
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.api.publication import Publication
from eventplane.api.resource import Managed
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.controllers.children import Children
from eventplane.controllers.policy_shelf import PolicyShelf
from eventplane.controllers.shelf import Key, Shelf, cause
from eventplane.events.waits import child_names
from eventplane.planning.access_desired import Topics
from eventplane.planning.buses import BusDirectory
from eventplane.planning.dead_letters import Policy
from eventplane.planning.dependencies import EVERY, Place, needs_of, outward, selects_topic
from eventplane.planning.desired import topic_name
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_desired import subject_name

__all__ = ["Key", "Shelf", "Store"]


class Store:
    """Resources as last seen, or as last written where the watch has not caught up with our own writes."""

    def __init__(self) -> None:
        self.topics = Shelf(EventTopic, topic_name, lambda: self.directory, self._moved)
        self.schemas = Shelf(Schema, self._subject_of, lambda: self.directory, self._moved)
        self.publications = Shelf(Publication, _nothing_contended, lambda: self.directory, self._moved)
        self.subscriptions = Shelf(Subscription, _nothing_contended, lambda: self.directory, self._moved)
        self.policies = PolicyShelf(self._moved)
        self.buses: dict[Key, EventBus] = {}
        self.buses_not_understood: set[Key] = set()
        """Those that exist, of which no more is known than that, or than what they were before."""
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.on_outward_change: Callable[[Iterable[Place]], None] = lambda _places: None
        """Told which resources may have to be looked at again, because one that they refer to, or that refers to
        them, has changed."""
        self._directory: BusDirectory | None = None
        self._children = Children()
        self._needed_by: defaultdict[Place, set[Place]] = defaultdict(set)
        self._topics_in: defaultdict[str, set[Key]] = defaultdict(set)

    @property
    def shelves(self) -> tuple[Shelf[EventTopic], Shelf[Schema], Shelf[Publication], Shelf[Subscription]]:
        """The resources of each kind that lives on a bus."""
        return (self.topics, self.schemas, self.publications, self.subscriptions)

    @property
    def applications(self) -> tuple[Shelf[Publication], Shelf[Subscription]]:
        """The resources that become users of Kafka."""
        return (self.publications, self.subscriptions)

    def is_news(self, known: Metadata | None, seen: Metadata) -> bool:
        """Tell whether an object is newer than what is stored, which may be our own write seen before its echo.

        The echo itself is news where it brings along what others changed between what we had seen and our write.
        """
        if known is None or known.uid != seen.uid:
            return True
        age, stored = _version(seen.resource_version), _version(known.resource_version)
        return age > stored or (age == stored and _intent(seen) != _intent(known))

    # --- buses and namespaces

    def put_bus(self, bus: EventBus) -> bool:
        """Store a bus; tell whether something that decisions hang on has changed."""
        before = self.buses.get(bus.metadata.key)
        self.buses[bus.metadata.key] = bus
        changed = before is None or cause(before) != cause(bus)
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

    def remove_bus(self, key: Key, uid: str) -> EventBus | None:
        """Forget a bus, unless another with its name has taken its place."""
        bus = self.buses.get(key)
        if bus is None or bus.metadata.uid != uid:
            return None
        del self.buses[key]
        self._replace_all()
        return bus

    def wrote_bus_status(self, key: Key, uid: str, status: EventBusStatus, resource_version: str) -> None:
        """Remember our own write, so that a pass before its echo does not repeat it."""
        bus = self.buses.get(key)
        if bus is not None and bus.metadata.uid == uid:
            metadata = bus.metadata.model_copy(update={"resource_version": resource_version})
            self.buses[key] = bus.model_copy(update={"status": status, "metadata": metadata})

    @property
    def directory(self) -> BusDirectory:
        """The buses and namespaces as they are now."""
        if self._directory is None:
            self._directory = BusDirectory(self.buses.values(), self.namespaces)
        return self._directory

    def _replace_all(self, namespace: str | None = None) -> None:
        self._directory = None
        for shelf in self.shelves:
            shelf.replace(namespace)

    # --- who refers to whom

    def users_of(self, place: Place) -> tuple[Place, ...]:
        """List the resources that refer to one, in order."""
        return tuple(sorted(self._needed_by.get(place, ())))

    def _moved(self, before: Managed | DeadLetterPolicy | None, after: Managed | DeadLetterPolicy | None) -> None:
        """Keep the references up to date, and tell of those who have to be looked at again."""
        resource = after or before
        assert resource is not None  # noqa: S101 - one of them is given
        place = (resource.kind, resource.metadata.key)
        if isinstance(resource, EventTopic):
            topics = self._topics_in[resource.metadata.namespace]
            (topics.discard if after is None else topics.add)(resource.metadata.key)
        self._children.moved(before, after)
        old = needs_of(before) if before is not None else frozenset()
        new = needs_of(after) if after is not None else frozenset()
        for needed in old - new:
            self._needed_by[needed].discard(place)
            if not self._needed_by[needed]:
                del self._needed_by[needed]
        for needed in new - old:
            self._needed_by[needed].add(place)
        again = {each for needed in old ^ new for each in self._those(needed)}
        again |= {schema for kind, key in again if kind == EventTopic.kind for schema in self._schemas_behind(key)}
        if (outward(before) if before else None) != (outward(after) if after else None):
            everyone = (place[0], (place[1][0], EVERY))
            again |= self._needed_by.get(place, set()) | self._needed_by.get(everyone, set())
            again |= {(Subscription.kind, key) for key in self._children.parents(before, after)}
            again |= new if self._needed_by.get(everyone) else set()  # other applications may use its Schemas now
        if again:
            self.on_outward_change(again)

    def _those(self, needed: Place) -> Iterable[Place]:
        """Resolve what stands for every topic of a namespace."""
        kind, (namespace, name) = needed
        return [(kind, key) for key in self._topics_in[namespace]] if name == EVERY else [needed]

    def _schemas_behind(self, topic: Key) -> Iterable[Place]:
        """Name the Schemas of a topic's records, if the topic exists: who uses it uses them."""
        found = self.topics.get(topic)
        return needs_of(found) if found is not None else ()

    def readers_and_writers_of(self, schema: Schema) -> tuple[Place, ...]:
        """List the resources that refer to a Schema, and the applications of the topics among them, in order."""
        users = set(self.users_of((Schema.kind, schema.metadata.key)))
        for kind, key in tuple(users):
            topic = self.topics.get(key) if kind == EventTopic.kind else None
            users |= set(self.applications_of(topic)) if topic is not None else set()
        return tuple(sorted(users))

    def schemas_of(self, topic: EventTopic) -> Mapping[str, Schema | None]:
        """Find the Schemas that a topic names, by part of its records; None where one does not exist."""
        named = {"key": topic.spec.schemas.key, "value": topic.spec.schemas.value}
        namespace = topic.metadata.namespace
        return {part: self.schemas.get((namespace, each.name)) for part, each in named.items() if each is not None}

    def imports_of(self, schema: Schema) -> Mapping[Key, Schema | None]:
        """Find the Schemas that one refers to, and those to which they refer; None where one does not exist."""
        found: dict[Key, Schema | None] = {}
        look = [schema]
        while look:
            for kind, key in needs_of(look.pop()):
                if kind == Schema.kind and key not in found:
                    found[key] = imported = self.schemas.get(key)
                    look += [imported] if imported is not None else []
        return found

    def applications_of(self, topic: EventTopic) -> tuple[Place, ...]:
        """List the Publications and Subscriptions that name or select a topic, in order."""
        users = self.users_of((EventTopic.kind, topic.metadata.key))
        named = {place for place in users if place[0] in {Publication.kind, Subscription.kind}}
        selecting = self.users_of((EventTopic.kind, (topic.metadata.namespace, EVERY)))
        selected = {place for place in selecting if topic.metadata.name in self.topics_of(self.subscriptions[place[1]])}
        return tuple(sorted(named | selected))

    def topics_of(self, resource: Access) -> Mapping[str, EventTopic | None]:
        """Find the EventTopics that a Publication or Subscription names or selects; None where one does not exist."""
        namespace = resource.metadata.namespace
        if isinstance(resource, Subscription) and resource.spec.topic_selector is not None:
            selector = resource.spec.topic_selector
            topics = (self.topics[key] for key in sorted(self._topics_in[namespace]))
            return {each.metadata.name: each for each in topics if selects_topic(selector, each)}
        return {each.name: self.topics.get((namespace, each.name)) for each in resource.spec.topics}

    def twin_of(self, resource: Access) -> Access | None:
        """Find the resource of the other kind that has the name of one, is on its bus, and stays."""
        here: Shelf[Any] = self.publications if isinstance(resource, Publication) else self.subscriptions
        there: Shelf[Any] = self.subscriptions if isinstance(resource, Publication) else self.publications
        twin: Access | None = there.get(resource.metadata.key)
        if twin is None or twin.metadata.deleting:
            return None
        homes = here.bus_of(resource), there.bus_of(twin)
        return twin if _is_one_bus(*homes) else None

    def children_of(self, subscription: Subscription) -> tuple[EventTopic, ...]:
        """Find the EventTopics that were made for a Subscription, in order."""
        return tuple(self.topics[key] for key in self._children.of(subscription) if key in self.topics)

    def siblings_of(self, subscription: Subscription) -> tuple[EventTopic, ...]:
        """Find the EventTopics that were made for a Subscription, and those that have the names its policy gives."""
        namespace, name = subscription.metadata.key
        policy = self.policy_of(subscription)
        names = child_names(name, policy.spec.retry) if isinstance(policy, DeadLetterPolicy) else ()
        keys = dict.fromkeys([*self._children.of(subscription), *((namespace, each) for each in names)])
        return tuple(self.topics[key] for key in keys if key in self.topics)

    def policy_of(self, subscription: Subscription) -> Policy:
        """Find the policy that a Subscription names; None where it names none, or one that does not exist."""
        ref = subscription.spec.dead_letter_policy_ref
        return None if ref is None else self.policies.named((subscription.metadata.namespace, ref.name))

    def sink_topics_of(self, subscription: Subscription) -> Topics:
        """Find the EventTopics that a Subscription delivers to, by the names that it calls them."""
        namespace = subscription.metadata.namespace
        return {name: self.topics.get((namespace, name)) for name in subscription.spec.sink_topics}

    def lookup_topics_of(self, subscription: Subscription) -> Topics:
        """Find the EventTopics that a Subscription looks into, by the names that it calls them."""
        namespace = subscription.metadata.namespace
        return {name: self.topics.get((namespace, name)) for name in subscription.spec.lookup_topics}

    def positions_of(self, publication: Publication) -> EventTopic | None:
        """Find the EventTopic of a relay's positions; None where there is no relay, or no such EventTopic."""
        relay = publication.spec.relay
        return None if relay is None else self.topics.get((publication.metadata.namespace, relay.positions.name))

    def topic_of(self, schema: Schema) -> EventTopic | None:
        """Find the topic that a schema's subject is named after."""
        topic = schema.spec.topic
        return self.topics.get((schema.metadata.namespace, topic.name)) if topic is not None else None

    def _subject_of(self, schema: Schema, bus: EventBus) -> str | None:
        name = subject_name(schema, bus, self.topic_of(schema), schema.spec.definition)
        return name if isinstance(name, str) else None


def _nothing_contended(_resource: Access, _bus: EventBus) -> None:
    """Name nothing that two applications could both want: their users are named after them."""


def _intent(metadata: Metadata) -> tuple[object, ...]:
    """Reduce metadata to what others change."""
    return (metadata.generation, metadata.deletion_timestamp, metadata.annotations, metadata.finalizers)


def _version(resource_version: str) -> int:
    """Order resource versions, which Kubernetes has declared comparable (KEP-5504)."""
    return int(resource_version) if resource_version.isdecimal() else 0


def _is_one_bus(first: EventBus | Refusal, second: EventBus | Refusal) -> bool:
    return isinstance(first, EventBus) and isinstance(second, EventBus) and first.metadata.key == second.metadata.key
