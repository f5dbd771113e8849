"""What must change about one topic: the rows of the tables of `plan_topic`, `_partitions` and `_config`."""

from dataclasses import replace

import pytest
from builders import CLUSTER, TOPIC, claim, desired_topic, existing, observed, owner, usage
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.conditions import Reason
from eventplane.api.event_topic import PartitionGrowth
from eventplane.api.metadata import Adoption
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    ReleaseTopic,
    TopicChange,
)
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, TopicUsage
from eventplane.planning.topics import TopicRequest, owned_by_another, plan_topic, stale_release

OURS, THEIRS = owner(), owner("orders", "billing")
ELSEWHERE = owner(cluster="cluster-2")
GONE = owner(uid="uid-of-the-one-before")
CLAIM, ADOPT, CREATE = ClaimTopic(TOPIC, OURS), ClaimTopic(TOPIC, OURS, "id-1"), CreateTopic(TOPIC, OURS, 3, 1)
RELEASE_GONE = ReleaseTopic(TOPIC, GONE)
HERE = existing()
ANY: tuple[Adoption, ...] = ("IfUnowned", "Never")
IF: tuple[Adoption, ...] = ("IfUnowned",)
NEVER: tuple[Adoption, ...] = ("Never",)


def request(
    adoption: Adoption = "IfUnowned", *, known: str | None = None, growth: PartitionGrowth = "IfUnkeyed"
) -> TopicRequest:
    return TopicRequest(desired_topic(), OURS, adoption, growth, known_topic_id=known, applied_before=known is not None)


@pytest.mark.parametrize(
    ("there", "standing", "adoptions", "known", "expected"),
    [
        pytest.param(None, claim(THEIRS), ANY, None, Reason.OWNED_BY_ANOTHER, id="absent, another's"),
        pytest.param(HERE, claim(THEIRS), ANY, None, Reason.OWNED_BY_ANOTHER, id="exists, another's"),
        pytest.param(HERE, claim(THEIRS), ANY, "id-1", Reason.OWNED_BY_ANOTHER, id="exists, another's, was ours"),
        pytest.param(HERE, claim(ELSEWHERE), ANY, None, Reason.OWNED_BY_ANOTHER, id="our name in another cluster"),
        pytest.param(None, claim(GONE), ANY, None, (RELEASE_GONE, CLAIM, CREATE), id="absent, our predecessor's"),
        pytest.param(HERE, claim(GONE), IF, None, (RELEASE_GONE, ADOPT), id="exists, our predecessor's"),
        pytest.param(HERE, claim(GONE), NEVER, None, Reason.TOPIC_EXISTS, id="exists, our predecessor's, not adopted"),
        pytest.param(None, None, ANY, None, (CLAIM, CREATE), id="absent, unclaimed"),
        pytest.param(None, None, ANY, "id-1", (CLAIM, CREATE), id="absent, unclaimed, was there"),
        pytest.param(None, claim(), ANY, "id-1", (CREATE,), id="absent, ours: deleted behind our back"),
        pytest.param(None, claim(topic_id=None), ANY, None, (CREATE,), id="absent, ours without id: cut short"),
        pytest.param(HERE, claim(), ANY, "id-1", (), id="exists, ours"),
        pytest.param(HERE, claim(), ANY, None, (), id="exists, ours, and the status was lost"),
        pytest.param(HERE, claim(topic_id=None), ANY, None, (ADOPT,), id="exists, ours without id: completes it"),
        pytest.param(HERE, claim(topic_id="id-0"), IF, "id-0", (ADOPT,), id="exists, re-created by somebody"),
        pytest.param(
            HERE, claim(topic_id="id-0"), NEVER, "id-0", Reason.TOPIC_REPLACED, id="exists, re-created, not adopted"
        ),
        pytest.param(HERE, None, ANY, "id-1", (ADOPT,), id="exists, unclaimed, known: the ledger lost it"),
        pytest.param(HERE, None, IF, None, (ADOPT,), id="exists, unclaimed: adopted"),
        pytest.param(HERE, None, NEVER, None, Reason.TOPIC_EXISTS, id="exists, unclaimed, not adopted"),
        pytest.param(HERE, None, NEVER, "id-0", Reason.TOPIC_EXISTS, id="exists, another than the known one"),
        pytest.param(existing(internal=True), None, ANY, None, Reason.INTERNAL_TOPIC, id="Kafka's own"),
        pytest.param(existing(internal=True), claim(), ANY, "id-1", Reason.INTERNAL_TOPIC, id="Kafka's own, claimed"),
    ],
)
def test_ownership(
    there: ExistingTopic | None,
    standing: Claim | None,
    adoptions: tuple[Adoption, ...],
    known: str | None,
    expected: tuple[TopicChange, ...] | Reason,
) -> None:
    for adoption in adoptions:
        plan = plan_topic(request(adoption, known=known), observed(there, standing))
        if isinstance(expected, Reason):
            assert [refusal.reason for refusal in plan.refusals] == [expected]
            assert plan.changes == ()
        else:
            assert (plan.changes, plan.refusals) == (expected, ())


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        pytest.param(
            owned_by_another(TOPIC, THEIRS, OURS),
            "topic shop.orders belongs to EventTopic billing/orders: create an EventTopic with another topicName,"
            " or delete one of the two",
            id="here",
        ),
        pytest.param(
            owned_by_another(TOPIC, ELSEWHERE, OURS),
            "topic shop.orders belongs to EventTopic shop/orders of the Kubernetes cluster with uid cluster-2:"
            " create an EventTopic with another topicName, or delete one of the two",
            id="in another cluster",
        ),
    ],
)
def test_owner_is_named(refusal: Refusal, message: str) -> None:
    assert refusal == Refusal(Reason.OWNED_BY_ANOTHER, message)


