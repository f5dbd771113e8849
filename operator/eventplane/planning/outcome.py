"""What became of a change: done, or one of the two errors there are."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from eventplane.api.conditions import Reason


class BackendError(Exception):
    """A backend did not do what was asked; the reason is a condition reason, the message is for the user."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Unavailable(BackendError):  # noqa: N818 - a state of the backend, and the word of the design
    """The backend did not answer, or not in time: try again later with backoff."""

    def __init__(self, message: str, reason: Reason = Reason.BUS_UNAVAILABLE) -> None:
        super().__init__(reason, message)


class Rejected(BackendError):  # noqa: N818 - a verdict of the backend, and the word of the design
    """The backend answered no: trying again is useless until the user, or the backend, changes something."""


class Change(Protocol):
    """Something to be done to a backend, written as an imperative frozen dataclass."""

    def describe(self) -> str:
        """Say the change in one deterministic line: the dry-run line, the event text and the log line."""
        ...


C_co = TypeVar("C_co", bound=Change, covariant=True)
S_co = TypeVar("S_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[C_co, S_co]):
    """What became of one change; no error means that it is done."""

    change: C_co
    error: BackendError | None = None
    state: S_co | None = None
    """What the change left behind, where the backend learned it on the way and the caller cannot compute it."""
