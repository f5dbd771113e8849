"""A request and its answer, on raw ASGI: what a framework would cost is in docs/adr/0025.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import orjson

from eventplane.gateway.problems import Problem, ProblemError

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a document."""
    return Answer(status, orjson.dumps(document), JSON, headers or {})


def problem_answer(problem: Problem, beside: Mapping[str, Any] | None = None) -> Answer:
    """Answer with problem details, and further members beside them."""
    body = orjson.dumps({**problem.document(), **(beside or {})})
    return Answer(problem.status.value, body, PROBLEM, problem.headers())


class Request:
    """What came in."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._scope = scope
        self._receive = receive

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Return the headers by their names in small letters; those that repeat are joined (RFC 9110, 5.2)."""
        found: dict[str, str] = {}
        for raw_name, raw_value in self._scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    @cached_property
    def query(self) -> Mapping[str, str]:
        """Return the parameters; of several with one name the last."""
        text = self._scope["query_string"].decode("latin-1")
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))

    def told_bytes(self, most: int) -> int:
        """Tell how large the body will be, or may be at most where nobody says.

        Raises:
            ProblemError: 413.
        """
        told = self.headers.get("content-length", "")
        size = int(told) if told.isdecimal() else most
        if size > most:
            raise _too_large(most)
        return size

    async def body(self, most: int, seconds: float) -> bytes:
        """Wait for the whole body.

        Raises:
            ProblemError: 413, or 408 where it takes longer than so many seconds.
        """
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ProblemError(HTTPStatus.BAD_REQUEST, "the request was not sent to its end")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(most)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            problem = f"the request did not arrive within {seconds:g} seconds"
            raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, problem) from None

    async def gone(self) -> None:
        """Wait until the client has gone, once the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def send_answer(send: Send, answer: Answer, *, close: bool) -> None:
    """Send an answer whole; close: nothing more is wanted on this connection."""
    await send(start_of(answer.status, answer.content_type, answer.headers, len(answer.body), close=close))
    await send({"type": "http.response.body", "body": answer.body})


def start_of(status: int, content_type: str, headers: Mapping[str, str], length: int | None, *, close: bool) -> Message:
    """Make the message that begins an answer."""
    raw = [(b"content-type", content_type.encode())]
    raw += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    if length is not None:
        raw.append((b"content-length", b"%d" % length))
    if close:
        raw.append((b"connection", b"close"))
    return {"type": "http.response.start", "status": status, "headers": raw}


def _too_large(most: int) -> ProblemError:
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {most} bytes")
