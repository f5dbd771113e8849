"""The contract of a PrincipalBackend, sentence by sentence, on memory and on a real Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eventplane.api.conditions import Reason
from eventplane.backends.memory_principals import Acl, MemoryPrincipalBackend, MemoryPrincipals
from eventplane.planning.access_changes import (
    GrantAccess,
    PrincipalChange,
    RemovePassword,
    RemoveUser,
    RevokeAccess,
    SetPassword,
)
from eventplane.planning.access_state import Grant, ObservedPrincipal, PrincipalQuery, ScramMechanism
from eventplane.planning.outcome import BackendError, Rejected, Unavailable

if TYPE_CHECKING:
    from contract.principal_arenas import PrincipalArena

    from eventplane.backends.principals import PrincipalBackend

SHA512: ScramMechanism = "SCRAM-SHA-512"
SHA256: ScramMechanism = "SCRAM-SHA-256"
READ = Grant("TOPIC", "orders", "READ")
READ_ALL = Grant("TOPIC", "orders", "READ", prefixed=True)
WRITE = Grant("TOPIC", "orders", "WRITE")
JOIN = Grant("GROUP", "billing", "READ")
EVERY_KIND = (
    READ,
    READ_ALL,
    JOIN,
    Grant("TOPIC", "*", "DESCRIBE"),
    Grant("TOPIC", "orders.", "ALL", prefixed=True),
    Grant("TOPIC", "orders", "ALTER_CONFIGS"),
    Grant("GROUP", "billing.", "DELETE", prefixed=True),
    Grant("TRANSACTIONAL_ID", "billing-1", "WRITE"),
    Grant("CLUSTER", "kafka-cluster", "IDEMPOTENT_WRITE"),
)
BAD = Grant("CLUSTER", "orders", "DESCRIBE")
"""Kafka knows one cluster, and its name is kafka-cluster."""


async def look(backend: PrincipalBackend, user: str, mechanism: ScramMechanism | None = SHA512) -> ObservedPrincipal:
    query = PrincipalQuery(user, mechanism)
    return (await backend.observe([query]))[query]


async def errors(backend: PrincipalBackend, *changes: PrincipalChange) -> list[BackendError | None]:
    outcomes = await backend.apply(changes)
    assert [outcome.change for outcome in outcomes] == list(changes)
    return [outcome.error for outcome in outcomes]


def password(user: str, secret: str = "secret-1", iterations: int = 4096) -> SetPassword:  # noqa: S107 - of a test
    return SetPassword(user, SHA512, secret, iterations)


def deny(user: str, grant: Grant) -> Acl:
    return Acl(user, grant, allows=False)


# --- observe ---------------------------------------------------------------------------------------------------------


async def test_probe_tells_the_cluster_and_how_many_brokers_live(principal_arena: PrincipalArena) -> None:
    state = await principal_arena.backend().probe()
    assert state.cluster_id
    assert state.brokers == principal_arena.brokers


async def test_observe_answers_every_key_once_also_for_who_is_not_there(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    await principal_arena.set_password(user, SHA512, "secret", 5000)
    queries = [PrincipalQuery(user, SHA512), PrincipalQuery(user, SHA256), PrincipalQuery(f"{user}-absent", SHA512)]
    assert await backend.observe(queries) == {
        queries[0]: ObservedPrincipal(user, 5000),
        queries[1]: ObservedPrincipal(user),
        queries[2]: ObservedPrincipal(f"{user}-absent"),
    }
    assert await backend.observe([]) == {}


async def test_observe_shows_what_a_foreigner_did_and_undid(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    await principal_arena.set_password(user, SHA512, "secret", 5000)
    for grant in EVERY_KIND:
        await principal_arena.add_acl(Acl(user, grant))
    assert await look(backend, user) == ObservedPrincipal(user, 5000, frozenset(EVERY_KIND))
    await principal_arena.drop_acl(Acl(user, READ))
    await principal_arena.drop_password(user, SHA512)
    assert await look(backend, user) == ObservedPrincipal(user, None, frozenset(EVERY_KIND) - {READ})


async def test_a_principal_that_kafka_does_not_keep_has_grants_and_no_password(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend, name = principal_arena.backend(), f"CN={user},OU=shop,O=A B+C"
    assert await errors(backend, GrantAccess(name, (READ, JOIN))) == [None]
    await principal_arena.set_password(f"{user}-other", SHA512, "secret", 5000)
    assert await look(backend, name, None) == ObservedPrincipal(name, None, frozenset({READ, JOIN}))
    assert await look(backend, f"{user}-other", None) == ObservedPrincipal(f"{user}-other"), "nobody asked for it"
    assert name in await backend.users("")
    assert await errors(backend, RevokeAccess(name, (READ,))) == [None]
    assert await look(backend, name, None) == ObservedPrincipal(name, None, frozenset({JOIN}))
    assert await errors(backend, RevokeAccess(name, (JOIN,))) == [None]
    assert name not in await backend.users("")


async def test_observe_shows_a_foreigners_undoing_soon_after_our_change(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    assert await errors(backend, password(user), GrantAccess(user, (READ, JOIN))) == [None, None]
    await principal_arena.drop_acl(Acl(user, READ))
    async with asyncio.timeout(10):
        assert await look(backend, user) == ObservedPrincipal(user, 4096, frozenset({JOIN}))


async def test_what_is_denied_or_for_some_hosts_only_is_not_a_grant(principal_arena: PrincipalArena, user: str) -> None:
    await principal_arena.add_acl(deny(user, WRITE))
    await principal_arena.add_acl(Acl(user, READ, host="192.0.2.1"))
    assert await look(principal_arena.backend(), user) == ObservedPrincipal(user)


async def test_who_is_nobody_has_an_error_and_disturbs_no_other(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    await principal_arena.set_password(user, SHA512, "secret", 5000)
    queries = [PrincipalQuery(name, SHA512) for name in ("", "*", user)]
    seen = await backend.observe(queries)
    assert [isinstance(seen[query].error, Rejected) for query in queries] == [True, True, False]
    assert seen[queries[2]].iterations == 5000
    for name in ("", "*"):
        found = await errors(backend, password(name), GrantAccess(name, (READ,)), RemoveUser(name), password(user))
        assert [isinstance(error, Rejected) for error in found] == [True, True, True, False]


async def test_users_are_those_with_a_password_or_an_acl_below_the_prefix(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    await principal_arena.set_password(f"{user}.password", SHA256, "secret", 4096)
    await principal_arena.add_acl(Acl(f"{user}.acl", READ))
    await principal_arena.add_acl(deny(f"{user}.denied", READ))
    await principal_arena.add_acl(Acl("*", Grant("TOPIC", "public", "READ")))
    await principal_arena.set_password(f"not-{user}.password", SHA512, "secret", 4096)
    await principal_arena.add_acl(Acl(f"not-{user}.acl", READ))
    ours = {f"{user}.password", f"{user}.acl", f"{user}.denied"}
    assert await backend.users(f"{user}.") == ours
    everybody = await backend.users("")
    assert ours | {f"not-{user}.password", f"not-{user}.acl"} <= everybody
    assert "*" not in everybody


async def test_users_show_our_changes_at_once(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    for _ in range(5):
        await backend.apply([password(f"{user}.a"), GrantAccess(f"{user}.b", (READ,))])
        assert await backend.users(f"{user}.") == {f"{user}.a", f"{user}.b"}
        await backend.apply([RemoveUser(f"{user}.a"), RemoveUser(f"{user}.b")])
        assert await backend.users(f"{user}.") == frozenset()


# --- passwords -------------------------------------------------------------------------------------------------------


async def until_logs_in(arena: PrincipalArena, user: str, secret: str) -> None:
    async with asyncio.timeout(10):
        while not await arena.logs_in(user, secret):
            pass


async def test_a_password_lets_in_until_there_is_another_one(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    assert not await principal_arena.logs_in(user, "secret-1")
    assert await errors(backend, password(user, "secret-1")) == [None]
    await until_logs_in(principal_arena, user, "secret-1")
    assert not await principal_arena.logs_in(user, "secret-2")
    assert await errors(backend, password(user, "secret-2", 5000)) == [None]
    assert (await look(backend, user)).iterations == 5000
    await until_logs_in(principal_arena, user, "secret-2")
    assert not await principal_arena.logs_in(user, "secret-1")
    assert await errors(backend, RemoveUser(user)) == [None]
    assert await look(backend, user) == ObservedPrincipal(user)
    assert not await principal_arena.logs_in(user, "secret-2")


async def test_a_password_shows_at_once_and_is_harmless_twice(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    for iterations in (4096, 5000, 5000, 16384, 6000, 4097):
        assert await errors(backend, password(user, "ünïcode-§", iterations)) == [None]
        assert await look(backend, user) == ObservedPrincipal(user, iterations)
    await until_logs_in(principal_arena, user, "ünïcode-§")


async def test_the_two_mechanisms_have_a_password_each_and_go_together(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    both = SetPassword(user, SHA512, "secret-1", 5000), SetPassword(user, SHA256, "secret-1", 6000)
    assert await errors(backend, *both) == [None, None]
    assert await look(backend, user, SHA512) == ObservedPrincipal(user, 5000)
    assert await look(backend, user, SHA256) == ObservedPrincipal(user, 6000)
    assert await errors(backend, RemoveUser(user)) == [None]
    for mechanism in (SHA512, SHA256):
        assert await look(backend, user, mechanism) == ObservedPrincipal(user)
    assert await errors(backend, both[1], RemoveUser(user)) == [None, None]
    assert await look(backend, user, SHA256) == ObservedPrincipal(user)


async def test_a_password_that_is_removed_lets_in_no_more_and_every_acl_stays(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend, others = principal_arena.backend(), (f"{user}-2", f"{user}_2")
    await principal_arena.add_acl(deny(user, READ))
    for each in (user, *others):
        changes = SetPassword(each, SHA512, "secret-1", 5000), SetPassword(each, SHA256, "secret-1", 6000)
        assert await errors(backend, *changes, GrantAccess(each, (WRITE,))) == [None] * 3
    await until_logs_in(principal_arena, user, "secret-1")
    for _ in range(2):
        assert await errors(backend, RemovePassword(user)) == [None]
        for mechanism in (SHA512, SHA256):
            assert await look(backend, user, mechanism) == ObservedPrincipal(user, None, frozenset({WRITE}))
    assert not await principal_arena.logs_in(user, "secret-1")
    assert await principal_arena.acls(user) == {deny(user, READ), Acl(user, WRITE)}
    for each in others:
        assert await look(backend, each) == ObservedPrincipal(each, 5000, frozenset({WRITE}))
    assert await errors(backend, RemovePassword(user), password(user, "secret-3")) == [None, None]
    assert (await look(backend, user)).iterations == 4096
    await until_logs_in(principal_arena, user, "secret-3")


async def test_who_never_had_a_password_loses_none(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    assert await errors(backend, RemovePassword(user), GrantAccess(user, (READ,)), RemovePassword(user)) == [None] * 3
    assert await look(backend, user) == ObservedPrincipal(user, None, frozenset({READ}))


@pytest.mark.parametrize(("secret", "iterations"), [("", 4096), ("secret-1", 4095), ("secret-1", 16385)])
async def test_a_password_that_kafka_does_not_take_is_rejected_alone(
    principal_arena: PrincipalArena, user: str, secret: str, iterations: int
) -> None:
    backend = principal_arena.backend()
    bad, good = password(user, secret, iterations), password(f"{user}-2")
    found = await errors(backend, bad, GrantAccess(user, (READ,)), good)
    assert isinstance(found[0], Rejected)
    assert found[0].reason == Reason.REJECTED
    assert found == [found[0], found[0], None], "what comes after it for this user is not attempted"
    assert await look(backend, user) == ObservedPrincipal(user)
    assert await look(backend, f"{user}-2") == ObservedPrincipal(f"{user}-2", 4096)


async def test_no_password_is_ever_shown(principal_arena: PrincipalArena, user: str) -> None:
    outcomes = await principal_arena.backend().apply([password(user, "hush-hush", 1), password(f"{user}-2", "hush-2")])
    assert [outcome.error is None for outcome in outcomes] == [False, True]
    assert "hush" not in repr(outcomes)
    assert "hush" not in f"{outcomes[0].error} {outcomes[0].change.describe()}"


# --- access ----------------------------------------------------------------------------------------------------------


async def test_grants_show_at_once_and_are_harmless_twice(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    for grants in ((READ,), (READ,), EVERY_KIND, (*EVERY_KIND, WRITE, WRITE), ()):
        assert await errors(backend, GrantAccess(user, grants)) == [None]
        assert (await look(backend, user)).grants >= set(grants)
    assert await look(backend, user) == ObservedPrincipal(user, None, frozenset((*EVERY_KIND, WRITE)))
    assert await principal_arena.acls(user) == {Acl(user, grant) for grant in (*EVERY_KIND, WRITE)}


async def test_to_revoke_takes_exactly_that_shows_at_once_and_is_harmless_twice(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    await backend.apply([GrantAccess(user, EVERY_KIND)])
    for _ in range(2):
        assert await errors(backend, RevokeAccess(user, (READ, JOIN, WRITE))) == [None]
        assert (await look(backend, user)).grants == set(EVERY_KIND) - {READ, JOIN}
    assert await errors(backend, RevokeAccess(user, (Grant("TOPIC", "*", "DESCRIBE"),))) == [None]
    assert (await look(backend, user)).grants == set(EVERY_KIND) - {READ, JOIN, Grant("TOPIC", "*", "DESCRIBE")}
    assert await errors(backend, RevokeAccess(user, ())) == [None]


async def test_to_revoke_touches_neither_an_administrators_acls_nor_other_users(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    foreign = {deny(user, READ), Acl(user, READ, host="192.0.2.1")}
    others = {Acl(f"{user}-2", READ), Acl(user.removesuffix("p"), READ)}
    for acl in foreign | others:
        await principal_arena.add_acl(acl)
    assert await errors(backend, GrantAccess(user, (READ,)), RevokeAccess(user, (READ,))) == [None, None]
    assert await look(backend, user) == ObservedPrincipal(user)
    assert await principal_arena.acls(user) == foreign
    for acl in others:
        assert await principal_arena.acls(acl.user) == {acl}


async def test_to_remove_takes_every_acl_and_touches_no_other_user(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    for acl in (deny(user, READ), Acl(user, READ, host="192.0.2.1")):
        await principal_arena.add_acl(acl)
    others = (f"{user}-2", user.removesuffix("p"))
    for each in (user, *others):
        assert await errors(backend, password(each), GrantAccess(each, EVERY_KIND)) == [None, None]
    for _ in range(2):
        assert await errors(backend, RemoveUser(user)) == [None]
        assert await look(backend, user) == ObservedPrincipal(user)
        assert await principal_arena.acls(user) == frozenset()
    for each in others:
        assert await look(backend, each) == ObservedPrincipal(each, 4096, frozenset(EVERY_KIND))


async def test_who_was_never_there_is_removed_and_revoked_from_without_error(
    principal_arena: PrincipalArena, user: str
) -> None:
    backend = principal_arena.backend()
    assert await errors(backend, RevokeAccess(user, (READ,)), RemoveUser(user)) == [None, None]
    await principal_arena.add_acl(Acl(user, READ))
    assert await errors(backend, RemoveUser(user)) == [None], "it has no password"
    assert await look(backend, user) == ObservedPrincipal(user)


async def test_a_grant_that_kafka_does_not_take_is_rejected_alone(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    found = await errors(
        backend,
        *(GrantAccess(user, (BAD,)), password(user)),
        *(GrantAccess(f"{user}-2", (Grant("USER", "orders", "DESCRIBE"),)), password(f"{user}-2")),
        *(GrantAccess(f"{user}-3", (Grant("TOPIC", "orders", "DESCRIBE_TOKENS"),)), password(f"{user}-3")),
        *(GrantAccess(f"{user}-4", (READ,)), password(f"{user}-4")),
    )
    assert [error is None for error in found] == [False] * 6 + [True] * 2
    assert {error.reason for error in found if isinstance(error, Rejected)} == {Reason.REJECTED}
    for number in (2, 3):
        assert await look(backend, f"{user}-{number}") == ObservedPrincipal(f"{user}-{number}")
    assert await look(backend, f"{user}-4") == ObservedPrincipal(f"{user}-4", 4096, frozenset({READ}))


async def test_changes_of_one_user_are_made_in_the_order_given(principal_arena: PrincipalArena, user: str) -> None:
    backend = principal_arena.backend()
    changes: list[PrincipalChange] = [
        *(password(user, iterations=5000), GrantAccess(user, (READ, WRITE)), RevokeAccess(user, (READ,))),
        *(RemoveUser(user), password(user, iterations=6000), GrantAccess(user, (READ, JOIN))),
        *(RevokeAccess(user, (JOIN,)), GrantAccess(user, (JOIN,)), RevokeAccess(user, (JOIN,))),
    ]
    assert await errors(backend, *changes) == [None] * 9
    assert await look(backend, user) == ObservedPrincipal(user, 6000, frozenset({READ}))
    assert await errors(backend, RemoveUser(user), GrantAccess(user, (READ,)), RemoveUser(user)) == [None] * 3
    assert await look(backend, user) == ObservedPrincipal(user)


async def test_two_backends_see_each_others_changes(principal_arena: PrincipalArena, user: str) -> None:
    one, other = principal_arena.backend(), principal_arena.backend()
    await one.apply([password(user), GrantAccess(user, (READ,))])
    await look(one, user)
    assert await look(other, user) == ObservedPrincipal(user, 4096, frozenset({READ}))


# --- only in memory --------------------------------------------------------------------------------------------------


async def test_a_cluster_that_is_away_is_unavailable() -> None:
    backend = MemoryPrincipalBackend()
    backend.principals.available = False
    for ask in (backend.probe(), backend.users(""), backend.observe([]), backend.apply([password("app")])):
        with pytest.raises(Unavailable):
            await ask


async def test_a_cluster_without_an_authorizer_has_passwords_and_grants_nothing() -> None:
    backend = MemoryPrincipalBackend(MemoryPrincipals(authorizer=False))
    found = await errors(backend, password("app"), GrantAccess("app", (READ,)))
    assert found[0] is None
    assert isinstance(found[1], Rejected)
    assert found[1].reason == Reason.REJECTED
    assert "no authorizer" in found[1].message
    assert await look(backend, "app") == ObservedPrincipal("app", 4096)
    assert await errors(backend, RevokeAccess("app", (READ,)), RemoveUser("app")) == [None, None]
    assert await backend.users("") == frozenset()


async def test_memory_fails_when_told_to_and_counts() -> None:
    backend, lost = MemoryPrincipalBackend(), Unavailable("lost")
    backend.fail_next(SetPassword, lost, applied=True)
    assert await errors(backend, password("app"), GrantAccess("app", (READ,)), password("web")) == [lost, lost, None]
    assert await backend.users("") == {"app", "web"}
    assert (backend.calls["apply"], backend.calls["SetPassword"], backend.calls["GrantAccess"]) == (1, 2, 0)
