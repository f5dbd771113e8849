"""A real HTTP service that is asked for values, and fails as services do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True)
class Value:
    """How to answer."""

    value: Any = None
    status: int = 200
    hang_seconds: float = 0.0
    body: bytes | None = None
    """In place of the value as JSON."""
    headers: dict[str, str] = field(default_factory=dict)


class LookupService:
    """Listens on the loopback, on a thread of its own; `answer` gets the key and the number of the request for it."""

    def __init__(self, answer: Callable[[str, int], Value], tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self._tls = tls
        self.asked: Counter[str] = Counter()
        """Requests, by key."""
        self.headers: list[dict[str, str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls is not None else ''}://127.0.0.1:{self.port}/v1/{{key}}?full=1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/{path:(?s:.*)}", self._take)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _take(self, got: web.Request) -> web.Response:
        path, _question_mark, query = got.raw_path.partition("?")
        assert query == "full=1"
        key = unquote(path.removeprefix("/v1/"))
        self.asked[key] += 1
        self.headers.append({name.lower(): value for name, value in got.headers.items()})
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = self.answer(key, self.asked[key])
            await asyncio.sleep(answer.hang_seconds)
        finally:
            self.at_once -= 1
        body = json.dumps(answer.value).encode() if answer.body is None else answer.body
        return web.Response(status=answer.status, body=body, headers=answer.headers)
