"""What the laws of all planners have in common: how a world of resources goes on, and what happens to it meanwhile."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from hypothesis import note
from hypothesis import strategies as st

from eventplane.api import APPROVE_ANNOTATION, FINALIZER, PAUSED_ANNOTATION
from eventplane.api.resource import Managed
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import Unavailable
from eventplane.planning.verdicts import first_error

R = TypeVar("R", bound=Managed)
M = TypeVar("M", bound=Managed)


class Flight(Protocol):
    """One resource in one pass."""

    case: Any
    decision: Decision[Any]
    outcomes: list[Any]


F = TypeVar("F", bound=Flight)
Action: TypeAlias = tuple[str, int, int]
"""A verb, which of the things or resources it is about, and how."""


def actions(*verbs: str) -> st.SearchStrategy[list[Action]]:
    """Draw what happens between two passes, most often one thing."""
    return st.lists(st.tuples(st.sampled_from(verbs), st.integers(0, 5), st.integers(0, 11)), min_size=1, max_size=3)


def steps_of(*verbs: str) -> st.SearchStrategy[list[list[Action]]]:
    """Draw what happens between some passes."""
    return st.lists(actions(*verbs), min_size=1, max_size=5)


class LawWorld(ABC, Generic[R, F]):
    """Resources of one kind, and the system that they are about."""

    backend: Any

    def __init__(self, resources: Iterable[R]) -> None:
        self.resources = {resource.metadata.uid: resource for resource in resources}

    @abstractmethod
    def settle(self) -> list[F]:
        """Pass until nothing is left to do, look once more, and see that it stays quiet."""

    @abstractmethod
    async def _pass(self) -> list[F]: ...

    @abstractmethod
    def act(self, action: Action) -> None:
        """Let a foreigner or a user do something; what cannot be done is not done."""

    @abstractmethod
    def edited(self, resource: R, verb: str, how: int) -> R:
        """Let a user do to a resource what only its kind knows."""

    @abstractmethod
    def status_of(self, flight: F) -> Any:
        """Say what is the case after a pass."""

    @abstractmethod
    def check(self, flights: Iterable[F]) -> None:
        """Check that what is, is as desired, or that the status says why not; and that what the status says is so."""

    def one_pass(self) -> list[F]:
        """Do what the loop does, and watch that nothing of others is touched."""
        return asyncio.run(self._pass())

    def present(self) -> list[R]:
        """Let those go that nothing holds, and list the others."""
        for uid, resource in list(self.resources.items()):
            if resource.metadata.deleting and FINALIZER not in resource.metadata.finalizers:
                del self.resources[uid]
        return list(self.resources.values())

    def report(self, flight: F, resource: R) -> None:
        """Store what becomes of a resource after its pass."""
        release = first_error(flight.outcomes) is None and not flight.decision.finalizer
        if release and resource.metadata.deleting:
            del self.resources[resource.metadata.uid]
            return
        if release:
            resource = with_metadata(resource, finalizers=())
        self.resources[resource.metadata.uid] = resource.model_copy(update={"status": self.status_of(flight)})

    def use(self, verb: str, which: int, how: int) -> None:
        """Let a user do something to one of the resources."""
        if not self.resources:
            return
        uid = list(self.resources)[which % len(self.resources)]
        resource = self.resources[uid]
        annotations = dict(resource.metadata.annotations)
        match verb:
            case "approve" if resource.status.plan is not None:
                annotations[APPROVE_ANNOTATION] = resource.status.plan.hash
            case "pause":
                annotations[PAUSED_ANNOTATION] = "true"
            case "resume":
                annotations.pop(PAUSED_ANNOTATION, None)
            case "delete":
                resource = with_metadata(resource, deletion_timestamp="2026-01-02T00:00:00Z")
            case _:
                resource = self.edited(resource, verb, how)
        self.resources[uid] = with_metadata(resource, annotations=annotations)

    def happen(self, those: Iterable[Action]) -> None:
        """Let things happen, then see that the laws hold."""
        for action in those:
            note(f"--- {action}")
            self.act(action)
        self.check(self.settle())

    def happen_with_a_failure(
        self, along: Sequence[Iterable[Action]], after: int, failing: type[Any], *, applied: bool
    ) -> None:
        """Let things happen; at one point a change fails, or only its answer is lost."""
        for number, step in enumerate(along):
            if number == after:
                self.backend.fail_next(failing, Unavailable("lost"), applied=applied)
            self.happen(step)


def with_metadata(resource: M, **fields: object) -> M:
    """Change some of a resource's metadata."""
    return resource.model_copy(update={"metadata": resource.metadata.model_copy(update=fields)})


def with_spec(resource: M, **fields: object) -> M:
    """Change some of a resource's spec."""
    return resource.model_copy(update={"spec": resource.spec.model_copy(update=fields)})
