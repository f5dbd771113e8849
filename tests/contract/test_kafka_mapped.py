"""Principals that are mapped, on a real Kafka: who has the certificate may do what is asked for, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from builders import event_topic, mapping_bus, publication, settled, subscription
from contract.test_kafka_principals import NO_GROUP, NO_TOPIC, consume, create, produce

from eventplane.api.conditions import Reason
from eventplane.backends.access import AccessBackend
from eventplane.backends.memory_kubernetes import MemoryKubernetes
from eventplane.backends.memory_principals import Acl
from eventplane.planning.access import decide_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import RevokeAccess
from eventplane.planning.access_desired import DesiredAccess, desire_access, user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.access_strays import stray_grants
from eventplane.planning.connection import AccessConnection, KafkaConnection

if TYPE_CHECKING:
    from contract.arenas import KafkaArena
    from contract.principal_arenas import KafkaPrincipalArena

    from e2e.servers.kafka import ClientConfig
    from eventplane.api.access import Access
    from eventplane.planning.access_changes import AccessChange
    from eventplane.planning.decision import Decision

pytestmark = pytest.mark.kafka
CLUSTER = "mappedly-identified"
BUS = mapping_bus("{{ name }}.{{ namespace }}")  # the tests' brokers make the CN of a certificate its principal


@dataclass
class Shop:
    """Applications with certificates on one topic, and the operator, who has one too."""

    arena: KafkaPrincipalArena
    topic: str
    backend: AccessBackend
    kubernetes: MemoryKubernetes

    async def give(self, resource: Access) -> Decision[AccessChange]:
        """Make a pass over a resource."""
        made = settled(event_topic("orders"))
        named = made.model_copy(update={"status": made.status.model_copy(update={"topic_name": self.topic})})
        desired = desire_access(resource, BUS, self.backend.connection, {"orders": named}, CLUSTER)
        assert isinstance(desired, DesiredAccess)
        observed = (await self.backend.observe([desired.query]))[desired.query]
        decision = decide_access(
            AccessCase(resource, BUS, desired, observed, "never", datetime(2026, 1, 1, tzinfo=UTC))
        )
        outcomes = await self.backend.apply(decision.changes)
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        return decision

    def client(self, resource: Access, common_name: str | None = None) -> ClientConfig:
        """Configure a client by the Secret of a resource and a certificate, by default that of its principal."""
        name, namespace = resource.metadata.name, resource.metadata.namespace
        data = self.kubernetes.secret(namespace, resource.secret_name) or {}
        certificate, key = self.arena.kafka.client_certificate(common_name or f"{name}.{namespace}")
        config: ClientConfig = json.loads(data["librdkafka.json"])
        assert "password" not in data
        return config | {"ssl.certificate.pem": certificate, "ssl.key.pem": key, "log_level": 0}


@pytest.fixture
async def shop(kafka_principals: KafkaPrincipalArena, kafka_arena: KafkaArena, topic: str) -> Shop:
    for name in (topic, f"{topic}.private"):
        await kafka_arena.create(name, 1, {})
        await kafka_arena.produce(name, None, 1)
    kafka, kubernetes = kafka_principals.kafka, MemoryKubernetes(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    certificate, key = kafka.client_certificate(kafka.admin.username)
    way_in = KafkaConnection(
        tuple(kafka.bootstrap("SSL").split(",")),
        tls=True,
        ca_pem=kafka.ca_pem,
        certificate_pem=certificate,
        key_pem=key,
    )
    principals = kafka_principals.backend_as(way_in)
    backend = AccessBackend(AccessConnection(way_in), principals, kubernetes.look_at_secret, kubernetes.write_secret)
    return Shop(kafka_principals, topic, backend, kubernetes)


async def test_a_certificate_may_do_what_is_asked_for_and_nothing_else(shop: Shop, user: str) -> None:
    web, billing, topic = publication(f"{user}-web"), subscription(f"{user}-billing"), shop.topic
    for resource in (web, billing):
        await shop.give(resource)
        assert (await shop.give(resource)).changes == (), "quiet"
    writer, reader = shop.client(web), shop.client(billing)
    group = f"shop.{user}-billing"
    assert produce(writer, topic) is None
    assert consume(reader, topic, group) is None
    assert produce(writer, f"{topic}.private") == NO_TOPIC
    assert produce(reader, topic) == NO_TOPIC
    assert consume(writer, topic, group) == NO_GROUP
    assert consume(reader, f"{topic}.private", group) in {NO_TOPIC, 3}, "which it may not even know of"
    assert consume(reader, topic, f"{group}-other") == NO_GROUP
    mark = user_name(billing, CLUSTER)
    assert consume(reader, topic, mark) == NO_GROUP, "the mark is of no use to anybody"
    assert create(writer, f"{topic}.made") is not None
    stranger = shop.client(web, f"{user}-stranger.shop")
    assert produce(stranger, topic) == NO_TOPIC, "the Secret alone opens nothing"


async def test_what_others_have_granted_is_asked_about_and_what_is_gone_is_taken_back(shop: Shop, user: str) -> None:
    web, billing = publication(f"{user}-web"), subscription(f"{user}-billing")
    more = Acl(f"{user}-web.shop", Grant("TOPIC", f"{shop.topic}.private", "READ"))
    await shop.arena.add_acl(more)
    refused = await shop.give(web)
    assert [each.reason for each in refused.refusals] == [Reason.PRINCIPAL_HAS_ACCESS]
    assert await shop.arena.acls(more.user) == {more}
    await shop.arena.drop_acl(more)
    await shop.give(web)
    await shop.give(billing)
    await shop.arena.add_acl(more)
    local, denied = replace(more, host="10.0.0.1"), replace(more, allows=False)
    for acl in (local, denied):
        await shop.arena.add_acl(acl)
    assert (await shop.give(web)).changes == (RevokeAccess(more.user, (more.grant,)),)
    granted = await shop.backend.grants(await shop.backend.users(user))  # others are those of other tests
    strays = stray_grants(granted, {}, "Publication", CLUSTER)
    assert [each.user for each in strays] == [more.user]
    assert [outcome.error for outcome in await shop.backend.apply(strays)] == [None]
    assert await shop.arena.acls(more.user) == {local, denied}
    assert await shop.arena.acls(f"{user}-billing.shop") != frozenset()


async def test_another_cluster_does_not_take_the_principal(shop: Shop, user: str) -> None:
    web = publication(f"{user}-web")
    await shop.arena.add_acl(Acl(f"{user}-web.shop", Grant("GROUP", user_name(web, "other"), "DESCRIBE")))
    refused = await shop.give(web)
    assert [each.reason for each in refused.refusals] == [Reason.PRINCIPAL_OWNED_BY_ANOTHER]
    assert user_name(web, "other") in refused.refusals[0].message
