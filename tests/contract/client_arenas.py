"""The places where the contract of publishers and subscribers is tried: a broker in memory, and a real one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported

from eventplane.client import Broker, BrokerConfig
from eventplane.client.broker import KafkaBroker
from eventplane.client.codec import event_of
from eventplane.events.dead_letter_view import dead_letter_of
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event as ReadEvent
from eventplane.testing import MemoryBroker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.servers.kafka import Kafka
    from eventplane.client import Event
    from eventplane.events.record import Record

SECONDS = 30


class ClientArena(Protocol):
    """A broker with topics, that shows what is in them."""

    @property
    def broker(self) -> Broker: ...
    def create(self, topic: str, partitions: int = 1) -> None: ...
    async def published(self, topic: str) -> list[Event[Any]]: ...
    async def dead_letters(self, topic: str) -> list[Mapping[str, Any]]: ...
    async def committed(self, group: str, topic: str) -> int: ...


class MemoryClients:
    """In memory."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def create(self, topic: str, partitions: int = 1) -> None:
        self.broker.create_topic(topic, partitions)

    async def published(self, topic: str) -> list[Event[Any]]:
        return self.broker.published(topic)

    async def dead_letters(self, topic: str) -> list[Mapping[str, Any]]:
        return self.broker.dead_letters(topic)

    async def committed(self, group: str, topic: str) -> int:
        offsets = self.broker.log.groups[group].offsets
        return sum(offset for (name, _number), offset in offsets.items() if name == topic)


class KafkaClients:
    """On a real broker."""

    def __init__(self, kafka: Kafka) -> None:
        self._config: dict[str, Any] = kafka.client_config("PLAINTEXT") | {"log_level": 0}
        client = {**self._config, "topic.metadata.propagation.max.ms": 1000}
        self.broker = KafkaBroker(BrokerConfig(client))

    def create(self, topic: str, partitions: int = 1) -> None:
        admin = AdminClient(self._config)
        admin.create_topics([NewTopic(topic, partitions)])[topic].result(SECONDS)

    async def published(self, topic: str) -> list[Event[Any]]:
        return [
            event_of(read) for each in await self._records(topic) if isinstance(read := decode_record(each), ReadEvent)
        ]

    async def dead_letters(self, topic: str) -> list[Mapping[str, Any]]:
        return [letter.to_dict() for each in await self._records(topic) if (letter := dead_letter_of(each))]

    async def committed(self, group: str, topic: str) -> int:
        def ask() -> int:
            consumer = Consumer({**self._config, "group.id": group})
            count = len(consumer.list_topics(topic, SECONDS).topics[topic].partitions)
            found = consumer.committed([TopicPartition(topic, number) for number in range(count)], SECONDS)
            consumer.close()
            return sum(max(0, each.offset) for each in found)

        return await asyncio.to_thread(ask)

    async def _records(self, topic: str) -> list[Record]:
        """Read all that is visible to who reads committed records only."""

        def read() -> list[Record]:
            settings = {"group.id": "reader", "enable.auto.commit": False, "isolation.level": "read_committed"}
            consumer = Consumer({**self._config, **settings, "enable.partition.eof": True})
            places = [
                TopicPartition(topic, number, 0)
                for number in consumer.list_topics(topic, SECONDS).topics[topic].partitions
            ]
            consumer.assign(places)
            found: list[Record] = []
            ends = 0
            while ends < len(places):
                message = consumer.poll(SECONDS)
                assert message is not None, f"{topic} has no end"
                if message.error() is not None:
                    ends += 1
                else:
                    found.append(message)  # type: ignore[arg-type]  # a Message is a Record
            consumer.close()
            return sorted(found, key=lambda each: (each.partition() or 0, each.offset() or 0))

        return await asyncio.to_thread(read)
