"""What the operator's pods count, read from their /metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from e2e.servers.polling import poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.samples import Sample

    from e2e.installation import Installation


def samples(operator: Installation, pod: str, name: str) -> list[Sample]:
    """Read the samples of one name, such as `eventplane_reconcile_total`."""
    families = text_string_to_metric_families(operator.metrics(pod))
    return [sample for family in families for sample in family.samples if sample.name == name]


def writes(operator: Installation, pod: str) -> float:
    """Count the writes of a pod to the API server."""
    calls = samples(operator, pod, "eventplane_kubernetes_api_calls_total")
    return sum(each.value for each in calls if each.labels["verb"] not in {"GET", "WATCH"})


def passes(operator: Installation, pod: str, kind: str) -> float:
    """Count how often resources of a kind were looked at."""
    looks = samples(operator, pod, "eventplane_reconcile_total")
    return sum(each.value for each in looks if each.labels["kind"] == kind)


def comes_to_rest(operator: Installation, pod: str, seconds: float, meanwhile: Callable[[], object] = tuple) -> bool:
    """Tell whether a pod comes to write nothing for so long, soon: a slow answer of Kafka is written about.

    Args:
        operator: whose pod it is.
        pod: its name.
        seconds: for how long.
        meanwhile: tells what stays as it is in that time.
    """

    def rests() -> bool:
        before = writes(operator, pod), meanwhile()
        time.sleep(seconds)
        return (writes(operator, pod), meanwhile()) == before

    return poll(rests, 5 * seconds)
