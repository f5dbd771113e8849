"""What brokers that are behind show of users is not taken for the truth, for a while."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from eventplane.backends.kafka.access_freshness import FreshAccess, Sight
from eventplane.planning.access_changes import GrantAccess, RevokeAccess, SetPassword
from eventplane.planning.access_state import Grant
from eventplane.planning.outcome import BackendError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventplane.backends.kafka.acls import Acls
    from eventplane.backends.kafka.scram import Credentials, Passwords

READ = Grant("TOPIC", "orders", "READ")
WRITE = Grant("TOPIC", "orders", "WRITE")


class Brokers:
    """Show one state after the other, the last one for good; each look takes a second."""

    def __init__(self, *states: Sight) -> None:
        self.states = list(states)
        self.looks: list[Sequence[str] | None] = []
        self._grants: Mapping[str, frozenset[Grant]] = {}
        self.now = 0.0

    async def describe_passwords(
        self, users: Sequence[str] | None
    ) -> tuple[dict[str, Credentials], dict[str, BackendError]]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        self.looks.append(users)
        self.now += 1
        self._grants = state.grants
        return (
            {user: known for user, known in state.credentials.items() if users is None or user in users},
            {user: error for user, error in state.denied.items() if users is None or user in users},
        )

    async def describe_acls(self, user: str | None = None) -> dict[str, frozenset[Grant]]:
        return {name: granted for name, granted in self._grants.items() if user in {None, name}}


def access_on(brokers: Brokers) -> FreshAccess:
    passwords = SimpleNamespace(describe=brokers.describe_passwords)
    acls = SimpleNamespace(describe=brokers.describe_acls)
    return FreshAccess(cast("Passwords", passwords), cast("Acls", acls), now=lambda: brokers.now)


def shows(iterations: int | None = None, *grants: Grant, user: str = "app") -> Sight:
    credentials: dict[str, Credentials] = {} if iterations is None else {user: {"SCRAM-SHA-512": iterations}}
    return Sight(credentials, {user: frozenset(grants)} if grants else {})


def password(iterations: int) -> SetPassword:
    return SetPassword("app", "SCRAM-SHA-512", "secret", iterations)


async def test_without_own_changes_the_first_answer_counts() -> None:
    brokers = Brokers(shows(), shows(5000))
    assert await access_on(brokers).look(["app"]) == shows()
    assert len(brokers.looks) == 1


async def test_a_broker_that_is_behind_is_asked_again_and_only_about_who_changed() -> None:
    both = Sight({"web": {"SCRAM-SHA-512": 4096}}, {"web": frozenset({READ})})
    brokers = Brokers(both, shows(4096, READ), shows(5000), shows(5000, READ))
    access = access_on(brokers)
    access.password_set(password(5000))
    access.granted(GrantAccess("app", (READ,)))
    seen = await access.look(["app", "web"])
    assert seen.credentials == {"app": {"SCRAM-SHA-512": 5000}, "web": {"SCRAM-SHA-512": 4096}}
    assert seen.grants == {"app": {READ}, "web": {READ}}
    assert brokers.looks == [["app", "web"], ["app"], ["app"], ["app"]]


async def test_the_last_change_counts() -> None:
    brokers = Brokers(shows(5000, READ, WRITE), shows(5000, WRITE), shows(6000, WRITE))
    access = access_on(brokers)
    access.granted(GrantAccess("app", (READ, WRITE)))
    access.password_set(password(5000))
    access.revoked(RevokeAccess("app", (READ,)))
    access.password_set(password(6000))
    assert await access.look(["app"]) == shows(6000, WRITE)


async def test_who_was_removed_is_gone_until_made_again() -> None:
    brokers = Brokers(shows(5000, READ), shows(None, READ), shows())
    access = access_on(brokers)
    access.granted(GrantAccess("app", (READ,)))
    access.removed("app")
    assert await access.look(["app"]) == shows()
    brokers.states = [shows(), shows(4096, READ)]
    access.password_set(password(4096))
    access.granted(GrantAccess("app", (READ,)))
    assert await access.look(["app"]) == shows(4096, READ)


async def test_whose_password_was_removed_keeps_what_is_granted() -> None:
    brokers = Brokers(shows(5000, READ), shows(None), shows(None, READ))
    access = access_on(brokers)
    access.granted(GrantAccess("app", (READ,)))
    access.password_set(password(5000))
    access.password_removed("app")
    assert await access.look(["app"]) == shows(None, READ)
    assert len(brokers.looks) == 3


async def test_a_foreign_change_is_believed_after_a_while_and_slows_down_one_look() -> None:
    brokers = Brokers(shows(5000))
    access = access_on(brokers)
    access.granted(GrantAccess("app", (READ,)))
    assert await access.look(["app"]) == shows(5000)
    assert 2 <= len(brokers.looks) <= 6
    looks = len(brokers.looks)
    assert await access.look(["app"]) == shows(5000)
    assert len(brokers.looks) == looks + 1


async def test_a_change_of_long_ago_is_not_waited_for() -> None:
    brokers = Brokers(shows())
    access = access_on(brokers)
    access.password_set(password(5000))
    brokers.now = 60.0
    await access.look(["app"])
    assert len(brokers.looks) == 1


async def test_who_cannot_be_looked_at_is_not_waited_for() -> None:
    error = Unavailable("no")
    brokers = Brokers(Sight({}, {}, {"app": error}))
    access = access_on(brokers)
    access.password_set(password(5000))
    assert (await access.look(["app"])).denied == {"app": error}
    assert len(brokers.looks) == 1


async def test_of_all_users_those_with_the_prefix_are_waited_for() -> None:
    brokers = Brokers(shows(), shows(5000))
    access = access_on(brokers)
    access.password_set(password(5000))
    assert (await access.look_at_all("web")).credentials == {}
    brokers.states = [shows(), shows(5000)]
    assert set((await access.look_at_all("ap")).credentials) == {"app"}
