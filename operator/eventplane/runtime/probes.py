"""/healthz, /readyz and /metrics of a consumer, as `events.health` has it."""

from typing import Final

from eventplane import probes
from eventplane.events.health import Patience, why_not_alive, why_not_ready
from eventplane.runtime.assembly import Assembly
from eventplane.runtime.metrics import RuntimeMetrics

_STOPPING: Final = "stopping"


class ProbeServer(probes.ProbeServer):
    """Answers probes from what is seen of the work."""

    def __init__(self, assembly: Assembly, patience: Patience, port: int) -> None:
        work, intake, lookups = assembly.work, assembly.intake, assembly.lookups
        metrics = RuntimeMetrics(
            work.counts, work.repeats, lookups, lambda: work.under_way, lambda: work.buffered, intake.lag
        )
        super().__init__(
            port,
            why_not_alive=lambda: why_not_alive(work.sights(), intake.seconds_since_poll(), patience),
            why_not_ready=self._not_ready,
            scrape=lambda: probes.exposition(metrics.registry),
        )
        self._work = work
        self._intake = intake
        self._lookups = lookups
        self._patience = patience
        self.is_stopping = False

    def _not_ready(self) -> tuple[str, ...]:
        problems = why_not_ready(
            self._work.sights(),
            self._intake.seconds_since_poll(),
            self._patience,
            is_assigned=self._work.is_assigned,
            tables=[table.problem for table in self._lookups.tables.values()],
        )
        return (*problems, _STOPPING) if self.is_stopping else problems
