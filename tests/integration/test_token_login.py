"""A Kafka that believes tokens only: the operator, applications and the consumer of a sink get theirs by OIDC."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from builders import CLUSTER, mapping_bus, publication, subscription
from contract.test_kafka_principals import NO_GROUP, NO_TOPIC, consume, produce
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics
from integration.granted_access import granted_access
from integration.http_service import HttpService, mount
from integration.service_process import wait_until
from integration.token_issuers import AUDIENCE

from e2e.clients.programs import java_login
from e2e.servers import Kafka
from e2e.servers.configuration import TokenIssuer
from eventplane.api.conditions import Reason
from eventplane.backends.kafka import KafkaTopicBackend
from eventplane.planning.access_desired import DesiredAccess
from eventplane.planning.connection import KafkaConnection, TokenSource
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import CreateTopic
from eventplane.planning.topic_state import Owner, TopicQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from integration.token_issuers import TokenIssuers

    from e2e.servers.kafka import ClientConfig
    from eventplane.api.access import Access

    Connect = Callable[[KafkaConnection], KafkaTopicBackend]

pytestmark = pytest.mark.kafka

SECRET = "the-operators-own"  # noqa: S105 - of a throw-away issuer
OWN = "billings-own"
OWNER = Owner(CLUSTER, "shop", "orders", "uid")
BUS = mapping_bus("{{ namespace }}.{{ name }}", kind="OAUTHBEARER")
TOPIC, OF_SINK = "shop.orders", "shop.payments"
TIMEOUT_SECONDS = 5.0
SHORT_SECONDS = 15.0
"""The life of a token that a test outlives. Clients log in again near its end, and brokers want a second between."""
PAST_SECONDS = SHORT_SECONDS + 2
"""After so long a connection is open by another token, or not at all: brokers let no token hold on."""
BILLING, PAYMENTS = (
    subscription(
        name, sink={"http": {"url": "http://replaced"}}, credentials={"oauth_secret_ref": {"name": f"{name}-sso"}}
    )
    for name in ("billing", "payments")
)


@pytest.fixture(scope="module")
def token_kafka(issuers: TokenIssuers) -> Iterator[Kafka]:
    """One broker that believes the tokens of the issuer."""
    believed = TokenIssuer(issuers.issuer, AUDIENCE, json.dumps(issuers.keys))
    with Kafka(brokers=1, token_issuer=believed) as cluster:
        applications = ("shop.billing", "shop.payments", "shop.web", "shop.other")
        issuers.clients |= {cluster.admin.username: SECRET, **dict.fromkeys(applications, OWN)}
        Topics(cluster).create(TOPIC, f"{TOPIC}.private", OF_SINK)
        yield cluster


@pytest.fixture
def way_in(token_kafka: Kafka, issuers: TokenIssuers) -> KafkaConnection:
    """How the operator connects."""
    ca = issuers.authority.certificate.read_text()
    source = TokenSource(issuers.token_endpoint, "kafka", ca, token_kafka.admin.username, SECRET)
    return KafkaConnection(
        (token_kafka.bootstrap("SASL_SSL"),),
        tls=True,
        ca_pem=token_kafka.ca_pem,
        mechanism="OAUTHBEARER",
        tokens=source,
    )


@pytest.fixture
def short_tokens(issuers: TokenIssuers) -> Iterator[None]:
    """Let tokens end while a test goes on."""
    issuers.token_seconds = SHORT_SECONDS
    yield
    issuers.token_seconds = 600.0


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[KafkaConnection], KafkaTopicBackend]]:
    """Open backends, which end with the test."""
    opened: list[KafkaTopicBackend] = []

    def connect(connection: KafkaConnection) -> KafkaTopicBackend:
        opened.append(KafkaTopicBackend(connection, client_id="integration", timeout_seconds=TIMEOUT_SECONDS))
        return opened[-1]

    yield connect
    for backend in opened:
        await backend.close()


# --- the operator ----------------------------------------------------------------------------------------------------


async def test_the_operator_gets_tokens_and_others_before_they_end(
    token_kafka: Kafka, issuers: TokenIssuers, way_in: KafkaConnection, connect: Connect, short_tokens: None
) -> None:
    del short_tokens
    backend, made, begun = connect(way_in), 0, time.monotonic()
    assert (await backend.probe()).cluster_id == token_kafka.identity.cluster_id
    async with asyncio.timeout(4 * SHORT_SECONDS):
        while time.monotonic() < begun + PAST_SECONDS or issuers.given.count(token_kafka.admin.username) < 4:
            topic = f"by-token-{made}"
            outcomes = await backend.apply([CreateTopic(topic, OWNER, 1, 1)])
            assert [outcome.error for outcome in outcomes] == [None], f"topic {made}"
            found = (await backend.observe([TopicQuery(topic)]))[TopicQuery(topic)]
            assert found.existing is not None
            made += 1
            await asyncio.sleep(0.5)
    assert made > 3, "both its clients have worked by two tokens, and nothing failed between"


async def test_a_wrong_secret_is_refused_soon_with_what_to_do_and_is_not_repeated(
    way_in: KafkaConnection, connect: Connect
) -> None:
    assert way_in.tokens is not None
    backend = connect(replace(way_in, tokens=replace(way_in.tokens, client_secret="not-the-secret")))  # noqa: S106
    begun = time.monotonic()
    with pytest.raises(Rejected) as refused:
        await backend.probe()
    assert time.monotonic() - begun < 3
    assert refused.value.reason == Reason.AUTHENTICATION_FAILED
    assert "correct clientId and clientSecret" in refused.value.message
    assert "not-the-secret" not in refused.value.message
    (outcome,) = await backend.apply([CreateTopic("by-nobody", OWNER, 1, 1)])
    assert isinstance(outcome.error, Rejected)
    assert "not-the-secret" not in outcome.error.message


async def test_an_identity_provider_that_is_down_is_no_fault_of_ours_and_is_asked_again(
    token_kafka: Kafka, way_in: KafkaConnection, issuers: TokenIssuers, connect: Connect
) -> None:
    issuers.is_down = True
    backend = connect(way_in)
    begun = time.monotonic()
    try:
        with pytest.raises(Unavailable):
            await backend.probe()
    finally:
        issuers.is_down = False
    assert time.monotonic() - begun < 3 * TIMEOUT_SECONDS, "librdkafka asks for almost a minute before it says so"
    async with asyncio.timeout(30):
        while True:
            with suppress(Unavailable):
                assert (await backend.probe()).cluster_id == token_kafka.identity.cluster_id
                return


async def test_a_token_that_brokers_do_not_believe_is_refused(
    way_in: KafkaConnection, issuers: TokenIssuers, connect: Connect
) -> None:
    issuers.rotate()  # they know the first key only
    try:
        with pytest.raises(Rejected) as refused:
            await connect(way_in).probe()
    finally:
        issuers.forget()
    assert refused.value.reason == Reason.AUTHENTICATION_FAILED


# --- applications ----------------------------------------------------------------------------------------------------


async def granted(resource: Access, way_in: KafkaConnection, topic_name: str = TOPIC) -> DesiredAccess:
    return await granted_access(resource, BUS, way_in, topic_name)


def client(desired: DesiredAccess, client_id: str) -> ClientConfig:
    """Configure a client by a Secret, and by who asks for tokens."""
    config: ClientConfig = json.loads(desired.secret_data("")["librdkafka.json"])
    return config | {"sasl.oauthbearer.client.id": client_id, "sasl.oauthbearer.client.secret": OWN, "log_level": 0}


async def test_an_application_may_do_what_is_asked_for_as_the_principal_in_its_token(way_in: KafkaConnection) -> None:
    web, billing = await granted(publication("web"), way_in), await granted(BILLING, way_in)
    writer, reader, group = client(web, "shop.web"), client(billing, "shop.billing"), billing.group or ""
    assert produce(writer, TOPIC) is None
    assert consume(reader, TOPIC, group) is None
    assert produce(writer, f"{TOPIC}.private") == NO_TOPIC
    assert produce(reader, TOPIC) == NO_TOPIC
    assert consume(writer, TOPIC, group) == NO_GROUP
    assert produce(client(web, "shop.other"), TOPIC) == NO_TOPIC, "the Secret alone opens nothing"


async def test_javas_client_logs_in_by_the_same_secret(
    token_kafka: Kafka, way_in: KafkaConnection, issuers: TokenIssuers, tmp_path: Path
) -> None:
    web, own = await granted(publication("web"), way_in), "sasl.oauthbearer.client.credentials.client"
    file = tmp_path / "client.properties"
    file.write_text(f"{web.secret_data('')['client.properties']}{own}.id=shop.web\n{own}.secret={OWN}\n")
    assert java_login(file, issuers.token_endpoint) == token_kafka.identity.cluster_id


async def test_a_sink_reads_on_when_its_token_has_ended(
    token_kafka: Kafka, issuers: TokenIssuers, way_in: KafkaConnection, tmp_path: Path, short_tokens: None
) -> None:
    del short_tokens
    desired, topics = await granted(PAYMENTS, way_in, OF_SINK), Topics(token_kafka)
    with HttpService() as service:
        told = config_of(
            OF_SINK, name="payments", group=desired.group, http={"url": service.url}, retry={"attempts": 1}
        )
        with consumers(tmp_path / "c", token_kafka, told) as started:
            mount(tmp_path / "c" / "kafka", desired.secret_data(""))
            mount(tmp_path / "c" / "oauth", {"clientId": "shop.payments", "clientSecret": f"{OWN}\n"})
            before = issuers.renewed.count("shop.payments")
            process = started.start()
            process.wait_ready()

            def has_come(number: int) -> bool:
                return str(number) in {request.id for request in service.taken}

            sent, begun = 0, time.monotonic()
            while time.monotonic() < begun + PAST_SECONDS or issuers.renewed.count("shop.payments") == before:
                topics.write_events(OF_SINK, [sent])
                wait_until(partial(has_come, sent), f"event {sent} is delivered")
                sent += 1
                await asyncio.sleep(0.5)
            assert process.terminate() == 0
            assert topics.committed(desired.group or "", OF_SINK) == sent
            assert OWN not in process.log()
