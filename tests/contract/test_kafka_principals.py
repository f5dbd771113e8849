"""What only a real Kafka can show of its users: what they may really do, rights, requests, limits and outages."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public names
from contract.test_principal_backend import JOIN, READ, SHA512, errors, look, password, until_logs_in
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
)
from kafka.admin import ResourceType as WireResourceType

from e2e.servers.configuration import Credentials
from e2e.servers.kafka import Kafka
from eventplane.api.conditions import Reason
from eventplane.backends.access import AccessBackend
from eventplane.backends.kafka import KafkaPrincipalBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    PrincipalChange,
    RemovePassword,
    RemoveUser,
    RevokeAccess,
    WriteSecret,
)
from eventplane.planning.access_state import AccessQuery, Grant, ObservedPrincipal, PrincipalQuery
from eventplane.planning.connection import AccessConnection, KafkaConnection
from eventplane.planning.outcome import Rejected, Unavailable

if TYPE_CHECKING:
    from contract.arenas import KafkaArena
    from contract.principal_arenas import KafkaPrincipalArena

    from e2e.servers.kafka import ClientConfig

pytestmark = pytest.mark.kafka
IMPATIENT = 2.0
_SECONDS = 20


# --- what a user may really do ---------------------------------------------------------------------------------------


def produce(config: ClientConfig, topic: str) -> int | None:
    """Return why a record is not taken, as Kafka's code."""
    codes: list[int | None] = []
    producer = Producer(config | {"message.timeout.ms": _SECONDS * 1000})
    producer.produce(topic, b"x", on_delivery=lambda error, _: codes.append(error.code() if error else None))
    producer.flush(_SECONDS)
    (code,) = codes
    return code


