"""/healthz, /readyz and /metrics: what the kubelet and Prometheus ask."""

from collections import Counter
from collections.abc import Mapping

from prometheus_client import generate_latest

from eventplane import probes
from eventplane.api.conditions import ConditionType
from eventplane.api.event_bus import EventBus
from eventplane.controllers.dispatch import Dispatcher
from eventplane.planning.verdicts import condition
from eventplane.telemetry import Gauge, GaugesAtScrape, Metrics, Samples


class ProbeServer(probes.ProbeServer):
    """Answers probes. Alive: the event loop turns and no lane has died. Ready: everything that exists has been seen."""

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics, port: int) -> None:
        super().__init__(
            port,
            why_not_alive=self._dead_lanes,
            why_not_ready=lambda: () if dispatcher.synced.is_set() else ("still listing",),
            scrape=self._shown,
            state=lambda: "leading" if dispatcher.leading else "standing by",
        )
        self._dispatcher = dispatcher
        self._registry = metrics.registry
        self._registry.register(GaugesAtScrape(lambda: read_gauges(dispatcher)))

    def _dead_lanes(self) -> tuple[str, ...]:
        stuck = self._dispatcher.stuck()
        return (f"dead lanes: {stuck}",) if stuck else ()

    async def _shown(self) -> bytes:
        """Show the metrics; not on a thread, since what they are read from changes on the loop."""
        return generate_latest(self._registry)


def read_gauges(dispatcher: Dispatcher) -> Mapping[Gauge, Samples]:
    """Compute what is the case right now."""
    tracks = dispatcher.tracks.values()
    lanes = {("/".join(key), track.shelf.kind.kind): lane for track in tracks for key, lane in track.lanes.items()}
    resources = [(track.shelf.kind.kind, each.status.conditions) for track in tracks for each in track.shelf.values()]
    resources += [(each.kind, each.status.conditions) for each in dispatcher.store.policies.values()]
    resources += [(EventBus.kind, bus.status.conditions) for bus in dispatcher.store.buses.values()]
    ready: Counter[tuple[str, ...]] = Counter()
    drifted: Counter[tuple[str, ...]] = Counter({(track.shelf.kind.kind,): 0 for track in tracks})
    for kind, conditions in resources:
        is_ready = condition(conditions, ConditionType.READY)
        ready[kind, is_ready.status if is_ready else "Unknown"] += 1
        if condition(conditions, ConditionType.DRIFTED) is not None:
            drifted[kind,] += 1
    return {
        ("eventplane_resources", "Resources by kind and Ready.", ("kind", "ready")): ready,
        ("eventplane_drifted", "Resources with standing drift.", ("kind",)): drifted,
        ("eventplane_queue_depth", "Resources dirty or being worked on.", ("bus", "kind")): {
            place: lane.queue.depth() for place, lane in lanes.items()
        },
        ("eventplane_queue_oldest_seconds", "Age of the oldest dirty resource.", ("bus", "kind")): {
            place: lane.queue.oldest_seconds() for place, lane in lanes.items()
        },
        ("eventplane_bus_open", "1 while the breaker of a bus is open.", ("bus", "kind")): {
            place: float(lane.problem is not None) for place, lane in lanes.items()
        },
        ("eventplane_leading", "1 on the replica that leads.", ()): {(): float(dispatcher.leading)},
    }
