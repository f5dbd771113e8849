"""The ledger's records in Kafka: appended with all acknowledgements, read from where the last reading ended."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from eventplane.backends.kafka.client import KafkaClient
from eventplane.backends.kafka.errors import is_lag, is_notice, translate
from eventplane.backends.kafka.ledger_log import Record
from eventplane.planning.outcome import Unavailable

R = TypeVar("R")
LEDGER_TOPIC: Final = "__eventplane_ownership"
READ_RIGHT: Final = f"Read on topic {LEDGER_TOPIC}"
WRITE_RIGHT: Final = f"Write on topic {LEDGER_TOPIC}"
_SUBJECT: Final = f"topic {LEDGER_TOPIC}"
_CONNECT_SECONDS: Final = 1.0
_SLICE_SECONDS: Final = 0.1
_BATCH: Final = 5000
Take = Callable[[int, bytes | None, bytes | None], None]
"""Takes in a record: offset, key, value."""


class LedgerTopic:
    """The one partition of the ledger, with a producer and a consumer that are opened when they are needed."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None

    async def connect(self) -> None:
        """Connect the producer in the connection's thread, so that the first claim need not; nothing is written."""
        with suppress(KafkaException, Unavailable):  # it shows when it is needed
            await self._client.in_thread(lambda: self._open_producer().list_topics(timeout=_CONNECT_SECONDS))

    async def append(self, records: Sequence[Record]) -> list[int]:
        """Write records in their order and return their offsets.

        Raises:
            Unavailable: not all of them were acknowledged; some may have been written.
            Rejected: the right to write is missing.
        """
        return await self._timed("Produce", lambda: self._append(records))

    async def read(self, start: int, end: int, take: Take) -> None:
        """Hand over the records from offset `start` to before `end`; `take` is called in the client's thread.

        Raises:
            Unavailable: the end was not reached in time.
            Rejected: the right to read is missing.
        """
        await self._timed("Fetch", lambda: self._read(start, end, take))

    def drop(self) -> None:
        """Give up what is open; called in the client's thread."""
        if self._producer is not None:
            self._producer.purge()
        if self._consumer is not None:
            self._consumer.close()
        self._producer = self._consumer = None

    async def _timed(self, api: str, work: Callable[[], R]) -> R:
        begun, answered = time.perf_counter(), False
        try:
            result = await self._client.in_thread(work)
            answered = True
        finally:
            self._client.report(api, time.perf_counter() - begun, answered=answered)
        return result

    def _append(self, records: Sequence[Record]) -> list[int]:
        producer = self._open_producer()
        failures: list[KafkaError] = []
        offsets: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
            else:
                offsets.append(message.offset() or 0)

        for key, value in records:
            producer.produce(LEDGER_TOPIC, key=key, value=value, partition=0, on_delivery=delivered)
        deadline = time.monotonic() + self._client.timeout_seconds
        while producer.flush(_SLICE_SECONDS) and time.monotonic() < deadline and not self._client.closing:
            pass
        if failures or len(offsets) < len(records):
            self._discard_producer()
            raise (
                translate(failures[0], _SUBJECT, WRITE_RIGHT)
                if failures
                else Unavailable(f"Kafka did not answer about {_SUBJECT}: the records were not acknowledged in time")
            )
        return offsets

    def _discard_producer(self) -> None:
        # what is still queued must not be written later, when the caller has gone on
        if self._producer is not None:
            self._producer.purge()
        self._producer = None

    def _open_producer(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                self._client.settings
                | {
                    "acks": "all",
                    "enable.idempotence": True,
                    "linger.ms": 1,
                    "message.timeout.ms": int(self._client.timeout_seconds * 1000),
                    "queue.buffering.max.messages": 200_000,
                }
            )
        return self._producer

    def _read(self, start: int, end: int, take: Take) -> None:
        consumer = self._open_consumer()
        # Assigned only while it reads: at rest nothing is fetched.
        consumer.assign([TopicPartition(LEDGER_TOPIC, 0, start)])
        try:
            self._consume(consumer, end, take)
        finally:
            consumer.unassign()

    def _consume(self, consumer: Consumer, end: int, take: Take) -> None:
        deadline = time.monotonic() + self._client.timeout_seconds
        while not self._client.closing:
            for message in consumer.consume(_BATCH, _SLICE_SECONDS):
                error = message.error()
                if error is not None and not is_notice(error) and not is_lag(error):
                    raise translate(error, _SUBJECT, READ_RIGHT)
                if error is None:
                    take(message.offset() or 0, message.key(), message.value())
                # compaction may have taken the last records before the end: then only the end itself shows up
                if (message.offset() or 0) + (error is None) >= end:
                    return
            if time.monotonic() >= deadline:
                break
        raise Unavailable(f"Kafka did not answer about {_SUBJECT}: its end was not reached in time")

    def _open_consumer(self) -> Consumer:
        if self._consumer is None:
            try:
                self._consumer = Consumer(self._client.settings | inspection_settings())
            except KafkaException as error:
                raise Unavailable(f"no consumer can be opened: {error}") from None
        return self._consumer


def inspection_settings() -> dict[str, str | int | bool]:
    """Settings of a consumer that looks at records and leaves no trace: no group is joined, no offset is committed."""
    return {
        "group.id": "eventplane-inspection",  # librdkafka insists on one
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_uncommitted",
        "fetch.wait.max.ms": 20,
        "queued.max.messages.kbytes": 16384,
    }