def consume(config: ClientConfig, topic: str, group: str) -> int | None:
    """Return why no record comes, as Kafka's code."""
    consumer = Consumer(config | {"group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(_SECONDS)
        assert message is not None
        error = message.error()
        return error.code() if error else None
    finally:
        consumer.close()


def create(config: ClientConfig, topic: str) -> int | None:
    """Return why a topic is not made, as Kafka's code."""
    admin = AdminClient(config)
    try:
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(_SECONDS)
    except KafkaException as error:
        code: int = error.args[0].code()
        return code
    return None


NO_TOPIC = KafkaError.TOPIC_AUTHORIZATION_FAILED
NO_GROUP = KafkaError.GROUP_AUTHORIZATION_FAILED


async def test_what_is_granted_is_permitted_and_everything_else_refused(
    kafka_principals: KafkaPrincipalArena, kafka_arena: KafkaArena, topic: str, user: str
) -> None:
    backend, kafka = kafka_principals.backend(), kafka_principals.kafka
    reader, writer = f"{user}-reader", f"{user}-writer"
    for name in (topic, f"{topic}.private"):
        await kafka_arena.create(name, 1, {})
        await kafka_arena.produce(name, None, 1)
    read, join = Grant("TOPIC", topic, "READ"), Grant("GROUP", f"{topic}.", "READ", prefixed=True)
    changes: list[PrincipalChange] = [
        *(password(reader), GrantAccess(reader, (read, join))),
        *(password(writer), GrantAccess(writer, (Grant("TOPIC", topic, "WRITE"),))),
    ]
    assert await errors(backend, *changes) == [None] * 4
    for each in (reader, writer):
        await until_logs_in(kafka_principals, each, "secret-1")
    as_reader, as_writer = (
        kafka.client_config("SASL_PLAINTEXT", Credentials(each, "secret-1")) | {"log_level": 0}
        for each in (reader, writer)
    )
    for attempt, expected in (
        ((consume, as_reader, topic, f"{topic}.billing"), None),
        ((consume, as_reader, topic, f"{topic}-other"), NO_GROUP),
        ((consume, as_reader, f"{topic}.private", f"{topic}.billing"), NO_TOPIC),
        ((produce, as_reader, topic), NO_TOPIC),
        ((create, as_reader, f"{topic}.new"), NO_TOPIC),
        ((produce, as_writer, topic), None),
        ((produce, as_writer, f"{topic}.private"), NO_TOPIC),
        ((consume, as_writer, topic, f"{topic}.billing"), NO_GROUP),
        ((create, as_writer, topic), NO_TOPIC),
    ):
        ask: Any = attempt[0]
        assert await asyncio.to_thread(ask, *attempt[1:]) == expected, attempt
    assert await errors(backend, RevokeAccess(reader, (read,))) == [None]
    await look(backend, reader)
    assert await asyncio.to_thread(consume, as_reader, topic, f"{topic}.billing") == NO_TOPIC


async def test_every_way_to_connect_serves_passwords_and_acls(kafka_principals: KafkaPrincipalArena, user: str) -> None:
    kafka, admin = kafka_principals.kafka, kafka_principals.kafka.admin
    certificate, key = kafka.client_certificate(admin.username)
    over_scram = kafka_principals.login(admin.username, admin.password)
    over_tls = replace(over_scram, bootstrap_servers=(kafka.bootstrap("SASL_SSL"),), tls=True, ca_pem=kafka.ca_pem)
    ways = [
        over_scram,
        over_tls,
        replace(over_tls, mechanism="PLAIN"),
        KafkaConnection(
            (kafka.bootstrap("SSL"),), tls=True, ca_pem=kafka.ca_pem, certificate_pem=certificate, key_pem=key
        ),
    ]
    for number, way in enumerate(ways):
        backend, name = kafka_principals.backend_as(way), f"{user}.{number}"
        assert await errors(backend, password(name), GrantAccess(name, (READ,))) == [None, None]
        assert await look(backend, name) == ObservedPrincipal(name, 4096, frozenset({READ}))
        await until_logs_in(kafka_principals, name, "secret-1")
        new = replace(over_tls, username=name, password="secret-1")  # noqa: S106 - of a test
        assert (await kafka_principals.backend_as(new).probe()).brokers == 1


# --- rights ----------------------------------------------------------------------------------------------------------


async def test_a_missing_right_is_named(kafka_principals: KafkaPrincipalArena, user: str) -> None:
    ours = kafka_principals.backend()
    await ours.apply([password(user)])
    await until_logs_in(kafka_principals, user, "secret-1")
    guest = kafka_principals.backend_as(kafka_principals.login(user, "secret-1"))
    for ask in (lambda: guest.users(""), lambda: guest.observe([PrincipalQuery(user, SHA512)])):
        with pytest.raises(Rejected) as refused:
            await ask()
        assert refused.value.reason == Reason.AUTHORIZATION_FAILED
        assert "Describe on the cluster" in refused.value.message
    for number, grants in enumerate(((), (Grant("CLUSTER", "kafka-cluster", "DESCRIBE"),))):
        await ours.apply([GrantAccess(user, grants)])
        await look(ours, user)
        found = await errors(
            guest,
            *(password(f"{user}-a"), GrantAccess(f"{user}-b", (READ,)), RevokeAccess(f"{user}-c", (READ,))),
            *(RemoveUser(f"{user}-d"), password(user)),
        )
        assert {type(error) for error in found} == {Rejected}, number
        assert {error.reason for error in found if error} == {Reason.AUTHORIZATION_FAILED}
        assert all("Alter on the cluster" in error.message for error in found if error)
    assert (await look(guest, user)).iterations == 4096, "to look is permitted by now"
    assert await ours.users(f"{user}-") == frozenset()


async def test_a_wrong_password_of_the_bus_is_told(kafka_principals: KafkaPrincipalArena) -> None:
    connection = kafka_principals.login("admin", "not-the-password")
    backend = kafka_principals.backend_as(connection)
    for ask in (backend.probe, lambda: backend.users(""), lambda: backend.observe([PrincipalQuery("app", SHA512)])):
        with pytest.raises(Rejected) as refused:
            await ask()
        assert refused.value.reason == Reason.AUTHENTICATION_FAILED
        assert "not-the-password" not in refused.value.message
    for change in (password("app"), GrantAccess("app", (READ,)), RemoveUser("app")):
        begun = time.monotonic()
        (error,) = await errors(kafka_principals.backend_as(connection), change)
        assert isinstance(error, Rejected)
        assert error.reason == Reason.AUTHENTICATION_FAILED
        assert time.monotonic() - begun < 3


# --- what the client cannot name -------------------------------------------------------------------------------------


async def test_acls_that_the_client_cannot_name_are_not_observed_and_go_with_the_user(
    kafka_principals: KafkaPrincipalArena, user: str
) -> None:
    acls = [
        ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(resource, "team-a"))
        for resource, operation in (
            (WireResourceType.USER, ACLOperation.CREATE_TOKENS),
            (WireResourceType.DELEGATION_TOKEN, ACLOperation.DESCRIBE),
        )
    ]

    def add() -> None:
        admin = KafkaAdminClient(bootstrap_servers=kafka_principals.kafka.bootstrap("PLAINTEXT"))
        admin.create_acls(acls)
        admin.close()

    await asyncio.to_thread(add)
    backend = kafka_principals.backend()
    await kafka_principals.add_acl(Acl(user, READ))
    assert await look(backend, user) == ObservedPrincipal(user, None, frozenset({READ}))
    assert await backend.users(user) == {user}
    assert len(await kafka_principals.acls(user)) == 3
    assert await errors(backend, RemoveUser(user)) == [None]
    assert await backend.users(user) == frozenset()
    assert await kafka_principals.acls(user) == frozenset()


# --- economy and limits ----------------------------------------------------------------------------------------------


async def test_a_thousand_users_cost_as_many_requests_as_one(kafka_principals: KafkaPrincipalArena, user: str) -> None:
    backend, requests = kafka_principals.backend(), kafka_principals.requests
    names = [f"{user}.{number}" for number in range(1000)]
    queries = [PrincipalQuery(name, SHA512) for name in names]

    async def asked_for(*changes: PrincipalChange) -> list[str]:
        requests.clear()
        assert set(await errors(backend, *changes)) == {None}
        return sorted(requests)

    assert await asked_for(*(password(name) for name in names)) == ["AlterUserScramCredentials"]
    assert await asked_for(*(GrantAccess(name, (READ, JOIN)) for name in names)) == ["CreateAcls"]
    await backend.observe(queries)  # until the broker shows it, and tells how many ACLs there are
    assert await asked_for(*(RevokeAccess(name, (JOIN,)) for name in names)) == ["DeleteAcls"]
    await backend.observe(queries)
    requests.clear()
    seen = await backend.observe(queries)
    assert sorted(requests) == ["DescribeAcls", "DescribeUserScramCredentials"]
    assert all(seen[query] == ObservedPrincipal(query.user, 4096, frozenset({READ})) for query in queries)
    assert await backend.users(f"{user}.") == set(names)
    removal = ["AlterUserScramCredentials"] * 2 + ["DeleteAcls"]
    assert await asked_for(*(RemoveUser(name) for name in names)) == sorted(removal)
    assert await backend.users(f"{user}.") == frozenset()
    seen = await backend.observe(queries)
    assert all(seen[query] == ObservedPrincipal(query.user) for query in queries)


async def test_five_hundred_applications_rotate_in_as_many_requests_as_one(
    kafka_principals: KafkaPrincipalArena, user: str
) -> None:
    kubernetes, requests = MemoryKubernetes(lambda: datetime(2026, 1, 1, tzinfo=UTC)), kafka_principals.requests
    backend = AccessBackend(
        AccessConnection(kafka_principals.login("operator", "p")),
        kafka_principals.backend(),
        kubernetes.look_at_secret,
        kubernetes.write_secret,
    )
    names = [f"{user}.{number}" for number in range(500)]
    queries = [AccessQuery("shop", name, PrincipalQuery(name, SHA512)) for name in names]

    async def asked_for(*changes: AccessChange) -> list[str]:
        requests.clear()
        assert {outcome.error for outcome in await backend.apply(changes)} == {None}
        return requests.copy()

    def secret(name: str, of: str) -> WriteSecret:
        return WriteSecret(of, "shop", name, ("Publication", name, "uid"), {"username": of})

    first = [(secret(name, name), password(name), GrantAccess(name, (READ,))) for name in names]
    assert await asked_for(*(change for those in first for change in those)) == [
        "AlterUserScramCredentials",
        "CreateAcls",
    ]
    await backend.observe(queries)  # until the broker shows it
    seconds = [(password(f"{name}_2"), GrantAccess(f"{name}_2", (READ,)), secret(name, f"{name}_2")) for name in names]
    asked = await asked_for(*(change for those in seconds for change in those))
    assert asked[:2] == ["AlterUserScramCredentials", "CreateAcls"]
    looks = Counter(asked[2:])  # once more while the broker is behind, and before any Secret is written
    assert looks.keys() == {"DescribeAcls", "DescribeUserScramCredentials"}
    assert max(looks.values()) <= 5
    requests.clear()
    seen = await backend.observe(queries)
    assert sorted(requests) == ["DescribeAcls", "DescribeUserScramCredentials"]
    may = frozenset({READ})
    assert {(each.principal, each.second) for each in seen.values()} == {
        (ObservedPrincipal(name, 4096, may), ObservedPrincipal(f"{name}_2", 4096, may)) for name in names
    }
    requests.clear()
    await backend.observe(queries[:1])
    assert sorted(requests) == ["DescribeAcls"] * 2 + ["DescribeUserScramCredentials"], "not the ACLs of everybody"
    retired = [(RemovePassword(name), RevokeAccess(name, (READ,))) for name in names]
    asked = await asked_for(*(change for those in retired for change in those))
    assert asked == ["AlterUserScramCredentials"] * 2 + ["DeleteAcls"]
    assert await backend.users(f"{user}.") == {f"{name}_2" for name in names}


async def test_more_than_kafka_takes_at_once_is_cut(kafka_principals: KafkaPrincipalArena, user: str) -> None:
    backend, requests = kafka_principals.backend(), kafka_principals.requests
    names = [f"{user}.{number}" for number in range(4)]
    grants = tuple(Grant("TOPIC", f"orders-{number}", "READ") for number in range(3000))
    assert set(await errors(backend, *(GrantAccess(name, grants) for name in names))) == {None}
    assert requests == ["CreateAcls"] * 2
    assert len((await look(backend, names[0])).grants) == 3000
    requests.clear()
    assert set(await errors(backend, *(RemoveUser(name) for name in names))) == {None}
    assert requests.count("DeleteAcls") == 3, "all at once is too much, so it is halved"
    assert await backend.users(f"{user}.") == frozenset()


# --- outages ---------------------------------------------------------------------------------------------------------


async def test_a_broker_that_hangs_is_unavailable_until_it_answers_again(
    kafka_principals: KafkaPrincipalArena, user: str
) -> None:
    kafka = kafka_principals.kafka
    backend = kafka_principals.backend_as(KafkaConnection((kafka.bootstrap("PLAINTEXT"),)), IMPATIENT)
    assert await errors(backend, password(user)) == [None]
    kafka.pause(1)
    begun = time.monotonic()
    try:
        results = await asyncio.gather(
            backend.probe(),
            backend.users(""),
            backend.observe([PrincipalQuery(user, SHA512)]),
            backend.apply([password(user), GrantAccess(f"{user}-2", (READ,)), RemoveUser(f"{user}-3")]),
            return_exceptions=True,
        )
        assert time.monotonic() - begun < IMPATIENT + 2
    finally:
        kafka.resume(1)
    assert [type(result) for result in results] == [Unavailable] * 4
    assert (await look(backend, user)).iterations == 4096
    assert await errors(backend, RemoveUser(user)) == [None]


async def test_nobody_at_the_address_is_unavailable_and_closing_is_quick() -> None:
    backend = KafkaPrincipalBackend(KafkaConnection(("127.0.0.1:1",)), client_id="contract-dead", timeout_seconds=0.5)
    for ask in (backend.probe, lambda: backend.users(""), lambda: backend.apply([password("app")])):
        with pytest.raises(Unavailable):
            await ask()
    begun = time.monotonic()
    await backend.close()
    await backend.close()
    assert time.monotonic() - begun < 1
    for ask in (backend.probe, lambda: backend.users(""), lambda: backend.apply([password("app")])):
        with pytest.raises(Unavailable):
            await ask()


async def test_a_broker_that_was_away_is_asked_again(user: str) -> None:
    """On a cluster of its own: a broker that starts again where users were removed may have lost all the others too."""
    with Kafka(brokers=1) as kafka:
        connection = KafkaConnection((kafka.bootstrap("PLAINTEXT"),))
        backend = KafkaPrincipalBackend(connection, client_id="contract", timeout_seconds=IMPATIENT)
        assert await errors(backend, password(user), GrantAccess(user, (READ,))) == [None, None]
        kafka.kill(1)
        begun = time.monotonic()
        for ask in (lambda: look(backend, user), lambda: backend.apply([password(user)])):
            with pytest.raises(Unavailable):
                await ask()
        assert time.monotonic() - begun < 2 * IMPATIENT + 2
        kafka.start_broker(1)
        async with asyncio.timeout(20):
            while (seen := await looked_at(backend, user)) is None:
                pass
        assert seen == ObservedPrincipal(user, 4096, frozenset({READ}))
        assert await errors(backend, password(user, iterations=5000)) == [None]
        assert (await look(backend, user)).iterations == 5000
        await backend.close()


async def looked_at(backend: KafkaPrincipalBackend, user: str) -> ObservedPrincipal | None:
    try:
        return await look(backend, user)
    except Unavailable:
        return None


async def test_a_closed_backend_leaves_no_thread(kafka_principals: KafkaPrincipalArena, user: str) -> None:
    connection = KafkaConnection((kafka_principals.kafka.bootstrap("PLAINTEXT"),))
    backend = KafkaPrincipalBackend(connection, client_id="contract-threads")
    await backend.apply([RemoveUser(user)])
    threads = [thread for thread in threading.enumerate() if "contract-threads" in thread.name]
    await backend.close()
    for thread in threads:
        await asyncio.to_thread(thread.join, 5.0)  # a thread whose work is done still needs a moment to end
    assert not any("contract-threads" in thread.name for thread in threading.enumerate())


# --- three brokers ---------------------------------------------------------------------------------------------------


@pytest.mark.kafka3
async def test_of_three_brokers_none_shows_less_than_was_done(
    kafka3_principals: KafkaPrincipalArena, user: str
) -> None:
    backend = kafka3_principals.backend()
    for number in range(20):
        iterations = 4096 + number
        assert await errors(backend, password(user, iterations=iterations), GrantAccess(user, (READ,))) == [None] * 2
        assert await look(backend, user) == ObservedPrincipal(user, iterations, frozenset({READ}))
        assert await errors(backend, RevokeAccess(user, (READ,))) == [None]
        assert await look(backend, user) == ObservedPrincipal(user, iterations)
        if number % 4 == 0:
            assert await errors(backend, RemoveUser(user)) == [None]
            assert await look(backend, user) == ObservedPrincipal(user)
