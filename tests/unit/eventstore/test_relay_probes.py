"""What a relay tells the kubelet and Prometheus of its progress."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from eventplane.eventstore import BEGINNING, Event, EventStore, Position
from eventplane.eventstore.configuration import backend_of
from eventplane.eventstore.relay.probes import ProbeServer
from eventplane.eventstore.relay.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from eventplane.eventstore.backend import Backend


class Clock:
    """Time as the test has it, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """A relay's progress, and what is told of it."""

    def __init__(self, session: aiohttp.ClientSession, port: int, progress: Progress, clock: Clock) -> None:
        self.progress = progress
        self.clock = clock
        self._session = session
        self._address = f"http://127.0.0.1:{port}"

    async def ask(self, path: str) -> tuple[int, str]:
        async with self._session.get(self._address + path) as answer:
            return answer.status, await answer.text()

    async def samples(self) -> dict[str, float]:
        lines = [line.rsplit(" ", 1) for line in (await self.ask("/metrics"))[1].splitlines() if line[0] != "#"]
        return {name.removeprefix("eventplane_relay_"): float(value) for name, value in lines}


@asynccontextmanager
async def asked(backend: Backend) -> AsyncIterator[Asked]:
    clock = Clock()
    progress = Progress(clock)
    server = ProbeServer(0, progress, backend)
    assert server.port == 0
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Asked(session, server.port, progress, clock)
    await server.stop()
    await backend.close()


async def test_ready_while_it_relays_or_stands_by(tmp_path: Path) -> None:
    async with asked(backend_of(f"sqlite:///{tmp_path / 'events.db'}")) as relay:
        assert await relay.ask("/readyz") == (503, "the relay has not begun yet\n")
        assert await relay.ask("/healthz") == (200, "ok\n")
        relay.progress.stand_by()
        assert await relay.ask("/readyz") == (200, "standing by\n")
        relay.progress.begin()
        relay.progress.relay(BEGINNING)
        assert await relay.ask("/readyz") == (200, "relaying\n")
        relay.clock.now += 301
        assert (await relay.ask("/healthz"))[0] == 500
        relay.progress.step()
        assert (await relay.ask("/healthz"))[0] == 200


async def test_what_failed_is_told_until_something_is_committed(tmp_path: Path) -> None:
    """Taking its turn proves nothing: a relay that fails at each commit is never ready."""
    async with asked(backend_of(f"sqlite:///{tmp_path / 'events.db'}")) as relay:
        relay.progress.fail("KafkaUnavailable", "no broker")
        relay.progress.relay(BEGINNING)
        assert await relay.ask("/readyz") == (503, "the relay begins again: no broker\n")
        relay.progress.commit(Position(0, 1), {}, 0)
        assert await relay.ask("/readyz") == (200, "relaying\n")
        relay.progress.is_stopping = True
        assert await relay.ask("/readyz") == (503, "stopping\n")


async def test_the_metrics_say_what_is_relayed_and_what_waits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    async with asked(backend_of(url)) as relay, EventStore(url) as store:
        await store.append_events("o-1", [Event("order.made", "1.0", "tests", {}) for _ in range(3)])
        assert await relay.samples() == {"unrouted_total": 0, "active": 0}, "who waits for its turn knows no backlog"
        relay.progress.relay(BEGINNING)
        samples = await relay.samples()
        assert (samples["active"], samples["behind_events"]) == (1, 3)
        assert 0 <= samples["behind_seconds"] < 60
        relay.progress.commit(Position(0, 3), {"orders": 2}, 1)
        relay.progress.fail("StoreUnavailable", "no database")
        relay.progress.relay(Position(0, 3))
        samples = await relay.samples()
        assert samples.pop("behind_seconds") == 0
        assert samples == {
            'relayed_total{topic="orders"}': 2,
            "unrouted_total": 1,
            'failures_total{reason="StoreUnavailable"}': 1,
            "active": 1,
            "behind_events": 0,
        }


async def test_a_database_that_does_not_answer_takes_no_other_metric_away(tmp_path: Path) -> None:
    async with asked(backend_of(f"sqlite:///{tmp_path / 'absent' / 'events.db'}")) as relay:
        relay.progress.relay(BEGINNING)
        assert await relay.samples() == {"unrouted_total": 0, "active": 1}
