"""A member of a consumer group by confluent-kafka's Consumer, on a thread of its own; who extends it says what for.

Everything that concerns the Consumer happens on that thread, rebalances too.
"""

import asyncio
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventplane.api.quantities import milliseconds
from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.beginning import LookBack
from eventplane.events.record import Place
from eventplane.transports.kafka_beginning import begin, further_back
from eventplane.transports.kafka_notices import is_end

logger = logging.getLogger(__name__)

_BATCH: Final = 1000
_IDLE_SECONDS: Final = 0.05
_LAG_SECONDS: Final = 5.0
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
    look_back: LookBack | None = None
    """How far before its beginning a group reads topics that are no retry topics; None: not at all."""

    @classmethod
    def of(cls, config: RuntimeConfig, leave_seconds: float) -> "Reading":
        """Return what a consumer reads by its configuration."""
        rules = config.delivery.deduplicate
        look_back = None if rules is None else LookBack(milliseconds(rules.window), rules.max_events)
        return cls(config.topics, config.retry.topics, config.start_from, leave_seconds, look_back)


class KafkaMember(ABC):
    """Joins a group, reads, looks at the lag, and leaves."""

    def __init__(
        self, settings: Mapping[str, Any], reading: Reading, loop: asyncio.AbstractEventLoop, thread_name: str
    ) -> None:
        self._settings = settings
        self._reading = reading
        self._loop = loop
        self._consumer: Consumer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)
        self._owned: set[Place] = set()
        self._finished: dict[Place, int] = {}
        """Where partitions begin that are read from further back."""
        self._lag: Mapping[Place, int] = {}
        self._problem: str | None = None
        self._polled = time.monotonic()
        self._complained: dict[int, float] = {}

    def lag(self) -> Mapping[Place, int]:
        """Return the lag as of the last look."""
        return self._lag

    def seconds_since_poll(self) -> float:
        """Tell how long ago the thread went round; before it begins, nobody waits for it."""
        return 0.0 if self._thread.ident is None else time.monotonic() - self._polled

    async def stop(self) -> None:
        """Leave."""
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    # --- on the thread from here on

    @abstractmethod
    def _round(self) -> None:
        """Go round once, for a moment."""

    @abstractmethod
    def _leave(self) -> None:
        """Do what there is to do before the group is left."""

    @abstractmethod
    def _begun(
        self, places: tuple[Place, ...], starts: Sequence[TopicPartition], finished: Mapping[Place, int]
    ) -> None:
        """Begin with partitions, which are ours now; `finished` as for a Reader."""

    @abstractmethod
    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Give partitions away."""

    @abstractmethod
    def _on_lost(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Note that partitions are somebody else's already."""

    @abstractmethod
    def _ended(self, problem: str | None) -> None:
        """Tell that nothing more comes; on the loop."""

    def _on_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Look at how a commit ended."""
        del partitions
        self._complain(error)

    def _look(self) -> None:
        """Do what is done every few seconds."""
        self._look_at_lag()

    def _run(self) -> None:
        try:
            self._consumer = Consumer(
                {**self._settings, "error_cb": self._complain, "on_commit": self._on_commit, "logger": logger}
            )
            self._consumer.subscribe(
                [*self._reading.topics, *self._reading.retry_topics],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            try:
                self._go_round()
            finally:
                self._leave()
                self._owned.clear()
                self._consumer.close()
        except KafkaException as error:
            self._problem = self._problem or f"Kafka: {error.args[0]}"
        except Exception as error:  # a thread has nobody above it
            logger.exception("the source has ended")
            self._problem = self._problem or f"{type(error).__name__}: {error}"
        self._on_loop(partial(self._ended, self._problem))

    def _go_round(self) -> None:
        looked = time.monotonic()
        while not self._stopping.is_set() and self._problem is None:
            self._polled = time.monotonic()
            self._round()
            if self._polled - looked > _LAG_SECONDS:
                looked = self._polled
                self._look()

    def _fetch(self) -> list[Message]:
        """Read what there is; where there is nothing, wait for a moment."""
        messages = self._consumer.consume(_BATCH, 0)
        if not messages:
            message = self._consumer.poll(_IDLE_SECONDS)
            messages = [message] if message is not None else []
        records = [each for each in messages if each.error() is None]
        if len(records) < len(messages):
            for message in messages:
                self._complain(message.error())
        return records

    def _complain(self, error: KafkaError | None) -> None:
        if error is None or is_end(error):
            return
        if error.fatal():
            self._problem = f"the consumer cannot go on: {error.str()}"
            return
        now = time.monotonic()
        if now - self._complained.get(error.code(), float("-inf")) > _SAME_COMPLAINT_SECONDS:
            self._complained[error.code()] = now
            logger.warning("Kafka complains", extra={"fields": {"error": error.str(), "code": error.name()}})

    def _look_at_lag(self) -> None:
        if not self._owned:
            self._lag = {}
            return
        found: dict[Place, int] = {}
        for each in self._consumer.position([TopicPartition(*place) for place in self._owned]):
            _low, high = self._consumer.get_watermark_offsets(each, cached=True)
            if each.offset >= 0 and high >= 0:
                position = max(each.offset, self._finished.get(place_of(each), 0))
                found[place_of(each)] = max(0, high - position)
        self._lag = found

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        places = tuple(place_of(each) for each in partitions)
        starts, finished = self._further_back(self._starts(places))
        if places:
            consumer.incremental_assign(starts)
        self._owned.update(places)
        self._finished = {**{place: at for place, at in self._finished.items() if place in self._owned}, **finished}
        self._begun(places, starts, finished)

    def _starts(self, places: tuple[Place, ...]) -> list[TopicPartition]:
        """Ask where to begin in partitions; raises KafkaException."""
        if not places:
            return []
        reading = self._reading
        return begin(self._consumer, places, reading.topics, reading.retry_topics, reading.start_from)

    def _further_back(self, starts: list[TopicPartition]) -> tuple[list[TopicPartition], Mapping[Place, int]]:
        """Return what to read from instead, where that is asked for, and where that moved it from."""
        look_back = self._reading.look_back
        begins = {place_of(each): int(each.offset) for each in starts if each.offset > 0}
        begins = {place: at for place, at in begins.items() if place[0] in self._reading.topics}
        if look_back is None or not begins:
            return starts, {}
        firsts = further_back(self._consumer, begins, look_back, time.time_ns() // 1_000_000)
        moved = [TopicPartition(each.topic, each.partition, firsts.get(place_of(each), each.offset)) for each in starts]
        return moved, {place: at for place, at in begins.items() if firsts[place] < at}

    def _on_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def place_of(partition: TopicPartition) -> Place:
    """Name a partition as we do."""
    return str(partition.topic), int(partition.partition)
