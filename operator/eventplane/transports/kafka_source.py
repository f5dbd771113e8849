"""Reads records by confluent-kafka's Consumer, and hands them to a reader on the event loop.

During a rebalance the thread waits for the reader to leave its partitions, commits what it says, and only then lets
them go.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventplane.events.record import Place
from eventplane.transports.kafka_member import KafkaMember, Reading, place_of
from eventplane.transports.seams import Reader

logger = logging.getLogger(__name__)

_HANDED_OVER: Final = 4
"""Batches that the reader has not looked at yet, at most."""
_MEMBERSHIP_SECONDS: Final = 0.2


class KafkaSource(KafkaMember):
    """A Source on Kafka."""

    def __init__(self, settings: Mapping[str, Any], reading: Reading, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(settings, reading, loop, "kafka-source")
        self._reader: Reader
        self._commands: deque[Callable[[], None]] = deque()
        self._room = threading.Semaphore(_HANDED_OVER)
        self._newest: dict[Place, int] = {}
        self._uncommitted: set[Place] = set()
        self._membership: Any = None
        self._known = 0.0

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

    def membership(self) -> Any:
        """Return the group's metadata as of the last look: a broker tells old members by it (KIP-447).

        Not asked for here: the client's call, made from another thread than its own, has been seen to wait for ever.
        """
        return self._membership

    # --- on the thread from here on

    def _round(self) -> None:
        while self._commands:
            self._commands.popleft()()
        if self._owned and (self._membership is None or self._polled - self._known > _MEMBERSHIP_SECONDS):
            self._known = self._polled
            self._membership = self._consumer.consumer_group_metadata()
        records = self._fetch()
        if records:
            self._hand_over(records)

    def _look(self) -> None:
        super()._look()
        self._commit_again()

    def _leave(self) -> None:
        self._commit(self._left(tuple(self._owned)), wait=True)

    def _ended(self, problem: str | None) -> None:
        self._reader.ended(problem)

    def _hand_over(self, records: list[Message]) -> None:
        while not self._room.acquire(timeout=1.0):
            if self._stopping.is_set():
                return  # they are not committed, so nothing is lost
        self._on_loop(partial(self._taken, records))

    def _taken(self, records: list[Message]) -> None:
        """Give records to the reader; on the loop."""
        self._room.release()
        self._reader.take(records)  # type: ignore[arg-type]  # a Message is a Record

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
                self._uncommitted.add(place_of(each))
        super()._on_commit(error, partitions)

    def _commit_again(self) -> None:
        offsets = {place: self._newest[place] for place in self._uncommitted if place in self._newest}
        self._uncommitted.clear()
        self._commit(offsets, wait=False)

    # --- rebalances

    def _begun(
        self, places: tuple[Place, ...], starts: Sequence[TopicPartition], finished: Mapping[Place, int]
    ) -> None:
        del starts
        self._membership = None
        self._on_loop(partial(self._reader.assigned, places, finished))

    def _on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = tuple(place for each in partitions if (place := place_of(each)) in self._owned)
        if places:
            self._commit(self._left(places), wait=True)
            self._owned.difference_update(places)
            for place in places:
                self._newest.pop(place, None)

    def _on_lost(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = tuple(place_of(each) for each in partitions)
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
