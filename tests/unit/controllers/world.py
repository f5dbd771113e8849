"""A world in memory: an API server, Kafka clusters and operators on them, for state in, state out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from builders import CLUSTER, REGISTRY, event_bus, event_topic, schema

from eventplane.api.conditions import Condition, ConditionType, Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.api.publication import Publication
from eventplane.api.schema import Schema, SchemaStatus
from eventplane.api.subscription import Subscription
from eventplane.backends.access import AccessBackend
from eventplane.backends.gauges import GaugeBackend
from eventplane.backends.kubernetes_objects import KubernetesObjectBackend
from eventplane.backends.memory import MemoryTopicBackend
from eventplane.backends.memory_cluster import MemoryCluster
from eventplane.backends.memory_gauges import MemoryGaugeBackend, MemoryOffsets
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_principals import MemoryPrincipalBackend, MemoryPrincipals
from eventplane.backends.memory_schemas import MemoryRegistry, MemorySchemaBackend
from eventplane.backends.schemas import SchemaBackend
from eventplane.backends.subscriptions import SubscriptionBackend
from eventplane.backends.topics import TopicBackend
from eventplane.controllers.access_lane import AccessLane
from eventplane.controllers.dispatch import Dispatcher
from eventplane.controllers.gateways import GatewayLoop
from eventplane.controllers.gauges import GaugeLoops
from eventplane.controllers.kafka_lane import KafkaLane
from eventplane.controllers.lanes import LaneTiming
from eventplane.controllers.policies import PolicyLane
from eventplane.controllers.publications import PublicationReconciler
from eventplane.controllers.queue import Urgency
from eventplane.controllers.reconcile import Surroundings
from eventplane.controllers.registry_lane import RegistryLane
from eventplane.controllers.reporting import Reporter
from eventplane.controllers.schemas import SchemaReconciler
from eventplane.controllers.shelf import Key
from eventplane.controllers.store import Store
from eventplane.controllers.subscriptions import SubscriptionReconciler
from eventplane.controllers.topics import TopicReconciler
from eventplane.controllers.unbound import UnboundLane
from eventplane.controllers.workload_watch import WorkloadWatch
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection
from eventplane.planning.outcome import Rejected
from eventplane.planning.verdicts import condition
from eventplane.telemetry import Metrics

SHOP: Final = ("shop", "orders")
BUS: Final = ("shop", "main")
IMAGE: Final = "eventplane/operator:test"
PATIENCE_SECONDS: Final = 5.0
"""After this a test gives up waiting; what it waits for takes milliseconds."""


class _Watched:
    """A backend that can be made to hang, and says when it was closed."""

    prefix = ""
    """What the names of its calls begin with, see `World.gates`."""
    closed = False
    _world: "World"

    async def close(self) -> None:
        self.closed = True

    async def apply(self, changes: Any) -> Any:
        await self._world.pause(f"{self.prefix}apply")
        return await super().apply(changes)  # type: ignore[misc]  # of the backend beside it

    async def observe(self, keys: Any) -> Any:
        await self._world.pause(f"{self.prefix}observe")
        return await super().observe(keys)  # type: ignore[misc]

    async def probe(self) -> Any:
        await self._world.pause(f"{self.prefix}probe")
        return await super().probe()  # type: ignore[misc]


class Backend(_Watched, MemoryTopicBackend):
    """A watched backend of Kafka that knows how it was opened."""

    def __init__(self, cluster: MemoryCluster, connection: KafkaConnection, world: "World") -> None:
        super().__init__(cluster)
        self.connection = connection
        self._world = world

    async def claims(self) -> Any:
        answer = await super().claims()
        await self._world.pause("claims")  # what happens now is not in the answer
        return answer


class RegistryBackend(_Watched, MemorySchemaBackend):
    """A watched backend of a registry that knows how it was opened."""

    prefix = "registry "

    def __init__(self, registry: MemoryRegistry, connection: RegistryConnection, world: "World") -> None:
        super().__init__(registry)
        self.connection = connection
        self._world = world


class WatchedAccess(_Watched, AccessBackend):
    """A watched backend of applications' access."""

    prefix = "access "

    def __init__(self, principals: MemoryPrincipals, connection: AccessConnection, world: "World") -> None:
        api = world.kubernetes
        super().__init__(connection, MemoryPrincipalBackend(principals), api.look_at_secret, api.write_secret)
        self._world = world

    async def users(self, prefix: str) -> frozenset[str]:
        answer = await super().users(prefix)
        await self._world.pause("users")  # what happens now is not in the answer
        return answer


