"""The ASGI application: routes, who may, and what is told where something goes wrong.

| route | |
|---|---|
| POST /v1/topics/{topic}/events | publish |

Checked in this order, each before the next one costs anything: the route (404, 405), who asks (401), whether they may
(403), how fast (429), whether there is the topic (404), room (503), size (413), the body (400, 415), the data (422).
"""

import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from eventplane.gateway.authentication import Authenticator
from eventplane.gateway.exchange import Answer, Receive, Request, Scope, Send, problem_answer, send_answer
from eventplane.gateway.metrics import GatewayMetrics
from eventplane.gateway.mounted import MountedGrants
from eventplane.gateway.problems import Problem, ProblemError
from eventplane.gateway.publishing import Order, Publishing

logger = logging.getLogger(__name__)

_PREFIX: Final = "/v1/topics/"
_SUFFIX: Final = "/events"
_ELSEWHERE: Final = "none"


class Gateway:
    """Answers requests. `is_stopping`: connections are closed with their next answer."""

    def __init__(
        self, authenticator: Authenticator, grants: MountedGrants, publishing: Publishing, metrics: GatewayMetrics
    ) -> None:
        self._authenticator = authenticator
        self._grants = grants
        self._publishing = publishing
        self._metrics = metrics
        self.is_stopping = False
        metrics.grants_current.set_function(lambda: float(grants.is_current))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        began = time.perf_counter()
        request = Request(scope, receive)
        topic = topic_of(scope)
        route = _ELSEWHERE if topic is None else "publish"
        answer = await self._answered(request, topic)
        self._metrics.requests.labels(route, str(answer.status)).inc()
        await send_answer(send, answer, close=self.is_stopping)
        self._metrics.seconds.labels(route).observe(time.perf_counter() - began)

    async def _answered(self, request: Request, topic: str | None) -> Answer:
        try:
            if topic is None:
                return problem_answer(Problem(HTTPStatus.NOT_FOUND, "there is nothing here"))
            if request.method != "POST":
                return _not_allowed({"allow": "POST"})
            return await self._publish(request, topic)
        except ProblemError as error:
            return problem_answer(error.problem)
        except RecursionError:
            return problem_answer(Problem(HTTPStatus.BAD_REQUEST, "the body is nested too deeply"))
        except Exception:  # only the top logs; the client is told no more than that
            logger.exception("a request failed")
            return problem_answer(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the gateway"))

    async def _publish(self, request: Request, topic: str) -> Answer:
        caller = await self._authenticator.authenticate(request.headers.get("authorization"))
        rights = self._grants.rights
        if not rights.allow(caller.identity, "publish", topic):
            raise ProblemError(HTTPStatus.FORBIDDEN, f"{caller.identity} has no right to publish to {topic}")
        return await self._publishing.publish(request, Order(caller, topic, rights))


def topic_of(scope: Scope) -> str | None:
    """Return the topic that a path names; None: it is no path of ours."""
    raw = scope.get("raw_path") or scope["path"].encode()
    path = raw.decode("latin-1")
    if not path.startswith(_PREFIX) or not path.endswith(_SUFFIX):
        return None
    name = path[len(_PREFIX) : -len(_SUFFIX)]
    return None if not name or "/" in name else unquote(name, errors="replace")


def _not_allowed(headers: Mapping[str, str]) -> Answer:
    problem = problem_answer(Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {headers['allow']}"))
    return Answer(problem.status, problem.body, problem.content_type, headers)
