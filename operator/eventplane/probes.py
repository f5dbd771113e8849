"""Listens for what the kubelet and Prometheus ask of a process; what it answers is its own."""

from aiohttp import web
from aiohttp.typedefs import Handler


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
