"""What tests can do to the backend in memory beyond the contract."""

from __future__ import annotations

import pytest

from eventplane.api.conditions import Reason
from eventplane.backends.memory import MemoryCluster, MemoryTopicBackend
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import ClaimTopic, CreateTopic
from eventplane.planning.topic_state import Owner, TopicQuery

OWNER = Owner("cluster", "a", "orders", "uid")
CREATION = (ClaimTopic("orders", OWNER), CreateTopic("orders", OWNER, 1, 1))


async def test_a_planted_failure_meets_the_next_match_once() -> None:
    backend = MemoryTopicBackend()
    backend.fail_next(CreateTopic, Unavailable("planted"))
    first = await backend.apply(CREATION)
    assert [outcome.error and outcome.error.message for outcome in first] == [None, "planted"]
    assert backend.cluster.existing("orders") is None
    second = await backend.apply(CREATION)
    assert [outcome.error for outcome in second] == [None, None]
    assert backend.calls["CreateTopic"] == 2


async def test_a_lost_answer_leaves_the_change_made() -> None:
    backend = MemoryTopicBackend()
    backend.fail_next(lambda change: change.topic == "orders", Unavailable("lost"), applied=True)
    outcomes = await backend.apply(CREATION)
    assert all(outcome.error is not None for outcome in outcomes), "the claim failed, so the creation was not tried"
    assert backend.cluster.claims["orders"].owner == OWNER
    assert backend.cluster.existing("orders") is None


async def test_a_cluster_that_does_not_answer_does_so_to_all() -> None:
    cluster = MemoryCluster()
    backend, other = MemoryTopicBackend(cluster), MemoryTopicBackend(cluster)
    backend.available = False
    for ask in (other.probe(), other.claims(), other.observe([TopicQuery("orders")]), other.apply(CREATION)):
        with pytest.raises(Unavailable):
            await ask
    other.available = True
    assert (await backend.probe()).brokers == 1


def test_names_that_kafka_cannot_tell_apart_collide() -> None:
    cluster = MemoryCluster()
    cluster.create("team.orders")
    with pytest.raises(Rejected) as refused:
        cluster.create("team_orders")
    assert refused.value.reason == Reason.REJECTED
