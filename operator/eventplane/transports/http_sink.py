"""Delivers events to a service by HTTP POST.

aiohttp rather than httpx: three times as many requests per second at 16 at a time (docs/adr/0020). Redirects are never
followed and link-local addresses never connected to: a URL of a user must not lead to a cloud's metadata.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from eventplane.api.sink import ContentMode
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.outgoing import HttpRequest, http_request
from eventplane.transports.seams import Answered

_TOKEN_SECONDS: Final = 10.0
_MOST_READ: Final = 65_536
_RETRIED: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """The service and how it is spoken to."""

    url: str
    timeout_seconds: float
    mode: ContentMode
    retry_statuses: frozenset[int] = frozenset()
    token_file: Path | None = None
    connections: int = 16


class ForbiddenAddressError(OSError):
    """An address that no sink may have."""


class HttpSink:
    """A Sink that is a service; one pool of connections to it."""

    keeps_order = False

    def __init__(self, target: HttpTarget, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:  # noqa: TID251 - the default clock
        self._target = target
        self._clock = clock
        self._url = URL(target.url)
        self._session: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(total=target.timeout_seconds)
        self._token = _Token(target.token_file) if target.token_file is not None else None
        self._under_way: set[asyncio.Task[None]] = set()

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Post an event."""
        try:
            request = http_request(event, new_data, self._target.mode)
        except UndecodableError as error:
            answered(Failure("Undecodable", str(error)))
            return
        self._start(self._post(request, answered))

    async def close(self) -> None:
        """Cut off what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _post(self, request: HttpRequest, answered: Answered) -> None:
        answered(await self._answer(request))

    async def _answer(self, request: HttpRequest) -> Failure | None:
        headers = dict(request.headers)
        try:
            if self._token is not None:
                headers["authorization"] = f"Bearer {self._token.read(asyncio.get_running_loop().time())}"
            async with self._opened().post(
                self._url, data=request.body, headers=headers, allow_redirects=False
            ) as response:
                await response.content.read(_MOST_READ)  # so that the connection can be used again
                return self._judged(response)
        except TimeoutError:
            return Failure("TimedOut", f"no answer within {self._target.timeout_seconds:g} s")
        except ForbiddenAddressError as error:
            return Failure("Rejected", str(error))
        except Exception as error:  # noqa: BLE001 - every delivery is answered
            if isinstance(error.__cause__, ForbiddenAddressError):
                return Failure("Rejected", str(error.__cause__))
            return Failure("Unavailable", f"no answer: {type(error).__name__} {error}")

    def _judged(self, response: aiohttp.ClientResponse) -> Failure | None:
        status = response.status
        if 200 <= status < 300:  # noqa: PLR2004 - success
            return None
        if status >= 500 or status in _RETRIED or status in self._target.retry_statuses:  # noqa: PLR2004 - failure
            waits = retry_after_ms(response.headers.get("Retry-After"), self._clock())
            return Failure("Unavailable", f"HTTP {status}", retry_after_ms=waits)
        return Failure("Rejected", f"HTTP {status}" + (", redirects are not followed" if status < 400 else ""))  # noqa: PLR2004

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            host = self._url.host or ""
            _check(host)
            connector = aiohttp.TCPConnector(limit=self._target.connections, resolver=_CarefulResolver())
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"user-agent": "eventplane"},
            )
        return self._session


def retry_after_ms(header: str | None, now: datetime) -> int | None:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3); None where there is none, or nonsense."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return int(header) * 1000
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - now).total_seconds() * 1000))


class _Token:
    """A token in a mounted file, which is read again since Kubernetes changes it in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._until = float("-inf")

    def read(self, now: float) -> str:
        if now >= self._until:
            self._text = self._path.read_text().strip()
            self._until = now + _TOKEN_SECONDS
        return self._text


class _CarefulResolver(AbstractResolver):
    """Looks names up, and refuses those that lead to link-local addresses."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for each in found:
            _check(each["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


def _check(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name: it is looked at once it is resolved
    plain = getattr(address, "ipv4_mapped", None) or address
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified:
        raise ForbiddenAddressError(f"{host} is no address of a service: it is link-local, multicast or unspecified")
