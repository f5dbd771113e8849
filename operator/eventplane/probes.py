"""/healthz, /readyz and /metrics: what the kubelet and Prometheus ask; what is the case, each process says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Problems: TypeAlias = Callable[[], Sequence[str]]
"""Tells what is wrong, a line each; nothing where all is well."""


class ProbeServer:
    """Answers probes on all addresses of the pod.

    Args:
        port: to listen on; 0: any that is free.
        why_not_alive: what only another process can mend; told with status 500.
        why_not_ready: what keeps it from its work; told with status 503.
        scrape: returns the metrics in Prometheus' form.
        state: what a process that is ready says of itself.
    """

    def __init__(
        self,
        port: int,
        *,
        why_not_alive: Problems,
        why_not_ready: Problems,
        scrape: Callable[[], Awaitable[bytes]],
        state: Callable[[], str] = lambda: "ok",
    ) -> None:
        self._asked_port = port
        self._why_not_alive = why_not_alive
        self._why_not_ready = why_not_ready
        self._scrape = scrape
        self._state = state
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0: it does not."""
        addresses = [] if self._runner is None else self._runner.addresses
        return int(min(addresses, key=len)[1]) if addresses else 0  # of IPv4, whose addresses are shorter

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: somebody else has the port.
        """
        app = web.Application()
        app.add_routes(
            [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), web.get("/metrics", self._scraped)]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._asked_port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _answer(self._why_not_alive(), HTTPStatus.INTERNAL_SERVER_ERROR, "ok")

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _answer(self._why_not_ready(), HTTPStatus.SERVICE_UNAVAILABLE, self._state())

    async def _scraped(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._scrape(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def exposition(registry: CollectorRegistry) -> bytes:
    """Show what was counted, in Prometheus' form; made on a thread."""
    return await asyncio.to_thread(generate_latest, registry)


def _answer(problems: Sequence[str], status: HTTPStatus, state: str) -> web.Response:
    if problems:
        return web.Response(status=status, text="".join(f"{each}\n" for each in problems))
    return web.Response(text=f"{state}\n")
