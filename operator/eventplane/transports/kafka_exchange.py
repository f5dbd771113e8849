"""Reads, writes and commits in transactions, on a thread of its own.

What fails is undone as a whole: another producer of the same id, and all partitions are read again from what is
committed. Partitions are committed before they are given away; those that were lost take the whole transaction along.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from eventplane.events.record import Place
from eventplane.transports.kafka_member import KafkaMember, Reading, place_of
from eventplane.transports.kafka_transactions import MakeProducer, Transactions, UndoneError
from eventplane.transports.seams import Made, Worker

logger = logging.getLogger(__name__)

_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much goes into a transaction."""

    few: int = 100
    """Read at once, at most, where no more wait to be read."""
    records: int = 5_000
    """Read, at most: a commit costs three round trips, which are nothing beside so many."""
    seconds: float = 0.1
    """From its first record on, at most, where no more wait to be read: until then nobody sees what was written."""
    busy_seconds: float = 1.0
    """The same, where more wait: then a moment more is nothing beside what they wait anyway."""
    patience_seconds: float = 30.0
    """How long a call of the producer may take."""


class KafkaExchange(KafkaMember):
    """An Exchange on Kafka.

    Args:
        settings: of the consumer.
        reading: what is read.
        loop: where the worker is told of the end.
        transactional: settings of the producer.
        pace: of transactions.
        make: makes a producer.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        reading: Reading,
        loop: asyncio.AbstractEventLoop,
        transactional: Mapping[str, Any],
        pace: Pace = Pace(),
        make: MakeProducer = Producer,
    ) -> None:
        super().__init__(settings, reading, loop, "kafka-exchange")
        self._transactional = transactional
        self._pace = pace
        self._make = make
        self._worker: Worker
        self._transactions: Transactions | None = None
        self._is_ready = False
        """There is a producer, and partitions are read from what is committed."""
        self._next: dict[Place, int] = {}
        self._waiting: dict[Place, float] = {}
        self._positions: dict[Place, int] = {}
        """What is to be committed."""
        self._records = 0
        self._began = 0.0

    def start(self, worker: Worker) -> None:
        """Join the group."""
        self._worker = worker
        self._thread.start()

    # --- on the thread from here on

    def _round(self) -> None:
        if not self._is_ready:
            self._begin_anew()
            return
        self._go_on_where_due()
        records = self._expected(self._fetch())
        if records:
            self._put(records)
        if self._records and self._is_full(is_busy=len(records) > self._pace.few):
            self._commit()

    def _is_full(self, *, is_busy: bool) -> bool:
        seconds = self._pace.busy_seconds if is_busy else self._pace.seconds
        return self._records >= self._pace.records or time.monotonic() - self._began >= seconds

    def _put(self, records: list[Message]) -> None:
        made = self._worker.work(records)  # type: ignore[arg-type]  # a Message is a Record
        if not self._records:
            self._began = time.monotonic()
        self._records += len(records)
        self._positions |= made.positions
        try:
            self._write(made)
        except UndoneError as error:
            self._undo(error)
            return
        self._leave_alone(made.waits)

    def _write(self, made: Made) -> None:
        transactions = self._transactions
        if transactions is not None:
            for write in made.writes:
                transactions.write(write)
            transactions.serve()

    def _commit(self) -> None:
        offsets = [TopicPartition(*place, offset) for place, offset in self._positions.items()]
        try:
            if offsets and self._transactions is not None:
                self._transactions.commit(offsets, self._consumer.consumer_group_metadata())
        except UndoneError as error:
            self._undo(error)
            return
        self._positions.clear()
        self._records = 0
        self._worker.committed()

    def _undo(self, why: UndoneError) -> None:
        """Give up the producer, and with it all that is not committed."""
        logger.warning("a transaction is undone", extra={"fields": {"problem": str(why)}})
        self._is_ready = False
        self._positions.clear()
        self._records = 0
        if self._transactions is not None:
            self._transactions.close()
            for write, failure, certain in self._transactions.refusals:
                self._worker.refused(write, failure, certain=certain)
            self._transactions = None
        self._worker.undone(str(why))
        if why.is_final:
            self._problem = self._problem or f"transactions are of no use any more: {why}"

    def _begin_anew(self) -> None:
        """Open a producer, which ends what is in doubt, and read from what is committed then."""
        try:
            if self._transactions is None:
                self._transactions = Transactions(self._make, self._transactional, self._pace.patience_seconds)
            self._read_from(self._starts(tuple(self._owned)))
            self._is_ready = True
        except UndoneError as error:
            self._undo(error)
        except KafkaException as error:
            self._complain(error.args[0])
        if not self._is_ready:
            self._consumer.poll(0)  # so that the group does not take it for dead; what it reads is read again
            self._stopping.wait(_AGAIN_SECONDS)

    # --- partitions

    def _begun(
        self, places: tuple[Place, ...], starts: Sequence[TopicPartition], finished: Mapping[Place, int]
    ) -> None:
        self._next |= {place_of(each): each.offset for each in starts if each.offset >= 0}
        self._worker.assigned(places, finished)

    def _on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = [place for each in partitions if (place := place_of(each)) in self._owned]
        if places:
            if self._records:
                self._commit()
            self._forget(places)

    def _on_lost(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if self._records:
            self._undo(UndoneError("partitions were lost"))
        self._forget([place_of(each) for each in partitions])

    def _forget(self, places: Sequence[Place]) -> None:
        self._owned.difference_update(places)
        for place in places:
            self._next.pop(place, None)
            self._waiting.pop(place, None)
        self._worker.lost(places)

    def _leave(self) -> None:
        if self._records:
            self._commit()
        if self._transactions is not None:
            self._transactions.close()

    def _ended(self, problem: str | None) -> None:
        self._worker.ended(problem)

    # --- positions

    def _expected(self, records: list[Message]) -> list[Message]:
        """Keep what is to come next in partitions of ours: a rebalance leaves records behind that were read before."""
        kept: list[Message] = []
        for record in records:
            place, offset = (record.topic() or "", record.partition() or 0), record.offset() or 0
            if place not in self._owned or place in self._waiting:
                continue
            if offset < self._next.get(place, 0):  # the broker began anew, or they were read twice
                self._finished.pop(place, None)
                self._undo(UndoneError(f"{place[0]}-{place[1]} went back to offset {offset}"))
                return []
            self._next[place] = offset + 1
            kept.append(record)
        return kept

    def _leave_alone(self, waits: Mapping[Place, float]) -> None:
        now = time.monotonic()
        for place, seconds in waits.items():
            position = self._positions[place]
            self._waiting[place] = now + seconds
            self._next[place] = position
            self._consumer.pause([TopicPartition(*place)])
            self._consumer.seek(TopicPartition(*place, position))

    def _go_on_where_due(self) -> None:
        now = time.monotonic()
        self._go_on([place for place, due in self._waiting.items() if due <= now])

    def _go_on(self, places: Iterable[Place]) -> None:
        for place in tuple(places):
            del self._waiting[place]
            self._consumer.resume([TopicPartition(*place)])

    def _read_from(self, starts: Sequence[TopicPartition]) -> None:
        self._go_on(self._waiting)
        # where it still looks back there is nothing that could be undone, and what came before is to be known whole
        self._next = {place: at for place, at in self._next.items() if at < self._finished.get(place, 0)}
        for each in starts:
            place = place_of(each)
            self._consumer.seek(TopicPartition(*place, self._next.get(place, each.offset)))
