"""What is told to whoever asked for something that cannot be: problem details (RFC 9457), and which error is which.

| error | status | again? |
|---|---|---|
| InvalidEventError | 400 | no |
| SchemaMismatchError | 422, with the path | no |
| EventTooLargeError | 413 | no |
| any other EventRejectedError | 422 | no |
| PublishUnavailableError, PublisherClosedError | 503, with Retry-After | yes |
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from eventplane.client.errors import (
    EventRejectedError,
    EventTooLargeError,
    InvalidEventError,
    PublishError,
    SchemaMismatchError,
)

_AGAIN_SECONDS: Final = 2.0
_REASONS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "Invalid",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "TooLarge",
    HTTPStatus.SERVICE_UNAVAILABLE: "Unavailable",
}
_PATH: Final = re.compile(r"^(\S+?)(?:: | must be | is missing$| is no field of )")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request, or one event of it, was not done."""

    status: HTTPStatus
    detail: str
    path: str | None = None
    """Where in the data of the event it is."""
    retry_after_seconds: float | None = None

    def document(self) -> dict[str, Any]:
        """Return it as problem details; `type` is about:blank, which is what an absent one means."""
        found: dict[str, Any] = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail}
        if self.path is not None:
            found["errors"] = [{"path": self.path, "detail": self.detail}]
        return found

    def headers(self) -> Mapping[str, str]:
        """Return what goes into the headers of the answer."""
        found = {} if self.retry_after_seconds is None else {"retry-after": str(math.ceil(self.retry_after_seconds))}
        if self.status is HTTPStatus.UNAUTHORIZED:
            found["www-authenticate"] = "Bearer"
        return found


class ProblemError(Exception):
    """A problem that ends a request."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, retry_after_seconds: float | None = None, path: str | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail, path, retry_after_seconds)


def problem_of(error: PublishError | InvalidEventError) -> Problem:
    """Tell why an event was not published, by the table above."""
    match error:
        case InvalidEventError():
            return Problem(HTTPStatus.BAD_REQUEST, str(error))
        case SchemaMismatchError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), path_of(error.problem))
        case EventTooLargeError():
            return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        case EventRejectedError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        case _:
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after_seconds=_AGAIN_SECONDS)


def reason_of(problem: Problem) -> str:
    """Name why an event was not published, in a word of a closed set."""
    if problem.path is not None:
        return "SchemaMismatch"
    return _REASONS.get(problem.status, "Rejected")


def path_of(problem: str) -> str | None:
    """Return the place in data that a schema's complaint begins with; None where it begins with none."""
    found = _PATH.match(problem)
    return found[1] if found else None
