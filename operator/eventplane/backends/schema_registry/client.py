"""A connection to a schema registry: requests of HTTP that are bounded in number and in time."""

import asyncio
import base64
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import aiohttp
import orjson
from yarl import URL

from eventplane.api.conditions import Reason
from eventplane.backends.schema_registry.errors import NoAnswer, not_a_registry, translate
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.outcome import BackendError, Rejected
from eventplane.tls import client_context

R = TypeVar("R")
OnCall = Callable[[str, float, bool], None]
"""Told of each request: the call's name, seconds, and whether somebody answered."""

_AT_ONCE: Final = 50
_URGENT_AT_ONCE: Final = 2
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND: Final = 404
_CLOSED: Final = "it closed the connection; if it does so always, it may demand a certificate: spec.schemaRegistry.tls"


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the registry's API."""

    name: str
    """What it does, for metrics."""
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """Below the base address, escaped."""
    about: str
    """What it concerns, for messages: `subject orders-value`."""
    body: Mapping[str, Any] | None = None


class RegistryClient:
    """One pool of connections, opened by the first call; it belongs to the event loop of that call."""

    def __init__(
        self,
        connection: RegistryConnection,
        *,
        client_id: str,
        timeout_seconds: float,
        on_call: OnCall | None = None,
    ) -> None:
        """Prepare to connect; nothing is sent before the first call.

        Args:
            connection: where and as whom.
            client_id: what the registry's logs know this client by.
            timeout_seconds: how long the answer of one request is waited for.
            on_call: told of every request, from the event loop.

        Raises:
            Rejected: the connection makes no sense, such as a certificate that is none.
        """
        self.timeout_seconds = timeout_seconds
        self._url = connection.url
        self._headers = _headers(connection, client_id)
        self._tls = _tls(connection)
        self._on_call = on_call
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._urgent_turns = asyncio.Semaphore(_URGENT_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def ask(self, call: Call, deadline: float, *, urgent: bool = False) -> Any:
        """Send a request and return the JSON of its answer; None where the thing asked about is absent (404).

        Args:
            call: the request.
            deadline: when, in the event loop's time, there is no more waiting.
            urgent: do not queue behind all the others: a sign of life that had to would fail where only much is asked.

        Raises:
            NoAnswer: nobody answered.
            Unavailable: the registry cannot serve it now.
            Rejected: the registry refused it.
        """
        turns = self._urgent_turns if urgent else self._turns
        try:
            async with asyncio.timeout_at(deadline):
                await turns.acquire()
        except TimeoutError:
            raise NoAnswer(call.about, "no time was left for it") from None
        begun, answered = time.perf_counter(), False
        try:
            status, text = await self._send(call, deadline)
            answered = True
        finally:
            turns.release()
            if self._on_call is not None:
                self._on_call(call.name, time.perf_counter() - begun, answered)
        return _read(call, status, text)

    async def close(self) -> None:
        """Release the connections; harmless twice."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, call: Call, deadline: float) -> tuple[int, bytes]:
        if self._closed:
            raise NoAnswer(call.about, "the connection to it is closed")
        if self._session is None:
            self._session = self._open()
        seconds = min(self.timeout_seconds, deadline - asyncio.get_running_loop().time())
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(
                    call.method,
                    URL(self._url + call.path, encoded=True),  # else it takes the escape from a semicolon
                    data=None if call.body is None else orjson.dumps(call.body),
                    allow_redirects=False,  # a redirect would carry the credentials elsewhere
                ) as response,
            ):
                return response.status, await response.read()
        except TimeoutError:
            raise NoAnswer(call.about, "not in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error, call) from None

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=_AT_ONCE + _URGENT_AT_ONCE, ssl=True if self._tls is None else self._tls)
        return aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )


async def together(work: Iterable[Awaitable[R]]) -> list[R]:
    """Do several things at once; when all have ended, the first error of them is raised."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _headers(connection: RegistryConnection, client_id: str) -> Mapping[str, str]:
    headers = {
        "Content-Type": _CONTENT_TYPE,
        "Accept": f"{_CONTENT_TYPE}, application/json",
        "User-Agent": client_id,
    }
    if connection.username is not None:
        login = base64.b64encode(f"{connection.username}:{connection.password or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    return headers


def _tls(connection: RegistryConnection) -> ssl.SSLContext | None:
    if not connection.url.startswith("https://"):
        return None
    try:
        return client_context(connection.ca_pem, connection.certificate_pem, connection.key_pem)
    except ssl.SSLError as error:
        raise Rejected(
            Reason.SECRET_INVALID,
            f"the certificates for the schema registry cannot be used: {error.reason or 'no PEM'}",
        ) from None


def _read(call: Call, status: int, text: bytes) -> Any:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        answer = None
    if status == _NOT_FOUND:
        return None
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise translate(status, answer, call.about)
    if answer is None:
        raise not_a_registry(call.about)
    return answer


def _failure(error: Exception, call: Call) -> BackendError:
    """Say what went wrong without addresses, and without the request, which holds credentials."""
    if isinstance(error, aiohttp.InvalidURL | ValueError) and not isinstance(error, ssl.SSLError):
        return Rejected(Reason.REJECTED, "the address in spec.schemaRegistry.url of the EventBus cannot be used")
    tls = _cause(error, ssl.SSLError)
    if tls is not None:
        words = getattr(tls, "verify_message", "") or tls.reason or type(tls).__name__
        return Rejected(
            Reason.AUTHENTICATION_FAILED,
            f"no secure connection to the schema registry: {words}; check spec.schemaRegistry.tls of the EventBus",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoAnswer(call.about, "its host name is not known")
    number = getattr(_cause(error, OSError), "errno", None) or 0
    # With TLS 1.3 a client that shows no certificate sees no more than this of the refusal.
    return NoAnswer(call.about, os.strerror(number).lower() if number > 0 else _CLOSED)


def _cause(error: BaseException | None, kind: type[Any]) -> Any:
    """Find an error of a kind among those that led to this one."""
    while error is not None:
        if isinstance(error, kind) and not isinstance(error, aiohttp.ClientError):
            return error
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__
    return None
