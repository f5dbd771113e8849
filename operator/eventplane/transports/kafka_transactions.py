"""Transactions by confluent-kafka's Producer, for as long as nothing fails.

librdkafka lacks KIP-890's client side: whatever leaves in doubt how a transaction ended, a timeout above all, is ended
by another producer of the same id, whose init_transactions makes the broker finish or abort it. So nothing here is
aborted or tried again: whoever sees an UndoneError closes this and opens another.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from functools import partial
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from eventplane.events.delivery import Failure
from eventplane.transports.kafka_writer import failure_of
from eventplane.transports.seams import Write

logger = logging.getLogger(__name__)

MakeProducer: TypeAlias = Callable[[dict[str, Any]], Any]
"""Makes a Producer of settings."""

_CLOSE_SECONDS: Final = 5.0
_FULL_SECONDS: Final = 0.05
_TOPIC_IS_TO_BLAME: Final = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own errors have such names
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - as above
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
    }
)
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - as above
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


class UndoneError(Exception):
    """A transaction that is not committed, as far as anybody knows; `is_final`: no other of the same id would be."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Transactions:
    """One producer of a transactional id, and its transactions."""

    def __init__(self, make: MakeProducer, settings: Mapping[str, Any], patience_seconds: float) -> None:
        """Make everybody else who has the id step back, and end what they left open.

        Args:
            make: makes the producer.
            settings: of librdkafka.
            patience_seconds: how long a call may take. librdkafka has timeouts, and sometimes they do not count.

        Raises:
            UndoneError: no answer, or no right.
        """
        self.refusals: list[tuple[Write, Failure, bool]] = []
        """Writes that were refused, why, and whether that is certain."""
        self._patience_seconds = patience_seconds
        self._doubt: str | None = None
        self._is_fenced = False
        self._is_open = False
        self._hangs = False
        self._producer: Any = make({**settings, "error_cb": self._look_at, "logger": logger})
        try:
            self._watched(partial(self._producer.init_transactions, patience_seconds))
        except UndoneError:
            self.close()
            raise

    def write(self, write: Write) -> None:
        """Write a record; raises UndoneError."""
        if not self._is_open:
            self._translated(self._producer.begin_transaction)
            self._is_open = True
        if write.alone:
            self._watched(self._flush)
        self._produce(write)
        if write.alone:
            self._watched(self._flush)

    def serve(self) -> None:
        """Look at what has been answered; raises UndoneError."""
        self._translated(partial(self._producer.poll, 0))

    def commit(self, offsets: Sequence[TopicPartition], group: Any) -> None:
        """Commit what was written together with offsets of a group, whose metadata let the broker fence old members.

        Raises:
            UndoneError: it is not certain that all is committed.
        """
        if not self._is_open:
            self._translated(self._producer.begin_transaction)
        self._watched(partial(self._commit, offsets, group))
        self._is_open = False

    def close(self) -> None:
        """Drop what is under way, and let go; a producer that hangs is left as it is.

        Not by Producer.close, which aborts, and does not take it well if that fails.
        """
        if self._hangs or self._producer is None:
            return
        dropped = [self._producer]
        self._producer = None

        def drop() -> None:
            dropped[0].purge()
            dropped.clear()

        with contextlib.suppress(UndoneError):
            self._bounded(drop, _CLOSE_SECONDS)

    # --- calls of the producer

    def _produce(self, write: Write) -> None:
        until = time.monotonic() + self._patience_seconds
        while not self._produced(write):
            self._translated(partial(self._producer.poll, _FULL_SECONDS))
            if time.monotonic() > until:
                raise UndoneError("the producer's buffer stays full")

    def _produced(self, write: Write) -> bool:
        """Hand a record over; False: the buffer is full."""
        try:
            self._producer.produce(
                write.topic,
                value=write.value,
                key=write.key,
                headers=list(write.headers),
                on_delivery=partial(self._answered, write),
            )
        except BufferError:
            return False
        except KafkaException as error:
            failure = failure_of(write.topic, error.args[0])
            if failure.reason != "Rejected":
                raise self._undone(error.args[0]) from error
            self.refusals.append((write, failure, True))
        return True

    def _commit(self, offsets: Sequence[TopicPartition], group: Any) -> None:
        self._flush()
        if offsets:
            self._producer.send_offsets_to_transaction(list(offsets), group)
        self._producer.commit_transaction()

    def _flush(self) -> None:
        left = self._producer.flush(self._patience_seconds)
        if self.refusals or self._doubt is not None or left:
            problem = self._doubt or (f"{left} records are not written" if left else "records are refused")
            raise UndoneError(problem, is_final=self._is_fenced)

    def _answered(self, write: Write, error: KafkaError | None, _message: Any) -> None:
        if error is None:
            return
        failure = failure_of(write.topic, error)
        if failure.reason == "Rejected":
            self.refusals.append((write, failure, write.alone))
        elif error.code() in _TOPIC_IS_TO_BLAME:
            self.refusals.append((write, failure, True))
        else:
            self._doubt = self._doubt or f"{write.topic} cannot be written to: {error.str()}"
            self._look_at(error)

    def _look_at(self, error: KafkaError) -> None:
        self._is_fenced = self._is_fenced or error.code() in _FENCED

    # --- bounds

    def _watched(self, call: Callable[[], object]) -> None:
        self._bounded(partial(self._translated, call), self._patience_seconds * 1.5)

    def _translated(self, call: Callable[[], object]) -> None:
        try:
            call()
        except KafkaException as error:
            raise self._undone(error.args[0]) from error
        except SystemError as error:  # the client's own fault: it tells us of a fatal error with that error set
            if not isinstance(error.__cause__, KafkaException):
                raise
            raise self._undone(error.__cause__.args[0]) from error

    def _undone(self, error: KafkaError) -> UndoneError:
        if error.code() == KafkaError._FATAL:  # noqa: SLF001 - librdkafka's name
            try:
                self._producer.begin_transaction()  # which says what is fatal about it
            except KafkaException as cause:
                error = cause.args[0]
        self._look_at(error)
        return UndoneError(f"the transaction is undone: {error.str()}", is_final=self._is_fenced)

    def _bounded(self, call: Callable[[], object], seconds: float) -> None:
        """Wait for a call, and no longer: one that hangs is left to itself, with the producer that it hangs in."""
        answer: Future[None] = Future()

        def run() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
                answer.set_exception(error)
            else:
                answer.set_result(None)

        threading.Thread(target=run, name="kafka-transaction", daemon=True).start()
        try:
            answer.result(seconds)
        except NoAnswerError:
            self._hangs = True
            raise UndoneError(f"a call of the producer took longer than {seconds:g} s") from None