def test_absent_topic_is_a_difference() -> None:
    assert plan_topic(request(), observed()).differences == (Difference("topic", TOPIC, "absent"),)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(observed(), None, id="no claim"),
        pytest.param(observed(claim=claim()), None, id="our own"),
        pytest.param(observed(claim=claim(GONE)), RELEASE_GONE, id="our name, another uid"),
        pytest.param(observed(claim=claim(replace(GONE, name="other"))), None, id="another name"),
        pytest.param(observed(claim=claim(replace(GONE, namespace="other"))), None, id="another namespace"),
        pytest.param(observed(claim=claim(replace(GONE, cluster="other"))), None, id="another cluster"),
    ],
)
def test_stale_release(seen: ObservedTopic, expected: ReleaseTopic | None) -> None:
    assert stale_release(seen, OURS) == expected


KEYED, UNKEYED, COMPACTED = usage(records=True, keyed=True), usage(records=True), {"cleanup.policy": "compact,delete"}
GROW = AddPartitions(TOPIC, 3, 6)


@pytest.mark.parametrize(
    ("asked", "growth", "overrides", "seen_usage", "expected"),
    [
        pytest.param(None, "Allow", {}, None, Plan(), id="nothing asked"),
        pytest.param(3, "Allow", {}, None, Plan(), id="as many"),
        pytest.param(2, "Allow", {}, None, Reason.PARTITIONS_NOT_SHRINKABLE, id="fewer"),
        pytest.param(2, "Never", {}, None, Reason.PARTITIONS_NOT_SHRINKABLE, id="fewer, whatever the growth"),
        pytest.param(6, "Allow", {}, None, Plan((GROW,)), id="more, Allow"),
        pytest.param(6, "Allow", COMPACTED, KEYED, Plan((GROW,)), id="more, Allow, though keyed and compacted"),
        pytest.param(6, "Never", {}, UNKEYED, Reason.PARTITION_GROWTH_REFUSED, id="more, Never"),
        pytest.param(6, "IfUnkeyed", COMPACTED, None, Reason.PARTITION_GROWTH_REFUSED, id="more, compacted now"),
        pytest.param(6, "IfUnkeyed", {}, KEYED, Reason.PARTITION_GROWTH_REFUSED, id="more, keys"),
        pytest.param(6, "IfUnkeyed", {}, UNKEYED, Plan((GROW,)), id="more, no keys"),
        pytest.param(6, "IfUnkeyed", {}, usage(), Plan((GROW,)), id="more, no records"),
        pytest.param(6, "IfUnkeyed", {}, None, Plan(needs_usage=True), id="more, who uses it is not known yet"),
    ],
)
def test_partitions(
    asked: int | None,
    growth: PartitionGrowth,
    overrides: dict[str, str],
    seen_usage: TopicUsage | None,
    expected: Plan[TopicChange] | Reason,
) -> None:
    desired = desired_topic(partitions=asked, config=overrides)
    seen = observed(existing(overrides=overrides, usage=seen_usage), claim())
    plan = plan_topic(TopicRequest(desired, OURS, growth=growth, applied_before=True), seen)
    different = (Difference("partitions", str(asked), "3"),) if asked not in {None, 3} else ()
    if isinstance(expected, Reason):
        assert ([refusal.reason for refusal in plan.refusals], plan.changes) == ([expected], ())
        assert plan.differences == different
    elif expected.needs_usage:
        assert plan == expected
    else:
        assert plan == replace(expected, differences=different)


