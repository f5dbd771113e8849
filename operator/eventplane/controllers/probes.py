"""/healthz, /readyz and /metrics: what the kubelet and Prometheus ask."""

from collections.abc import Iterable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.controllers.dispatch import Dispatcher
from eventplane.controllers.tally import Counted, Tally
from eventplane.probes import ProbeListener
from eventplane.telemetry import Gauge, GaugesAtScrape, Metrics, Samples


class ProbeServer(ProbeListener):
    """Answers probes. Alive: the event loop turns and no lane has died. Ready: everything that exists has been seen."""

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics, port: int) -> None:
        super().__init__(port, alive=self._alive, ready=self._ready, scrape=self._scrape)
        self._dispatcher = dispatcher
        self._metrics = metrics
        metrics.registry.register(GaugesAtScrape(lambda: read_gauges(dispatcher)))

    async def _alive(self, _request: web.Request) -> web.Response:
        stuck = self._dispatcher.stuck()
        if stuck:
            return web.Response(status=500, text=f"dead lanes: {stuck}\n")
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        if not self._dispatcher.synced.is_set():
            return web.Response(status=503, text="still listing\n")
        return web.Response(text="leading\n" if self._dispatcher.leading else "standing by\n")

    async def _scrape(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


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
