"""What the gateway counts, in a registry of its own."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from eventplane.telemetry import SECONDS


class GatewayMetrics:
    """Counters of requests and events; labels are of closed sets, so that nobody from outside can add one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self.requests = counter("eventplane_gateway_requests", "Requests by route and status.", ("route", "status"))
        self.seconds = Histogram(
            "eventplane_gateway_seconds",
            "Time from the request's head to its answer, by route.",
            ("route",),
            registry=self.registry,
            buckets=SECONDS,
        )
        self.events = counter("eventplane_gateway_events", "Events by what became of them.", ("outcome",))
        self.refused = counter(
            "eventplane_gateway_events_refused", "Events that were not published, by reason.", ("reason",)
        )
        self.sent = counter("eventplane_gateway_sent", "Events that were sent to subscribers.")
        self.streams = gauge("eventplane_gateway_streams", "Subscribers being served.")
        self.under_way = gauge("eventplane_gateway_under_way", "Requests to publish under way.")
        self.grants_current = gauge("eventplane_gateway_grants_current", "1 if the grants are those in the file.")