def test_growth_of_a_topic_that_shall_be_compacted_is_refused() -> None:
    desired = desired_topic(partitions=6, config={"cleanup.policy": "compact"})
    plan = plan_topic(TopicRequest(desired, OURS, applied_before=True), observed(existing(), claim()))
    assert plan.refusals == (
        Refusal(
            Reason.PARTITION_GROWTH_REFUSED,
            "the topic is compacted, and growing topic shop.orders from 3 to 6 partitions would move keys to other"
            " partitions: set partitions back to 3, or partitionGrowth to Allow if order by key may break",
        ),
    )
    assert plan.changes == (AlterConfig(TOPIC, {"cleanup.policy": "compact"}),), "the rest is done"


def test_shrinking_says_the_two_ways_out() -> None:
    plan = plan_topic(TopicRequest(desired_topic(partitions=1), OURS), observed(existing(), claim()))
    assert plan.refusals == (
        Refusal(
            Reason.PARTITIONS_NOT_SHRINKABLE,
            "topic shop.orders has 3 partitions and Kafka cannot take any away: set partitions to 3, or create another"
            " EventTopic with 1 and move over",
        ),
    )


@pytest.mark.parametrize(("asked", "refused"), [(None, False), (1, False), (2, True)])
def test_replication_factor(asked: int | None, refused: bool) -> None:  # noqa: FBT001 - a row
    plan = plan_topic(TopicRequest(desired_topic(replication_factor=asked), OURS), observed(existing(), claim()))
    expected = Refusal(
        Reason.REPLICATION_FACTOR_NOT_CHANGEABLE,
        "topic shop.orders has replication factor 1 and changing it is not supported yet: set replicationFactor to 1,"
        " or move the replicas with kafka-reassign-partitions.sh and keep 2",
    )
    assert plan.refusals == ((expected,) if refused else ())
    assert plan.differences == ((Difference("replicationFactor", "2", "1"),) if refused else ())
    assert plan.changes == ()


K = "retention.ms"
SET, RESET = AlterConfig(TOPIC, {K: "5"}), AlterConfig(TOPIC, {}, (K,))


@pytest.mark.parametrize(
    ("asked", "alone", "on_topic", "before", "expected"),
    [
        pytest.param({K: "5"}, (), {K: "5"}, True, (), id="asked for, that value"),
        pytest.param({K: "5"}, (), {K: "7"}, True, (SET,), id="asked for, another"),
        pytest.param({K: "5"}, (), {K: "7"}, False, (SET,), id="asked for, another, adopted"),
        pytest.param({K: "5"}, (), {}, True, (SET,), id="asked for, none"),
        pytest.param({K: "604800000"}, (), {}, True, (AlterConfig(TOPIC, {K: "604800000"}),), id="default, not set"),
        pytest.param({}, (K,), {K: "7"}, True, (), id="null, some"),
        pytest.param({}, (K,), {K: "7"}, False, (), id="null, some, adopted"),
        pytest.param({}, (K,), {}, True, (), id="null, none"),
        pytest.param({}, (), {}, True, (), id="not mentioned, none"),
        pytest.param({}, (), {K: "7"}, True, (RESET,), id="not mentioned, some"),
        pytest.param(
            {"segment.ms": "5"}, (), {K: "7"}, True, (AlterConfig(TOPIC, {"segment.ms": "5"}, (K,)),), id="both"
        ),
        pytest.param({}, (), {K: "7"}, False, Reason.CONFIG_NOT_DECLARED, id="not mentioned, came with the topic"),
    ],
)  # fmt: skip
def test_config(
    asked: dict[str, str],
    alone: tuple[str, ...],
    on_topic: dict[str, str],
    before: bool,  # noqa: FBT001 - a row
    expected: tuple[TopicChange, ...] | Reason,
) -> None:
    desired = desired_topic(config=asked, left_alone=alone)
    seen = observed(existing(overrides=on_topic), claim())
    plan = plan_topic(TopicRequest(desired, OURS, applied_before=before), seen)
    if isinstance(expected, Reason):
        assert ([refusal.reason for refusal in plan.refusals], plan.changes) == ([expected], ())
    else:
        assert (plan.changes, plan.refusals) == (expected, ())


