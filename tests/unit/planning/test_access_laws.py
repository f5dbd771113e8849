"""The laws of the planner of access, in memory: quiet, complete, polite, and convergent after any one failure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from builders import ACCESS, CLUSTER, REGISTRY_LOGIN, event_bus, publication, subscription
from hypothesis import given, note
from hypothesis import strategies as st
from unit.planning.access_world import MECHANISM, AccessWorld, Flight, drawn_fields
from unit.planning.laws import Action, actions, steps_of, with_metadata, with_spec

from eventplane.api import (
    ISSUED_AT_ANNOTATION,
    REGISTRY_LOGIN_ANNOTATION,
    REPLACED_USER_ANNOTATION,
    ROTATE_ANNOTATION,
)
from eventplane.api.access import Access, Credentials
from eventplane.api.conditions import ConditionType
from eventplane.api.quantities import milliseconds
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemovePassword,
    RemoveUser,
    RevokeAccess,
    SetPassword,
    WriteSecret,
)
from eventplane.planning.access_desired import DesiredAccess, desire_access, user_name
from eventplane.planning.access_rotation import credentials_in
from eventplane.planning.access_state import Grant, other_user
from eventplane.planning.access_strays import stray_users
from eventplane.planning.binding import registry_login
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.verdicts import condition

BUS: Final = event_bus()
STRANGERS: Final = ("human", "eventplane.elsewher.shop.web.publication", "eventplane.cluster-")
FOREIGN: Final = (
    Grant("TOPIC", "payroll", "READ"),
    Grant("TOPIC", "s", "ALL", prefixed=True),
    Grant("GROUP", "shop.other", "READ"),
    Grant("CLUSTER", "kafka-cluster", "ALTER"),
)
CHANGES: Final = (WriteSecret, SetPassword, GrantAccess, RevokeAccess, RemovePassword)
WAITS: Final = tuple(timedelta(**each) for each in ({"seconds": 1}, {"minutes": 30}, {"hours": 1}, {"days": 2}))
LIVES: Final = (
    Credentials(),
    Credentials(rotate_every="1d"),
    Credentials(rotate_every="30m"),
    Credentials(rotate_every="1d", grace="0s"),
    Credentials(grace="30m"),
)
REGISTRIES: Final = (
    None,
    RegistryConnection("http://registry"),
    REGISTRY_LOGIN,
    replace(REGISTRY_LOGIN, password="renewed"),  # noqa: S106 - of no server
)


class World(AccessWorld):
    """Applications whose users are made for them, and take turns."""

    many_passes = 6

    def __init__(self, resources: Iterable[Access]) -> None:
        super().__init__(resources)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.clients_gone = False
        self.unreported = False
        """The next pass ends before it has told what it did."""
        self.promises: dict[str, tuple[str, str, datetime]] = {}
        """User and password that a resource's clients may still use, and until when."""
        self.made = 0
        """How many passwords have been made."""
        for user in STRANGERS:
            self.principals.set_password(user, "SCRAM-SHA-512", "theirs", 4096)
            self.principals.add_acl(Acl(user, FOREIGN[0]))

    def settle(self) -> list[Flight]:
        again = super().settle()
        for flight in again:
            self._check_appointment(flight)
        return again

    def _check_appointment(self, flight: Flight) -> None:
        """See that time asks for something when it was said to, and for nothing before."""
        seconds = flight.decision.again_in_seconds
        if seconds is None:
            seconds = timedelta(days=9000).total_seconds()
        else:
            then = decide_access(replace(flight.case, now=self.now + timedelta(seconds=seconds)))
            assert then.changes or (then.held is not None and then.held.changes), "punctual"
        almost = self.now + timedelta(seconds=seconds - 1)
        assert almost < self.now or not decide_access(replace(flight.case, now=almost)).changes, "not before"

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
            if not self.unreported:
                self.report(flight, flight.case.resource)
            self._promise(flight.case)
        self.is_restless, self.unreported = self.unreported, False
        assert strangers == self._of_strangers(), "polite: what a stranger has stays as it is"
        self._check_promises()
        return flights

    def _promise(self, case: AccessCase) -> None:
        """Remember who may still be used after a rotation."""
        resource, before = case.resource, case.observed.secret.data or {}
        user, password = before.get("username", ""), before.get("password", "")
        after = self.backend.kubernetes.secret("shop", resource.secret_name) or {}
        if after.get("username") == other_user(user) and self.principals.logs_in(user, MECHANISM, password):
            self.promises[resource.metadata.uid] = user, password, self.now + _grace(resource)

    def _check_promises(self) -> None:
        for uid, (user, password, until) in self.promises.items():
            if uid in self.resources and self.now < until and not self.clients_gone:
                assert self.principals.logs_in(user, MECHANISM, password), "kept: clients may move over in their time"

    async def _look(self, resource: Access) -> Flight:
        named = {each.name: self.topics.get(each.name) for each in resource.spec.topics}
        desired = desire_access(resource, BUS, self.backend.connection, named, CLUSTER)
        assert isinstance(desired, DesiredAccess)
        self.made += 1
        observed = (await self.backend.observe([desired.query]))[desired.query]
        case = AccessCase(resource, BUS, desired, observed, f"password-{self.made}", self.now, self.clients_gone)
        flight = Flight(case, decide_access(case))
        self.watch(flight)
        return flight

    def watch(self, flight: Flight) -> None:
        super().watch(flight)
        resource, changes = flight.case.resource, flight.decision.changes
        if (
            changes
            and resource.status.applied == flight.case.desired.fingerprint()
            and resource.spec.drift_policy != "Enforce"
        ):
            assert all(_leaves_drift(flight.case, change) for change in changes), "drift is left"

    def _of_strangers(self) -> tuple[object, ...]:
        denied = {acl for user in self.principals.users() for acl in self.principals.acls(user) if not acl.allows}
        passwords = [self.principals.logs_in(user, "SCRAM-SHA-512", "theirs") for user in STRANGERS]
        first = {user_name(resource, CLUSTER) for resource in self.resources.values()}
        alive = first | {other_user(user) for user in first}
        return (
            [self.principals.acls(user) for user in STRANGERS],
            passwords,
            {acl for acl in denied if acl.user in alive},
            (self.backend.kubernetes.secret("shop", "mine") or {}).get("a"),
        )

    def check(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            resource, desired = self.resources[flight.case.resource.metadata.uid], flight.case.desired
            ready = condition(resource.status.conditions, ConditionType.READY)
            granted = condition(resource.status.conditions, ConditionType.ACCESS_GRANTED)
            assert ready is not None
            assert granted is not None
            left = flight.decision.hold or resource.spec.drift_policy != "Enforce"
            assert self._has_all(resource, desired) or flight.decision.refusals or left, "complete"
            if granted.status == "True" and not left:
                assert self._has_all(resource, desired), "truth"
            if ready.status == "True" and not left:
                assert not desired.missing, "truth"

    def _has_all(self, resource: Access, desired: DesiredAccess) -> bool:
        secret = self.backend.kubernetes.secret("shop", desired.query.secret_name) or {}
        user = secret.get("username", "")
        in_kafka = self.principals.logs_in(user, MECHANISM, secret.get("password", ""))
        other = other_user(user)
        gone = not self.allowed(other) and self.principals.iterations(other, MECHANISM) is None
        record = self.backend.kubernetes.secret_annotations("shop", resource.secret_name)
        issued_at = datetime.fromisoformat(record.get(ISSUED_AT_ANNOTATION, "0001-01-01T00:00:00Z"))
        kept = record.get(REPLACED_USER_ANNOTATION) == other and self.now < issued_at + _grace(resource)
        return (
            in_kafka
            and self.allowed(user) == desired.grants
            and desired.is_in(secret, secret["password"], user)
            and (REGISTRY_LOGIN_ANNOTATION in record) is bool(registry_login(secret))
            and (gone or (kept and self.allowed(other) == desired.grants))
        )

    # --- what foreigners and users do

    def act(self, action: Action) -> None:
        verb, which, how = action
        if verb in OWN:
            self.use(verb, which, how)
        elif verb in {"wait", "clients", "crash", "login"}:
            self._go_on(verb, how)
        elif verb in {"topic", "untopic"}:
            self.act_on_topic(verb, how)
        elif self.resources:
            self._meddle(verb, list(self.resources.values())[which % len(self.resources)], how)

    def _go_on(self, verb: str, how: int) -> None:
        match verb:
            case "wait":
                self.now += WAITS[how % len(WAITS)]
            case "clients":
                self.clients_gone = not self.clients_gone
                self.promises.clear()
            case "crash":
                self.unreported = True
            case _:  # login
                self.backend.connection = replace(ACCESS, registry=REGISTRIES[how % len(REGISTRIES)])

    def _meddle(self, verb: str, resource: Access, how: int) -> None:
        first, name, kubernetes = user_name(resource, CLUSTER), resource.secret_name, self.backend.kubernetes
        if verb == "rotate":
            annotations = {**resource.metadata.annotations, ROTATE_ANNOTATION: str(how % 4)}
            self.resources[resource.metadata.uid] = with_metadata(resource, annotations=annotations)
            return
        self.promises.pop(resource.metadata.uid, None)
        match verb:
            case "lose":
                kubernetes.put_secret("shop", name, None)
            case "unrecord":
                kubernetes.annotate_secret("shop", name, {})
            case "edit":
                kubernetes.edit_secret("shop", name, {EDITED[how % 6]: ("", "edited", first)[how % 3]})
            case _:
                self._meddle_with_user(verb, first if how % 2 else other_user(first), how)

    def _meddle_with_user(self, verb: str, user: str, how: int) -> None:
        match verb:
            case "widen" | "deny":
                self.principals.add_acl(Acl(user, FOREIGN[how % len(FOREIGN)], allows=verb == "widen"))
            case "narrow":
                for acl in sorted(self.principals.acls(user), key=repr)[: 1 + how % 3]:
                    self.principals.drop_acl(acl)
            case "password":
                self.principals.set_password(user, MECHANISM, "mine", 4096)
            case _:  # drop
                self.principals.remove(user)

    def edited(self, resource: Access, verb: str, how: int) -> Access:
        if verb == "credentials":
            self.promises.pop(resource.metadata.uid, None)
            return with_spec(resource, credentials=LIVES[how % len(LIVES)])
        return super().edited(resource, verb, how)


def _grace(resource: Access) -> timedelta:
    return timedelta(milliseconds=milliseconds(resource.spec.credentials.grace))


def _leaves_drift(case: AccessCase, change: AccessChange) -> bool:
    """Tell whether a change is of the user that has not the turn, or of the registry's login, or only dates these."""
    secret = case.observed.secret
    credentials = credentials_in(secret, case.desired.user or "", case.now)
    assert credentials is not None
    is_there = isinstance(change, WriteSecret) and change.data.items() <= (secret.data or {}).items()
    renewed = isinstance(change, WriteSecret) and registry_login(change.data) != registry_login(secret.data or {})
    return is_there or renewed or change.user == other_user(credentials.user)


FOREIGN_VERBS: Final = ("widen", "deny", "narrow", "password", "drop", "lose", "unrecord", "edit", "topic", "untopic")
TURNS: Final = ("rotate", "rotate", "wait", "wait", "clients", "crash", "login")
OWN: Final = ("approve", "approve", "pause", "resume", "delete", "respec", "mode", "credentials")
EDITED: Final = ("password", "topics", "more", "client.properties", "username", "user")


@st.composite
def resources(draw: st.DrawFn) -> list[Access]:
    """Draw a few applications of any mode and policy."""
    made: list[Access] = []
    for number in range(draw(st.integers(1, 3))):
        fields = drawn_fields(draw) | {"credentials": draw(st.sampled_from(LIVES)).model_dump()}
        if draw(st.booleans()):
            made.append(subscription(f"r{number}", **fields))
        else:
            made.append(publication(f"r{number}", transactional=draw(st.booleans()), **fields))
    return made


steps = steps_of(*FOREIGN_VERBS, *OWN, *TURNS)
turns = steps_of(*TURNS, "credentials")


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


@given(resources(), turns, st.sampled_from(CHANGES), st.booleans(), st.integers(0, 4))
def test_rotation_is_kept_punctual_and_convergent(
    those: list[Access],
    along: list[list[Action]],
    failing: type[AccessChange],
    applied: bool,  # noqa: FBT001 - drawn
    after: int,
) -> None:
    """Nobody meddles: there is no moment at which a client that reads its Secret, or did in the grace, is refused."""
    World(those).happen_with_a_failure(along, after, failing, applied=applied)
