"""What publishers and subscribers are connected to: Kafka, or the same in memory for an application's own tests."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Protocol

from eventplane.client.configuration import BrokerConfig, Conf, config_of
from eventplane.events.record import Record
from eventplane.transports.kafka_member import Reading
from eventplane.transports.kafka_settings import consumer_settings, producer_settings, transactional_settings
from eventplane.transports.kafka_snapshot import KafkaSnapshot
from eventplane.transports.kafka_source import KafkaSource
from eventplane.transports.kafka_transactor import KafkaTransactor
from eventplane.transports.kafka_writer import KafkaWriter
from eventplane.transports.seams import Sender, Source, Transactor


class Broker(Protocol):
    """Opens what events move through. Called on the event loop."""

    @property
    def config(self) -> BrokerConfig:
        """What it connects with."""
        ...

    def sender(self, timeout_seconds: float, failed: Callable[[str], None]) -> Sender:
        """Open what writes.

        Args:
            timeout_seconds: how long a record may wait for its acknowledgement.
            failed: is told of an error after which another sender has to be opened.
        """
        ...

    def source(self, group: str, reading: Reading) -> Source:
        """Open a member of a group, which has not joined yet."""
        ...

    def transactor(self, transactional_id: str | None, patience_seconds: float) -> Transactor:
        """Open what commits transactions.

        Args:
            transactional_id: of which there may be one at a time; default: a new one.
            patience_seconds: how long a step may take.
        """
        ...

    def snapshot(self, topic: str, since_ms: int | None) -> AsyncGenerator[Sequence[Record], None]:
        """Read what a topic holds now, partition after partition, in no group.

        Args:
            topic: name in Kafka.
            since_ms: no records before it, milliseconds since 1970; None: all.

        Raises:
            UnreadableError: it cannot be read.
        """
        ...


class KafkaBroker:
    """A Broker that is a Kafka."""

    def __init__(self, config: BrokerConfig) -> None:
        self.config = config

    def sender(self, timeout_seconds: float, failed: Callable[[str], None]) -> Sender:
        """Open an idempotent producer that waits for all replicas; it connects with the first record."""
        waits = {"message.timeout.ms": int(timeout_seconds * 1000)} if timeout_seconds else {}
        settings = producer_settings({**waits, **self.config.client}, self.config.client_id)
        return KafkaWriter(settings, asyncio.get_running_loop(), failed)

    def source(self, group: str, reading: Reading) -> Source:
        """Open a consumer on a thread of its own."""
        settings = consumer_settings(self.config.client, group, self.config.client_id, None)
        return KafkaSource(settings, reading, asyncio.get_running_loop())

    def transactor(self, transactional_id: str | None, patience_seconds: float) -> Transactor:
        """Open a transactional producer; it connects with the first transaction."""
        config = self.config
        named = transactional_id or f"{config.transactional_id_prefix or ''}{config.client_id}-{uuid.uuid4().hex[:12]}"
        settings = transactional_settings(config.client, config.client_id, "") | {"transactional.id": named}
        return KafkaTransactor(settings, consumer_settings(config.client, "", config.client_id, None), patience_seconds)

    async def snapshot(self, topic: str, since_ms: int | None) -> AsyncGenerator[Sequence[Record], None]:
        """Read by a consumer that ends with the loop."""
        config = self.config
        opened = await asyncio.to_thread(KafkaSnapshot, config.client, config.client_id, topic, since_ms)
        try:
            while records := await asyncio.to_thread(opened.read):
                yield records
        finally:
            await asyncio.to_thread(opened.close)


def broker_of(given: Broker | BrokerConfig | Conf) -> Broker:
    """Return a broker as it was given, or Kafka as it was configured.

    Raises:
        ConfigurationError: what was given is no configuration.
    """
    if isinstance(given, BrokerConfig | Mapping):
        return KafkaBroker(config_of(given))
    return given
