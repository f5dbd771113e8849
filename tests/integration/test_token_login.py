"""A Kafka that believes tokens only: the operator, applications and the consumer of a sink get theirs by OIDC."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from builders import CLUSTER, event_topic, mapping_bus, publication, settled, subscription
from contract.test_kafka_principals import NO_GROUP, NO_TOPIC, consume, produce
from integration.event_topics import Topics
from integration.token_issuers import AUDIENCE

from e2e.servers import Kafka
from e2e.servers.configuration import TokenIssuer
from eventplane.api.conditions import Reason
from eventplane.backends.kafka import KafkaPrincipalBackend, KafkaTopicBackend
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import GrantAccess
from eventplane.planning.access_desired import DesiredAccess, desire_access
from eventplane.planning.access_state import ObservedAccess
from eventplane.planning.connection import AccessConnection, KafkaConnection, TokenSource
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import CreateTopic
from eventplane.planning.topic_state import Owner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from integration.token_issuers import TokenIssuers

    from e2e.servers.kafka import ClientConfig
    from eventplane.api.access import Access

    Connect = Callable[[KafkaConnection], KafkaTopicBackend]

pytestmark = pytest.mark.kafka

SECRET = "the-operators-own"  # noqa: S105 - of a throw-away issuer
OWN = "billings-own"
OWNER = Owner(CLUSTER, "shop", "orders", "uid")
BUS = mapping_bus("{{ namespace }}.{{ name }}", kind="OAUTHBEARER")
TOPIC = "shop.orders"
SHORT_SECONDS = 4.0
BILLING = subscription(
    "billing",
    sink={"http": {"url": "http://replaced"}},
    credentials={"oauth_secret_ref": {"name": "billing-sso"}},
)


@pytest.fixture(scope="module")
def token_kafka(issuers: TokenIssuers) -> Iterator[Kafka]:
    """One broker that believes the tokens of the issuer."""
    believed = TokenIssuer(issuers.issuer, AUDIENCE, json.dumps(issuers.keys))
    with Kafka(brokers=1, token_issuer=believed) as cluster:
        issuers.clients |= {cluster.admin.username: SECRET, "shop.billing": OWN, "shop.web": OWN, "shop.other": OWN}
        Topics(cluster).create(TOPIC, f"{TOPIC}.private")
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
async def connect() -> AsyncIterator[Callable[[KafkaConnection], KafkaTopicBackend]]:
    """Open backends, which end with the test."""
    opened: list[KafkaTopicBackend] = []

    def connect(connection: KafkaConnection) -> KafkaTopicBackend:
        opened.append(KafkaTopicBackend(connection, client_id="integration", timeout_seconds=5))
        return opened[-1]

    yield connect
    for backend in opened:
        await backend.close()


# --- the operator ----------------------------------------------------------------------------------------------------


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
    try:
        with pytest.raises(Unavailable):
            await backend.probe()
    finally:
        issuers.is_down = False
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


async def granted(resource: Access, way_in: KafkaConnection) -> DesiredAccess:
    """Grant the principal of a resource what it asks for, as the operator does."""
    made = settled(event_topic())
    topic = made.model_copy(update={"status": made.status.model_copy(update={"topic_name": TOPIC})})
    desired = desire_access(resource, BUS, AccessConnection(way_in), {"orders": topic}, CLUSTER)
    assert isinstance(desired, DesiredAccess)
    case = AccessCase(resource, BUS, desired, ObservedAccess(), "never", datetime(2026, 1, 1, tzinfo=UTC))
    backend = KafkaPrincipalBackend(way_in, client_id="integration")
    try:
        for change in decide_access(case).changes:
            if isinstance(change, GrantAccess):
                assert [outcome.error for outcome in await backend.apply([change])] == [None]
        found = await backend.observe([desired.query.principal]) if desired.query.principal else {}
        assert [each.grants for each in found.values()] == [desired.grants]
    finally:
        await backend.close()
    return desired


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
