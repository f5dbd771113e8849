"""Offsets without Kafka: the backend that tests run on, held to the same contract as the real one."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from eventplane.api.conditions import Reason
from eventplane.planning.gauge_state import GaugeQuery, ObservedGauge, PartitionOffsets
from eventplane.planning.outcome import Rejected, Unavailable


@dataclass(slots=True)
class _Partition:
    start: int = 0
    times_ms: list[int] = field(default_factory=list)
    """Timestamps of the records from the start on."""

    @property
    def end(self) -> int:
        return self.start + len(self.times_ms)


class MemoryOffsets:
    """The records and commits of a cluster; tests append, delete and commit."""

    def __init__(self) -> None:
        self.available = True
        self.hidden: set[str] = set()
        """Topics and groups that may not be looked at."""
        self._topics: dict[str, list[_Partition]] = {}
        self._committed: dict[str, dict[tuple[str, int], int]] = {}

    def create(self, topic: str, partitions: int = 1) -> None:
        """Create a topic."""
        self._topics[topic] = [_Partition() for _ in range(partitions)]

    def delete(self, topic: str) -> None:
        """Delete a topic, and what groups have committed about it."""
        del self._topics[topic]
        for offsets in self._committed.values():
            for place in [place for place in offsets if place[0] == topic]:
                del offsets[place]

    def append(self, topic: str, count: int = 1, *, partition: int = 0, timestamp_ms: int = 0) -> None:
        """Write records; a topic that does not exist is created with one partition."""
        self._topics.setdefault(topic, [_Partition()])[partition].times_ms += [timestamp_ms] * count

    def delete_records(self, topic: str, before: int, *, partition: int = 0) -> None:
        """Delete the records before an offset."""
        place = self._topics[topic][partition]
        del place.times_ms[: before - place.start]
        place.start = before

    def commit(self, group: str, topic: str, offset: int, *, partition: int = 0) -> None:
        """Commit what a group reads next."""
        self._committed.setdefault(group, {})[topic, partition] = offset

    def look(self, query: GaugeQuery) -> ObservedGauge:
        """Look at a topic."""
        for name, kind in ((query.topic, "topic"), (query.group, "group")):
            if name in self.hidden:
                text = f"Kafka refused {kind} {name}: the bus's user lacks the right Describe on {kind} {name}"
                return ObservedGauge(error=Rejected(Reason.AUTHORIZATION_FAILED, text))
        committed = self._committed.get(query.group, {}) if query.group is not None else {}
        partitions = self._topics.get(query.topic, [])
        oldest = [each.times_ms[0] for each in partitions if each.times_ms and query.oldest]
        return ObservedGauge(
            {
                number: PartitionOffsets(each.start, each.end, committed.get((query.topic, number)))
                for number, each in enumerate(partitions)
            },
            min(oldest, default=None),
        )


class MemoryGaugeBackend:
    """A GaugeBackend on MemoryOffsets."""

    def __init__(self, offsets: MemoryOffsets | None = None) -> None:
        """Open a backend on a cluster of its own, or on one that is shared."""
        self.offsets = offsets or MemoryOffsets()
        self.calls: Counter[str] = Counter()
        """How often each method of the seam was called."""

    async def observe(self, keys: Collection[GaugeQuery]) -> Mapping[GaugeQuery, ObservedGauge]:
        """Look at topics and groups."""
        self.calls["observe"] += 1
        if keys and not self.offsets.available:
            raise Unavailable("the cluster does not answer")
        return {key: self.offsets.look(key) for key in keys}

    async def close(self) -> None:
        """Hold nothing, so release nothing."""
