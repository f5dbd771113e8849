"""/healthz, /readyz and /metrics: what the kubelet and Prometheus ask."""

from collections.abc import Iterable, Mapping

from prometheus_client import generate_latest

from eventplane import probes
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.controllers.dispatch import Dispatcher
from eventplane.controllers.tally import Counted, Tally
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
    tallies = {track.shelf.kind.kind: track.shelf.tally for track in tracks}
    store = dispatcher.store
    few: Mapping[str, Iterable[Counted]] = {
        EventBus.kind: store.buses.values(),
        DeadLetterPolicy.kind: store.policies.values(),
    }
    counted = tallies | {kind: _tally_of(resources) for kind, resources in few.items()}
    return {
        ("eventplane_resources", "Resources by kind and Ready.", ("kind", "ready")): {
            (kind, status): count for kind, tally in counted.items() for status, count in tally.ready.items()
        },
        ("eventplane_drifted", "Resources with standing drift.", ("kind",)): {
            (kind,): tally.drifted for kind, tally in tallies.items()
        },
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


def _tally_of(resources: Iterable[Counted]) -> Tally:
    tally = Tally()
    for each in resources:
        tally.moved(None, each)
    return tally
