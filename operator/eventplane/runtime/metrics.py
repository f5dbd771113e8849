"""What a consumer has counted, made into Prometheus' form when somebody asks."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eventplane.delivery.counts import BUCKETS, Counts
from eventplane.delivery.repeats import Repeats
from eventplane.events.record import Place

_PREFIX: Final = "eventplane_runtime"


class RuntimeMetrics(Collector):
    """Counts, and what is the case right now."""

    def __init__(
        self,
        counts: Counts,
        repeats: Repeats,
        under_way: Callable[[], float],
        buffered: Callable[[], float],
        lag: Callable[[], Mapping[Place, int]],
    ) -> None:
        self._counts = counts
        self._repeats = repeats
        self._under_way = under_way
        self._buffered = buffered
        self._lag = lag
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Make the metrics."""
        yield from _counted(self._counts)
        yield _counter(
            "deduplication_forgotten_early",
            "Events whose ids were forgotten for want of room, perhaps within the window.",
            {"": self._repeats.forgotten_early},
            (),
        )
        yield _gauge(
            "deduplication_remembered", "Events that are remembered to know them again.", self._repeats.remembered
        )
        yield _gauge("in_flight", "Events on their way to the sink.", self._under_way())
        yield _gauge("buffered", "Events in memory.", self._buffered())
        lag = GaugeMetricFamily(f"{_PREFIX}_lag", "Offsets not read yet.", labels=("topic", "partition"))
        for (topic, partition), number in self._lag().items():
            lag.add_metric((topic, str(partition)), number)
        yield lag


def _counted(counts: Counts) -> Iterable[Metric]:
    """Show all that was counted."""
    for name, documentation, number in (
        ("received", "Events that were read, retries by topic included.", counts.received),
        ("filtered", "Events that the filter kept back.", counts.filtered),
        ("deduplicated", "Events that had come before.", counts.deduplicated),
        ("delivered", "Events that the sink took.", counts.delivered),
    ):
        yield _counter(name, documentation, {"": number}, ())
    retried = {"InPlace": counts.retried_in_place, "Topic": counts.retried_in_topic}
    yield _counter("retried", "Further attempts, by where they wait.", retried, ("where",))
    yield _counter("failed_attempts", "Attempts that failed, by reason.", counts.failures, ("reason",))
    yield _counter("dead_lettered", "Events that were given up, by reason.", counts.dead_lettered, ("reason",))
    yield _histogram(counts)


def _histogram(counts: Counts) -> Metric:
    family = HistogramMetricFamily(
        f"{_PREFIX}_end_to_end_seconds", "Time from the record's timestamp to the sink's answer."
    )
    total, buckets = 0, []
    for bound, number in zip((*BUCKETS, "+Inf"), counts.latencies, strict=True):
        total += number
        buckets.append((str(bound), float(total)))
    family.add_metric((), buckets, counts.latency_sum)
    return family


def _counter(name: str, documentation: str, numbers: Mapping[str, float], labels: tuple[str, ...]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", documentation, labels=labels)
    for label, number in numbers.items():
        family.add_metric((label,) if labels else (), number)
    return family


def _gauge(name: str, documentation: str, number: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=number)
