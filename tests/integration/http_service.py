"""A real HTTP service that takes events, and fails as services do: it hangs, cuts, refuses, asks to be left alone."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from integration.local_server import LocalServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What came in."""

    headers: dict[str, str]
    body: bytes
    peer: str = ""
    """Common name of the certificate that the client has shown."""

    @property
    def id(self) -> str:
        return self.headers.get("ce-id", "")

    @property
    def batch(self) -> list[dict[str, Any]]:
        """The events of a batch."""
        assert self.headers["content-type"] == "application/cloudevents-batch+json"
        events: list[dict[str, Any]] = json.loads(self.body)
        return events


@dataclass(frozen=True)
class Answer:
    """How to answer: a status, or not at all."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection instead."""
    hang_seconds: float = 0.0
    """Before the answer."""


class HttpService(LocalServer):
    """Takes events."""

    def __init__(
        self,
        answer: Callable[[Request, int], Answer] = lambda _request, _attempt: Answer(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls)
        self.answer = answer
        self.received: list[Request] = []
        """All requests, in order."""
        self.taken: list[Request] = []
        """Requests that were answered by 2xx, in order."""
        self.attempts: Counter[str] = Counter()
        self.at_once: defaultdict[str, int] = defaultdict(int)

    @property
    def url(self) -> str:
        return f"{self.origin}/events"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.post("/{path:.*}", self._take)]

    async def _take(self, got: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in got.headers.items()}
        request = Request(headers, await got.read(), _common_name(got.get_extra_info("peercert")))
        self.received.append(request)
        self.attempts[request.id] += 1
        answer = self.answer(request, self.attempts[request.id])
        if answer.hang_seconds:
            await asyncio.sleep(answer.hang_seconds)
        if answer.cut:
            transport: Any = got.transport
            transport.abort()
        if 200 <= answer.status < 300 and not answer.cut:
            self.taken.append(request)
        return web.Response(status=answer.status, headers=answer.headers)


def _common_name(certificate: dict[str, Any] | None) -> str:
    subject = (certificate or {}).get("subject", ())
    return "".join(value for part in subject for name, value in part if name == "commonName")


def server_context(certificate: Path, trusted: Path) -> ssl.SSLContext:
    """Make what a server needs that shows a certificate, and wants to see one of those whom it trusts.

    Args:
        certificate: a folder with tls.crt and tls.key.
        trusted: certificates of authorities, PEM.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trusted))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    return context


def mount(folder: Path, files: Mapping[str, str]) -> None:
    """Mount a Secret in a folder, or what it has become."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, text in files.items():
        (folder / key).write_text(text)
