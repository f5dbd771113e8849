"""What a consumer counts: plain numbers on the hot path, made into Prometheus' form when somebody asks."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eventplane.events.record import Place, Record

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_PREFIX: Final = "eventplane_runtime"


class Counts:
    """Numbers since the start."""

    def __init__(self) -> None:
        self.received = 0
        self.filtered = 0
        self.delivered = 0
        self.retried_in_place = 0
        self.retried_in_topic = 0
        self.dead_lettered: Counter[str] = Counter()
        """By reason."""
        self.failures: Counter[str] = Counter()
        """Failed attempts by reason."""
        self.latencies = [0] * (len(_BUCKETS) + 1)
        """From a record's timestamp to the sink's answer, by bucket."""
        self.latency_sum = 0.0

    def deliver(self, record: Record, now_ms: int) -> None:
        """Count a record that the sink took, and the time since its timestamp, where it has one."""
        self.delivered += 1
        kind, written_ms = record.timestamp()
        if not kind:
            return
        seconds = max(0, now_ms - written_ms) / 1000
        self.latencies[bisect_left(_BUCKETS, seconds)] += 1
        self.latency_sum += seconds

    def add(self, other: "Counts") -> None:
        """Count what another has counted."""
        self.received += other.received
        self.filtered += other.filtered
        self.delivered += other.delivered
        self.retried_in_place += other.retried_in_place
        self.retried_in_topic += other.retried_in_topic
        self.dead_lettered += other.dead_lettered
        self.failures += other.failures
        self.latencies = [mine + its for mine, its in zip(self.latencies, other.latencies, strict=True)]
        self.latency_sum += other.latency_sum

    def collect(self) -> Iterable[Metric]:
        """Show all as metrics."""
        for name, documentation, number in (
            ("received", "Events that were read, retries by topic included.", self.received),
            ("filtered", "Events that the filter kept back.", self.filtered),
            ("delivered", "Events that the sink took.", self.delivered),
        ):
            yield _counter(name, documentation, {"": number}, ())
        retried = {"InPlace": self.retried_in_place, "Topic": self.retried_in_topic}
        yield _counter("retried", "Further attempts, by where they wait.", retried, ("where",))
        yield _counter("failed_attempts", "Attempts that failed, by reason.", self.failures, ("reason",))
        yield _counter("dead_lettered", "Events that were given up, by reason.", self.dead_lettered, ("reason",))
        yield self._histogram()

    def _histogram(self) -> Metric:
        family = HistogramMetricFamily(
            f"{_PREFIX}_end_to_end_seconds", "Time from the record's timestamp to the sink's answer."
        )
        total, buckets = 0, []
        for bound, number in zip((*_BUCKETS, "+Inf"), self.latencies, strict=True):
            total += number
            buckets.append((str(bound), float(total)))
        family.add_metric((), buckets, self.latency_sum)
        return family


class RuntimeMetrics(Collector):
    """Counts, and what is the case right now."""

    def __init__(
        self,
        counts: Counts,
        under_way: Callable[[], float],
        buffered: Callable[[], float],
        lag: Callable[[], Mapping[Place, int]],
    ) -> None:
        self._counts = counts
        self._under_way = under_way
        self._buffered = buffered
        self._lag = lag
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Make the metrics."""
        yield from self._counts.collect()
        yield _gauge("in_flight", "Events on their way to the sink.", self._under_way())
        yield _gauge("buffered", "Events in memory.", self._buffered())
        lag = GaugeMetricFamily(f"{_PREFIX}_lag", "Offsets not read yet.", labels=("topic", "partition"))
        for (topic, partition), number in self._lag().items():
            lag.add_metric((topic, str(partition)), number)
        yield lag


def _counter(name: str, documentation: str, numbers: Mapping[str, float], labels: tuple[str, ...]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", documentation, labels=labels)
    for label, number in numbers.items():
        family.add_metric((label,) if labels else (), number)
    return family


def _gauge(name: str, documentation: str, number: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=number)
