"""/healthz, /readyz and /metrics of the gateway: what the kubelet and Prometheus ask."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from eventplane.probes import ProbeListener, probe_answer, scrape_answer


class ProbeServer(ProbeListener):
    """Answers probes. Alive: the event loop turns. Ready: Kafka has answered once, and nobody asked us to stop.

    A Kafka that is away later makes no replica unready: all would be, and requests are told 503 by themselves.
    """

    def __init__(self, port: int, registry: CollectorRegistry, why_not_ready: Callable[[], tuple[str, ...]]) -> None:
        super().__init__(port, alive=self._alive, ready=self._ready, scrape=self._scrape)
        self._registry = registry
        self._why_not_ready = why_not_ready

    async def _alive(self, _request: web.Request) -> web.Response:
        return probe_answer((), status=500)

    async def _ready(self, _request: web.Request) -> web.Response:
        return probe_answer(self._why_not_ready(), status=503)

    async def _scrape(self, _request: web.Request) -> web.Response:
        return await scrape_answer(self._registry)
