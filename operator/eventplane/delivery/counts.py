"""What a consumer counts: plain numbers on the hot path; whoever shows them makes them into a form of its own."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from eventplane.events.record import Record

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
"""Upper bounds of latencies, seconds."""


class Counts:
    """Numbers since the start."""

    def __init__(self, routes: Iterable[str] = ()) -> None:
        self.routes: Mapping[str, Counts] = {name: Counts() for name in routes if name}
        """What became of events by each route, where there are any; what follows is of those that had none."""
        self.received = 0
        self.filtered = 0
        self.deduplicated = 0
        self.postponed_in_place = 0
        self.postponed_in_topic = 0
        self.delivered = 0
        self.retried_in_place = 0
        self.retried_in_topic = 0
        self.dead_lettered: Counter[str] = Counter()
        """By reason."""
        self.failures: Counter[str] = Counter()
        """Failed attempts by reason."""
        self.latencies = [0] * (len(BUCKETS) + 1)
        """How many took at most so long, bucket by bucket, and how many longer."""
        self.latency_sum = 0.0

    def of(self, route: str) -> "Counts":
        """Return what is counted for a route, or these where it has no name."""
        return self.routes[route] if route else self

    @property
    def delivered_in_all(self) -> int:
        """How many records sinks took, whatever the route."""
        return self.delivered + sum(each.delivered for each in self.routes.values())

    def deliver(self, record: Record, now_ms: int) -> None:
        """Count a record that the sink took, and the time since its timestamp, where it has one."""
        self.delivered += 1
        kind, written_ms = record.timestamp()
        if not kind:
            return
        seconds = max(0, now_ms - written_ms) / 1000
        self.latencies[bisect_left(BUCKETS, seconds)] += 1
        self.latency_sum += seconds

    def add(self, other: "Counts") -> None:
        """Count what another has counted."""
        self.received += other.received
        self.filtered += other.filtered
        self.deduplicated += other.deduplicated
        self.postponed_in_place += other.postponed_in_place
        self.postponed_in_topic += other.postponed_in_topic
        self.delivered += other.delivered
        self.retried_in_place += other.retried_in_place
        self.retried_in_topic += other.retried_in_topic
        self.dead_lettered += other.dead_lettered
        self.failures += other.failures
        self.latencies = [mine + its for mine, its in zip(self.latencies, other.latencies, strict=True)]
        self.latency_sum += other.latency_sum
