"""Which parts a consumer is made of: an engine between a source and a sink, or a relay in an exchange."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.api.sink import PythonFunction
from eventplane.delivery.counts import Counts
from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.delivery.reading import DataReader
from eventplane.delivery.relay import Relay
from eventplane.delivery.repeats import Repeats
from eventplane.events.batches import batch_limits
from eventplane.events.health import PartitionSight
from eventplane.runtime.settings import RuntimeSettings
from eventplane.transports.http_sink import HttpSink, HttpTarget
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
    consumer = consumer_settings(settings.client, config.group, settings.client_id, settings.instance_id)
    prefix = config.transactional_id_prefix
    if config.delivery.guarantee == "ExactlyOnce" and config.topic is not None and prefix is not None:
        producer = transactional_settings(settings.client, settings.client_id, prefix)
        return _in_transactions(settings, config.topic.topic, KafkaExchange(consumer, reading, loop, producer))
    writer = KafkaWriter(producer_settings(settings.client, settings.client_id), loop, fail)
    return _at_least_once(settings, KafkaSource(consumer, reading, loop), writer)


def _in_transactions(settings: RuntimeSettings, sink_topic: str, exchange: Exchange) -> Assembly:
    relay = Relay(settings.config, sink_topic, _registry(settings))

    async def close() -> None:
        """Leave nothing: what is not committed has not happened."""

    return Assembly(relay, exchange, lambda: exchange.start(relay), close)


def _at_least_once(settings: RuntimeSettings, source: KafkaSource, writer: KafkaWriter) -> Assembly:
    config = settings.config
    sink = _sink(settings, writer)
    engine = Engine(
        config, Ports(source, sink, writer, _registry(settings)), Ambience(leave_seconds=settings.leave_seconds)
    )

    async def close() -> None:
        engine.close()
        await sink.close()
        await writer.close(_FLUSH_SECONDS)

    return Assembly(engine, source, lambda: source.start(engine), close)


def _sink(settings: RuntimeSettings, writer: Writer) -> Sink:
    config = settings.config
    if config.topic is not None:
        return TopicSink(config.topic.topic, writer)
    if config.python is not None:
        return _function_sink(config, config.python)
    if config.http is None:
        raise SettingsError("http, python, topic: name exactly one of them")  # refused before; for type checkers
    return HttpSink(
        HttpTarget(
            url=config.http.url,
            timeout_seconds=config.timeout_seconds,
            mode=config.http.content_mode,
            retry_statuses=frozenset(config.http.retry_statuses),
            token_file=settings.token_file,
            connections=config.delivery.concurrency,
        )
    )


def _function_sink(config: RuntimeConfig, function: PythonFunction) -> Sink:
    """Call functions as an EventSubscriber does; here, since the SDK takes as long to import as all the rest."""
    from eventplane.client.batch_sink import BatchSink  # noqa: PLC0415
    from eventplane.client.handler_sink import HandlerSink  # noqa: PLC0415
    from eventplane.client.handlers import Handlers  # noqa: PLC0415
    from eventplane.runtime.loading import load_function  # noqa: PLC0415

    handler, at_once = load_function(function.callable), config.delivery.concurrency
    if config.batching is not None:
        return BatchSink(handler, batch_limits(config.batching), at_once, config.timeout_seconds)
    return HandlerSink(Handlers.of_one(handler), at_once, config.timeout_seconds)


def _registry(settings: RuntimeSettings) -> DataReader | None:
    config = settings.config
    if config.schema_registry_url is None:
        return None
    # here, since the registry's client takes as long to import as all the rest, and as much memory
    from eventplane.client.data_reader import RegistryReader  # noqa: PLC0415

    return RegistryReader({**settings.registry, "url": config.schema_registry_url}, config.majors)