def test_config_not_declared_names_the_settings() -> None:
    seen = observed(existing(overrides={"retention.ms": "-1", "compression.type": "zstd"}), None)
    plan = plan_topic(TopicRequest(desired_topic(), OURS), seen)
    assert plan.changes == (ADOPT,)
    assert plan.refusals == (
        Refusal(
            Reason.CONFIG_NOT_DECLARED,
            "topic shop.orders came with settings that this resource does not declare: compression.type=zstd,"
            " retention.ms=-1. Name each in config, with the value to keep or with null to leave it alone; until then"
            " they stay as they are",
        ),
    )


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param(None, id="unclaimed: another cluster's topic, or a ledger that was lost"),
        pytest.param(claim(topic_id="id-0"), id="somebody re-created it with settings of his own"),
        pytest.param(claim(topic_id=None), id="somebody created it while our creation was cut short"),
    ],
)
def test_settings_of_a_topic_that_is_new_to_us_are_never_reset(standing: Claim | None) -> None:
    """Else a week of records would stay of a topic that somebody made to keep them forever."""
    seen = observed(existing(overrides={K: "-1"}), standing)
    plan = plan_topic(TopicRequest(desired_topic(), OURS, known_topic_id="id-0", applied_before=True), seen)
    assert plan.changes == (ADOPT,)
    assert [refusal.reason for refusal in plan.refusals] == [Reason.CONFIG_NOT_DECLARED]


def test_differences_tell_default_from_set() -> None:
    desired = desired_topic(config={"compression.type": "zstd", "segment.ms": "1"})
    seen = observed(existing(overrides={K: "7", "segment.ms": "2"}), claim())
    assert plan_topic(TopicRequest(desired, OURS, applied_before=True), seen).differences == (
        Difference("config.compression.type", "zstd", "the broker's default"),
        Difference("config.retention.ms", "the broker's default", "7"),
        Difference("config.segment.ms", "1", "2"),
    )


@pytest.mark.parametrize(
    ("asked", "on_topic", "same"),
    [
        pytest.param("7", "007", True, id="leading zeros"),
        pytest.param(" 7 ", "7", True, id="spaces"),
        pytest.param("TRUE", "true", True, id="booleans"),
        pytest.param("compact,delete", "delete, compact", True, id="lists have no order"),
        pytest.param("1", "1.0", True, id="Kafka shows a double of its own making"),
        pytest.param("0.50", "0.5", True, id="doubles"),
        pytest.param("0.00001", "1.0E-5", True, id="doubles as Java writes them"),
        pytest.param("-1", "-1", True, id="unlimited"),
        pytest.param("9223372036854775807", "9223372036854775806", False, id="exact where a double is not"),
        pytest.param("nan", "nan", True, id="no number"),
        pytest.param("inf", "1", False, id="no number either"),
        pytest.param("LZ4", "lz4", False, id="other words are what they are"),
        pytest.param("compact", "compact,delete", False, id="another list"),
        pytest.param("", "x", False, id="empty"),
    ],
)
def test_values_are_compared_as_kafka_reads_them(asked: str, on_topic: str, same: bool) -> None:  # noqa: FBT001 - a row
    desired = desired_topic(config={K: asked})
    plan = plan_topic(
        TopicRequest(desired, OURS, applied_before=True), observed(existing(overrides={K: on_topic}), claim())
    )
    assert (plan.changes == ()) is same


@given(st.text(max_size=8) | st.integers().map(str) | st.floats().map(str))
def test_any_value_is_as_desired_once_it_is_there(value: str) -> None:
    desired = desired_topic(config={K: value})
    seen = observed(existing(overrides={K: value}), claim())
    assert plan_topic(TopicRequest(desired, OURS, applied_before=True), seen) == Plan()


def test_cluster_of_tests_is_the_owners() -> None:
    assert OURS.cluster == CLUSTER
    assert OURS.path == "EventTopic shop/orders"
