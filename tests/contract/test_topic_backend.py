"""The contract of a TopicBackend, sentence by sentence, on memory and on real Kafka with one and three brokers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eventplane.api.conditions import Reason
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    DeleteTopic,
    ReleaseTopic,
    TopicChange,
)
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, Owner, TopicQuery, TopicUsage

if TYPE_CHECKING:
    from contract.arenas import Arena

    from eventplane.backends.topics import TopicBackend

OURS = Owner("cluster-1", "team-a", "orders", "uid-1")
THEIRS = Owner("cluster-2", "team-b", "orders", "uid-2")
ID = "AAAAAAAAAAAAAAAAAAAAAA"


async def look(backend: TopicBackend, topic: str, *, usage: bool = False) -> ObservedTopic:
    query = TopicQuery(topic, usage)
    return (await backend.observe([query]))[query]


async def existing(backend: TopicBackend, topic: str, *, usage: bool = False) -> ExistingTopic:
    found = (await look(backend, topic, usage=usage)).existing
    assert found is not None
    return found


async def usage_of(backend: TopicBackend, topic: str) -> TopicUsage:
    usage = (await existing(backend, topic, usage=True)).usage
    assert usage is not None
    return usage


async def errors(backend: TopicBackend, *changes: TopicChange) -> list[BackendError | None]:
    outcomes = await backend.apply(changes)
    assert [outcome.change for outcome in outcomes] == list(changes)
    return [outcome.error for outcome in outcomes]


async def make(backend: TopicBackend, topic: str, **fields: object) -> ExistingTopic:
    created = replace(CreateTopic(topic, OURS, 2, 1), **fields)  # type: ignore[arg-type]  # fields of CreateTopic
    assert await errors(backend, ClaimTopic(topic, OURS), created) == [None, None]
    return await existing(backend, topic)


# --- who the cluster is ----------------------------------------------------------------------------------------------


async def test_probe_tells_the_cluster_and_how_many_brokers_live(arena: Arena) -> None:
    state = await arena.backend().probe()
    assert state.cluster_id
    assert state.brokers == arena.brokers


# --- observe ---------------------------------------------------------------------------------------------------------


async def test_observe_answers_every_key_once_also_for_what_is_not_there(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 1, {})
    queries = [TopicQuery(topic), TopicQuery(topic, usage=True), TopicQuery(f"{topic}-absent"), TopicQuery("bad name")]
    observed = await backend.observe(queries)
    assert set(observed) == set(queries)
    assert [observed[query].existing is not None for query in queries] == [True, True, False, False]
    assert await backend.observe([]) == {}


async def test_settings_are_shown_to_who_asks_for_them(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 3, {"retention.ms": "60000"})
    query = TopicQuery(topic, settings=False)
    seen = (await backend.observe([query]))[query].existing
    assert seen is not None
    assert (seen.partitions, seen.topic_id) == (3, (await existing(backend, topic)).topic_id)
    assert (seen.config, seen.overrides) == ({}, frozenset())


async def test_observe_never_writes_so_a_ledger_that_is_absent_stays_absent_and_empty(arena: Arena, topic: str) -> None:
    await arena.lose_ledger()
    backend = arena.backend()
    assert await look(backend, topic) == ObservedTopic(topic)
    assert await backend.claims() == {}
    assert await errors(backend, ReleaseTopic(topic, OURS)) == [None]
    assert not await arena.has_ledger()


async def test_observe_shows_the_topic_as_a_foreigner_made_it(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 3, {"retention.ms": "60000"})
    seen = await existing(backend, topic)
    assert (seen.partitions, seen.replication_factor, seen.internal, seen.usage) == (3, arena.brokers, False, None)
    assert seen.overrides == {"retention.ms"}
    assert seen.config["retention.ms"] == "60000"
    assert seen.config["cleanup.policy"] == "delete", "effective values include the broker's defaults"


async def test_observe_sees_a_recreated_topic_as_another_one(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 1, {})
    first = await existing(backend, topic)
    await arena.delete(topic)
    assert (await look(backend, topic)).existing is None
    await arena.create(topic, 1, {})
    assert (await existing(backend, topic)).topic_id != first.topic_id


# --- usage -----------------------------------------------------------------------------------------------------------


async def test_usage_of_an_empty_topic_is_none(arena: Arena, topic: str) -> None:
    await arena.create(topic, 2, {})
    usage = await usage_of(arena.backend(), topic)
    assert usage == TopicUsage(holds_records=False, keyed=False, newest_record_ms=None, active_groups=())


async def test_usage_tells_records_their_keys_and_the_newest_time(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 2, {})
    await arena.produce(topic, None, 1_700_000_002_000)
    await arena.produce(topic, None, 1_700_000_001_000)
    usage = await usage_of(backend, topic)
    assert usage == TopicUsage(holds_records=True, keyed=False, newest_record_ms=1_700_000_002_000, active_groups=())
    await arena.produce(topic, "key", 1_700_000_000_000)
    assert (await usage_of(backend, topic)).keyed


async def test_usage_names_the_groups_with_live_members_on_the_topic_only(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 1, {})
    await arena.create(f"{topic}-other", 1, {})
    async with arena.reading("readers", topic), arena.reading("others", f"{topic}-other"):
        assert (await usage_of(backend, topic)).active_groups == ("readers",)
    assert (await usage_of(backend, topic)).active_groups == ()


# --- creation --------------------------------------------------------------------------------------------------------


async def test_creation_is_claimed_shows_at_once_and_its_outcome_carries_what_the_broker_chose(
    arena: Arena, topic: str
) -> None:
    backend = arena.backend()
    create = CreateTopic(topic, OURS, None, None, {"retention.ms": "60000"})
    outcomes = await backend.apply([ClaimTopic(topic, OURS), create])
    assert [outcome.error for outcome in outcomes] == [None, None]
    seen = await existing(backend, topic)
    state = outcomes[1].state
    assert state is not None
    assert state.existing is not None
    assert (state.existing.topic_id, state.existing.partitions) == (seen.topic_id, seen.partitions)
    assert state.existing.replication_factor == seen.replication_factor == arena.brokers
    assert state.existing.config == {"retention.ms": "60000"}
    assert state.claim == (await look(backend, topic)).claim == Claim(OURS, seen.topic_id)


async def test_creation_is_harmless_twice(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    changes: list[TopicChange] = [ClaimTopic(topic, OURS), CreateTopic(topic, OURS, 2, 1)]
    assert await errors(backend, *changes) == [None, None]
    before = await look(backend, topic)
    outcomes = await backend.apply(changes)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert await look(backend, topic) == before
    assert outcomes[1].state == before, "what was there already is told in full"


async def test_creation_cut_short_after_the_topic_is_completed(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    assert await errors(backend, ClaimTopic(topic, OURS)) == [None]
    await arena.create(topic, 1, {})
    assert (await look(backend, topic)).claim == Claim(OURS, None)
    assert await errors(backend, CreateTopic(topic, OURS, 1, 1)) == [None]
    assert (await look(backend, topic)).claim == Claim(OURS, (await existing(backend, topic)).topic_id)


async def test_creation_of_what_somebody_else_has_is_rejected(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await arena.create(topic, 1, {})
    (error,) = await errors(backend, CreateTopic(topic, OURS, 1, 1))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.TOPIC_EXISTS
    await make(backend, f"{topic}-2")
    (error,) = await errors(backend, CreateTopic(f"{topic}-2", THEIRS, 1, 1))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.OWNED_BY_ANOTHER


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"config": {"no.such.setting": "1"}}, id="a setting that does not exist"),
        pytest.param({"config": {"retention.ms": "soon"}}, id="a value of the wrong kind"),
        pytest.param({"replication_factor": 9}, id="more replicas than brokers"),
        pytest.param({"partitions": 0}, id="no partitions"),
    ],
)
async def test_creation_that_kafka_would_refuse_is_rejected_and_disturbs_nobody(
    arena: Arena, topic: str, wrong: dict[str, object]
) -> None:
    bad, good = f"{topic}-bad", f"{topic}-good"
    refused = replace(CreateTopic(bad, OURS, 1, 1), **wrong)  # type: ignore[arg-type]  # fields of CreateTopic
    backend = arena.backend()
    found = await errors(
        backend,
        *(ClaimTopic(bad, OURS), ClaimTopic(good, OURS)),
        *(refused, CreateTopic(good, OURS, 1, 1)),
        AlterConfig(bad, {"retention.ms": "1"}),
    )
    assert [error is None for error in found] == [True, True, False, True, False]
    assert isinstance(found[2], Rejected)
    assert found[2].reason == Reason.REJECTED
    assert found[4] is found[2], "what comes after a failure is not attempted and ends with the same error"
    assert (await look(backend, bad)).existing is None
    assert (await look(backend, good)).existing is not None


async def test_a_bad_name_is_rejected(arena: Arena) -> None:
    found = await errors(arena.backend(), ClaimTopic("bad name", OURS), CreateTopic("bad name", OURS, 1, 1))
    assert found[0] is None
    assert isinstance(found[1], Rejected)
    assert found[1].reason == Reason.REJECTED
    assert await errors(arena.backend(), ReleaseTopic("bad name", OURS)) == [None]


async def test_a_thousand_creations_in_one_apply(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    names = [f"{topic}-{number}" for number in range(1000)]
    claims = [ClaimTopic(name, OURS) for name in names]
    arena.requests.clear()
    found = await errors(backend, *claims, *(CreateTopic(name, OURS, 1, 1) for name in names))
    assert set(found) == {None}
    assert arena.requests.count("CreateTopics") in {0, 1, 2}, "one for the topics, one for the ledger if it was lost"
    observed = await backend.observe([TopicQuery(name) for name in names])
    while any(isinstance(seen.error, Unavailable) for seen in observed.values()):  # new ones that do not show yet
        observed = await backend.observe([TopicQuery(name) for name in names])
    states = {seen.topic: seen for seen in observed.values()}
    assert all(seen.existing and seen.claim == Claim(OURS, seen.existing.topic_id) for seen in states.values())
    deletions = [DeleteTopic(name, seen.existing.topic_id) for name, seen in states.items() if seen.existing]
    assert set(await errors(backend, *deletions, *(ReleaseTopic(name, OURS) for name in names))) == {None}
    async with asyncio.timeout(60):  # a broker may show the last of a thousand for longer than one look waits
        while any(seen != ObservedTopic(seen.topic) for seen in observed.values()):
            observed = await backend.observe(list(observed))


# --- change ----------------------------------------------------------------------------------------------------------


async def test_growth_shows_at_once_and_is_harmless_twice(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await make(backend, topic)
    for _ in range(2):
        assert await errors(backend, AddPartitions(topic, 2, 5)) == [None]
        assert (await existing(backend, topic)).partitions == 5


async def test_shrinking_is_rejected(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await make(backend, topic)
    (error,) = await errors(backend, AddPartitions(topic, 2, 1))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.REJECTED


async def test_settings_are_set_and_reset_the_rest_stays_and_twice_is_harmless(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await make(backend, topic, config={"retention.ms": "60000", "segment.bytes": "1048576", "flush.ms": "1000"})
    change = AlterConfig(topic, {"retention.ms": "70000", "max.message.bytes": "2000000"}, ("segment.bytes",))
    for _ in range(2):
        assert await errors(backend, change) == [None]
        seen = await existing(backend, topic)
        assert {key: seen.config[key] for key in seen.overrides} == {
            "retention.ms": "70000",
            "max.message.bytes": "2000000",
            "flush.ms": "1000",
        }


async def test_a_setting_that_kafka_refuses_changes_none_of_its_change(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await make(backend, topic)
    (error,) = await errors(backend, AlterConfig(topic, {"retention.ms": "1000", "no.such.setting": "1"}))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.REJECTED
    assert "no.such.setting" in error.message
    assert (await existing(backend, topic)).overrides == frozenset()


async def test_changes_of_one_topic_are_made_in_their_order(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await make(backend, topic)
    steps: list[TopicChange] = [
        AlterConfig(topic, {"retention.ms": "1000"}),
        AddPartitions(topic, 2, 3),
        AlterConfig(topic, {"retention.ms": "2000"}),
        AddPartitions(topic, 3, 4),
    ]
    assert await errors(backend, *steps) == [None] * 4
    seen = await existing(backend, topic)
    assert (seen.partitions, seen.config["retention.ms"]) == (4, "2000")


async def test_foreign_changes_show(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await make(backend, topic)
    await arena.configure(topic, "retention.ms", "1000")
    await arena.grow(topic, 3)
    async with asyncio.timeout(20):
        while True:
            seen = await existing(backend, topic)
            if seen.partitions == 3 and seen.config["retention.ms"] == "1000":
                break


async def test_a_change_to_a_topic_that_is_gone_waits_for_the_next_look(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    gone = (AddPartitions(f"{topic}-1", 1, 2), AlterConfig(f"{topic}-2", {"retention.ms": "1000"}))
    assert [type(error) for error in await errors(backend, *gone)] == [Unavailable, Unavailable]


# --- deletion --------------------------------------------------------------------------------------------------------


async def test_deletion_shows_at_once_leaves_the_claim_and_is_harmless_twice(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    made = await make(backend, topic)
    for _ in range(2):
        assert await errors(backend, DeleteTopic(topic, made.topic_id)) == [None]
        assert await look(backend, topic) == ObservedTopic(topic, claim=Claim(OURS, made.topic_id))


async def test_another_topic_of_the_same_name_is_not_deleted(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    made = await make(backend, topic)
    await arena.delete(topic)
    await arena.create(topic, 1, {})
    (error,) = await errors(backend, DeleteTopic(topic, made.topic_id))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.TOPIC_REPLACED
    assert (await look(backend, topic)).existing is not None


# --- the ledger ------------------------------------------------------------------------------------------------------


async def test_claims_show_to_every_backend_with_their_ids(arena: Arena, topic: str) -> None:
    backend, other = arena.backend(), arena.backend()
    await backend.apply([ClaimTopic(topic, OURS), ClaimTopic(f"{topic}-2", OURS, ID)])
    for witness in (backend, other):
        claims = await witness.claims()
        assert claims[topic] == Claim(OURS, None)
        assert claims[f"{topic}-2"] == Claim(OURS, ID)
        assert (await look(witness, topic)).claim == Claim(OURS, None)


async def test_the_first_claim_stands_and_the_other_is_told_whose_it_is(arena: Arena, topic: str) -> None:
    backend, other = arena.backend(), arena.backend()
    assert await errors(backend, ClaimTopic(topic, OURS)) == [None]
    (error,) = await errors(other, ClaimTopic(topic, THEIRS))
    assert isinstance(error, Rejected)
    assert error.reason == Reason.OWNED_BY_ANOTHER
    assert "team-a/orders" in error.message
    assert OURS.cluster in error.message
    assert (await look(other, topic)).claim == Claim(OURS, None)


async def test_a_claim_is_harmless_twice_and_can_be_completed_without_losing_its_place(
    arena: Arena, topic: str
) -> None:
    backend = arena.backend()
    for change in (ClaimTopic(topic, OURS), ClaimTopic(topic, OURS, ID), ClaimTopic(topic, OURS, ID)):
        assert await errors(backend, change) == [None]
        assert (await look(backend, topic)).claim == Claim(OURS, change.topic_id)
    assert await errors(backend, ClaimTopic(topic, OURS)) == [None]
    assert (await look(backend, topic)).claim == Claim(OURS, ID), "to announce again what is done undoes nothing"


async def test_a_release_makes_way_is_harmless_twice_and_only_for_the_owner(arena: Arena, topic: str) -> None:
    backend, other = arena.backend(), arena.backend()
    await backend.apply([ClaimTopic(topic, OURS, ID)])
    assert await errors(other, ReleaseTopic(topic, THEIRS)) == [None]
    assert (await look(backend, topic)).claim == Claim(OURS, ID)
    assert await errors(backend, ReleaseTopic(topic, OURS)) == [None]
    assert await errors(backend, ReleaseTopic(topic, OURS)) == [None]
    assert (await look(other, topic)).claim is None
    assert await errors(other, ClaimTopic(topic, THEIRS)) == [None]
    assert (await look(backend, topic)).claim == Claim(THEIRS, None)


async def test_release_and_claim_in_one_apply_hand_a_topic_over(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await backend.apply([ClaimTopic(topic, OURS, ID)])
    assert await errors(backend, ReleaseTopic(topic, OURS), ClaimTopic(topic, THEIRS)) == [None, None]
    assert (await look(backend, topic)).claim == Claim(THEIRS, None)


async def test_of_operators_racing_for_names_one_wins_each_and_all_know_who(arena: Arena, topic: str) -> None:
    owners = [replace(OURS, cluster=f"cluster-{number}") for number in range(4)]
    backends = [arena.backend() for _ in owners]
    names = [f"{topic}-{number}" for number in range(25)]
    results = await asyncio.gather(
        *(
            backend.apply([ClaimTopic(name, owner) for name in names])
            for backend, owner in zip(backends, owners, strict=True)
        )
    )
    releases = []
    for place, name in enumerate(names):
        winners = [owner for owner, outcomes in zip(owners, results, strict=True) if outcomes[place].error is None]
        assert len(winners) == 1, name
        assert {(await backend.claims())[name] for backend in backends} == {Claim(winners[0], None)}
        releases.append(ReleaseTopic(name, winners[0]))
    await backends[0].apply(releases)
    assert not set(names) & set(await backends[0].claims()), "the losers withdrew, so nobody is next in line"


async def test_a_ledger_that_is_lost_is_an_empty_one_and_can_be_written_again(arena: Arena, topic: str) -> None:
    backend = arena.backend()
    await backend.apply([ClaimTopic(topic, OURS, ID)])
    await arena.lose_ledger()
    assert await backend.claims() == {}
    assert await errors(backend, ClaimTopic(topic, THEIRS)) == [None]
    assert await backend.claims() == {topic: Claim(THEIRS, None)}
