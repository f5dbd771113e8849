"""Publishes events: each is acknowledged by all replicas, or an error says that it is not."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, Self, TypeAlias

from eventplane.client.back_pressure import Room
from eventplane.client.broker import Broker, broker_of
from eventplane.client.codec import WrittenForm, headers_of, to_record
from eventplane.client.configuration import BrokerConfig, Conf, config_from_environment
from eventplane.client.errors import (
    ConfigurationError,
    EventRejectedError,
    InvalidEventError,
    PublisherClosedError,
    PublishError,
)
from eventplane.client.event import Event
from eventplane.client.keys import PartitionKey, key_of
from eventplane.client.receipt import BatchReport, Receipt, outcome_of
from eventplane.client.schedule import header_of
from eventplane.client.topic_schemas import TopicSchemas
from eventplane.client.tracing import begin_send
from eventplane.client.transaction import Committer, Transaction
from eventplane.events.delivery import Failure
from eventplane.events.record import Header
from eventplane.transports.seams import Sender, Written

logger = logging.getLogger(__name__)

SchemaUse: TypeAlias = Literal["Required", "IfRegistered", "Off"]
"""Whether events of a topic without a schema are refused, whether only those are published unseen, or all."""
_MOST_EVENTS: Final = 10_000
_MOST_BYTES: Final = 16_777_216


class EventPublisher:
    """Publishes events to topics, by one producer that keeps the order of each key.

    Args:
        broker_config: a dict with the service's keys or librdkafka's, a BrokerConfig, or a broker in memory.
        form: how events are written.
        schemas: whether data are held to the schema of their topic, where a registry is configured. In the form
            Binary they are then in the registry's wire format; the other forms hold JSON that was checked.
        majors: the major version to write by, by topic; default: the newest.
        timeout_seconds: how long an event may wait for its acknowledgement.
        transactional_id: for `transaction`: two publishers of one id fence each other off; default: a new one, that
            begins with `transactional_id_prefix`.
        max_in_flight: events on their way at a time; `publish_event` waits where there are more.
        max_in_flight_bytes: and their bytes.

    Raises:
        ConfigurationError: a configuration that cannot be used.
    """

    def __init__(
        self,
        broker_config: Broker | BrokerConfig | Conf,
        *,
        form: WrittenForm = "Binary",
        schemas: SchemaUse = "IfRegistered",
        majors: Mapping[str, int] | None = None,
        timeout_seconds: float = 30.0,
        transactional_id: str | None = None,
        max_in_flight: int = _MOST_EVENTS,
        max_in_flight_bytes: int = _MOST_BYTES,
    ) -> None:
        self._broker = broker_of(broker_config)
        registry = self._broker.config.schema_registry
        if schemas == "Required" and registry is None:
            raise ConfigurationError("schema_registry_url: schemas are required, so say where the registry is")
        self._form = form
        self._must_have_schema = schemas == "Required"
        self._schemas = None if registry is None or schemas == "Off" else TopicSchemas(registry, majors or {})
        self._timeout_seconds = timeout_seconds
        self._room = Room(max_in_flight, max_in_flight_bytes)
        self._sender: Sender | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: set[asyncio.Future[Receipt]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._transactional_id = transactional_id
        self._opened_committer: Committer | None = None
        self._is_closed = False

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, binding: str = "kafka", **options: Any
    ) -> Self:
        """Publish with the binding that is mounted below SERVICE_BINDING_ROOT.

        Raises:
            ConfigurationError: naming the file.
        """
        return cls(config_from_environment(environment, binding), **options)

    async def publish_event(
        self, topic: str, event: Event[Any], partition_key: str | None = None, *, headers: Sequence[Header] = ()
    ) -> Receipt:
        """Publish an event and wait until all replicas in sync have it.

        Args:
            topic: name in Kafka.
            event: what has happened.
            partition_key: events of one key stay in order; default: the event's id.
            headers: of the record, beside those that are the event's.

        Raises:
            EventRejectedError: trying again is useless.
            PublishUnavailableError: it may be published later.
            PublisherClosedError: nobody can tell.
        """
        return await (await self._start(topic, event, key_of(event, partition_key), headers))

    async def publish_at(
        self,
        topic: str,
        event: Event[Any],
        at: datetime | timedelta,
        partition_key: str | None = None,
        *,
        headers: Sequence[Header] = (),
    ) -> Receipt:
        """Publish an event now that Subscriptions and subscribers deliver later, not before its time.

        Args:
            topic: name in Kafka.
            event: what is to be known then.
            at: when, with its zone, or how long from now; what has passed is now. At most 366 days ahead.
            partition_key: events of one key that are delivered at once stay in order; default: the event's id.
            headers: of the record, beside those that are the event's.

        Raises:
            EventRejectedError: trying again is useless; a time without a zone, or too far ahead, too.
            PublishUnavailableError: it may be published later.
            PublisherClosedError: nobody can tell.
        """
        return await self.publish_event(topic, event, partition_key, headers=(*headers, header_of(at)))

    async def publish_batch(
        self,
        topic: str,
        events: Iterable[Event[Any]],
        partition_key: PartitionKey = None,
        *,
        headers: Sequence[Header] = (),
        at: datetime | timedelta | None = None,
    ) -> BatchReport:
        """Publish events without waiting for each, in their order within a key, and tell of each how it fared.

        Args:
            topic: name in Kafka.
            events: in order.
            partition_key: for all, or a function that tells each one's; default: its id.
            headers: of each record, beside those that are the event's.
            at: when all of them are delivered, as `publish_at` has it; default: at once.

        Raises:
            EventRejectedError: that time has no zone, or is too far ahead.
        """
        if at is not None:
            headers = (*headers, header_of(at))
        started: list[asyncio.Future[Receipt] | PublishError] = []
        try:
            for event in events:
                try:
                    started.append(await self._start(topic, event, key_of(event, partition_key), headers))
                except PublishError as error:
                    started.append(error)
            return BatchReport([each if isinstance(each, PublishError) else await _ended(each) for each in started])
        finally:
            for each in started:
                if isinstance(each, asyncio.Future):
                    each.cancel()  # only where somebody has cut this off; nobody asks for it any more

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Publish to any topics, and acknowledge consumed events, all or nothing: `async with ... as transaction`.

        What is published in the block is kept until its end, and written and committed then; an exception in the block
        means that nothing of it ever was. One transaction of a publisher is committed after the other.

        Raises:
            TransactionError: it was not committed.
            EventRejectedError: it never will be, for the sake of one of its events.
            ConfigurationError: transactions with this publisher are not possible.
        """
        self._check()
        transaction = Transaction(self._record)
        yield transaction
        self._check()
        await self._committer().commit(transaction)

    async def close(self, seconds: float = 10.0) -> None:
        """Wait for what is on its way, at most so long; what is left ends with PublisherClosedError."""
        self._is_closed = True
        if self._sender is not None:
            await self._sender.close(seconds)
            await asyncio.sleep(0)  # the last answers are handed over
        if self._opened_committer is not None:
            await self._opened_committer.close()
        for future in list(self._pending):
            if not future.done():
                future.set_exception(PublisherClosedError("the publisher was closed before this was acknowledged"))
        if self._schemas is not None:
            self._schemas.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    # --- one event

    async def _start(
        self, topic: str, event: Event[Any], key: bytes, beside: Sequence[Header]
    ) -> asyncio.Future[Receipt]:
        """Hand an event to the producer, once there is room."""
        self._check()
        value, headers = await self._record(topic, event)
        headers += beside
        size = len(value or b"")
        await self._room.enter(size)
        try:
            loop = self._check()
            sender = self._sender or self._opened()
        except BaseException:
            self._room.leave(size)
            raise
        future: asyncio.Future[Receipt] = loop.create_future()
        self._pending.add(future)
        span = begin_send(topic, event)
        if span is not None:
            headers += span.headers
            future.add_done_callback(span.end)
        sender.send(topic, key, value, headers, partial(self._sent, future, topic, size))
        return future

    def _sent(self, future: "asyncio.Future[Receipt]", topic: str, size: int, written: Written | Failure) -> None:
        self._room.leave(size)
        self._pending.discard(future)
        if future.done():
            return
        outcome = outcome_of(topic, written)
        if isinstance(outcome, Receipt):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    async def _record(self, topic: str, event: Event[Any]) -> tuple[bytes | None, list[Header]]:
        try:
            event = event.checked()
            schema = None if self._schemas is None else await self._schemas.of(topic)
            if schema is None:
                if self._must_have_schema:
                    raise EventRejectedError(f"{topic}: it has no schema: register one first")
                return to_record(event, self._form)
            framed = schema.write(event.data)
            if self._form != "Binary":
                return to_record(event, self._form)
            return framed, headers_of(event, schema.content_type)
        except (InvalidEventError, UnicodeEncodeError) as error:
            raise EventRejectedError(f"{topic}: {error}") from error

    # --- the producer

    def _check(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise PublisherClosedError("the publisher is closed")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ConfigurationError("this publisher is used on another event loop: make one for each")
        return loop

    def _committer(self) -> Committer:
        if self._opened_committer is None:
            transactor = self._broker.transactor(self._transactional_id, self._timeout_seconds)
            self._opened_committer = Committer(transactor)
        return self._opened_committer

    def _opened(self) -> Sender:
        opened = self._broker.sender(self._timeout_seconds, lambda problem: self._failed(opened, problem))
        self._sender = opened
        return opened

    def _failed(self, sender: Sender, problem: str) -> None:
        """Let go of a producer that is of no use any more; the next event gets another."""
        if self._sender is sender:
            logger.error("the producer is replaced", extra={"fields": {"problem": problem}})
            self._sender = None
            task = asyncio.get_running_loop().create_task(sender.close(0.0))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _ended(future: "asyncio.Future[Receipt]") -> Receipt | PublishError:
    try:
        return await future
    except PublishError as error:
        return error
