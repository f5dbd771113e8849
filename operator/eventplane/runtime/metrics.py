"""What a consumer has counted, made into Prometheus' form when somebody asks."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eventplane.delivery.counts import BUCKETS, Counts
from eventplane.delivery.lookups import Lookups
from eventplane.delivery.repeats import Repeats
from eventplane.events.record import Place
from eventplane.telemetry import counter_family, gauge_family

_PREFIX: Final = "eventplane_runtime"


class RuntimeMetrics(Collector):
    """Counts, and what is the case right now."""

    def __init__(
        self,
        counts: Counts,
        repeats: Repeats,
        lookups: Lookups,
        under_way: Callable[[], float],
        buffered: Callable[[], float],
        lag: Callable[[], Mapping[Place, int]],
    ) -> None:
        self._counts = counts
        self._repeats = repeats
        self._lookups = lookups
        self._under_way = under_way
        self._buffered = buffered
        self._lag = lag
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Make the metrics."""
        yield from _counted(self._counts)
        yield counter_family(
            f"{_PREFIX}_deduplication_forgotten_early",
            "Events whose ids were forgotten for want of room, perhaps within the window.",
            {"": self._repeats.forgotten_early},
        )
        yield gauge_family(
            f"{_PREFIX}_deduplication_remembered",
            "Events that are remembered to know them again.",
            self._repeats.remembered,
        )
        yield from _looked_up(self._lookups)
        yield gauge_family(f"{_PREFIX}_in_flight", "Events on their way to the sink.", self._under_way())
        yield gauge_family(f"{_PREFIX}_buffered", "Events in memory.", self._buffered())
        lag = GaugeMetricFamily(f"{_PREFIX}_lag", "Offsets not read yet.", labels=("topic", "partition"))
        for (topic, partition), number in self._lag().items():
            lag.add_metric((topic, str(partition)), number)
        yield lag


def _looked_up(lookups: Lookups) -> Iterable[Metric]:
    family = CounterMetricFamily(
        f"{_PREFIX}_lookups",
        "Values that were looked up, by outcome and source.",
        labels=("lookup", "outcome", "source"),
    )
    for labels, number in tuple(lookups.counts.items()):
        family.add_metric(labels, number)
    yield family
    entries = GaugeMetricFamily(f"{_PREFIX}_table_entries", "Keys of a topic that is looked into.", labels=("lookup",))
    for name, table in lookups.tables.items():
        entries.add_metric((name,), table.entries)
    yield entries


def _counted(counts: Counts) -> Iterable[Metric]:
    """Show all that was counted."""
    for name, documentation, number in (
        ("received", "Events that were read, those out of retry topics included.", counts.received),
        ("filtered", "Events that the filter kept back, or that no route takes and that may go.", counts.filtered),
        ("deduplicated", "Events that had come before.", counts.deduplicated),
    ):
        yield counter_family(f"{_PREFIX}_{name}", documentation, {"": number})
    postponed = {"InPlace": counts.postponed_in_place, "Topic": counts.postponed_in_topic}
    yield counter_family(
        f"{_PREFIX}_postponed", "Waits of events for their time, by where they wait.", postponed, ("where",)
    )
    routes = {"": counts, **counts.routes}
    """What has no route has that label empty, which is as if it had none."""
    delivered = {name: each.delivered for name, each in routes.items()}
    yield counter_family(f"{_PREFIX}_delivered", "Events that the sink took, by route.", delivered, ("route",))
    yield _by_route(
        "retried",
        "Further attempts, by where they wait.",
        "where",
        {name: {"InPlace": each.retried_in_place, "Topic": each.retried_in_topic} for name, each in routes.items()},
    )
    failures = {name: each.failures for name, each in routes.items()}
    yield _by_route("failed_attempts", "Attempts that failed, by reason.", "reason", failures)
    given_up = {name: each.dead_lettered for name, each in routes.items()}
    yield _by_route("dead_lettered", "Events that were given up, by reason.", "reason", given_up)
    yield _histogram(routes)


def _by_route(name: str, documentation: str, label: str, numbers: Mapping[str, Mapping[str, int]]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", documentation, labels=(label, "route"))
    for route, found in numbers.items():
        for value, number in tuple(found.items()):
            family.add_metric((value, route), number)
    return family


def _histogram(routes: Mapping[str, Counts]) -> Metric:
    family = HistogramMetricFamily(
        f"{_PREFIX}_end_to_end_seconds", "Time from the record's timestamp to the sink's answer.", labels=("route",)
    )
    for route, counts in routes.items():
        total, buckets = 0, []
        for bound, number in zip((*BUCKETS, "+Inf"), counts.latencies, strict=True):
            total += number
            buckets.append((str(bound), float(total)))
        family.add_metric((route,), buckets, counts.latency_sum)
    return family
