"""What the backends that keep their system in memory have in common: they count calls and fail when told to."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeAlias, TypeVar

from eventplane.planning.outcome import BackendError, Change, Outcome

C = TypeVar("C", bound=Change)
S = TypeVar("S")
Match: TypeAlias = type[C] | Callable[[C], bool]
"""A type of change, or a predicate on changes."""


class MemoryBackend(ABC, Generic[C, S]):
    """A backend on a system in memory, which can be told to fail.

    A system says whether it answers, how a change is made, and which of its things a change concerns.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        """How often each method of the seam was called, and each type of change attempted."""
        self._failures: list[tuple[Match[C], BackendError, bool]] = []

    @abstractmethod
    def _check_answers(self) -> None:
        """Raise Unavailable where the system does not answer."""

    @abstractmethod
    def _make(self, change: C) -> S | None:
        """Make a change; return the thing as it is afterwards where the change carries it, raise as a backend does."""

    @abstractmethod
    def _concerned(self, change: C) -> Collection[str]:
        """Name the things that a change waits for, the one that it changes first."""

    def fail_next(self, match: Match[C], error: BackendError, *, applied: bool = False) -> None:
        """Let the next change that matches end with an error, once.

        Args:
            match: a type of change, or a predicate on changes.
            error: what the change ends with.
            applied: the change is made all the same: only its answer was lost.
        """
        self._failures.append((match, error, applied))

    async def apply(self, changes: Sequence[C]) -> Sequence[Outcome[C, S]]:
        """Make changes, one after the other."""
        self._called("apply")
        outcomes: list[Outcome[C, S]] = []
        failed: dict[str, BackendError] = {}
        for change in changes:
            thing, *_ = concerned = self._concerned(change)
            before = next((failed[each] for each in concerned if each in failed), None)
            outcome = self._attempt(change) if before is None else Outcome(change, before)
            if outcome.error is not None:
                failed[thing] = outcome.error
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None:
        """Hold nothing, so release nothing."""

    def _called(self, method: str) -> None:
        self.calls[method] += 1
        self._check_answers()

    def _attempt(self, change: C) -> Outcome[C, S]:
        self.calls[type(change).__name__] += 1
        planted = self._take_failure(change)
        if planted is not None and not planted[1]:
            return Outcome(change, planted[0])
        try:
            state = self._make(change)
        except BackendError as error:
            return Outcome(change, error)
        return Outcome(change, planted[0]) if planted is not None else Outcome(change, state=state)

    def _take_failure(self, change: C) -> tuple[BackendError, bool] | None:
        for index, (match, error, applied) in enumerate(self._failures):
            if isinstance(change, match) if isinstance(match, type) else match(change):
                del self._failures[index]
                return error, applied
        return None
