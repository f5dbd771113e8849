"""The contract of a GaugeBackend, sentence by sentence, on memory and on real Kafkas."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from contract.test_principal_backend import password, until_logs_in

from eventplane.api.conditions import Reason
from eventplane.backends.memory_gauges import MemoryGaugeBackend, MemoryOffsets
from eventplane.planning.access_changes import GrantAccess
from eventplane.planning.access_state import Grant
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.gauge_state import GaugeQuery, ObservedGauge, PartitionOffsets
from eventplane.planning.outcome import Rejected, Unavailable

if TYPE_CHECKING:
    from contract.gauge_arenas import GaugeArena, KafkaGaugeArena
    from contract.principal_arenas import KafkaPrincipalArena

    from eventplane.backends.gauges import GaugeBackend

_SECONDS = 20


async def look(backend: GaugeBackend, topic: str, group: str | None = None, *, oldest: bool = False) -> ObservedGauge:
    query = GaugeQuery(topic, group, oldest)
    return (await backend.observe([query]))[query]


async def until_shown(backend: GaugeBackend, topic: str, group: str | None = None) -> None:
    """Wait until brokers know a new topic, and who coordinates a group: Kafka makes room for groups at first use."""
    async with asyncio.timeout(_SECONDS):
        while not (await look(backend, topic, group)).partitions:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.1)


@pytest.fixture
async def backend(gauge_arena: GaugeArena, topic: str) -> GaugeBackend:
    """A backend on a cluster that has one topic with two partitions, and knows the group billing."""
    await gauge_arena.create(topic, 2)
    backend = gauge_arena.backend()
    await until_shown(backend, topic, f"{topic}.billing")
    return backend


async def test_a_topic_without_records_begins_where_it_ends(backend: GaugeBackend, topic: str) -> None:
    assert await look(backend, topic) == ObservedGauge({0: PartitionOffsets(0, 0), 1: PartitionOffsets(0, 0)})


async def test_begin_end_and_progress_are_told_by_partition(
    gauge_arena: GaugeArena, backend: GaugeBackend, topic: str
) -> None:
    group = f"{topic}.billing"
    await gauge_arena.append(topic, 5)
    await gauge_arena.append(topic, 3, partition=1)
    await gauge_arena.delete_records(topic, 2)
    await gauge_arena.commit(group, topic, 4)
    assert await look(backend, topic, group) == ObservedGauge(
        {0: PartitionOffsets(2, 5, 4), 1: PartitionOffsets(0, 3, None)}
    )
    assert await look(backend, topic) == ObservedGauge({0: PartitionOffsets(2, 5), 1: PartitionOffsets(0, 3)})


async def test_groups_and_topics_are_asked_for_together(
    gauge_arena: GaugeArena, backend: GaugeBackend, topic: str
) -> None:
    other = f"{topic}.other"
    await gauge_arena.create(other, 1)
    await until_shown(backend, other)
    await gauge_arena.append(topic, 2)
    await gauge_arena.append(other, 3)
    await gauge_arena.commit(f"{topic}.billing", topic, 1)
    await gauge_arena.commit(f"{topic}.audit", topic, 2)
    await gauge_arena.commit(f"{topic}.audit", other, 3)
    keys = [
        GaugeQuery(topic, f"{topic}.billing"),
        GaugeQuery(topic, f"{topic}.audit"),
        GaugeQuery(other, f"{topic}.audit"),
        GaugeQuery(other, f"{topic}.nobody"),
    ]
    seen = await backend.observe(keys)
    assert [seen[key].partitions[0].committed for key in keys] == [1, 2, 3, None]


async def test_the_age_is_that_of_the_first_record_of_the_partition_with_the_oldest(
    gauge_arena: GaugeArena, backend: GaugeBackend, topic: str
) -> None:
    now = int(time.time() * 1000)
    assert (await look(backend, topic, oldest=True)).oldest_ms is None
    await gauge_arena.append(topic, 1, timestamp_ms=now - 5000)
    await gauge_arena.append(topic, 1, timestamp_ms=now - 9000)  # behind the first: no partition is searched
    await gauge_arena.append(topic, 1, partition=1, timestamp_ms=now - 7000)
    assert (await look(backend, topic, oldest=True)).oldest_ms == now - 7000
    assert (await look(backend, topic)).oldest_ms is None
    await gauge_arena.delete_records(topic, 1)
    assert (await look(backend, topic, oldest=True)).oldest_ms == now - 9000


async def test_a_topic_that_does_not_exist_has_no_partitions(backend: GaugeBackend, topic: str) -> None:
    keys = [GaugeQuery(f"{topic}.none", f"{topic}.billing", oldest=True), GaugeQuery(topic)]
    seen = await backend.observe(keys)
    assert seen[keys[0]] == ObservedGauge()
    assert len(seen[keys[1]].partitions) == 2


async def test_nothing_is_asked_about_nothing(gauge_arena: GaugeArena) -> None:
    assert await gauge_arena.backend().observe([]) == {}


async def test_memory_can_be_out_of_reach_and_hide_things() -> None:
    offsets = MemoryOffsets()
    offsets.append("orders")
    offsets.hidden |= {"orders"}
    backend = MemoryGaugeBackend(offsets)
    seen = await look(backend, "orders")
    assert isinstance(seen.error, Rejected)
    offsets.available = False
    with pytest.raises(Unavailable):
        await look(backend, "orders")


# --- what only a real Kafka can show ---------------------------------------------------------------------------------


@pytest.mark.kafka
async def test_what_may_not_be_looked_at_leaves_the_others_alone(
    kafka_gauges: KafkaGaugeArena, kafka_principals: KafkaPrincipalArena, topic: str, user: str
) -> None:
    mine, hidden = f"{topic}.mine", f"{topic}.hidden"
    await kafka_gauges.create_all([mine, hidden], 1)
    describe = Grant("TOPIC", mine, "DESCRIBE"), Grant("GROUP", mine, "DESCRIBE")
    await kafka_principals.backend().apply([password(user), GrantAccess(user, describe)])
    await until_logs_in(kafka_principals, user, "secret-1")
    backend = kafka_gauges.backend_as(kafka_principals.login(user, "secret-1"))
    await until_shown(backend, mine, mine)
    await kafka_gauges.append(mine, 3, timestamp_ms=7)
    keys = [GaugeQuery(mine, mine, oldest=True), GaugeQuery(hidden, mine), GaugeQuery(mine, hidden)]
    seen = await backend.observe(keys)
    assert seen[keys[0]] == ObservedGauge({0: PartitionOffsets(0, 3)}, oldest_ms=7)  # and no right to read is needed
    for key, right in ((keys[1], f"Describe on topic {hidden}"), (keys[2], f"Describe on group {hidden}")):
        error = seen[key].error
        assert isinstance(error, Rejected)
        assert error.reason == Reason.AUTHORIZATION_FAILED
        assert right in error.message


@pytest.mark.kafka
async def test_wrong_credentials_are_rejected_and_silence_is_unavailable(kafka_gauges: KafkaGaugeArena) -> None:
    bootstrap = tuple(kafka_gauges.kafka.bootstrap("SASL_PLAINTEXT").split(","))
    stranger = KafkaConnection(bootstrap, mechanism="SCRAM-SHA-512", username="nobody", password="wrong")  # noqa: S106 - of no server
    with pytest.raises(Rejected) as refused:
        await kafka_gauges.backend_as(stranger).observe([GaugeQuery("orders")])
    assert refused.value.reason == Reason.AUTHENTICATION_FAILED
    nowhere = kafka_gauges.backend_as(KafkaConnection(("127.0.0.1:1",)), timeout_seconds=1)
    with pytest.raises(Unavailable):
        await nowhere.observe([GaugeQuery("orders", "billing")])


@pytest.mark.kafka
@pytest.mark.parametrize("groups", [20, 200])
async def test_the_number_of_requests_does_not_hang_on_the_number_of_groups(
    kafka_gauges: KafkaGaugeArena, topic: str, groups: int
) -> None:
    names = [f"{topic}.{number}" for number in range(groups)]
    await kafka_gauges.create_all(names, 2)
    backend = kafka_gauges.backend()
    for name in names:
        await until_shown(backend, name, names[0])
    kafka_gauges.requests.clear()
    seen = await backend.observe([GaugeQuery(name, name, oldest=True) for name in names])
    assert all(len(each.partitions) == 2 for each in seen.values())
    assert sorted(kafka_gauges.requests) == [
        "DescribeTopics",
        "ListOffsets",
        "ListOffsets",
        "ListOffsets",
        "OffsetFetch",
    ]


@pytest.mark.kafka
async def test_looking_makes_no_group(kafka_gauges: KafkaGaugeArena, topic: str) -> None:
    await kafka_gauges.create(topic, 1)
    backend = kafka_gauges.backend()
    await until_shown(backend, topic, f"{topic}.nobody")
    assert f"{topic}.nobody" not in await kafka_gauges.groups()


@pytest.mark.kafka3
async def test_the_loss_of_a_coordinator_is_got_over(kafka3_gauges: KafkaGaugeArena, topic: str) -> None:
    groups = [f"{topic}.{number}" for number in range(12)]  # some of them with each of the three brokers
    await kafka3_gauges.create(topic, 3)
    backend = kafka3_gauges.backend_as(
        KafkaConnection(tuple(kafka3_gauges.kafka.bootstrap("PLAINTEXT").split(","))), timeout_seconds=5
    )
    for group in groups:
        await until_shown(backend, topic, group)
        await kafka3_gauges.commit(group, topic, 0)
    await kafka3_gauges.append(topic, 5)
    keys = [GaugeQuery(topic, group) for group in groups]
    kafka3_gauges.kafka.kill(2)
    try:
        async with asyncio.timeout(60):
            while not await all_are_known(backend, keys):  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.5)
    finally:
        kafka3_gauges.kafka.start_broker(2)


async def all_are_known(backend: GaugeBackend, keys: list[GaugeQuery]) -> bool:
    """Tell whether every group's offset, and every partition, is told."""
    try:
        seen = await backend.observe(keys)
    except Unavailable:
        return False
    return all(
        each.error is None and len(each.partitions) == 3 and each.partitions[0] == PartitionOffsets(0, 5, 0)
        for each in seen.values()
    )
