"""The ASGI application: routes, who may, and what is told where something goes wrong.

| route | |
|---|---|
| POST /v1/topics/{topic}/events | publish |
| GET /v1/topics/{topic}/events | subscribe |
| GET /openapi.json, GET / | what all this is, and a page to try it out: for anybody |

Checked in this order, each before the next one costs anything: the route (404, 405), who asks (401), whether they may
(403), how fast (429), whether there is the topic (404), room (503), size (413), the body (400, 415), the data (422).
"""

import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from eventplane.events.grants import Right, Rights
from eventplane.gateway.authentication import Authenticator, Caller
from eventplane.gateway.exchange import Answer, Receive, Request, Scope, Send, problem_answer, send_answer
from eventplane.gateway.metrics import GatewayMetrics
from eventplane.gateway.problems import Problem, ProblemError
from eventplane.gateway.publishing import Order, Publishing
from eventplane.gateway.streaming import Streaming, Wish
from eventplane.transports.mounted import Mounted

logger = logging.getLogger(__name__)

_PREFIX: Final = "/v1/topics/"
_SUFFIX: Final = "/events"
_ELSEWHERE: Final = "none"
_ROUTES: Final[Mapping[str, Right]] = {"POST": "publish", "GET": "subscribe"}


class Gateway:
    """Answers requests. `is_stopping`: connections are closed with their next answer."""

    def __init__(
        self,
        authenticator: Authenticator,
        grants: Mounted[Rights],
        publishing: Publishing,
        streaming: Streaming,
        metrics: GatewayMetrics,
        pages: Mapping[str, Answer],
    ) -> None:
        self._authenticator = authenticator
        self._grants = grants
        self._publishing = publishing
        self._streaming = streaming
        self._metrics = metrics
        self._pages = pages
        self.is_stopping = False
        metrics.grants_current.set_function(lambda: float(grants.is_current))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification. The server brings nothing else: see GatewayServer."""
        began = time.perf_counter()
        request = Request(scope, receive)
        topic = topic_of(scope)
        right = None if topic is None else _ROUTES.get(request.method)
        answer = await self._routed(request, topic, right, send)
        route = right or _ELSEWHERE
        self._metrics.requests.labels(route, str(200 if answer is None else answer.status)).inc()
        if answer is not None:
            await send_answer(send, answer, close=self.is_stopping)
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)

    async def _routed(self, request: Request, topic: str | None, right: Right | None, send: Send) -> Answer | None:
        """Return the answer; None: it was sent, bit by bit."""
        if topic is None:
            page = self._pages.get(request.path)
            if page is not None and request.method == "GET":
                return page
            nothing = problem_answer(Problem(HTTPStatus.NOT_FOUND, "there is nothing here"))
            return nothing if page is None else _not_allowed("GET")
        if right is None:
            return _not_allowed(", ".join(_ROUTES))
        return await self._answered(request, topic, right, send)

    async def _answered(self, request: Request, topic: str, right: Right, send: Send) -> Answer | None:
        try:
            caller = await self._permitted(request, topic, right)
            if right == "publish":
                return await self._publishing.publish(request, Order(caller, topic, self._grants.made))
            await self._subscribed(request, topic, caller, send)
        except ProblemError as error:
            return problem_answer(error.problem)
        except RecursionError:
            return problem_answer(Problem(HTTPStatus.BAD_REQUEST, "the body is nested too deeply"))
        except Exception:  # only the top logs; the client is told no more than that
            logger.exception("a request failed")
            return problem_answer(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the gateway"))
        return None

    async def _permitted(self, request: Request, topic: str, right: Right) -> Caller:
        caller = await self._authenticator.authenticate(request.headers.get("authorization"))
        if not self._grants.made.allow(caller.identity, right, topic):
            raise ProblemError(HTTPStatus.FORBIDDEN, f"{caller.identity} has no right to {right} to {topic}")
        return caller

    async def _subscribed(self, request: Request, topic: str, caller: Caller, send: Send) -> None:
        def may_go_on() -> bool:
            return self._grants.made.allow(caller.identity, "subscribe", topic)

        try:
            await self._streaming.serve(request, send, Wish(caller, topic, may_go_on))
        except TimeoutError:  # the server closes what has no end
            logger.warning("a subscriber does not read", extra={"fields": {"identity": caller.identity}})


def topic_of(scope: Scope) -> str | None:
    """Return the topic that a path names; None: it is no path of ours."""
    raw = scope.get("raw_path") or scope["path"].encode()
    path = raw.decode("latin-1")
    if not path.startswith(_PREFIX) or not path.endswith(_SUFFIX):
        return None
    name = path[len(_PREFIX) : -len(_SUFFIX)]
    return None if not name or "/" in name else unquote(name, errors="replace")


def _not_allowed(allowed: str) -> Answer:
    answer = problem_answer(Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {allowed}"))
    return Answer(answer.status, answer.body, answer.content_type, {"allow": allowed})
