"""Reads what a topic holds at this moment, once, for somebody who is in no group: nothing is committed or joined.

All calls take their time and belong on a thread.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventplane.events.beginning import Beginning, FirstAfter
from eventplane.events.record import Record
from eventplane.transports.kafka_beginning import located
from eventplane.transports.kafka_notices import is_end, is_of_group
from eventplane.transports.kafka_settings import consumer_settings
from eventplane.transports.seams import UnreadableError

_SECONDS: Final = 30.0
"""So long nothing may be heard of a broker."""
_MOST: Final = 500
_POLL_SECONDS: Final = 0.2
_LEADER_IS_CHOSEN: Final = frozenset({KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION})
"""Of a topic that was just made, or while its broker goes: it answers soon."""


class KafkaSnapshot:
    """The committed records of a topic, partition after partition, up to its ends of now."""

    def __init__(self, given: Mapping[str, Any], client_id: str, topic: str, since_ms: int | None) -> None:
        """Find the ends.

        Args:
            given: settings of librdkafka.
            client_id: as whom.
            topic: name in Kafka.
            since_ms: no records before it, milliseconds since 1970; None: all.

        Raises:
            UnreadableError: Kafka does not answer, does not let us, or has no such topic.
        """
        # a group is named since the client wants one; it is never joined
        settings = consumer_settings(given, f"{client_id}-snapshot", client_id, None)
        self._consumer = Consumer({**settings, "enable.partition.eof": True, "log_level": 0})
        self._lock = threading.Lock()  # whoever is cut off in the middle of a call closes it from another thread
        self._topic = topic
        self._left: deque[tuple[TopicPartition, int]] = deque()
        self._reads: int | None = None
        try:
            self._left.extend(self._found(since_ms))
        except KafkaException as error:
            self._consumer.close()
            raise UnreadableError(f"{topic} cannot be read: {error.args[0].str()}") from error

    def read(self) -> Sequence[Record]:
        """Return further records; none: these were all.

        Raises:
            UnreadableError: it cannot go on.
        """
        until = time.monotonic() + _SECONDS
        while self._left:
            start, end = self._left[0]
            messages = self._consume(start)
            if any(self._is_past(message, end) for message in messages):
                self._left.popleft()
            found = [each for each in messages if each.error() is None and (each.offset() or 0) < end]
            if found:
                return found  # type: ignore[return-value]  # a Message is a Record
            if messages:
                until = time.monotonic() + _SECONDS
            elif time.monotonic() > until:
                raise UnreadableError(f"{self._topic} cannot be read on: no answer")
        return ()

    def close(self) -> None:
        """Let go."""
        with self._lock:
            self._consumer.close()

    def _consume(self, start: TopicPartition) -> Sequence[Message]:
        with self._lock:
            if self._reads != start.partition:
                self._consumer.assign([start])
                self._reads = start.partition
            messages: Sequence[Message] = self._consumer.consume(_MOST, _POLL_SECONDS)
        return [each for each in messages if (error := each.error()) is None or not is_of_group(error)]

    def _found(self, since_ms: int | None) -> Sequence[tuple[TopicPartition, int]]:
        """Tell where to begin in each partition, and the offset behind its end; raises KafkaException."""
        told = self._consumer.list_topics(self._topic, _SECONDS).topics[self._topic]
        if told.error is not None:
            raise KafkaException(told.error)
        where = Beginning() if since_ms is None else FirstAfter(since_ms)
        found = []
        for partition in sorted(told.partitions):
            place = (self._topic, partition)
            low, end = self._ends(TopicPartition(*place))
            start = located(self._consumer, place, where)
            start.offset = max(start.offset, low)
            if start.offset < end:
                found.append((start, end))
        return found

    def _ends(self, partition: TopicPartition) -> tuple[int, int]:
        """Return the first offset, and the one behind the last; raises KafkaException."""
        until = time.monotonic() + _SECONDS
        while True:
            try:
                low, end = self._consumer.get_watermark_offsets(partition, timeout=_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in _LEADER_IS_CHOSEN or time.monotonic() > until:
                    raise
                self._consumer.poll(_POLL_SECONDS)  # it finds out meanwhile
            else:
                return low, end

    def _is_past(self, message: Message, end: int) -> bool:
        """Tell whether a partition is read up to its end; marks of transactions lie there and are not shown.

        Raises:
            UnreadableError: it cannot be.
        """
        error = message.error()
        offset = message.offset() or 0
        if error is None:
            return offset >= end - 1
        if is_end(error):
            return offset >= end
        if error.retriable():
            return False
        raise UnreadableError(f"{self._topic} cannot be read on: {error.str()}")
