"""How far a relay is: a record in a compacted topic, written in the transaction of the events that it tells of.

Not an offset of a group: those are forgotten after a week without a commit, and everything would be relayed again.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventplane.eventstore.errors import EventStoreError
from eventplane.eventstore.stored import Position
from eventplane.transports.kafka_notices import is_end, is_of_group
from eventplane.transports.kafka_settings import consumer_settings
from eventplane.transports.seams import Write

_SECONDS: Final = 30.0
_FIRST_LOOK: Final = 100
_FURTHER: Final = 30


class UnknownPositionError(EventStoreError):
    """Nobody can tell how far the relay is: somebody has to look."""


class PositionLog:
    """The positions of one relay.

    Args:
        client: settings of librdkafka.
        topic: compacted; of as many relays as there are names.
        name: of the relay.
    """

    def __init__(self, client: Mapping[str, Any], topic: str, name: str) -> None:
        self._settings = {
            **consumer_settings(client, client.get("group.id") or f"{name}-positions", f"relay-{name}", None),
            "enable.partition.eof": True,
        }
        self._topic = topic
        self._key = name.encode()

    def write(self, position: Position) -> Write:
        """Return the record that says that everything up to a position is relayed."""
        return Write(self._topic, self._key, str(position).encode(), (), ("", 0), 0)

    def read(self) -> Position | None:
        """Return the last position that was committed; None: there was none. Takes its time.

        To be called by who has the transactional id: then nothing of an earlier holder is under way any more.

        Raises:
            KafkaException: no answer, or no right.
            UnknownPositionError: what is there is no position.
        """
        found = [self._last(partition) for partition in self._partitions(self._topic)]
        return max((each for each in found if each is not None), default=None)

    def is_empty(self, topic: str) -> bool:
        """Tell whether nothing was ever written to a topic. Takes its time.

        Raises:
            KafkaException: no answer, or no right.
        """
        return all(self._ends(topic, partition)[1] == 0 for partition in self._partitions(topic))

    def _partitions(self, topic: str) -> list[int]:
        consumer = Consumer(self._settings)
        try:
            told = consumer.list_topics(topic, _SECONDS).topics[topic]
        finally:
            consumer.close()
        if told.error is not None:
            raise KafkaException(told.error)
        return sorted(told.partitions)

    def _ends(self, topic: str, partition: int) -> tuple[int, int]:
        """Return both ends of a partition, with what is not committed yet."""
        consumer = Consumer({**self._settings, "isolation.level": "read_uncommitted"})
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), _SECONDS)
        finally:
            consumer.close()
        return int(low), int(high)

    def _last(self, partition: int) -> Position | None:
        """Look at the end of a partition, and further back while there is nothing of ours."""
        low, high = self._ends(self._topic, partition)
        back = _FIRST_LOOK
        consumer = Consumer(self._settings)
        try:
            while low < high:
                begin = max(low, high - back)
                consumer.assign([TopicPartition(self._topic, partition, begin)])
                value = self._last_value(consumer, high)
                if value is not None or begin == low:
                    return None if value is None else _parsed(value)
                back *= _FURTHER
            return None
        finally:
            consumer.close()

    def _last_value(self, consumer: Consumer, end: int) -> bytes | None:
        """Read on to the end; a transaction of another relay that is open holds that up."""
        found: bytes | None = None
        until = time.monotonic() + 2 * _SECONDS
        while time.monotonic() < until:
            message: Message | None = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                found = message.value() if message.key() == self._key else found
            elif is_of_group(error):
                continue
            elif not is_end(error):
                raise KafkaException(error)
            elif (message.offset() or 0) >= end:
                return found
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's own errors have such names


def _parsed(value: bytes) -> Position:
    try:
        return Position.parse(value.decode())
    except ValueError as error:
        raise UnknownPositionError(f"the topic of positions holds what is none: {error}") from error
