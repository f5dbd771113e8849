"""Who may read a topic and has no right to any group: librdkafka names one all the same, and looks for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from e2e.servers.configuration import Credentials
from eventplane.planning.access_changes import GrantAccess, SetPassword
from eventplane.planning.access_state import Grant
from eventplane.transports.kafka_snapshot import KafkaSnapshot
from eventplane.transports.kafka_tail import KafkaTail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from contract.arenas import KafkaArena
    from contract.principal_arenas import KafkaPrincipalArena

pytestmark = pytest.mark.kafka

TIMES = 10
"""Reads of 0.2 s each: librdkafka says within the first second that it may not look for the group."""


@pytest.fixture
async def reader(
    kafka_principals: KafkaPrincipalArena, kafka_arena: KafkaArena, user: str, topic: str
) -> Mapping[str, Any]:
    """The settings of a user who may read a topic, in which there is a record, and nothing else."""
    await kafka_arena.create(topic, 1, {})
    await kafka_arena.produce(topic, None, 1)
    grant = GrantAccess(user, (Grant("TOPIC", topic, "READ"),))
    outcomes = await kafka_principals.backend().apply([SetPassword(user, "SCRAM-SHA-512", "secret-1", 4096), grant])
    assert [each.error for each in outcomes] == [None, None]
    async with asyncio.timeout(30):
        while not await kafka_principals.logs_in(user, "secret-1"):  # noqa: ASYNC110 - the broker has no event for it
            await asyncio.sleep(0.1)
    return kafka_principals.kafka.client_config("SASL_PLAINTEXT", Credentials(user, "secret-1"))


async def test_a_tail_reads_on(reader: Mapping[str, Any], kafka_arena: KafkaArena, topic: str) -> None:
    tail = await asyncio.to_thread(KafkaTail, reader, "test", topic)
    try:
        found = [record for _ in range(TIMES) for record in await asyncio.to_thread(tail.read, 100, 0.2)]
        assert len(found) == 1
        await kafka_arena.produce(topic, None, 1)
        found += [record for _ in range(TIMES) for record in await asyncio.to_thread(tail.read, 100, 0.2)]
    finally:
        await asyncio.to_thread(tail.close)
    assert [record.offset() for record in found] == [0, 1]


async def test_a_snapshot_reads_all(reader: Mapping[str, Any], topic: str) -> None:
    snapshot = await asyncio.to_thread(KafkaSnapshot, reader, "test", topic, None)
    try:
        await asyncio.sleep(1)
        found = [record for _ in range(TIMES) for record in await asyncio.to_thread(snapshot.read)]
    finally:
        await asyncio.to_thread(snapshot.close)
    assert [record.offset() for record in found] == [0]
