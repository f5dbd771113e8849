"""The operator process: settings in, everything wired, until it is told to stop or loses the lead."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import kopf
from kubernetes.aio.client import ApiClient
from prometheus_client import Counter, Histogram

from eventplane.api.crd import KINDS
from eventplane.api.event_bus import EventBus
from eventplane.api.publication import Publication
from eventplane.api.subscription import Subscription
from eventplane.backends.access import AccessBackend
from eventplane.backends.applications import ApplicationBackend
from eventplane.backends.gauges import GaugeBackend
from eventplane.backends.kafka import KafkaGaugeBackend, KafkaPrincipalBackend, KafkaTopicBackend
from eventplane.backends.kubernetes import Gone, KubernetesApi, configure
from eventplane.backends.kubernetes_objects import KubernetesObjectBackend
from eventplane.backends.kubernetes_watch import KubernetesWatch
from eventplane.backends.schema_registry import SchemaRegistryBackend
from eventplane.backends.schemas import SchemaBackend
from eventplane.backends.topics import TopicBackend
from eventplane.controllers.access_lane import AccessLane, ConnectAccess
from eventplane.controllers.admission import admission_server, register_admission
from eventplane.controllers.dispatch import Dispatcher
from eventplane.controllers.endless import going_on
from eventplane.controllers.garbage import look_for_garbage, spare_what_is_loaded
from eventplane.controllers.gateways import GatewayLoop
from eventplane.controllers.gauges import ConnectGauges, GaugeLoops
from eventplane.controllers.handlers import register
from eventplane.controllers.handlers import settings as kopf_settings
from eventplane.controllers.kafka_lane import Connect, KafkaLane
from eventplane.controllers.lanes import LaneTiming
from eventplane.controllers.leadership import lead_by_lease
from eventplane.controllers.policies import PolicyLane
from eventplane.controllers.probes import ProbeServer
from eventplane.controllers.publications import PublicationReconciler
from eventplane.controllers.reconcile import Surroundings
from eventplane.controllers.registry_lane import ConnectRegistry, RegistryLane
from eventplane.controllers.reporting import Reporter
from eventplane.controllers.schema_gate import SchemaGate
from eventplane.controllers.schemas import SchemaReconciler
from eventplane.controllers.shelf import Key
from eventplane.controllers.store import Store
from eventplane.controllers.subscriptions import SubscriptionReconciler
from eventplane.controllers.topics import TopicReconciler
from eventplane.controllers.unbound import UnboundLane
from eventplane.controllers.workload_watch import WorkloadWatch
from eventplane.planning.connection import AccessConnection, KafkaConnection, RegistryConnection
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.settings import OperatorSettings
from eventplane.telemetry import GaugesAtScrape, Metrics, configure_logging

logger = logging.getLogger(__name__)


def now() -> datetime:
    """Read the clock: the one place where it is read."""
    return datetime.now(UTC)  # noqa: TID251 - this is the Clock that everything else takes


async def run(settings: OperatorSettings) -> bool:
    """Run the operator until it is told to stop (SIGTERM) or loses the lead; tell whether it ended well."""
    metrics, store = Metrics(), Store()
    dispatcher = Dispatcher(store, metrics)
    probes = ProbeServer(dispatcher, metrics, settings.probe_port)
    registry = register(dispatcher)
    watching = kopf_settings()
    watching.admission.server = admission_server(settings)
    async with ApiClient(await configure()) as client:
        api = KubernetesApi(client, lambda verb, status: metrics.api_calls.labels(verb, str(status)).inc())
        gate = _gate(settings, api, dispatcher, metrics)
        if watching.admission.server is not None:
            register_admission(registry, store, gate.review)
        await probes.start()
        await _until_answered(partial(_check_kinds, api))
        watch = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=watching,
                standalone=True,
                clusterwide=True,
                # kopf would ask for the user's name, and the uid of the image has none; it exports no such type
                identity=settings.identity,  # type: ignore[arg-type]
            )
        )
        follower = asyncio.create_task(dispatcher.follow_listings(api.list_keys))
        collector = asyncio.create_task(look_for_garbage(lambda: dispatcher.is_idle))
        leader = asyncio.create_task(_take_the_lead(settings, client, api, dispatcher, metrics))
        try:
            await asyncio.wait({watch, leader}, return_when=asyncio.FIRST_COMPLETED)
            told_to_stop = watch.done() and not leader.done()
        finally:
            led_well = await _end(leader)
            watched_well = await _end(watch)
            await _end(follower)
            await _end(collector)
            await gate.close()
            await probes.stop()
    return told_to_stop and led_well and watched_well


async def _take_the_lead(
    settings: OperatorSettings, client: ApiClient, api: KubernetesApi, dispatcher: Dispatcher, metrics: Metrics
) -> None:
    """Act while leading; return when the lead is lost."""
    await _until_answered(partial(dispatcher.sync, api.list_keys))
    act = partial(_act, settings, api, dispatcher, metrics)
    if settings.leader_election:
        await lead_by_lease(client, settings.lease_name, settings.namespace, settings.identity, act)
    else:
        async with act():
            await asyncio.Event().wait()


async def _check_kinds(api: KubernetesApi) -> None:
    """Check that the CRDs are there: what is not when kopf starts is never watched."""
    for kind in KINDS:
        await api.check_kind(kind.plural)


async def _until_answered(act: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await act()
        except (Unavailable, Rejected, Gone) as error:
            logger.warning("the API server is asked again: %s", error)
            await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def _act(
    settings: OperatorSettings, api: KubernetesApi, dispatcher: Dispatcher, metrics: Metrics
) -> AsyncIterator[None]:
    """Work on everything for as long as the context lasts."""
    surroundings = _surroundings(settings, api, dispatcher, metrics)
    topics = TopicReconciler(surroundings, int(settings.idle_after_seconds * 1000))
    schemas = SchemaReconciler(surroundings, api.read_config_map)
    timing = LaneTiming(settings.resync_seconds, settings.secret_refresh_seconds)
    connect_kafka, connect_registry = _connectors(settings, metrics)

    def open_kafka_lane(bus: EventBus) -> KafkaLane:
        return KafkaLane(bus, topics, api, connect_kafka, timing, settings.batch_size)

    def open_registry_lane(bus: EventBus) -> RegistryLane | None:
        if bus.spec.schema_registry is None:
            return None
        return RegistryLane(bus, schemas, api, connect_registry, timing, settings.batch_size)

    unbound = UnboundLane(topics), UnboundLane(schemas)
    dispatcher.topics.lead(open_kafka_lane, unbound[0])
    dispatcher.schemas.lead(open_registry_lane, unbound[1])
    applications = _lead_applications(settings, api, dispatcher, surroundings, timing)
    policies = PolicyLane(surroundings, settings.resync_seconds)
    connect_gauges = _gauge_connector(settings, metrics)
    gauges = GaugeLoops(dispatcher, surroundings.gauges, connect_gauges, settings.gauge_seconds, now)
    gateways = GatewayLoop(
        dispatcher,
        surroundings,
        api,
        settings.runtime_image,
        settings.secret_refresh_seconds,
    )
    scraped = GaugesAtScrape(surroundings.gauges.samples)
    metrics.registry.register(scraped)
    works = [each.run() for each in (*unbound, *applications, policies, gauges, gateways)]
    dispatcher.policies.lead(policies)
    logger.info("leading", extra={"fields": {"identity": settings.identity, "cluster": dispatcher.cluster}})
    try:
        async with going_on(*works, _watch_workloads(dispatcher, metrics)):
            yield
    finally:
        metrics.registry.unregister(scraped)
        await dispatcher.stop()


def _lead_applications(
    settings: OperatorSettings,
    api: KubernetesApi,
    dispatcher: Dispatcher,
    surroundings: Surroundings,
    timing: LaneTiming,
) -> tuple[UnboundLane[Publication], UnboundLane[Subscription]]:
    """Start to act on Publications and Subscriptions; return the lanes of those that have no bus."""
    publications = PublicationReconciler(surroundings, dispatcher.store.publications, settings.runtime_image)
    subscriptions = SubscriptionReconciler(surroundings, dispatcher.store.subscriptions, settings.runtime_image)
    connect_access = _access_connector(settings, api, surroundings.metrics)
    objects = KubernetesObjectBackend(api.request)

    def connect(connection: AccessConnection, bus: Key) -> ApplicationBackend:
        return ApplicationBackend(connect_access(connection, bus), objects)

    def open_publication_lane(bus: EventBus) -> AccessLane[Publication, ApplicationBackend]:
        return AccessLane(bus, publications, api, connect, timing, settings.batch_size)

    def open_subscription_lane(bus: EventBus) -> AccessLane[Subscription, ApplicationBackend]:
        return AccessLane(bus, subscriptions, api, connect, timing, settings.batch_size)

    unbound = UnboundLane(publications), UnboundLane(subscriptions)
    dispatcher.publications.lead(open_publication_lane, unbound[0])
    dispatcher.subscriptions.lead(open_subscription_lane, unbound[1])
    return unbound


def _surroundings(
    settings: OperatorSettings, api: KubernetesApi, dispatcher: Dispatcher, metrics: Metrics
) -> Surroundings:
    reporter = Reporter(api, dispatcher.store, now, settings.api_concurrency)
    return Surroundings(dispatcher.store, reporter, metrics, dispatcher.cluster, now)


def _gate(settings: OperatorSettings, api: KubernetesApi, dispatcher: Dispatcher, metrics: Metrics) -> SchemaGate:
    reconciler = SchemaReconciler(_surroundings(settings, api, dispatcher, metrics), api.read_config_map)
    return SchemaGate(reconciler, api, _connectors(settings, metrics)[1])


def _counted(calls: Counter, seconds: Histogram, bus: Key) -> Callable[[str, float, bool], None]:
    """Make what counts the requests of a backend."""

    def on_call(call: str, duration: float, ok: bool) -> None:  # noqa: FBT001 - the backends' callback
        calls.labels("/".join(bus), call, "ok" if ok else "failed").inc()
        seconds.labels(call).observe(duration)

    return on_call


def _connectors(settings: OperatorSettings, metrics: Metrics) -> tuple[Connect, ConnectRegistry]:
    """Make what opens the backends for topics and schemas."""
    client_id = f"eventplane-{settings.identity}"

    def connect_kafka(connection: KafkaConnection, bus: Key) -> TopicBackend:
        on_call = _counted(metrics.admin_calls, metrics.admin_seconds, bus)
        return KafkaTopicBackend(connection, client_id=client_id, on_call=on_call)

    def connect_registry(connection: RegistryConnection, bus: Key) -> SchemaBackend:
        on_call = _counted(metrics.registry_calls, metrics.registry_seconds, bus)
        return SchemaRegistryBackend(connection, client_id=client_id, on_call=on_call)

    return connect_kafka, connect_registry


def _access_connector(settings: OperatorSettings, api: KubernetesApi, metrics: Metrics) -> ConnectAccess:
    """Make what opens the backends for the access of applications."""

    def connect_access(connection: AccessConnection, bus: Key) -> AccessBackend:
        on_call = _counted(metrics.admin_calls, metrics.admin_seconds, bus)
        principals = KafkaPrincipalBackend(
            connection.kafka, client_id=f"eventplane-{settings.identity}", on_call=on_call
        )
        return AccessBackend(connection, principals, api.look_at_secret, api.write_secret)

    return connect_access


async def _watch_workloads(dispatcher: Dispatcher, metrics: Metrics) -> None:
    """Watch what becomes of the Deployments of applications, until cancelled."""
    configuration = await configure()
    configuration.connection_pool_maxsize = 0  # no limit: each watch holds a connection
    async with ApiClient(configuration) as client:
        watch = KubernetesWatch(client, lambda verb, status: metrics.api_calls.labels(verb, str(status)).inc())
        await WorkloadWatch(watch, dispatcher.store, dispatcher.mark_places).run()


def _gauge_connector(settings: OperatorSettings, metrics: Metrics) -> ConnectGauges:
    """Make what opens the backends for offsets."""

    def connect_gauges(connection: KafkaConnection, bus: Key) -> GaugeBackend:
        on_call = _counted(metrics.admin_calls, metrics.admin_seconds, bus)
        return KafkaGaugeBackend(connection, client_id=f"eventplane-{settings.identity}", on_call=on_call)

    return connect_gauges


async def _end(task: asyncio.Task[None]) -> bool:
    """Cancel a task and wait for it; a fault in it is logged, so that the process says why it ends."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    except Exception:
        logger.exception("a part of the operator failed")
        return False
    return True


def main() -> int:
    """Start the process."""
    settings = OperatorSettings()
    configure_logging(settings.log_level)
    spare_what_is_loaded()
    ended_well = asyncio.run(run(settings))
    logger.info("stopped")
    return 0 if ended_well else 1


if __name__ == "__main__":
    sys.exit(main())
