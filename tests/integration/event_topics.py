"""Topics for the tests of consumers: written and read whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not exported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from e2e.servers import Kafka

_SECONDS = 30


class Topics:
    """A broker, as somebody sees it who writes events and looks at what became of them."""

    def __init__(self, kafka: Kafka) -> None:
        self._config = kafka.client_config("PLAINTEXT") | {"log_level": 0}

    def create(self, *names: str, partitions: int = 1, **config: str) -> None:
        admin = AdminClient(self._config)
        for future in admin.create_topics([NewTopic(name, partitions, config=config) for name in names]).values():
            future.result(_SECONDS)

    def write(self, topic: str, events: Iterable[tuple[str | None, bytes | None, dict[str, str]]]) -> None:
        """Write events: key, value, headers."""
        producer = Producer(self._config | {"enable.idempotence": True, "linger.ms": 5})  # or a retry changes the order
        for key, value, headers in events:
            producer.produce(topic, key=key, value=value, headers=list(headers.items()))
            producer.poll(0)
        assert producer.flush(_SECONDS) == 0

    def write_events(self, topic: str, numbers: Iterable[int], keys: int = 10, **attributes: str) -> None:
        """Write CloudEvents, binary, whose ids are numbers."""
        self.write(topic, [cloud_event(number, f"key-{number % keys}", **attributes) for number in numbers])

    def read(self, topic: str) -> list[Message]:
        """Read all that is in a topic now, what was never committed too."""
        return self._read(topic, "read_uncommitted")

    def read_committed(self, topic: str) -> list[Message]:
        """Read what is committed in a topic now."""
        return self._read(topic, "read_committed")

    def _read(self, topic: str, isolation: str) -> list[Message]:
        consumer = Consumer(
            self._config | {"group.id": "look", "enable.partition.eof": True, "isolation.level": isolation}
        )
        partitions = consumer.list_topics(topic, timeout=_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Message] = []
        ended = 0
        while ended < len(partitions):
            message = consumer.poll(_SECONDS)
            assert message is not None
            if message.error() is None:
                found.append(message)
            else:
                ended += 1
        consumer.close()
        return found

    def committed(self, group: str, topic: str) -> int:
        """Sum the offsets that a group has committed in a topic; -1 where the broker cannot say."""
        consumer = Consumer(self._config | {"group.id": group})
        try:
            partitions = consumer.list_topics(topic, timeout=_SECONDS).topics[topic].partitions
            found = consumer.committed([TopicPartition(topic, number) for number in partitions], timeout=_SECONDS)
        except KafkaException:
            return -1
        finally:
            consumer.close()
        return sum(max(0, each.offset) for each in found)


def cloud_event(number: int, key: str | None, **attributes: str) -> tuple[str | None, bytes, dict[str, str]]:
    """Return key, value and headers of a CloudEvent, binary."""
    told = {"id": str(number), "source": "/shop", "type": "order.created", "specversion": "1.0", **attributes}
    headers = {f"ce_{name}": value for name, value in told.items()} | {"content-type": "application/json"}
    return key, json.dumps({"number": number}).encode(), headers


def header(message: Any, name: str) -> str | None:
    """Return a header as text."""
    found = dict(message.headers() or []).get(name)
    return None if found is None else found.decode()
