"""What counters count between two moments: the operator's own, and as a witness the API server's."""

from collections import Counter
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench.api_server import ApiServer
from eventplane.api.crd import KINDS

API_CALLS: Final = "eventplane_kubernetes_api_calls_total"
ADMIN_CALLS: Final = "eventplane_kafka_admin_calls_total"
REGISTRY_CALLS: Final = "eventplane_registry_calls_total"
QUEUE_DEPTH: Final = "eventplane_queue_depth"
PASSES: Final = "eventplane_reconcile_total"
_WITNESS: Final = "apiserver_request_total"
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE", "APPLY"})
_RESOURCES: Final = frozenset({*(kind.plural for kind in KINDS), "secrets", "events"})
_LABELS: Final = {API_CALLS: "verb", ADMIN_CALLS: "api", REGISTRY_CALLS: "call", QUEUE_DEPTH: "bus", PASSES: "kind"}

Counts = dict[str, Counter[str]]
"""By metric, then by the label that tells what was counted."""


async def read_operator(url: str) -> Counts:
    """Scrape the operator's counters."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        text = await response.text()
    counts: Counts = {metric: Counter() for metric in _LABELS}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in counts:
                counts[sample.name][sample.labels[_LABELS[sample.name]]] += int(sample.value)
    return counts


async def read_witness(api: ApiServer) -> Counter[str]:
    """Scrape the API server's count of writes to what the operator may write: its own kinds, Secrets, Events.

    Whoever made them: it is the bench's own as well.
    """
    text = (await api.send("GET", "/metrics")).decode()
    lines = [line for line in text.splitlines() if line.startswith(_WITNESS)]
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families("\n".join([f"# TYPE {_WITNESS} counter", *lines])):
        for sample in family.samples:
            labels = sample.labels
            if labels["resource"] in _RESOURCES and labels["verb"] in _WRITES:
                what = (labels["verb"], labels["resource"], labels["subresource"])
                counts["/".join(filter(None, what))] += int(sample.value)
    return counts


def since(before: Counts, after: Counts) -> Counts:
    """Return what was counted in between, without what was not."""
    return {metric: after[metric] - before[metric] for metric in after}


def per_topic(counted: Counter[str], topics: int) -> dict[str, float]:
    """Divide counts by a number of topics."""
    return {name: round(count / topics, 4) for name, count in sorted(counted.items())}


def writes(counted: Counter[str]) -> int:
    """Add up the requests that are no reads."""
    return sum(count for verb, count in counted.items() if verb.split("/")[0] in _WRITES)
