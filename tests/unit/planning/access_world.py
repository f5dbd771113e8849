"""What the laws of access have in common: applications, topics, and a Kafka and Secrets in memory that can fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from builders import ACCESS, event_topic, settled
from hypothesis import strategies as st
from unit.planning.laws import LawWorld, with_spec

from eventplane.api import APPROVE_ANNOTATION
from eventplane.api.access import Access, TopicRef
from eventplane.backends.access import AccessBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_principals import MemoryPrincipalBackend, MemoryPrincipals
from eventplane.planning.access_changes import WriteSecret
from eventplane.planning.access_readiness import access_status
from eventplane.planning.access_state import Grant, other_user
from eventplane.planning.decision import is_paused
from eventplane.planning.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventplane.api.event_topic import EventTopic
    from eventplane.planning.access_case import AccessCase
    from eventplane.planning.access_changes import AccessChange
    from eventplane.planning.access_readiness import AccessOutcome
    from eventplane.planning.decision import Decision

TOPICS: Final = ("orders", "returns")
MECHANISM: Final = "SCRAM-SHA-512"
SOME_TOPICS: Final = (("orders",), ("returns",), TOPICS)


@dataclass
class Flight:
    """One resource in one pass."""

    case: AccessCase
    decision: Decision[AccessChange]
    outcomes: list[AccessOutcome] = field(default_factory=list)


class Backend(AccessBackend):
    """The real one on memory, which can be told to fail at any change."""

    def __init__(self) -> None:
        self.kubernetes = MemoryKubernetes(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.kafka = MemoryPrincipalBackend(MemoryPrincipals())
        self._answer_to_lose: Exception | None = None
        super().__init__(ACCESS, self.kafka, self.kubernetes.look_at_secret, self._write_watched)

    async def _write_watched(self, change: WriteSecret) -> None:
        """See that a Secret sends clients to another user only when that is let in, and may do what the one before may.

        Its answer may be lost.
        """
        before, principals = self.kubernetes.secret(change.namespace, change.name) or {}, self.kafka.principals
        named, user = before.get("username", ""), change.user or ""
        if before.get("password") and named != user and named in {user, other_user(user)}:
            assert principals.logs_in(user, MECHANISM, change.data["password"]), "who reads the Secret is let in"
            topics = frozenset(change.data["topics"].split(","))
            could, can = (topics & {acl.grant.name for acl in principals.acls(each)} for each in (named, user))
            assert can >= could, "who reads the Secret may do what it could"
        await self.kubernetes.write_secret(change)
        lost, self._answer_to_lose = self._answer_to_lose, None
        if lost is not None:
            raise lost

    def fail_next(self, failing: type[Any], error: Exception, *, applied: bool) -> None:
        if failing is WriteSecret and applied:
            self._answer_to_lose = error
        elif failing is WriteSecret:
            self.kubernetes.fail_next("PATCH", error)
        else:
            self.kafka.fail_next(failing, error, applied=applied)  # type: ignore[arg-type]


class AccessWorld(LawWorld[Access, Flight]):
    """Applications, and the Kafka and Secrets that they are about."""

    many_passes: ClassVar[int]
    """So many, at most, until nothing is left to do."""

    def __init__(self, resources: Iterable[Access]) -> None:
        super().__init__(resources)
        self.backend: Backend = Backend()
        self.topics: dict[str, EventTopic] = {"orders": settled(event_topic("orders"))}
        self.is_restless = False
        """The last pass did something that no decision shows."""

    @property
    def principals(self) -> MemoryPrincipals:
        principals: MemoryPrincipals = self.backend.kafka.principals
        return principals

    def settle(self) -> list[Flight]:
        for _ in range(self.many_passes):
            flights = self.one_pass()
            if not self.is_restless and not any(flight.decision.changes for flight in flights):
                break
        before = dict(self.resources)
        again = self.one_pass()
        assert [flight.decision.changes for flight in again if flight.decision.changes] == [], "quiet"
        assert before == self.resources, "quiet: not even a status changes"
        return again

    def watch(self, flight: Flight) -> None:
        """Check what is about to be done against what the resource lets be done."""
        resource, changes = flight.case.resource, flight.decision.changes
        if not changes:
            return
        assert not is_paused(resource), "nothing is written while paused"
        assert resource.spec.mode != "Observe", "Observe writes nothing"
        if resource.spec.mode == "Plan":
            assert resource.metadata.annotations.get(APPROVE_ANNOTATION) == Plan(changes).hash(), "approved"

    def allowed(self, user: str) -> set[Grant]:
        return {acl.grant for acl in self.principals.acls(user) if acl.allows and acl.host == "*"}

    def status_of(self, flight: Flight) -> object:
        return access_status(flight.case, flight.decision, flight.outcomes)

    def act_on_topic(self, verb: str, how: int) -> None:
        name = TOPICS[how % 2]
        self.topics.pop(name, None)
        if verb == "topic":
            self.topics[name] = settled(event_topic(name))

    def edited(self, resource: Access, verb: str, how: int) -> Access:
        if verb == "mode":
            return with_spec(resource, mode=("Enforce", "Plan", "Observe")[how % 3])
        return with_spec(resource, topics=tuple(TopicRef(name=name) for name in SOME_TOPICS[how % 3]))


def drawn_fields(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an application of any mode and policy."""
    some = st.sampled_from
    return {
        "topics": [{"name": name} for name in draw(some(SOME_TOPICS))],
        "mode": draw(some(("Enforce", "Enforce", "Enforce", "Plan", "Observe"))),
        "drift_policy": draw(some(("Enforce", "Enforce", "Warn", "Ignore"))),
        "paused": draw(some((False, False, False, True))),
    }