class WatchedGauges(MemoryGaugeBackend):
    """A backend for offsets that knows how it was opened, and says when it was closed."""

    closed = False

    def __init__(self, offsets: MemoryOffsets, connection: KafkaConnection) -> None:
        super().__init__(offsets)
        self.connection = connection

    async def close(self) -> None:
        self.closed = True


class World:
    """Everything that outlives an operator, and the way to start one."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.kubernetes = MemoryKubernetes(lambda: self.now)
        self.objects = KubernetesObjectBackend(self.kubernetes.request)
        self.kafkas = {"kafka:9092": MemoryCluster(brokers=3)}
        self.principals = MemoryPrincipals()
        """The users of every Kafka."""
        self.offsets = MemoryOffsets()
        """The offsets of every Kafka."""
        self.gauge_backends: list[WatchedGauges] = []
        self.access_backends: list[WatchedAccess] = []
        self.registries = {REGISTRY["url"]: MemoryRegistry()}
        self.backends: list[Backend] = []
        self.registry_backends: list[RegistryBackend] = []
        self.passwords: dict[str, str] = {}
        """What a Kafka address takes as the password; none is asked for where none is set."""
        self.gates: dict[str, asyncio.Event] = {}
        """Calls of backends that wait until their gate is opened."""
        self.waiting: Counter[str] = Counter()
        self.namespaces: dict[str, dict[str, str]] = {"shop": {}, "other": {}}

    @property
    def kafka(self) -> MemoryCluster:
        return self.kafkas["kafka:9092"]

    @property
    def registry(self) -> MemoryRegistry:
        return self.registries[REGISTRY["url"]]

    async def pause(self, call: str) -> None:
        await asyncio.sleep(0)
        gate = self.gates.get(call)
        if gate is not None:
            self.waiting[call] += 1
            await gate.wait()

    def connect(self, connection: KafkaConnection, bus: Key) -> TopicBackend:
        del bus
        address = connection.bootstrap_servers[0]
        backend = Backend(self.kafkas[address], connection, self)
        wanted = self.passwords.get(address)
        if wanted is not None and connection.password != wanted:
            refuse(backend)
        self.backends.append(backend)
        return backend

    def connect_access(self, connection: AccessConnection, bus: Key) -> AccessBackend:
        del bus
        backend = WatchedAccess(self.principals, connection, self)
        self.access_backends.append(backend)
        return backend

    def connect_subscriptions(self, connection: AccessConnection, bus: Key) -> SubscriptionBackend:
        return SubscriptionBackend(self.connect_access(connection, bus), self.objects)

    def connect_gauges(self, connection: KafkaConnection, bus: Key) -> GaugeBackend:
        del bus
        backend = WatchedGauges(self.offsets, connection)
        self.gauge_backends.append(backend)
        return backend

    def connect_registry(self, connection: RegistryConnection, bus: Key) -> SchemaBackend:
        del bus
        backend = RegistryBackend(self.registries[connection.url], connection, self)
        self.registry_backends.append(backend)
        return backend

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # --- what is the case

    def topic(self, key: Key = SHOP) -> EventTopic:
        topic = self.kubernetes.show(EventTopic, key)
        assert topic is not None, f"{key} does not exist"
        return topic

    def status(self, key: Key = SHOP) -> EventTopicStatus:
        return self.topic(key).status

    def ready(self, key: Key = SHOP) -> tuple[str, str]:
        """Status and reason of Ready; two dashes while there is none."""
        topic = self.kubernetes.show(EventTopic, key)
        return _ready(topic.status.conditions if topic else ())

    def schema(self, key: Key = SHOP) -> Schema:
        schema = self.kubernetes.show(Schema, key)
        assert schema is not None, f"{key} does not exist"
        return schema

    def schema_status(self, key: Key = SHOP) -> SchemaStatus:
        return self.schema(key).status

    def schema_says(self, kind: ConditionType = ConditionType.READY, key: Key = SHOP) -> tuple[str, str]:
        """Status and reason of a condition of a Schema; two dashes while there is none."""
        schema = self.kubernetes.show(Schema, key)
        return _said(schema.status.conditions if schema else (), kind)

    def schema_message(self, kind: ConditionType = ConditionType.READY, key: Key = SHOP) -> str:
        found = condition(self.schema_status(key).conditions, kind)
        return found.message if found else ""

    def schema_exists(self, key: Key = SHOP) -> bool:
        return self.kubernetes.exists(Schema, key)

    def registry_ready(self, key: Key = BUS) -> tuple[str, str]:
        bus = self.kubernetes.show(EventBus, key)
        return _said(bus.status.conditions if bus else (), ConditionType.SCHEMA_REGISTRY_READY)

    def bus_ready(self, key: Key = BUS) -> tuple[str, str]:
        bus = self.kubernetes.show(EventBus, key)
        return _ready(bus.status.conditions if bus else ())

    def message(self, key: Key = SHOP) -> str:
        ready = condition(self.status(key).conditions, ConditionType.READY)
        return ready.message if ready else ""

    def exists(self, key: Key = SHOP) -> bool:
        return self.kubernetes.exists(EventTopic, key)

    def written(self, name: str = "orders") -> list[str]:
        """What was written about a resource, in order."""
        return [w.what for w in self.kubernetes.writes if f"/{name}" in f"{w.path}/" and w.ok and w.verb == "PATCH"]

    def posted(self) -> list[str]:
        """Reasons of the Events that were posted."""
        return [write.body["reason"] for write in self.kubernetes.writes if write.what == "event" and write.ok]

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait until something is the case; fail when it never is."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not holds():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"never happened: {what or holds}; {self._shown()}")
            await asyncio.sleep(0.001)

    def _shown(self) -> str:
        topic, schema = self.kubernetes.show(EventTopic, SHOP), self.kubernetes.show(Schema, SHOP)
        bus = self.kubernetes.show(EventBus, BUS)
        told = [each.status.conditions for each in (topic, schema, bus) if each is not None]
        return "; ".join(f"{c.type} {c.status} {c.reason} {c.message}" for conditions in told for c in conditions)

    async def until_ready(self, key: Key = SHOP) -> None:
        await self.until(lambda: self.ready(key) == ("True", "Ready"), f"{key} ready")

    async def until_schema_ready(self, key: Key = SHOP) -> None:
        await self.until(lambda: self.schema_says(key=key) == ("True", "Ready"), f"Schema {key} ready")

    # --- operators

    @asynccontextmanager
    async def operator(self, *, lead: bool = True, **options: Any) -> AsyncIterator["Operator"]:
        """Run an operator."""
        operator = Operator(self, **options)
        try:
            if lead:
                operator.lead()
            yield operator
        finally:
            await operator.stop()


class Operator:
    """An operator process as `controllers.main` wires it."""

    def __init__(
        self,
        world: World,
        *,
        resync_seconds: float = 3600,
        refresh_seconds: float = 3600,
        batch_size: int = 500,
        idle_after_ms: int = 600_000,
        gauge_seconds: float = 3600,
        gateway_seconds: float = 3600,
    ) -> None:
        self.world = world
        self.metrics = Metrics()
        self.store = Store()
        self.dispatcher = Dispatcher(self.store, self.metrics)
        self.dispatcher.cluster = CLUSTER
        self._timing = LaneTiming(resync_seconds, refresh_seconds)
        self._batch_size = batch_size
        for name, labels in world.namespaces.items():
            self.dispatcher.namespace_seen({"metadata": {"name": name, "uid": f"uid-{name}", "labels": labels}})
        reporter = Reporter(world.kubernetes, self.store, lambda: world.now, 50)
        surroundings = Surroundings(self.store, reporter, self.metrics, CLUSTER, lambda: world.now)
        self.reconciler = TopicReconciler(surroundings, idle_after_ms)
        self.schema_reconciler = SchemaReconciler(surroundings, world.kubernetes.read_config_map)
        self.publication_reconciler = PublicationReconciler(surroundings, self.store.publications)
        self.subscription_reconciler = SubscriptionReconciler(surroundings, self.store.subscriptions, IMAGE)
        mark = partial(self.dispatcher.subscriptions.mark, urgency=Urgency.CHANGE)
        self.workload_watch = WorkloadWatch(world.kubernetes.objects, self.store.subscriptions, mark)
        self.book = surroundings.gauges
        self.policies = PolicyLane(surroundings, resync_seconds)
        self.gauges = GaugeLoops(self.dispatcher, self.book, world.connect_gauges, gauge_seconds, lambda: world.now)
        self.gateways = GatewayLoop(
            self.dispatcher, surroundings, world.objects, world.kubernetes.read_secret, IMAGE, gateway_seconds
        )
        self.unbound = UnboundLane(self.reconciler)
        self.unbound_schemas = UnboundLane(self.schema_reconciler)
        self.unbound_publications = UnboundLane(self.publication_reconciler)
        self.unbound_subscriptions = UnboundLane(self.subscription_reconciler)
        self._unbound_work: list[asyncio.Task[None]] = []
        self._unwatch = world.kubernetes.watch(self.see)

    def see(self, event: str | None, plural: str, body: Mapping[str, Any]) -> None:
        """Do as the handlers do."""
        if event == "DELETED":
            self.dispatcher.deleted(plural, body)
        else:
            self.dispatcher.seen(plural, body, listed=event is None)

    def unwatch(self) -> None:
        """Interrupt the watch."""
        self._unwatch()
        self._unwatch = lambda: None

    def rewatch(self) -> None:
        """Watch again: everything is listed."""
        self._unwatch = self.world.kubernetes.watch(self.see)

    def lead(self) -> None:
        works = [self.unbound.run(), self.unbound_schemas.run()]
        works += [self.unbound_publications.run(), self.unbound_subscriptions.run(), self.workload_watch.run()]
        works += [self.policies.run(), self.gauges.run(), self.gateways.run()]
        self._unbound_work = [asyncio.create_task(work) for work in works]
        self.take_the_lead()

    def take_the_lead(self) -> None:
        """Lead without the tasks of those that have no bus."""
        self.dispatcher.topics.lead(self._open_kafka_lane, self.unbound)
        self.dispatcher.schemas.lead(self._open_registry_lane, self.unbound_schemas)
        self.dispatcher.publications.lead(self._open_publication_lane, self.unbound_publications)
        self.dispatcher.subscriptions.lead(self._open_subscription_lane, self.unbound_subscriptions)

        self.dispatcher.policies.lead(self.policies)

    def _open_publication_lane(self, bus: EventBus) -> AccessLane[Publication, AccessBackend]:
        api, connect = self.world.kubernetes, self.world.connect_access
        return AccessLane(bus, self.publication_reconciler, api, connect, self._timing, self._batch_size)

    def _open_subscription_lane(self, bus: EventBus) -> AccessLane[Subscription, SubscriptionBackend]:
        api, connect = self.world.kubernetes, self.world.connect_subscriptions
        return AccessLane(bus, self.subscription_reconciler, api, connect, self._timing, self._batch_size)

    def _open_kafka_lane(self, bus: EventBus) -> KafkaLane:
        return KafkaLane(
            bus, self.reconciler, self.world.kubernetes, self.world.connect, self._timing, self._batch_size
        )

    def _open_registry_lane(self, bus: EventBus) -> RegistryLane | None:
        if bus.spec.schema_registry is None:
            return None
        return RegistryLane(
            bus,
            self.schema_reconciler,
            self.world.kubernetes,
            self.world.connect_registry,
            self._timing,
            self._batch_size,
        )

    def registry_lane(self, key: Key = BUS) -> RegistryLane:
        lane = self.dispatcher.schemas.lanes[key]
        assert isinstance(lane, RegistryLane)
        return lane

    def lane(self, key: Key = BUS) -> KafkaLane:
        lane = self.dispatcher.topics.lanes[key]
        assert isinstance(lane, KafkaLane)
        return lane

    async def settle(self) -> None:
        """Wait until nothing is dirty and all has been told."""
        await asyncio.sleep(0.003)
        queues = [self.unbound.queue, self.unbound_schemas.queue]
        queues += [self.policies.queue, self.unbound_publications.queue, self.unbound_subscriptions.queue]
        queues += [lane.queue for track in self.dispatcher.tracks.values() for lane in track.lanes.values()]
        await self.world.until(lambda: not any(queue.depth() for queue in queues), "settled")
        await asyncio.sleep(0.003)

    async def stop(self) -> None:
        self.unwatch()
        for work in self._unbound_work:
            work.cancel()
        await asyncio.gather(*self._unbound_work, return_exceptions=True)
        await self.dispatcher.stop()


def refuse(backend: Backend) -> None:
    """Let a backend be turned away by its cluster, as with wrong credentials."""

    async def probe() -> Any:
        raise Rejected(Reason.AUTHENTICATION_FAILED, "Kafka refused the credentials")

    backend.probe = probe  # type: ignore[method-assign]


def _ready(conditions: tuple[Condition, ...]) -> tuple[str, str]:
    return _said(conditions, ConditionType.READY)


def _said(conditions: tuple[Condition, ...], kind: ConditionType) -> tuple[str, str]:
    found = condition(conditions, kind)
    return (found.status, found.reason) if found else ("-", "-")


def simple_world(*topics: EventTopic, bus: EventBus | None = None) -> World:
    """Make a world with one bus and topics on it, by default `shop/orders`."""
    world = World()
    world.kubernetes.put(bus or event_bus())
    for topic in topics or (event_topic(),):
        world.kubernetes.put(topic)
    return world


def registry_bus(name: str = "main", namespace: str = "shop", **fields: Any) -> EventBus:
    """Make a bus that has a registry."""
    return event_bus(name, namespace, schema_registry=REGISTRY, **fields)


def schema_world(*schemas: Schema, bus: EventBus | None = None) -> World:
    """Make a world with one bus that has a registry, and Schemas on it, by default `shop/orders`."""
    world = World()
    world.kubernetes.put(bus or registry_bus())
    for each in schemas or (schema(),):
        world.kubernetes.put(each)
    return world


SCRAM_BUS: Final = event_bus(
    kafka={
        "bootstrap_servers": ["kafka:9092"],
        "authentication": {"type": "SCRAM-SHA-512", "secret_ref": {"name": "login"}},
    }
)
"""A bus that asks for credentials, and can be given new users."""


def access_world(*applications: Publication | Subscription, topics: Sequence[EventTopic] = (event_topic(),)) -> World:
    """Make a world with one bus that asks for credentials, topics on it, and applications."""
    world = World()
    world.kubernetes.put_secret("shop", "login", {"username": "operator", "password": "hunter2"})
    world.kubernetes.put(SCRAM_BUS)
    for topic in topics:
        world.kubernetes.put(topic)
    for application in applications:
        world.kubernetes.put(application)
    return world
