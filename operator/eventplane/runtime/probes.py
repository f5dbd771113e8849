"""/healthz, /readyz and /metrics of a consumer: what the kubelet and Prometheus ask."""

from typing import Final

from aiohttp import web

from eventplane.events.health import Patience, why_not_alive, why_not_ready
from eventplane.probes import ProbeListener, probe_answer, scrape_answer
from eventplane.runtime.assembly import WorkInSight
from eventplane.runtime.metrics import RuntimeMetrics
from eventplane.transports.seams import Member

_STOPPING: Final = "stopping"


class ProbeServer(ProbeListener):
    """Answers probes, as `events.health` has it."""

    def __init__(self, work: WorkInSight, intake: Member, patience: Patience, port: int) -> None:
        super().__init__(port, alive=self._alive, ready=self._ready, scrape=self._scrape)
        self._work = work
        self._intake = intake
        self._patience = patience
        self._metrics = RuntimeMetrics(
            work.counts, work.repeats, lambda: work.under_way, lambda: work.buffered, intake.lag
        )
        self.is_stopping = False

    async def _alive(self, _request: web.Request) -> web.Response:
        return probe_answer(
            why_not_alive(self._work.sights(), self._intake.seconds_since_poll(), self._patience), status=500
        )

    async def _ready(self, _request: web.Request) -> web.Response:
        problems = why_not_ready(
            self._work.sights(),
            self._intake.seconds_since_poll(),
            self._patience,
            is_assigned=self._work.is_assigned,
        )
        return probe_answer((*problems, _STOPPING) if self.is_stopping else problems, status=503)

    async def _scrape(self, _request: web.Request) -> web.Response:
        return await scrape_answer(self._metrics.registry)
