"""Reads records by confluent-kafka's Consumer, on a thread of its own.

Everything that concerns the Consumer happens on that thread; the reader is called on the event loop. During a rebalance
the thread waits for the reader to leave its partitions, commits what it says, and only then lets them go.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventplane.events.record import Place
from eventplane.transports.kafka_beginning import begin
from eventplane.transports.seams import Reader

logger = logging.getLogger(__name__)

_BATCH: Final = 1000
_IDLE_SECONDS: Final = 0.05
_HANDED_OVER: Final = 4
"""Batches that the reader has not looked at yet, at most."""
_LAG_SECONDS: Final = 5.0
_MEMBERSHIP_SECONDS: Final = 0.2
_SAME_COMPLAINT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read, and from where on."""

    topics: tuple[str, ...]
    retry_topics: tuple[str, ...] = ()
    """Read from their beginning."""
    start_from: str = "Latest"
    leave_seconds: float = 30.0
    """How long the reader may take to leave partitions."""


class KafkaSource:
    """A Source on Kafka."""

    def __init__(self, settings: Mapping[str, Any], reading: Reading, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._reading = reading
        self._loop = loop
        self._reader: Reader
        self._consumer: Consumer
        self._commands: deque[Callable[[], None]] = deque()
        self._room = threading.Semaphore(_HANDED_OVER)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-source", daemon=True)
        self._owned: set[Place] = set()
        self._lag: Mapping[Place, int] = {}
        self._newest: dict[Place, int] = {}
        self._uncommitted: set[Place] = set()
        self._membership: Any = None
        self._problem: str | None = None
        self._polled = time.monotonic()
        self._complained: dict[int, float] = {}

    def start(self, reader: Reader) -> None:
        """Join the group."""
        self._reader = reader
        self._thread.start()

    def pause(self, place: Place) -> None:
        """Pause, soon."""
        self._commands.append(partial(self._switch, place, paused=True))

    def resume(self, place: Place) -> None:
        """Resume, soon."""
        self._commands.append(partial(self._switch, place, paused=False))

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit, soon, without waiting for it."""
        self._commands.append(partial(self._commit, dict(offsets), wait=False))

    def lag(self) -> Mapping[Place, int]:
        """Return the lag as of the last look."""
        return self._lag

    def seconds_since_poll(self) -> float:
        """Tell how long ago the thread went round."""
        return time.monotonic() - self._polled

    def membership(self) -> Any:
        """Return the group's metadata as of the last look: a broker tells old members by it (KIP-447).

        Not asked for here: the client's call, made from another thread than its own, has been seen to wait for ever.
        """
        return self._membership

    async def stop(self) -> None:
        """Leave."""
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    # --- on the thread from here on

    def _run(self) -> None:
        try:
            self._consumer = Consumer(
                {**self._settings, "error_cb": self._on_error, "on_commit": self._on_commit, "logger": logger}
            )
            self._consumer.subscribe(
                [*self._reading.topics, *self._reading.retry_topics],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            try:
                self._read()
            finally:
                self._commit(self._left(tuple(self._owned)), wait=True)
                self._owned.clear()
                self._consumer.close()
        except KafkaException as error:
            self._problem = self._problem or f"Kafka: {error.args[0]}"
        except Exception as error:  # a thread has nobody above it
            logger.exception("the source has ended")
            self._problem = self._problem or f"{type(error).__name__}: {error}"
        self._on_loop(partial(self._reader.ended, self._problem))

    def _read(self) -> None:
        looked = known = time.monotonic()
        while not self._stopping.is_set() and self._problem is None:
            self._polled = time.monotonic()
            while self._commands:
                self._commands.popleft()()
            if self._owned and (self._membership is None or self._polled - known > _MEMBERSHIP_SECONDS):
                known = self._polled
                self._membership = self._consumer.consumer_group_metadata()
            messages = self._consumer.consume(_BATCH, 0)
            if not messages:
                message = self._consumer.poll(_IDLE_SECONDS)
                messages = [message] if message is not None else []
            if messages:
                self._hand_over(messages)
            if self._polled - looked > _LAG_SECONDS:
                looked = self._polled
                self._look_at_lag()
                self._commit_again()

    def _hand_over(self, messages: list[Message]) -> None:
        records = [each for each in messages if each.error() is None]
        if len(records) < len(messages):
            for message in messages:
                self._complain(message.error())
        if not records:
            return
        while not self._room.acquire(timeout=1.0):
            if self._stopping.is_set():
                return  # they are not committed, so nothing is lost
        self._on_loop(partial(self._taken, records))

    def _taken(self, records: list[Message]) -> None:
        """Give records to the reader; on the loop."""
        self._room.release()
        self._reader.take(records)  # type: ignore[arg-type]  # a Message is a Record

    def _complain(self, error: KafkaError | None) -> None:
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
            return
        if error.fatal():
            self._problem = f"the consumer cannot go on: {error.str()}"
            return
        now = time.monotonic()
        if now - self._complained.get(error.code(), float("-inf")) > _SAME_COMPLAINT_SECONDS:
            self._complained[error.code()] = now
            logger.warning("Kafka complains", extra={"fields": {"error": error.str(), "code": error.name()}})

    def _on_error(self, error: KafkaError) -> None:
        self._complain(error)

    def _switch(self, place: Place, *, paused: bool) -> None:
        if place in self._owned:
            one = [TopicPartition(*place)]
            if paused:
                self._consumer.pause(one)
            else:
                self._consumer.resume(one)

    def _commit(self, offsets: Mapping[Place, int], *, wait: bool) -> None:
        ours = [TopicPartition(*place, offset) for place, offset in offsets.items() if place in self._owned]
        self._newest |= {place: offset for place, offset in offsets.items() if place in self._owned}
        if not ours:
            return
        try:
            if wait:
                self._consumer.commit(offsets=ours, asynchronous=False)
            else:
                self._consumer.commit(offsets=ours, asynchronous=True)
        except KafkaException as error:
            logger.warning("offsets could not be committed", extra={"fields": {"error": str(error.args[0])}})

    def _on_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Note what was not committed, to do it again: nothing else may come that would."""
        for each in partitions:
            if error is not None or each.error is not None:
                self._uncommitted.add(_place(each))
        if error is not None:
            self._complain(error)

    def _commit_again(self) -> None:
        offsets = {place: self._newest[place] for place in self._uncommitted if place in self._newest}
        self._uncommitted.clear()
        self._commit(offsets, wait=False)

    def _look_at_lag(self) -> None:
        if not self._owned:
            self._lag = {}
            return
        found: dict[Place, int] = {}
        for each in self._consumer.position([TopicPartition(*place) for place in self._owned]):
            place = (str(each.topic), int(each.partition))
            _low, high = self._consumer.get_watermark_offsets(each, cached=True)
            if each.offset >= 0 and high >= 0:
                found[place] = max(0, high - each.offset)
        self._lag = found

    # --- rebalances

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = tuple(_place(each) for each in partitions)
        if places:
            assigned = begin(
                consumer, places, self._reading.topics, self._reading.retry_topics, self._reading.start_from
            )
            consumer.incremental_assign(assigned)
        self._owned.update(places)
        self._membership = None
        self._on_loop(partial(self._reader.assigned, places))

    def _on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = tuple(place for each in partitions if (place := _place(each)) in self._owned)
        if places:
            self._commit(self._left(places), wait=True)
            self._owned.difference_update(places)
            for place in places:
                self._newest.pop(place, None)

    def _on_lost(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = tuple(_place(each) for each in partitions)
        self._owned.difference_update(places)
        self._on_loop(partial(self._reader.lost, places))

    def _left(self, places: Sequence[Place]) -> Mapping[Place, int]:
        if self._loop.is_closed():
            return {}
        leaving: Future[Mapping[Place, int]] = asyncio.run_coroutine_threadsafe(self._reader.leave(places), self._loop)
        try:
            return leaving.result(self._reading.leave_seconds)
        except NoAnswerError:
            logger.warning("partitions are left without their last offsets", extra={"fields": {"places": places}})
            return {}

    def _on_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def _place(partition: TopicPartition) -> Place:
    return str(partition.topic), int(partition.partition)
