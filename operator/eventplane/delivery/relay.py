"""From topics to a topic exactly once: remembers what was refused, counts what is certain, and shows itself to probes.

What Kafka refuses undoes a whole transaction. It is noted here, so that the next time the record has failed already;
one that may be another's fault is written apart from others then. That memory ends when the record is committed.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.api.runtime_config import RuntimeConfig
from eventplane.delivery.counts import Counts
from eventplane.delivery.endings import Ambience
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.making import Maker
from eventplane.delivery.relayed import RelayedPartition, Tried
from eventplane.delivery.repeats import Repeats
from eventplane.delivery.setting_aside import AGAIN_SECONDS, log_going_on, log_standing_still
from eventplane.events.delivery import Failure
from eventplane.events.health import PartitionSight
from eventplane.events.record import Place, Record
from eventplane.transports.data_readers import DataReader
from eventplane.transports.seams import Made, Write

_TROUBLE: Final = 3
"""So many transactions undone in a row are worth telling a probe."""


class Relay:
    """A Worker that delivers to a topic."""

    def __init__(
        self,
        config: RuntimeConfig,
        sink_topic: str,
        registry: DataReader | None = None,
        ambience: Ambience | None = None,
        clock: Callable[[], float] = time.monotonic,
        lookups: Lookups | None = None,
    ) -> None:
        """Compile what there is to compile; raises ExpressionError."""
        self.counts = Counts()
        self.problem: str | None = None
        self.ended_event = asyncio.Event()
        self.is_assigned = False
        self._ambience = ambience or Ambience()
        self._maker = Maker(config, sink_topic, registry, self._ambience, lookups)
        self._sink_topic = sink_topic
        self._retry_topics = frozenset(config.retry.topics)
        self._clock = clock
        self._partitions: dict[Place, RelayedPartition] = {}
        self._pending = Counts()
        """Of what is not committed."""
        self._undone = 0
        self._trouble: str | None = None

    # --- what an Exchange tells

    def assigned(self, places: Sequence[Place], finished: Mapping[Place, int]) -> None:
        """Begin with partitions."""
        self.repeats.assigned([place for place in places if place[0] not in self._retry_topics], finished)
        for place in places:
            self._partitions[place] = RelayedPartition(place, place[0] in self._retry_topics, self._clock())
        self.is_assigned = True

    def work(self, records: Sequence[Record]) -> Made:
        """Make what is to be written."""
        return self._maker.make(records, self._partitions, self._pending)

    def committed(self) -> None:
        """Count what is certain now, and forget what was remembered for it."""
        self.counts.add(self._pending)
        self._undone, self._trouble = 0, None
        self._settle(None)
        for each in self._partitions.values():
            if each.forget():
                log_going_on(each.place)

    def undone(self, problem: str) -> None:
        """Count nothing of it."""
        self._undone += 1
        self._trouble = problem if self._undone >= _TROUBLE else None
        self._settle("Unavailable")
        for each in self._partitions.values():
            each.position = 0  # until it is read again, nothing of it may be forgotten

    def refused(self, write: Write, failure: Failure, *, certain: bool) -> None:
        """Remember what is wrong with a record, or that it has to be written apart from others."""
        partition = self._partitions.get(write.place)
        if partition is None:
            return
        tried = partition.tried.setdefault(write.offset, Tried())
        tried.alone = True
        if not certain:
            return
        now_ms = self._ambience.now_ms()
        if write.topic == self._sink_topic:
            tried.failure = failure
            tried.first_failure_ms = tried.first_failure_ms or now_ms
            return
        tried.due_ms = now_ms + int(AGAIN_SECONDS * 1000)
        if partition.stuck is None:
            log_standing_still(partition.place, failure)
        partition.stuck = (write.offset, failure.message)

    def lost(self, places: Sequence[Place]) -> None:
        """Forget partitions."""
        self.repeats.lost(places)
        for place in places:
            self._partitions.pop(place, None)

    def ended(self, problem: str | None) -> None:
        """Note that nothing more comes."""
        self.problem = self.problem or problem
        self.ended_event.set()

    # --- what probes and metrics look at, on another thread

    @property
    def repeats(self) -> Repeats:
        """What has come before."""
        return self._maker.repeats

    @property
    def under_way(self) -> int:
        """How many events are in the transaction."""
        return sum(each.under_way for each in tuple(self._partitions.values()))

    @property
    def buffered(self) -> int:
        """How many events are in memory: no others."""
        return self.under_way

    def sights(self) -> list[PartitionSight]:
        """Show the partitions."""
        now = self._clock()
        return [each.sight(now, self._trouble) for each in tuple(self._partitions.values())]

    def _settle(self, failure: FailureReason | None) -> None:
        """Note that nothing is in a transaction any more; a failure: since nothing of it has happened."""
        if self._maker.spans is not None:
            self._maker.spans.end(failure)
        self._pending = Counts()
        now = self._clock()
        for each in self._partitions.values():
            each.settle(now)
