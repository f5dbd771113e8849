"""Which parts a consumer is made of: an engine between a source and a sink, or a relay in an exchange."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from eventplane.api.runtime_config import Destination
from eventplane.api.sink import Batching, PythonFunction
from eventplane.api.sink import HttpSink as HttpService
from eventplane.delivery.attempt_spans import TracedSink
from eventplane.delivery.counts import Counts
from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.relay import Relay
from eventplane.delivery.repeats import Repeats
from eventplane.events.batches import batch_limits
from eventplane.events.health import PartitionSight
from eventplane.runtime.lookups import assemble_lookups
from eventplane.runtime.settings import RuntimeSettings
from eventplane.tracing import is_tracing
from eventplane.transports.data_readers import DataReader
from eventplane.transports.http_batch_sink import HttpBatchSink
from eventplane.transports.http_client import HttpClient, HttpTarget
from eventplane.transports.http_sink import HttpSink
from eventplane.transports.kafka_exchange import KafkaExchange
from eventplane.transports.kafka_member import Reading
from eventplane.transports.kafka_settings import consumer_settings, producer_settings, transactional_settings
from eventplane.transports.kafka_source import KafkaSource
from eventplane.transports.kafka_writer import KafkaWriter
from eventplane.transports.process_settings import SettingsError
from eventplane.transports.seams import Exchange, Member, Sink, Writer
from eventplane.transports.topic_sink import TopicSink

_FLUSH_SECONDS: Final = 5.0


class WorkInSight(Protocol):
    """What is seen of the work: an Engine's, or a Relay's."""

    counts: Counts
    problem: str | None
    """Why it has ended; None: it has not, or it was told to."""
    ended_event: asyncio.Event
    is_assigned: bool

    @property
    def repeats(self) -> Repeats:
        """What has come before."""
        ...

    @property
    def under_way(self) -> int:
        """How many events are on their way."""
        ...

    @property
    def buffered(self) -> int:
        """How many events are in memory."""
        ...

    def sights(self) -> Sequence[PartitionSight]:
        """Show the partitions."""
        ...


@dataclass(frozen=True, slots=True)
class Assembly:
    """A consumer, put together."""

    work: WorkInSight
    intake: Member
    lookups: Lookups
    start: Callable[[], None]
    close: Callable[[], Awaitable[None]]
    """Lets go of the rest, after the intake has stopped."""


def assemble(settings: RuntimeSettings, loop: asyncio.AbstractEventLoop, fail: Callable[[str], None]) -> Assembly:
    """Put a consumer together.

    Args:
        settings: of the process.
        loop: where it works.
        fail: is told of a problem that only a new process can solve.
    """
    config = settings.config
    reading = Reading.of(config, settings.leave_seconds + _FLUSH_SECONDS)
    registry = _registry(settings)
    lookups = assemble_lookups(settings, registry, fail)
    consumer = consumer_settings(settings.client, config.group, settings.client_id, settings.instance_id)
    prefix = config.transactional_id_prefix
    if config.delivery.guarantee == "ExactlyOnce" and config.topic is not None and prefix is not None:
        producer = transactional_settings(settings.client, settings.client_id, prefix)
        relay = Relay(config, config.topic.topic, registry, lookups=lookups)
        return _in_transactions(relay, KafkaExchange(consumer, reading, loop, producer), lookups)
    writer = KafkaWriter(producer_settings(settings.client, settings.client_id), loop, fail)
    return _at_least_once(settings, KafkaSource(consumer, reading, loop), writer, registry, lookups)


def _in_transactions(relay: Relay, exchange: Exchange, lookups: Lookups) -> Assembly:
    """Put it together; nothing but tables is left to be closed: what is not committed has not happened."""
    return Assembly(relay, exchange, lookups, lambda: exchange.start(relay), lookups.close)


def _at_least_once(
    settings: RuntimeSettings, source: KafkaSource, writer: KafkaWriter, registry: DataReader | None, lookups: Lookups
) -> Assembly:
    config = settings.config
    sinks = {
        route: _traced(settings, to, _sink(settings, route, to, writer)) for route, to in config.destinations.items()
    }
    ports = Ports(source, sinks, writer, registry, lookups)
    engine = Engine(config, ports, Ambience(leave_seconds=settings.leave_seconds))

    async def close() -> None:
        engine.close()
        for sink in sinks.values():
            await sink.close()
        await lookups.close()
        await writer.close(_FLUSH_SECONDS)

    return Assembly(engine, source, lookups, lambda: source.start(engine), close)


def _traced(settings: RuntimeSettings, to: Destination, sink: Sink) -> Sink:
    """Make spans of attempts where they are exported; those of functions are made where these are called."""
    return sink if to.python is not None or not is_tracing() else TracedSink(sink, settings.config.group)


def _sink(settings: RuntimeSettings, route: str, to: Destination, writer: Writer) -> Sink:
    if to.topic is not None:
        return TopicSink(to.topic.topic, writer)
    at_once = settings.config.delivery.concurrency
    if to.python is not None:
        return _function_sink(to, to.python, at_once)
    if to.http is None:
        raise SettingsError("http, python, topic: name exactly one of them")  # refused before; for type checkers
    target = HttpTarget(
        url=to.http.url,
        timeout_seconds=to.timeout_seconds,
        retry_statuses=frozenset(to.http.retry_statuses),
        credentials=settings.credentials[route],
        connections=at_once,
        api_server=settings.api_server,
    )
    return _service_sink(to, to.http, HttpClient(target), at_once)


def _service_sink(to: Destination, service: HttpService, client: HttpClient, at_once: int) -> Sink:
    if service.content_mode == "Batched":
        return HttpBatchSink(client, batch_limits(to.batching or Batching()), at_once)
    return HttpSink(client, service.content_mode)


def _function_sink(to: Destination, function: PythonFunction, at_once: int) -> Sink:
    """Call functions as an EventSubscriber does; here, since the SDK takes as long to import as all the rest."""
    from eventplane.client.batch_sink import BatchSink  # noqa: PLC0415
    from eventplane.client.handler_sink import HandlerSink  # noqa: PLC0415
    from eventplane.client.handlers import Handlers  # noqa: PLC0415
    from eventplane.runtime.loading import load_function  # noqa: PLC0415

    handler = load_function(function.callable)
    if to.batching is not None:
        return BatchSink(handler, batch_limits(to.batching), at_once, to.timeout_seconds)
    return HandlerSink(Handlers.of_one(handler), at_once, to.timeout_seconds)


def _registry(settings: RuntimeSettings) -> DataReader | None:
    config = settings.config
    if config.schema_registry_url is None:
        return None
    # here, since the registry's client takes as long to import as all the rest, and as much memory
    from eventplane.client.data_reader import RegistryReader  # noqa: PLC0415

    return RegistryReader({**settings.registry, "url": config.schema_registry_url}, config.majors)
