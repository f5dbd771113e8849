"""A real HTTP service that is asked for values, and fails as services do."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web
from integration.local_server import LocalServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Value:
    """How to answer."""

    value: Any = None
    status: int = 200
    hang_seconds: float = 0.0
    body: bytes | None = None
    """In place of the value as JSON."""
    headers: dict[str, str] = field(default_factory=dict)


class LookupService(LocalServer):
    """Is asked by key; `answer` gets the key and the number of the request for it."""

    def __init__(self, answer: Callable[[str, int], Value], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.answer = answer
        self.asked: Counter[str] = Counter()
        """Requests, by key."""
        self.headers: list[dict[str, str]] = []
        self.at_once = 0
        self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"{self.origin}/v1/{{key}}?full=1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/{path:(?s:.*)}", self._take)]

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
