"""Writes records by confluent-kafka's Producer: one polling thread, completions handed to the loop in batches."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from eventplane.events.delivery import Failure
from eventplane.events.record import Header
from eventplane.transports.seams import Answered, Sent, Written

logger = logging.getLogger(__name__)

_BY_KEY: Final = -1
"""librdkafka's RD_KAFKA_PARTITION_UA."""
_POLL_SECONDS: Final = 0.05
_FULL_RETRY_SECONDS: Final = 0.01
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE})
_RECORD_IS_TO_BLAME: Final = _TOO_LARGE | frozenset(
    {
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_ARG,  # noqa: SLF001 - librdkafka's own errors have such names
    }
)


class _Sent:
    """The answer to whoever wants to know where a record is."""

    __slots__ = ("message", "sent")

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.message: Any = None

    def __call__(self, failure: Failure | None) -> None:
        found = self.message
        self.sent(failure or Written(found.topic(), found.partition(), found.offset(), found.timestamp()[1]))


class KafkaWriter:
    """A Writer and Sender on Kafka.

    Args:
        settings: of librdkafka.
        loop: where answers are given.
        fatal: is told, on the loop, of an error after which the producer is of no use.
    """

    def __init__(
        self, settings: Mapping[str, Any], loop: asyncio.AbstractEventLoop, fatal: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._fatal = fatal
        self._settings = settings
        self._opened: Producer | None = None
        self._answers: deque[tuple[Answered, tuple[str, KafkaError] | None]] = deque()
        self._is_draining = False
        self._is_closed = False
        self._waiting: deque[tuple[tuple[Any, ...], Answered]] = deque()
        self._thread = threading.Thread(target=self._poll, name="kafka-writer", daemon=True)

    def write(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header], answered: Answered
    ) -> None:
        """Write a record into the partition of its key."""
        self._write((topic, value, key, list(headers), _BY_KEY), answered)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
        sent: Sent,
        partition: int | None = None,
    ) -> None:
        """Write a record and tell where it is."""
        self._write((topic, value, key, list(headers), _BY_KEY if partition is None else partition), _Sent(sent))

    def _write(self, record: tuple[Any, ...], answered: Answered) -> None:
        """Hand a record over; one that finds the buffer full waits here, in order."""
        if self._waiting or not self._produced(record, answered):
            self._waiting.append((record, answered))
            if len(self._waiting) == 1:
                self._loop.call_later(_FULL_RETRY_SECONDS, self._write_waiting)

    async def close(self, seconds: float) -> None:
        """Flush, give up what cannot be written in time, and end the thread."""
        until = self._loop.time() + seconds
        while self._waiting and self._loop.time() < until:  # noqa: ASYNC110 - what it waits for, too, goes by the clock
            await asyncio.sleep(_FULL_RETRY_SECONDS)
        if self._opened is None:
            return
        left = await asyncio.to_thread(self._opened.flush, max(0.0, until - self._loop.time()))
        self._is_closed = True
        if left:
            self._opened.purge()
        await asyncio.to_thread(self._thread.join, 1.0)

    def _producer(self) -> Producer:
        """Open the producer with the first record: who may write nowhere could not even open one that is idempotent."""
        if self._opened is None:
            self._opened = Producer({**self._settings, "error_cb": self._on_error, "logger": logger})
            self._thread.start()
        return self._opened

    def _produced(self, record: tuple[Any, ...], answered: Answered) -> bool:
        topic, value, key, headers, partition = record
        try:
            self._producer().produce(
                topic,
                value=value,
                key=key,
                headers=headers,
                partition=partition,
                on_delivery=partial(self._delivered, answered),
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._loop.call_soon(answered, failure_of(topic, error.args[0]))
        return True

    def _write_waiting(self) -> None:
        while self._waiting and self._produced(*self._waiting[0]):
            self._waiting.popleft()
        if self._waiting and not self._is_closed:
            self._loop.call_later(_FULL_RETRY_SECONDS, self._write_waiting)

    # --- on the polling thread

    def _poll(self) -> None:
        while not self._is_closed and self._opened is not None:
            self._opened.poll(_POLL_SECONDS)

    def _delivered(self, answered: Answered, error: KafkaError | None, message: Any) -> None:
        if type(answered) is _Sent:
            answered.message = message
        self._answers.append((answered, None if error is None else (str(message.topic()), error)))
        if not self._is_draining:
            self._is_draining = True
            self._on_loop(self._drain)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._on_loop(partial(self._fatal, f"the producer cannot go on: {error.str()}"))

    def _on_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    # --- on the loop

    def _drain(self) -> None:
        self._is_draining = False  # first: what comes from now on wakes the loop again
        while self._answers:
            answered, error = self._answers.popleft()
            answered(None if error is None else failure_of(*error))


def failure_of(topic: str, error: KafkaError) -> Failure:
    """Say what a refused write is: the record's fault, or the topic's."""
    if error.code() in _RECORD_IS_TO_BLAME:
        is_too_large = error.code() in _TOO_LARGE
        return Failure("Rejected", f"Kafka refuses the record: {error.str()}", is_too_large=is_too_large)
    return Failure("Unavailable", f"{topic} cannot be written to: {error.str()}")
