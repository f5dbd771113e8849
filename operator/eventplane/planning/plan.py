"""A plan: the changes to make, the refusals of what will not be done, and the differences that led there."""

import hashlib
import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from eventplane.api.conditions import Reason
from eventplane.planning.outcome import Change

C_co = TypeVar("C_co", bound=Change, covariant=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something asked for that will not be done; it goes into a condition and waits for the user, without retries."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which what is differs from what was asked for."""

    setting: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Plan(Generic[C_co]):
    """What to do about one thing. Without changes, refusals and differences there is nothing to do."""

    changes: tuple[C_co, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    differences: tuple[Difference, ...] = ()
    needs_usage: bool = False
    """The decision hangs on who uses the thing: observe its usage and plan again. Nothing else in it counts then."""

    def lines(self) -> tuple[str, ...]:
        """Describe the changes, a line each."""
        return tuple(change.describe() for change in self.changes)

    def hash(self) -> str:
        """Fingerprint the changes: what an approval refers to."""
        return fingerprint(*self.lines())


def fingerprint(*parts: str) -> str:
    """Reduce texts to 16 hexadecimal digits of their SHA-256; order and borders between them count."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
