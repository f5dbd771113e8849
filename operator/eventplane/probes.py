"""Listens for what the kubelet and Prometheus ask of a process; what it answers is its own."""

import asyncio
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


class ProbeListener:
    """Serves /healthz, /readyz and /metrics on all addresses of the pod."""

    def __init__(self, port: int, *, alive: Handler, ready: Handler, scrape: Handler) -> None:
        self._port = port
        self._routes = [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", scrape)]
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()


def probe_answer(problems: Sequence[str], *, status: int) -> web.Response:
    """Say that all is well, or with that status what is not."""
    if problems:
        return web.Response(status=status, text="".join(f"{each}\n" for each in problems))
    return web.Response(text="ok\n")


async def scrape_answer(registry: CollectorRegistry) -> web.Response:
    """Show what was counted, in Prometheus' form."""
    text = await asyncio.to_thread(generate_latest, registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
