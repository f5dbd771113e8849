"""What the processes tell about themselves: logs as JSON lines, and Prometheus metrics."""

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class JsonFormatter(logging.Formatter):
    """One JSON object per line; the mapping given as `extra={"fields": ...}` is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line |= fields
        if record.exc_info is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str) -> None:
    """Send everything that is logged to standard output, as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        seconds = partial(Histogram, registry=self.registry, buckets=SECONDS)
        self.reconciled = counter("eventplane_reconcile", "Passes over a resource, by outcome.", ("kind", "outcome"))
        self.seconds = seconds(
            "eventplane_reconcile_seconds",
            "Time from a resource becoming dirty to its status being written, by outcome.",
            ("kind", "outcome"),
        )
        self.drift = counter("eventplane_drift_repaired", "Resources whose drift was undone.", ("kind",))
        self.admin_calls = counter(
            "eventplane_kafka_admin_calls", "Requests to Kafka by API.", ("bus", "api", "outcome")
        )
        self.admin_seconds = seconds(
            "eventplane_kafka_admin_seconds", "Duration of requests to Kafka by API.", ("api",)
        )
        self.registry_calls = counter(
            "eventplane_registry_calls", "Requests to schema registries by call.", ("bus", "call", "outcome")
        )
        self.registry_seconds = seconds(
            "eventplane_registry_seconds", "Duration of requests to schema registries by call.", ("call",)
        )
        self.api_calls = counter(
            "eventplane_kubernetes_api_calls",
            "Requests to the API server by verb and HTTP status; status 0 means no answer.",
            ("verb", "status"),
        )

    def forget_bus(self, bus: str) -> None:
        """Drop the series of a bus that is gone."""
        self.admin_calls.remove_by_labels({"bus": bus})
        self.registry_calls.remove_by_labels({"bus": bus})


Gauge = tuple[str, str, tuple[str, ...]]
"""Name, documentation and label names."""
Samples = Mapping[tuple[str, ...], float]
"""Values by label values."""
_OF_A_TOPIC: Final = ("namespace", "name", "topic")
"""Namespace and name of a Subscription, and one of its topics by its name in Kafka."""
SUBSCRIPTION_LAG: Final[Gauge] = (
    "eventplane_subscription_lag",
    "Events of a partition that the group of a Subscription has not read.",
    (*_OF_A_TOPIC, "partition"),
)
DEAD_LETTERS: Final[Gauge] = ("eventplane_dead_letters", "Events in a dead-letter topic.", _OF_A_TOPIC)
RETRIES: Final[Gauge] = (
    "eventplane_retries_waiting",
    "Events in a retry topic that the group of the Subscription has not read.",
    _OF_A_TOPIC,
)
DEAD_LETTER_AGE: Final[Gauge] = (
    "eventplane_dead_letter_oldest_seconds",
    "Age of the oldest event in a dead-letter topic.",
    _OF_A_TOPIC,
)


def counter_family(name: str, documentation: str, numbers: Mapping[str, float], labels: tuple[str, ...] = ()) -> Metric:
    """Make a counter of what was counted elsewhere: numbers by the value of its label, or of "" where it has none."""
    family = CounterMetricFamily(name, documentation, labels=labels)
    for label, number in numbers.items():
        family.add_metric((label,) if labels else (), number)
    return family


def gauge_family(name: str, documentation: str, number: float) -> Metric:
    """Make a gauge of what is the case."""
    return GaugeMetricFamily(name, documentation, value=number)


class GaugesAtScrape(Collector):
    """Gauges that are computed when they are asked for, so that nothing has to keep them up to date."""

    def __init__(self, read: Callable[[], Mapping[Gauge, Samples]]) -> None:
        """Use a function that returns the present values."""
        self._read = read

    def collect(self) -> list[GaugeMetricFamily]:
        """Compute the gauges."""
        families: list[GaugeMetricFamily] = []
        for (name, documentation, labels), samples in self._read().items():
            family = GaugeMetricFamily(name, documentation, labels=labels)
            for values, number in samples.items():
                family.add_metric(values, number)
            families.append(family)
        return families
