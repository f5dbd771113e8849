"""What only a real Kafka can show of its backend: outages, credentials, rights, requests, and what a close leaves."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from contract.test_topic_backend import OURS, errors, look, make

from eventplane.api.conditions import Reason
from eventplane.backends.kafka import LEDGER_TOPIC, KafkaTopicBackend
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import ClaimTopic, CreateTopic, DeleteTopic, ReleaseTopic
from eventplane.planning.topic_state import Claim, TopicQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.arenas import KafkaArena

    from e2e.servers.configuration import Listener
    from e2e.servers.kafka import Kafka

pytestmark = pytest.mark.kafka
IMPATIENT = 2.0


def plain(kafka: Kafka) -> KafkaConnection:
    return KafkaConnection(tuple(kafka.bootstrap("PLAINTEXT").split(",")))


def scram(kafka: Kafka, username: str, password: str, listener: Listener = "SASL_PLAINTEXT") -> KafkaConnection:
    return KafkaConnection(
        bootstrap_servers=tuple(kafka.bootstrap(listener).split(",")),
        tls=listener == "SASL_SSL",
        ca_pem=kafka.ca_pem if listener == "SASL_SSL" else None,
        mechanism="SCRAM-SHA-512",
        username=username,
        password=password,
    )


# --- connections -----------------------------------------------------------------------------------------------------


async def test_every_way_to_connect(kafka_arena: KafkaArena) -> None:
    kafka = kafka_arena.kafka
    admin = kafka.admin
    certificate, key = kafka.client_certificate(admin.username)
    over_tls = scram(kafka, admin.username, admin.password, "SASL_SSL")
    ways = [
        scram(kafka, admin.username, admin.password),
        over_tls,
        replace(over_tls, mechanism="PLAIN"),
        KafkaConnection(
            (kafka.bootstrap("SSL"),), tls=True, ca_pem=kafka.ca_pem, certificate_pem=certificate, key_pem=key
        ),
    ]
    for way in ways:
        assert (await kafka_arena.backend_as(way).probe()).cluster_id == kafka.identity.cluster_id


async def test_a_wrong_password_is_told_from_a_dead_broker_soon_and_is_not_repeated(kafka_arena: KafkaArena) -> None:
    backend = kafka_arena.backend_as(scram(kafka_arena.kafka, kafka_arena.kafka.admin.username, "not-the-password"))
    for ask in (backend.probe, backend.claims, lambda: look(backend, "orders")):
        begun = time.monotonic()
        with pytest.raises(Rejected) as refused:
            await ask()
        assert refused.value.reason == Reason.AUTHENTICATION_FAILED
        assert "invalid credentials" in refused.value.message
        assert "not-the-password" not in refused.value.message
        assert time.monotonic() - begun < 3
    (error,) = await errors(backend, ClaimTopic("orders", OURS))
    assert isinstance(error, Rejected)


async def test_a_broker_whose_certificate_nobody_vouches_for_is_refused(
    kafka_arena: KafkaArena, kafka3_arena: KafkaArena
) -> None:
    admin = kafka_arena.kafka.admin
    connection = scram(kafka_arena.kafka, admin.username, admin.password, "SASL_SSL")
    with pytest.raises(Rejected) as refused:
        await kafka_arena.backend_as(replace(connection, ca_pem=kafka3_arena.kafka.ca_pem)).probe()
    assert refused.value.reason == Reason.AUTHENTICATION_FAILED


def test_a_certificate_that_is_none_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Rejected) as refused:
        KafkaTopicBackend(KafkaConnection(("localhost:1",), tls=True, ca_pem="no PEM"), client_id="contract")
    assert refused.value.reason == Reason.SECRET_INVALID


# --- rights ----------------------------------------------------------------------------------------------------------


def grant(kafka: Kafka, user: str, resource: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(
            ResourceType.TOPIC,
            resource,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    admin = AdminClient(kafka.client_config("PLAINTEXT"))
    for future in admin.create_acls(bindings).values():
        future.result(10)


async def test_a_missing_right_is_named(kafka_arena: KafkaArena, topic: str) -> None:
    kafka = kafka_arena.kafka
    kafka.add_user("guest", "guest-secret")
    backend = kafka_arena.backend_as(scram(kafka, "guest", "guest-secret"))
    await kafka_arena.create(topic, 1, {})
    with pytest.raises(Rejected) as refused:
        await look(backend, topic)
    assert refused.value.reason == Reason.AUTHORIZATION_FAILED
    assert "Describe" in refused.value.message
    for name in (topic, f"{topic}-new", LEDGER_TOPIC):
        grant(kafka, "guest", name, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    grant(kafka, "guest", LEDGER_TOPIC, AclOperation.READ, AclOperation.WRITE)
    await kafka_arena.backend().apply([ClaimTopic(f"{topic}-ledger", OURS)])
    seen = await look(backend, topic)
    assert seen.existing is not None
    found = await errors(
        backend,
        *(ClaimTopic(topic, OURS), DeleteTopic(topic, seen.existing.topic_id)),
        *(ClaimTopic(f"{topic}-new", OURS), CreateTopic(f"{topic}-new", OURS, 1, 1)),
    )
    assert [error is None for error in found] == [True, False, True, False]
    for error, right in ((found[1], f"Delete on topic {topic}"), (found[3], f"Create on topic {topic}-new")):
        assert isinstance(error, Rejected)
        assert error.reason == Reason.AUTHORIZATION_FAILED
        assert right in error.message


# --- outages ---------------------------------------------------------------------------------------------------------


async def test_a_broker_that_hangs_is_unavailable_until_it_answers_again(kafka_arena: KafkaArena, topic: str) -> None:
    backend = kafka_arena.backend_as(plain(kafka_arena.kafka), IMPATIENT)
    other = kafka_arena.backend_as(plain(kafka_arena.kafka), IMPATIENT)
    await make(backend, topic)
    await other.claims()
    kafka_arena.kafka.pause(1)
    try:
        asked = (
            backend.probe(),
            backend.observe([TopicQuery(topic)]),
            backend.claims(),
            backend.apply([CreateTopic(f"{topic}-2", OURS, 1, 1), ReleaseTopic(topic, OURS)]),
        )
        results = await asyncio.gather(*asked, return_exceptions=True)
        begun = time.monotonic()
        await other.close()
        assert time.monotonic() - begun < 1
    finally:
        kafka_arena.kafka.resume(1)
    assert [type(result) for result in results] == [Unavailable] * 4
    assert (await backend.probe()).brokers == 1
    assert await errors(backend, ReleaseTopic(topic, OURS)) == [None]


async def test_nobody_at_the_address_is_unavailable_and_closing_is_quick() -> None:
    backend = KafkaTopicBackend(KafkaConnection(("127.0.0.1:1",)), client_id="contract-dead", timeout_seconds=0.5)
    for ask in (backend.probe(), backend.claims(), backend.apply([ReleaseTopic("orders", OURS)])):
        with pytest.raises(Unavailable):
            await ask
    begun = time.monotonic()
    await backend.close()
    await backend.close()
    assert time.monotonic() - begun < 1
    with pytest.raises(Unavailable):
        await backend.probe()


async def test_a_connection_that_is_cut_short_leaves_no_socket_behind(full_house: tuple[str, int]) -> None:
    backend = KafkaTopicBackend(
        KafkaConnection((f"{full_house[0]}:{full_house[1]}",)), client_id="contract-full", timeout_seconds=0.5
    )
    with pytest.raises(Unavailable):
        await backend.apply([CreateTopic("orders", OURS, 1, 1)])
    await backend.close()
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert [str(each.message) for each in left] == []


@pytest.fixture
def full_house() -> Iterator[tuple[str, int]]:
    """An address where connecting hangs: nobody accepts, and no more fit in the queue."""
    with ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        for _ in range(3):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(address)
        yield address


@pytest.mark.kafka3
async def test_the_ledger_survives_the_loss_of_its_leader(kafka3_arena: KafkaArena, topic: str) -> None:
    backend = kafka3_arena.backend_as(plain(kafka3_arena.kafka), 5.0)
    made = await make(backend, topic, replication_factor=3)
    lost = kafka3_arena.leader(LEDGER_TOPIC)
    kafka3_arena.kafka.kill(lost)
    try:
        async with asyncio.timeout(40):
            while True:
                try:
                    assert await errors(backend, ClaimTopic(f"{topic}-2", OURS)) == [None]
                    claims = await backend.claims()
                    break
                except Unavailable:
                    continue
        assert claims[topic] == Claim(OURS, made.topic_id)
        assert claims[f"{topic}-2"] == Claim(OURS, None)
        assert (await backend.probe()).brokers == 2
    finally:
        kafka3_arena.kafka.start_broker(lost)
    async with asyncio.timeout(20):
        while (await backend.probe()).brokers < 3:
            pass
    assert (await look(backend, topic)).claim == Claim(OURS, made.topic_id)


# --- economy ---------------------------------------------------------------------------------------------------------


async def test_a_thousand_topics_are_observed_in_five_requests(kafka_arena: KafkaArena, topic: str) -> None:
    backend = kafka_arena.backend()
    await backend.apply([ClaimTopic(topic, OURS)])
    kafka_arena.requests.clear()
    await backend.observe([TopicQuery(f"{topic}-{number}") for number in range(999)])
    assert sorted(kafka_arena.requests) == ["DescribeTopics", "ListOffsets"], "absent topics have no settings"
    kafka_arena.requests.clear()
    await backend.observe([TopicQuery(topic), TopicQuery(LEDGER_TOPIC)])
    assert sorted(kafka_arena.requests) == ["DescribeConfigs", "DescribeTopics", "ListOffsets"]


async def test_to_claim_what_is_claimed_writes_nothing(kafka_arena: KafkaArena, topic: str) -> None:
    backend = kafka_arena.backend()
    await backend.apply([ClaimTopic(topic, OURS)])
    before = kafka_arena.records(LEDGER_TOPIC)
    await backend.apply([ClaimTopic(topic, OURS)])
    assert kafka_arena.records(LEDGER_TOPIC) == before


async def test_the_ledger_is_kafkas_own_compacted_and_replicated(kafka3_arena: KafkaArena, topic: str) -> None:
    backend = kafka3_arena.backend()
    await backend.apply([ClaimTopic(topic, OURS)])
    ledger = (await look(backend, LEDGER_TOPIC)).existing
    assert ledger is not None
    assert ledger.internal
    assert (ledger.partitions, ledger.replication_factor) == (1, 3)
    assert {key: ledger.config[key] for key in ledger.overrides} == {
        "cleanup.policy": "compact",
        "min.insync.replicas": "2",
    }


async def test_a_closed_backend_leaves_no_thread(kafka_arena: KafkaArena, topic: str) -> None:
    backend = KafkaTopicBackend(plain(kafka_arena.kafka), client_id="contract-threads")
    await backend.apply([ClaimTopic(topic, OURS)])
    threads = [thread for thread in threading.enumerate() if "contract-threads" in thread.name]
    assert threads
    await backend.close()
    for thread in threads:
        await asyncio.to_thread(thread.join, 5.0)  # a thread whose work is done still needs a moment to end
    assert not any("contract-threads" in thread.name for thread in threading.enumerate())
