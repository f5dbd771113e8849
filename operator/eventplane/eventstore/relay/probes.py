"""/healthz, /readyz and /metrics of a relay, as `events.relay_health` has it."""

import asyncio
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from eventplane import probes
from eventplane.events.relay_health import why_relay_not_alive, why_relay_not_ready
from eventplane.eventstore.backend import Backend
from eventplane.eventstore.errors import EventStoreError
from eventplane.eventstore.relay.progress import Progress
from eventplane.eventstore.stored import Backlog
from eventplane.telemetry import counter_family, gauge_family

_PREFIX: Final = "eventplane_relay"
_MOST_COUNTED: Final = 100_000
_PATIENCE_SECONDS: Final = 3.0


class ProbeServer(probes.ProbeServer):
    """Answers probes from the progress of a relay; how much waits it asks the database when it is asked itself."""

    def __init__(self, port: int, progress: Progress, backend: Backend) -> None:
        super().__init__(
            port,
            why_not_alive=lambda: why_relay_not_alive(progress.sight()),
            why_not_ready=lambda: why_relay_not_ready(progress.sight()),
            scrape=self._shown,
            state=lambda: progress.sight().state,
        )
        self._progress = progress
        self._backend = backend
        self._metrics = RelayMetrics(progress)

    async def _shown(self) -> bytes:
        self._metrics.backlog = await self._backlog()
        return await probes.exposition(self._metrics.registry)

    async def _backlog(self) -> Backlog | None:
        """Ask how much waits; None: another relays, or the database does not say."""
        position = self._progress.position
        if position is None:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._backend.backlog(position, _MOST_COUNTED)
        except (EventStoreError, TimeoutError):
            return None


class RelayMetrics(Collector):
    """What a relay has counted, made into Prometheus' form when somebody asks."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.backlog: Backlog | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Make the metrics."""
        progress = self._progress
        yield counter_family(f"{_PREFIX}_relayed", "Events in topics, by topic.", dict(progress.relayed), ("topic",))
        yield counter_family(f"{_PREFIX}_unrouted", "Events that go to no topic.", {"": progress.unrouted})
        yield counter_family(
            f"{_PREFIX}_failures",
            "How often the relay had to begin again, by reason.",
            dict(progress.failures),
            ("reason",),
        )
        yield gauge_family(f"{_PREFIX}_active", "1 on the replica that relays.", progress.is_relaying)
        if self.backlog is not None:
            yield gauge_family(
                f"{_PREFIX}_behind_events",
                f"Committed events that are not relayed yet; {_MOST_COUNTED} are that many or more.",
                self.backlog.events,
            )
            yield gauge_family(
                f"{_PREFIX}_behind_seconds", "Age of the oldest of those; 0: there is none.", self.backlog.seconds
            )
