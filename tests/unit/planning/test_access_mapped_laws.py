"""The laws of access for principals that are mapped, in memory: quiet, complete, polite, convergent after a failure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from builders import CLUSTER, MUTUAL, mapping_bus, publication, subscription
from hypothesis import given, note
from hypothesis import strategies as st
from unit.planning.access_world import AccessWorld, Flight, drawn_fields
from unit.planning.laws import Action, actions, steps_of, with_spec

from eventplane.api.access import Access
from eventplane.api.conditions import ConditionType
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import AccessChange, GrantAccess, RevokeAccess, WriteSecret
from eventplane.planning.access_desired import DesiredAccess, desire_access, user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.access_strays import mapped_to, stray_grants
from eventplane.planning.connection import AccessConnection
from eventplane.planning.mapped_principals import holder_of, mark_of
from eventplane.planning.verdicts import condition

SHARED, APART = mapping_bus("CN={{ name }}.{{ namespace }}"), mapping_bus("{{ namespace }}/{{ kind }}/{{ name }}")
FOREIGN: Final = (Grant("TOPIC", "payroll", "READ"), Grant("GROUP", "shop.other", "READ"))
ELSEWHERE: Final = tuple(mark_of(f"eventplane.{cluster}.shop.r0.publication") for cluster in ("aaaaaaaa", "zzzzzzzz"))
STRANGERS: Final = {"human": FOREIGN, "CN=admin": FOREIGN[:1], "CN=r9.shop": (ELSEWHERE[1], *FOREIGN)}
CHANGES: Final = (WriteSecret, GrantAccess, RevokeAccess)


class World(AccessWorld):
    """Applications that come with credentials of their own."""

    many_passes = 8

    def __init__(self, resources: Iterable[Access]) -> None:
        super().__init__(resources)
        self.backend.connection = AccessConnection(MUTUAL)
        self.bus = SHARED
        for user, grants in STRANGERS.items():
            for grant in grants:
                self.principals.add_acl(Acl(user, grant))

    async def _pass(self) -> list[Flight]:
        present, strangers = self.present(), self._of_strangers()
        strays = [change for kind in ("Publication", "Subscription") for change in await self._strays(present, kind)]
        await self.backend.apply(strays)
        self.is_restless = bool(strays)
        flights = [await self._look(resource, present) for resource in present if not resource.metadata.deleting]
        changes = [change for flight in flights for change in flight.decision.changes]
        note(str([change.describe() for change in (*strays, *changes)]))
        outcomes = iter(await self.backend.apply(changes))
        for flight in flights:
            flight.outcomes = [next(outcomes) for _ in flight.decision.changes]
            self.report(flight, flight.case.resource)
        assert strangers == self._of_strangers(), "polite: what a stranger has stays as it is"
        return flights

    async def _strays(self, present: Iterable[Access], kind: str) -> Iterable[RevokeAccess]:
        granted = await self.backend.grants(await self.backend.users(""))
        alive = {user_name(each, CLUSTER): mapped_to(each, self.bus) for each in present if each.kind == kind}
        return stray_grants(granted, alive, kind, CLUSTER)

    async def _look(self, resource: Access, present: Iterable[Access]) -> Flight:
        named = {each.name: self.topics.get(each.name) for each in resource.spec.topics}
        same = [each for each in present if each.metadata.key == resource.metadata.key and each is not resource]
        twin = next((each for each in same if not each.metadata.deleting), None)
        desired = desire_access(resource, self.bus, self.backend.connection, named, CLUSTER, twin)
        assert isinstance(desired, DesiredAccess)
        observed = (await self.backend.observe([desired.query]))[desired.query]
        case = AccessCase(resource, self.bus, desired, observed, "never", datetime(2026, 1, 1, tzinfo=UTC))
        flight = Flight(case, decide_access(case))
        self.watch(flight)
        return flight

    def watch(self, flight: Flight) -> None:
        super().watch(flight)
        case, changes = flight.case, flight.decision.changes
        user = case.desired.user or ""
        if not changes:
            return
        assert {type(change) for change in changes} <= set(CHANGES), "nobody is made, and nobody ends"
        assert {change.user for change in changes} == {user}, "it is its own principal, and no other"
        holder = holder_of(self.allowed(user))
        assert holder in {None, user_name(case.resource, CLUSTER)}, "what another holds is left alone"
        if any(isinstance(change, RevokeAccess) for change in changes):
            assert holder is not None, "only what is proved to be ours is taken away"

    def _of_strangers(self) -> object:
        denied = {acl for user in self.principals.users() for acl in self.principals.acls(user) if not acl.allows}
        local = {acl for user in self.principals.users() for acl in self.principals.acls(user) if acl.host != "*"}
        return [self.principals.acls(user) for user in STRANGERS], denied, local

    def check(self, flights: Iterable[Flight]) -> None:
        holders: dict[str, str] = {}
        for flight in flights:
            desired, resource = flight.case.desired, self.resources[flight.case.resource.metadata.uid]
            granted = condition(resource.status.conditions, ConditionType.ACCESS_GRANTED)
            assert granted is not None
            left = flight.decision.hold or resource.spec.drift_policy != "Enforce"
            has_all = self._has_all(desired)
            assert has_all or flight.decision.refusals or left, "complete"
            if granted.status == "True" and not left:
                assert has_all, "truth"
                other = holders.setdefault(desired.user or "", resource.metadata.uid)
                assert other == resource.metadata.uid, "a principal is that of one"

    def _has_all(self, desired: DesiredAccess) -> bool:
        secret = self.backend.kubernetes.secret("shop", desired.query.secret_name) or {}
        return desired.is_in(secret, "") and self.allowed(desired.user or "") == desired.grants

    # --- what foreigners and users do

    def act(self, action: Action) -> None:
        verb, which, how = action
        if verb in OWN:
            self.use(verb, which, how)
        elif verb == "template":
            self.bus = (SHARED, APART)[how % 2]
        elif verb in {"topic", "untopic"}:
            self.act_on_topic(verb, how)
        elif self.resources:
            self._meddle(verb, list(self.resources.values())[which % len(self.resources)], how)

    def _meddle(self, verb: str, resource: Access, how: int) -> None:
        user, name, kubernetes = mapped_to(resource, self.bus) or "", resource.secret_name, self.backend.kubernetes
        match verb:
            case "widen" | "deny":
                self.principals.add_acl(Acl(user, FOREIGN[how % 2], allows=verb == "widen"))
            case "local":
                self.principals.add_acl(Acl(user, FOREIGN[how % 2], host="10.0.0.1"))
            case "mark":
                self.principals.add_acl(Acl(user, ELSEWHERE[how % 2]))
            case "narrow":
                allowed = sorted((acl for acl in self.principals.acls(user) if acl.allows), key=repr)
                for acl in allowed[: 1 + how % 3]:
                    self.principals.drop_acl(acl)
            case "lose":
                kubernetes.put_secret("shop", name, None)
            case _:  # edit
                kubernetes.edit_secret("shop", name, {("topics", "password", "more")[how % 3]: "edited"})


FOREIGN_VERBS: Final = ("widen", "deny", "local", "mark", "narrow", "lose", "edit", "topic", "untopic")
OWN: Final = ("approve", "approve", "pause", "resume", "delete", "respec", "mode")


@st.composite
def resources(draw: st.DrawFn) -> list[Access]:
    """Draw a few applications, some of which have one name."""
    made: list[Access] = []
    for make, name in draw(st.permutations([(publication, "r0"), (subscription, "r0"), (publication, "r1")])):
        age: dict[str, Any] = {
            "uid": f"uid-{make.__name__}-{name}",
            "creation_timestamp": f"2026-01-0{1 + len(made)}T00:00:00Z",
        }
        made.append(make(name, **drawn_fields(draw), **age))
    return made[: draw(st.integers(1, 3))]


steps = steps_of(*FOREIGN_VERBS, *OWN, "template")


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


@given(resources(), st.lists(st.booleans(), max_size=4))
def test_what_is_gone_leaves_nothing(those: list[Access], turns: list[bool]) -> None:
    world = World([with_spec(each, mode="Enforce", drift_policy="Enforce") for each in those])
    world.settle()
    for shared in turns:
        world.bus = SHARED if shared else APART
        world.settle()
    for which in range(len(those)):
        world.act(("delete", which, 0))
    world.one_pass()
    assert world.principals.users() == STRANGERS.keys()
