"""The laws of the planner of access, in memory: quiet, complete, polite, and convergent after any one failure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from builders import CLUSTER, KAFKA, event_bus, event_topic, publication, settled, subscription
from hypothesis import given, note
from hypothesis import strategies as st
from unit.planning.laws import Action, LawWorld, actions, steps_of, with_spec

from eventplane.api import APPROVE_ANNOTATION
from eventplane.api.access import Access, TopicRef
from eventplane.api.conditions import ConditionType
from eventplane.api.event_topic import EventTopic
from eventplane.backends.access import AccessBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_principals import Acl, MemoryPrincipalBackend, MemoryPrincipals
from eventplane.planning.access import AccessCase, decide_access
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemoveUser,
    RevokeAccess,
    SetPassword,
    WriteSecret,
)
from eventplane.planning.access_desired import DesiredAccess, desire_access, user_name
from eventplane.planning.access_readiness import AccessOutcome, access_status
from eventplane.planning.access_state import Grant
from eventplane.planning.access_strays import stray_users
from eventplane.planning.decision import Decision, is_paused
from eventplane.planning.plan import Plan
from eventplane.planning.verdicts import condition

BUS: Final = event_bus()
TOPICS: Final = ("orders", "returns")
STRANGERS: Final = ("human", "eventplane.elsewher.shop.web.publication", "eventplane.cluster-")
FOREIGN: Final = (
    Grant("TOPIC", "payroll", "READ"),
    Grant("TOPIC", "s", "ALL", prefixed=True),
    Grant("GROUP", "shop.other", "READ"),
    Grant("CLUSTER", "kafka-cluster", "ALTER"),
)
CHANGES: Final = (WriteSecret, SetPassword, GrantAccess, RevokeAccess)
MANY_PASSES: Final = 6


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
        super().__init__(KAFKA, self.kafka, self.kubernetes.look_at_secret, self.kubernetes.write_secret)

    def fail_next(self, failing: type[Any], error: Exception, *, applied: bool) -> None:
        if failing is WriteSecret:
            self.kubernetes.fail_next("PATCH", error)
        else:
            self.kafka.fail_next(failing, error, applied=applied)  # type: ignore[arg-type]


class World(LawWorld[Access, Flight]):
    """Applications, and the Kafka and Secrets that they are about."""

    def __init__(self, resources: Iterable[Access]) -> None:
        super().__init__(resources)
        self.backend = Backend()
        self.topics: dict[str, EventTopic] = {"orders": settled(event_topic("orders"))}
        self.made = 0
        """How many passwords have been made."""
        for user in STRANGERS:
            self.principals.set_password(user, "SCRAM-SHA-512", "theirs", 4096)
            self.principals.add_acl(Acl(user, FOREIGN[0]))

    @property
    def principals(self) -> MemoryPrincipals:
        principals: MemoryPrincipals = self.backend.kafka.principals
        return principals

    def settle(self) -> list[Flight]:
        for _ in range(MANY_PASSES):
            if not any(flight.decision.changes for flight in self.one_pass()):
                break
        before = dict(self.resources)
        again = self.one_pass()
        assert [flight.decision.changes for flight in again if flight.decision.changes] == [], "quiet"
        assert before == self.resources, "quiet: not even a status changes"
        return again

    async def _pass(self) -> list[Flight]:
        present = self.present()
        strangers = self._of_strangers()
        for kind in ("Publication", "Subscription"):
            alive = [each for each in present if each.kind == kind]
            strays = stray_users(await self.backend.users(""), alive, kind, CLUSTER)
            await self.backend.apply([RemoveUser(user) for user in strays])
        flights = [await self._look(resource) for resource in present if not resource.metadata.deleting]
        changes = [change for flight in flights for change in flight.decision.changes]
        note(str([change.describe() for change in changes]))
        outcomes = iter(await self.backend.apply(changes))
        for flight in flights:
            flight.outcomes = [next(outcomes) for _ in flight.decision.changes]
            self.report(flight, flight.case.resource)
        assert strangers == self._of_strangers(), "polite: what a stranger has stays as it is"
        return flights

    async def _look(self, resource: Access) -> Flight:
        named = {each.name: self.topics.get(each.name) for each in resource.spec.topics}
        desired = desire_access(resource, BUS, KAFKA, named, CLUSTER)
        assert isinstance(desired, DesiredAccess)
        self.made += 1
        observed = (await self.backend.observe([desired.query]))[desired.query]
        case = AccessCase(resource, BUS, desired, observed, f"password-{self.made}")
        flight = Flight(case, decide_access(case))
        self._watch(flight)
        return flight

    def _watch(self, flight: Flight) -> None:
        """Check what is about to be done against what may be done."""
        resource, changes = flight.case.resource, flight.decision.changes
        if not changes:
            return
        assert not is_paused(resource), "nothing is written while paused"
        assert resource.spec.mode != "Observe", "Observe writes nothing"
        if resource.spec.mode == "Plan":
            assert resource.metadata.annotations.get(APPROVE_ANNOTATION) == Plan(changes).hash(), "approved"
        if resource.status.applied == flight.case.desired.fingerprint():
            assert resource.spec.drift_policy == "Enforce", "drift is left"

    def _of_strangers(self) -> tuple[object, ...]:
        denied = {acl for user in self.principals.users() for acl in self.principals.acls(user) if not acl.allows}
        passwords = [self.principals.logs_in(user, "SCRAM-SHA-512", "theirs") for user in STRANGERS]
        alive = {user_name(resource, CLUSTER) for resource in self.resources.values()}
        return (
            [self.principals.acls(user) for user in STRANGERS],
            passwords,
            {acl for acl in denied if acl.user in alive},
            (self.backend.kubernetes.secret("shop", "mine") or {}).get("a"),
        )

    def status_of(self, flight: Flight) -> object:
        return access_status(flight.case, flight.decision, flight.outcomes)

    def check(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            resource, desired = self.resources[flight.case.resource.metadata.uid], flight.case.desired
            ready = condition(resource.status.conditions, ConditionType.READY)
            granted = condition(resource.status.conditions, ConditionType.ACCESS_GRANTED)
            assert ready is not None
            assert granted is not None
            left = flight.decision.hold or resource.spec.drift_policy != "Enforce"
            assert self._has_all(desired) or flight.decision.refusals or left, "complete"
            if granted.status == "True" and not left:
                assert self._has_all(desired), "truth"
            if ready.status == "True" and not left:
                assert not desired.missing, "truth"

    def _has_all(self, desired: DesiredAccess) -> bool:
        secret = self.backend.kubernetes.secret("shop", desired.query.secret_name) or {}
        user = desired.user or ""
        allowed = {acl.grant for acl in self.principals.acls(user) if acl.allows and acl.host == "*"}
        in_kafka = self.principals.logs_in(user, "SCRAM-SHA-512", secret.get("password", ""))
        return in_kafka and allowed == desired.grants and desired.is_in(secret, secret["password"])

    # --- what foreigners and users do

    def act(self, action: Action) -> None:
        verb, which, how = action
        if verb in OWN:
            self.use(verb, which, how)
        elif verb in {"topic", "untopic"}:
            name = TOPICS[how % 2]
            self.topics.pop(name, None)
            if verb == "topic":
                self.topics[name] = settled(event_topic(name))
        elif self.resources:
            self._meddle(verb, list(self.resources.values())[which % len(self.resources)], how)

    def _meddle(self, verb: str, resource: Access, how: int) -> None:
        user, name = user_name(resource, CLUSTER), resource.secret_name
        match verb:
            case "widen" | "deny":
                self.principals.add_acl(Acl(user, FOREIGN[how % len(FOREIGN)], allows=verb == "widen"))
            case "narrow":
                for acl in sorted(self.principals.acls(user), key=repr)[: 1 + how % 3]:
                    self.principals.drop_acl(acl)
            case "password":
                self.principals.set_password(user, "SCRAM-SHA-512", "mine", 4096)
            case "drop":
                self.principals.remove(user)
            case "lose":
                self.backend.kubernetes.put_secret("shop", name, None)
            case _:  # edit
                key = ("password", "topics", "more", "client.properties")[how % 4]
                self.backend.kubernetes.edit_secret("shop", name, {key: ("", "edited")[how % 2]})

    def edited(self, resource: Access, verb: str, how: int) -> Access:
        if verb == "mode":
            return with_spec(resource, mode=("Enforce", "Plan", "Observe")[how % 3])
        names = (("orders",), ("returns",), TOPICS)[how % 3]
        return with_spec(resource, topics=tuple(TopicRef(name=name) for name in names))


FOREIGN_VERBS: Final = ("widen", "deny", "narrow", "password", "drop", "lose", "edit", "topic", "untopic")
OWN: Final = ("approve", "approve", "pause", "resume", "delete", "respec", "mode")


@st.composite
def resources(draw: st.DrawFn) -> list[Access]:
    """Draw a few applications of any mode and policy."""
    some = st.sampled_from
    made: list[Access] = []
    for number in range(draw(st.integers(1, 3))):
        fields: dict[str, Any] = {
            "topics": [{"name": name} for name in draw(some((("orders",), ("returns",), TOPICS)))],
            "mode": draw(some(("Enforce", "Enforce", "Enforce", "Plan", "Observe"))),
            "drift_policy": draw(some(("Enforce", "Enforce", "Warn", "Ignore"))),
            "paused": draw(some((False, False, False, True))),
        }
        if draw(st.booleans()):
            made.append(subscription(f"r{number}", **fields))
        else:
            made.append(publication(f"r{number}", transactional=draw(st.booleans()), **fields))
    return made


steps = steps_of(*FOREIGN_VERBS, *OWN)


@given(resources(), st.just([]) | actions(*FOREIGN_VERBS), steps)
def test_quiet_complete_polite(those: list[Access], before: list[Action], after: list[list[Action]]) -> None:
    world = World(those)
    for step in (before, *after):
        world.happen(step)


@given(resources(), steps, st.sampled_from(CHANGES), st.booleans(), st.integers(0, 3))
def test_convergence_after_any_single_failure(
    those: list[Access],
    along: list[list[Action]],
    failing: type[AccessChange],
    applied: bool,  # noqa: FBT001 - drawn
    after: int,
) -> None:
    """The change fails or only its answer is lost; then all is as if nothing had happened."""
    World(those).happen_with_a_failure(along, after, failing, applied=applied)
