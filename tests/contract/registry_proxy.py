"""A proxy before a real registry that answers chosen requests itself, holds them back, or asks who is there."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from typing import Self

Chosen = Callable[[str, str], bool]
"""Tells by method and path, which is escaped, whether a request is meant."""


@dataclass
class RegistryProxy:
    """Passes everything on that no rule is about; rules are tried in their order."""

    target: str
    """Base address of the registry's API."""
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    """Who may pass, if not everybody."""
    answers: list[tuple[Chosen, int, str]] = field(default_factory=list)
    """What it answers itself: status and body."""
    held: Chosen | None = None
    """Requests that get no answer until the proxy ends."""
    before: Callable[[str, str], None] | None = None
    """Is told of each request before it is passed on."""
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Base address of the API behind it."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._port}/api"

    async def __aenter__(self) -> Self:
        self._ended = asyncio.Event()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200))
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self._port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.Response:
        method, path = request.method, request.raw_path.removeprefix("/api")
        self.requests.append((method, path))
        if self.before is not None:
            self.before(method, path)
        if self.login is not None and request.headers.get("Authorization") != _basic(*self.login):
            return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)
        if self.held is not None and self.held(method, path):
            await self._ended.wait()
        for chosen, status, body in self.answers:
            if chosen(method, path):
                return web.Response(status=status, text=body, content_type="application/json")
        return await self._pass_on(request, path)

    async def _pass_on(self, request: web.Request, path: str) -> web.Response:

        try:
            async with self._session.request(
                request.method,
                URL(self.target + path, encoded=True),
                data=await request.read(),
                headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
        except aiohttp.ClientError:
            return web.Response(status=502, text="{}", content_type="application/json")


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
