"""Transactions for whoever has all that goes into them: written, committed and, in doubt, looked up, on a thread."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from eventplane.events.delivery import Failure
from eventplane.transports.kafka_transactions import MakeProducer, Transactions, UndoneError
from eventplane.transports.seams import Consumed, UncommittedError, Write

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 20.0


class KafkaTransactor:
    """A Transactor on Kafka.

    Args:
        settings: of the producer, with its transactional id.
        looking: of a consumer that looks up what a group has committed.
        patience_seconds: how long a call of the producer may take.
        make: makes a producer.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        looking: Mapping[str, Any],
        patience_seconds: float,
        make: MakeProducer = Producer,
    ) -> None:
        self._settings = settings
        self._looking = looking
        self._patience_seconds = patience_seconds
        self._make = make
        self._opened: Transactions | None = None
        self._lock = threading.Lock()

    async def commit(self, writes: Sequence[Write], consumed: Consumed | None) -> None:
        """Write and commit; who is cut off here does not know how it ended."""
        await asyncio.to_thread(self._commit, writes, consumed)

    async def close(self) -> None:
        """Let go of the producer."""
        await asyncio.to_thread(self._close)

    # --- on a thread

    def _commit(self, writes: Sequence[Write], consumed: Consumed | None) -> None:
        if consumed is not None and consumed.membership is None:
            raise UncommittedError(Failure("Unavailable", "whether it is a member of the group is not known yet"))
        with self._lock:
            try:
                transactions = self._transactions()
            except UndoneError as error:
                raise UncommittedError(Failure("Unavailable", str(error))) from error
            try:
                for write in writes:
                    transactions.write(write)
                offsets, membership = _offsets(consumed), None if consumed is None else consumed.membership
                transactions.commit(offsets, membership)
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing of it may stay open
                self._undone(transactions, error, consumed)

    def _undone(self, transactions: Transactions, error: Exception, consumed: Consumed | None) -> None:
        """End what is left of a transaction; raise unless it was committed after all.

        A new producer of the id makes the broker finish or abort it, and only then is it certain which of the two. A
        refused record tells at once; else the offsets do, where there are some.
        """
        refusals = list(transactions.refusals)
        self._close_unlocked()
        is_over = False
        with contextlib.suppress(UndoneError):
            self._transactions()
            is_over = True
        if refusals:
            raise UncommittedError(refusals[0][1]) from error
        is_committed = self._is_committed(consumed) if is_over and consumed is not None else None
        if is_committed:
            logger.warning("a transaction was committed, though nobody said so")
            return
        raise UncommittedError(Failure("Unavailable", str(error)), is_certain=is_committed is False) from error

    def _is_committed(self, consumed: Consumed) -> bool | None:
        """Tell by the group's offsets; None: no answer."""
        try:
            consumer = Consumer({**self._looking, "group.id": consumed.group})
            try:
                found = consumer.committed([TopicPartition(*place) for place in consumed.offsets], _LOOK_SECONDS)
            finally:
                consumer.close()
        except KafkaException:
            return None
        return all(each.offset >= consumed.offsets[str(each.topic), int(each.partition)] for each in found)

    def _transactions(self) -> Transactions:
        if self._opened is None:
            self._opened = Transactions(self._make, self._settings, self._patience_seconds)
        return self._opened

    def _close(self) -> None:
        with self._lock:
            self._close_unlocked()

    def _close_unlocked(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def _offsets(consumed: Consumed | None) -> list[TopicPartition]:
    return [] if consumed is None else [TopicPartition(*place, offset) for place, offset in consumed.offsets.items()]
