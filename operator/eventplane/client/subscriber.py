"""Gives an application its events by the runtime's own core: order, retries, dead letters, draining."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from pydantic import BaseModel

from eventplane.api.dead_letter_policy import Retry
from eventplane.api.delivery import Deduplication, Ordering
from eventplane.client.broker import Broker, broker_of
from eventplane.client.configuration import BrokerConfig, Conf, config_from_environment
from eventplane.client.consumer_config import RetryPolicy, checked, consumer_config, retry_rules
from eventplane.client.data_reader import RegistryReader
from eventplane.client.errors import ConfigurationError, ConsumingError
from eventplane.client.event import Event
from eventplane.client.handler_sink import HandlerSink
from eventplane.client.handlers import HandlerFunction, Handlers
from eventplane.client.iteration import Delivery, Feed
from eventplane.delivery.endings import Ambience
from eventplane.delivery.engine import Engine, Ports
from eventplane.events.health import Patience, why_not_ready
from eventplane.transports.kafka_member import Reading
from eventplane.transports.seams import Consumed, Sender, Source

logger = logging.getLogger(__name__)

_FLUSH_SECONDS: Final = 5.0
_NO_TOPIC: Final = ""
"""Stands for the topics as long as none was named."""


@dataclass(frozen=True, slots=True)
class _Consuming:
    """What runs from start to stop."""

    engine: Engine
    source: Source
    sink: HandlerSink
    sender: Sender
    registry: RegistryReader | None
    over: asyncio.Event
    """Set when all of it has ended."""


class EventSubscriber:
    """A member of a consumer group that calls an application's functions.

    At least once: an event is acknowledged when its handlers are through, and comes again after a crash.

    Args:
        broker_config: a dict with the service's keys or librdkafka's, a BrokerConfig, or a broker in memory.
        group_id: the consumer group; default: that of the binding.
        ordering: what stays in order: the events of a Key, those of a Partition, or None of them.
        concurrency: how many events may be with handlers at a time, and on how many threads those run that are not
            asynchronous.
        retry: as in a DeadLetterPolicy: attempts, backoff, strategy (Blocking, RetryTopics), giveUpOn.
        dead_letter_topic: where an event ends that was given up; `{group}` is the group. None: never given up. Where
            there is no such topic, the partition stands still and says so until there is.
        start_from: where a new group begins: Earliest, Latest or a time, RFC 3339.
        filter: CEL over `event`; what it keeps back is acknowledged.
        majors: the major version to read as, by topic; default: as it was written.
        deduplicate: as in a Subscription: events with the source and id of another, within a window, are acknowledged
            and not handled; `{"window": "1h"}`. None: every event is handled.
        handler_timeout_seconds: how long a handler may take; one that is not asynchronous goes on, and nobody waits
            for it.
        leave_seconds: how long handlers are waited for in `stop` and when partitions move.

    Raises:
        ConfigurationError: a configuration that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults, as a Subscription's spec has them
        self,
        broker_config: Broker | BrokerConfig | Conf,
        group_id: str | None = None,
        *,
        ordering: Ordering = "Key",
        concurrency: int = 16,
        retry: RetryPolicy | None = None,
        dead_letter_topic: str | None = "{group}.dlq",
        start_from: str = "Earliest",
        filter: str | None = None,  # noqa: A002 - as a Subscription has it
        majors: Mapping[str, int] | None = None,
        deduplicate: Deduplication | Mapping[str, Any] | None = None,
        handler_timeout_seconds: float = 300.0,
        leave_seconds: float = 20.0,
    ) -> None:
        self._broker = broker_of(broker_config)
        group = group_id or self._broker.config.group_id
        if not group:
            raise ConfigurationError("group_id: name the consumer group")
        registry = self._broker.config.schema_registry
        self._config = consumer_config(
            group,
            retry_rules(retry or Retry(), group, dead_letter_topic),
            topics=self._broker.config.topics or (_NO_TOPIC,),
            majors=dict(majors or {}),
            schema_registry_url=None if registry is None else str(registry.get("url")),
            start_from=start_from,
            filter=filter,
            delivery={"ordering": ordering, "concurrency": concurrency, "deduplicate": deduplicate},
        )
        self._handler_timeout_seconds = handler_timeout_seconds
        self._leave_seconds = leave_seconds
        self._handlers = Handlers()
        self._consuming: _Consuming | None = None
        self._stopping = asyncio.Event()
        self._problems: list[str] = []
        self._feed: Feed | None = None
        self._current: Delivery | None = None
        self._deliveries: AsyncIterator[Delivery] | None = None
        self._background: asyncio.Task[None] | None = None

    @classmethod
    def from_environment(
        cls,
        group_id: str | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        binding: str = "kafka",
        **options: Any,
    ) -> Self:
        """Read with the binding that is mounted below SERVICE_BINDING_ROOT: its group and, by default, its topics.

        Raises:
            ConfigurationError: naming the file.
        """
        return cls(config_from_environment(environment, binding), group_id, **options)

    # --- what is told before it starts

    def subscribe(self, topics: Iterable[str] | str) -> None:
        """Read topics, by their names in Kafka; what was subscribed before is forgotten. Before it starts.

        Raises:
            ConfigurationError: none, or one that this subscriber writes to as well.
        """
        named = (topics,) if isinstance(topics, str) else tuple(topics)
        config = self._config
        self._config = checked(config.model_copy(update={"topics": named or (_NO_TOPIC,)}))

    def register_handler(
        self, event_type: str, handler: HandlerFunction, *, data_type: type[BaseModel] | None = None
    ) -> None:
        """Call a function, asynchronous or not, for each event of a type; several of one type are called in turn.

        Args:
            event_type: such as `order.created`; `*` stands for anything: `order.*`, `*`.
            handler: takes an Event. With an annotation `Event[Model]` the data are validated as that model.
            data_type: the model, where the annotation does not say it.

        Raises:
            ConfigurationError: nobody can tell what its event is.
        """
        self._handlers.add(event_type, handler, data_type)

    # --- running

    async def start_consuming(self) -> None:
        """Read and call handlers until `stop`; then those that run are waited for, and the group is left.

        Raises:
            ConsumingError: it cannot go on.
            ConfigurationError: no topic, or no handler.
        """
        consuming = self._begin()
        try:
            await _first(consuming.engine.ended_event, self._stopping)
        finally:
            ending = asyncio.ensure_future(self._end(consuming))
            await _through(ending)
        problem = consuming.engine.problem or next(iter(self._problems), None)
        if problem is not None:
            raise ConsumingError(problem)

    async def stop(self) -> None:
        """End in an orderly way; returns when all has ended, or, when a handler calls it, at once."""
        self._stopping.set()
        consuming = self._consuming
        if consuming is not None and not consuming.sink.is_handling(asyncio.current_task()):
            await consuming.over.wait()

    def why_not_ready(self) -> tuple[str, ...]:
        """Say why it does not work: no partitions yet, a partition that stands still; nothing where all is well."""
        if self._consuming is None:
            return ("it has not started",)
        engine, source = self._consuming.engine, self._consuming.source
        return why_not_ready(engine.sights(), source.seconds_since_poll(), Patience(), is_assigned=engine.is_assigned)

    @property
    def lag(self) -> Mapping[tuple[str, int], int]:
        """How many offsets are left in each of its partitions, as last known."""
        return {} if self._consuming is None else self._consuming.source.lag()

    def consumed(self, event: Event[Any]) -> Consumed:
        """Say up to where the group is through once an event is, for `Transaction.consumed`.

        Raises:
            ConfigurationError: events of its partition may be under way besides: ordering is not Partition.
            ConsumingError: its partition is somebody else's by now.
        """
        if self._config.delivery.ordering != "Partition":
            raise ConfigurationError("ordering: consumed events go into a transaction with ordering Partition only")
        received, consuming = event.received, self._consuming
        if received is None or consuming is None:
            raise ConfigurationError("the event was not read by this subscriber")
        place = (received.topic, received.partition)
        if place not in {sight.place for sight in consuming.engine.sights()}:
            raise ConsumingError("the event's partition is another's by now")
        return Consumed(self._config.group, consuming.source.membership(), {place: received.offset + 1})

    # --- looping

    async def __aenter__(self) -> Self:
        """Start in the background."""
        if not self._handlers:
            self._feed = Feed()
            self._deliveries = self._feed.deliveries()
            self._handlers.add("*", self._feed, None)
        self._background = asyncio.create_task(self._in_background())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop. The event that the loop is at is acknowledged, unless an exception has ended the loop."""
        if error is None:
            self._settle()
            await asyncio.sleep(0)  # so that its end is noted before the rest is abandoned
        if self._feed is not None:
            self._feed.close()
        self._stopping.set()
        if self._background is not None:
            await self._background

    def __aiter__(self) -> Self:
        """Loop over events; going on to the next acknowledges the one before."""
        return self

    async def __anext__(self) -> Event[Any]:
        self._settle()
        self._current = await anext(self.deliveries())
        return self._current.event

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Loop over attempts: `async with delivery as event`, where an exception leads to a retry or a dead letter.

        Raises:
            ConfigurationError: it was not entered by `async with`, or has handlers.
        """
        if self._deliveries is None:
            raise ConfigurationError("loop within `async with subscriber`, and without handlers")
        return self._deliveries

    def _settle(self) -> None:
        if self._current is not None:
            self._current.acknowledge()
            self._current = None

    async def _in_background(self) -> None:
        try:
            await self.start_consuming()
        finally:
            if self._feed is not None:
                self._feed.close()

    # --- its parts

    def _begin(self) -> _Consuming:
        if self._consuming is not None:
            raise ConfigurationError("it was started before: make another one")
        config = self._config
        if config.topics == (_NO_TOPIC,):
            raise ConfigurationError("subscribe to a topic first")
        if not self._handlers:
            raise ConfigurationError("register a handler first")
        sender = self._broker.sender(0.0, self._failed)  # never given up by the clock
        source = self._broker.source(
            config.group,
            Reading.of(config, self._leave_seconds + _FLUSH_SECONDS),
        )
        sink = HandlerSink(self._handlers, config.delivery.concurrency, self._handler_timeout_seconds)
        registry = self._registry()
        ports = Ports(source, sink, sender, registry)
        engine = Engine(config, ports, Ambience(leave_seconds=self._leave_seconds))
        self._consuming = _Consuming(engine, source, sink, sender, registry, asyncio.Event())
        source.start(engine)
        logger.info("started", extra={"fields": {"group": config.group, "topics": list(config.topics)}})
        return self._consuming

    async def _end(self, consuming: _Consuming) -> None:
        await consuming.source.stop()
        consuming.engine.close()
        await consuming.sink.close()
        await consuming.sender.close(_FLUSH_SECONDS)
        if consuming.registry is not None:
            await asyncio.to_thread(consuming.registry.close)
        consuming.over.set()
        counts = consuming.engine.counts
        told = {"group": self._config.group, "delivered": counts.delivered, "dead": counts.dead_lettered.total()}
        logger.info("ended", extra={"fields": told})

    def _registry(self) -> RegistryReader | None:
        registry = self._broker.config.schema_registry
        return None if registry is None else RegistryReader(registry, self._config.majors)

    def _failed(self, problem: str) -> None:
        self._problems.append(problem)
        self._stopping.set()


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def _through(ending: "asyncio.Future[None]") -> None:
    """Wait for an end, also while somebody cuts off who waits for it."""
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await ending
        raise
