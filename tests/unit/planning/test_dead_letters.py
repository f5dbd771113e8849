"""What a Subscription becomes by its DeadLetterPolicy: EventTopics, rights, rules, and what stays when it changes."""

from typing import Any

import pytest
from builders import dead_letter_policy, event_bus, event_topic, settled, subscription
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api import SUBSCRIPTION_LABEL
from eventplane.api.conditions import Reason
from eventplane.api.dead_letter_policy import DeadLetterPolicy, Retry
from eventplane.api.event_topic import EventTopic
from eventplane.api.quantities import milliseconds
from eventplane.api.runtime_config import RetryTier
from eventplane.api.subscription import Subscription
from eventplane.events.waits import child_names, duration_text, waits_ms
from eventplane.planning.access_state import Grant
from eventplane.planning.dead_letter_topics import children_of, delay_of, name_label, role_of
from eventplane.planning.dead_letters import DeadLetters, Policy, desire_dead_letters, policy_problem
from eventplane.planning.plan import Refusal

BUS = event_bus()
BILLING = subscription("billing", dead_letter_policy_ref={"name": "careful"})
PLAIN = subscription("billing")
BLOCKING = dead_letter_policy()
TIERED = dead_letter_policy(
    retry={"attempts": 4, "strategy": "RetryTopics", "backoff": {"initial": "1s", "factor": 10, "max": "5m"}}
)
SOURCES = {"orders": settled(event_topic())}


def child(
    name: str, role: str = "retry", delay: str | None = None, *, of: str = "billing", made: bool = True, **spec: Any
) -> EventTopic:
    labels = {SUBSCRIPTION_LABEL: of, "events.sindhan.ai/role": role}
    labels |= {} if delay is None else {"events.sindhan.ai/delay": delay}
    topic = event_topic(name, labels=labels, **spec)
    return settled(topic) if made else topic


DLQ = child("billing.dlq", "dead-letter")
SECOND, TEN, HUNDRED = (child(f"billing.retry-{delay}", delay=delay) for delay in ("1s", "10s", "100s"))


def desire(
    *children: EventTopic,
    of: Subscription = BILLING,
    policy: Policy = TIERED,
    drained: tuple[str, ...] = (),
) -> DeadLetters:
    return desire_dead_letters(of, policy, BUS, SOURCES, children, drained)


def spec_of(found: DeadLetters, name: str) -> Any:
    return next(each["spec"] for each in found.manifests if each["metadata"]["name"] == name)


def write(name: str) -> Grant:
    return Grant("TOPIC", f"shop.{name}", "WRITE")


def read(name: str) -> Grant:
    return Grant("TOPIC", f"shop.{name}", "READ")


# --- waits


@pytest.mark.parametrize(
    ("retry", "waits"),
    [
        ({"attempts": 1}, ()),
        ({"attempts": 4}, (1000, 2000, 4000)),
        ({"attempts": 5, "backoff": {"initial": "1m", "factor": 2, "max": "5m"}}, (60_000, 120_000, 240_000, 300_000)),
        ({"attempts": 3, "backoff": {"initial": "0s", "factor": 2, "max": "5m"}}, (0, 0)),
        ({"attempts": 3, "backoff": {"initial": "2s", "factor": 1, "max": "5m"}}, (2000, 2000)),
    ],
)
def test_waits_grow_up_to_the_longest(retry: dict[str, Any], waits: tuple[int, ...]) -> None:
    assert waits_ms(Retry.model_validate(retry)) == waits


@given(
    st.builds(
        lambda attempts, factor, first, longest: Retry.model_validate(
            {
                "attempts": attempts,
                "strategy": "RetryTopics",
                "backoff": {"initial": f"{first}ms", "factor": factor, "max": f"{longest}s"},
            }
        ),
        st.integers(1, 100),
        st.integers(1, 100),
        st.integers(0, 10**9 - 1),
        st.integers(1, 10**9 - 1),
    )
)
def test_waits_never_shrink_and_each_has_a_topic_of_its_own(retry: Retry) -> None:
    waits = waits_ms(retry)
    assert len(waits) == retry.attempts - 1
    assert list(waits) == sorted(waits)
    assert all(wait <= milliseconds(retry.backoff.max) for wait in waits)
    names = child_names("billing", retry)
    assert len(set(names)) == len(names) == 1 + len(set(waits))


@given(st.integers(0, 10**15))
def test_a_duration_is_written_as_it_is_read(duration_ms: int) -> None:
    text = duration_text(duration_ms)
    number = int(text.rstrip("wdhms"))
    assert number * milliseconds(f"1{text.removeprefix(str(number))}") == duration_ms


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0ms"), (1, "1ms"), (1500, "1500ms"), (90_000, "90s"), (300_000, "5m"), (86_400_000, "1d")],
)
def test_a_duration_has_the_largest_unit_that_divides_it(duration_ms: int, text: str) -> None:
    assert duration_text(duration_ms) == text


# --- labels and names


@given(st.text("abc.-", min_size=1, max_size=250).map(lambda text: f"a{text}z"))
def test_a_label_is_short_enough_and_tells_names_apart(name: str) -> None:
    label = name_label(name)
    assert len(label) <= 63
    assert label[-1].isalnum()
    assert label == name or (len(name) > 63 and label != name_label(f"{name}x"))


def test_children_are_found_by_label_in_the_namespace_only() -> None:
    stranger = event_topic("billing.dlq", "other", labels={SUBSCRIPTION_LABEL: "billing"})
    assert children_of(BILLING, [TEN, stranger, event_topic(), child("audit.dlq", of="audit"), SECOND, DLQ]) == (
        DLQ,
        SECOND,
        TEN,
    )


def test_a_child_says_what_it_is_for() -> None:
    assert (role_of(DLQ), delay_of(DLQ)) == ("dead-letter", None)
    assert (role_of(TEN), delay_of(TEN)) == ("retry", 10_000)
    assert role_of(event_topic(labels={SUBSCRIPTION_LABEL: "billing"})) == "dead-letter"
    assert delay_of(child("billing.retry-soon", delay="soon")) is None


# --- EventTopics


def test_a_policy_that_blocks_asks_for_one_topic() -> None:
    found = desire(policy=BLOCKING)
    assert [each["metadata"]["name"] for each in found.manifests] == ["billing.dlq"]
    assert found.manifests[0] == {
        "apiVersion": "events.sindhan.ai/v1alpha1",
        "kind": "EventTopic",
        "metadata": {
            "name": "billing.dlq",
            "namespace": "shop",
            "labels": {
                "app.kubernetes.io/managed-by": "eventplane",
                "events.sindhan.ai/subscription": "billing",
                "events.sindhan.ai/role": "dead-letter",
            },
        },
        "spec": {
            "partitions": 1,
            "partitionGrowth": "Allow",
            "retention": {"time": "14d", "size": "unlimited"},
            "cleanup": ["delete"],
            "config": {"message.timestamp.type": "LogAppendTime"},
            "deletionPolicy": "Retain",
            "adoption": "IfUnowned",
        },
    }


def test_a_policy_with_retry_topics_asks_for_one_for_each_length_of_wait() -> None:
    found = desire()
    assert [each["metadata"]["name"] for each in found.manifests] == [
        "billing.dlq",
        "billing.retry-1s",
        "billing.retry-10s",
        "billing.retry-100s",
    ]
    labels = [each["metadata"]["labels"] for each in found.manifests]
    assert [(each["events.sindhan.ai/role"], each.get("events.sindhan.ai/delay")) for each in labels] == [
        ("dead-letter", None),
        ("retry", "1s"),
        ("retry", "10s"),
        ("retry", "100s"),
    ]


def test_every_manifest_is_an_event_topic_that_its_model_takes() -> None:
    ref = {"name": "main", "namespace": "shop"}
    found = desire(of=subscription("billing", bus_ref=ref, dead_letter_policy_ref={"name": "careful"}))
    for manifest in found.manifests:
        metadata = {"uid": "1", **manifest["metadata"]}
        topic = EventTopic.model_validate({"metadata": metadata, "spec": manifest["spec"]})
        assert topic.spec.bus_ref is not None
        assert topic.spec.bus_ref.to_wire() == ref


@pytest.mark.parametrize(
    ("retention", "delay", "kept"),
    [
        ("14d", "1s", "15d"),
        ("1h", "1s", "8d"),
        ("unlimited", "1d", "8d"),
        ("1d", "30d", "37d"),
        ("999999999w", "1s", "999999999d"),
    ],
)
def test_what_waits_is_kept_for_as_long_as_dead_letters_and_a_week_at_least(
    retention: str, delay: str, kept: str
) -> None:
    retry = {"attempts": 2, "strategy": "RetryTopics", "backoff": {"initial": delay, "max": "60d"}}
    found = desire(policy=dead_letter_policy(retry=retry, dead_letter={"retention": retention}))
    assert found.manifests[0]["spec"]["retention"]["time"] == retention
    assert found.manifests[1]["spec"]["retention"]["time"] == kept


def test_partitions_and_deletion_are_the_policys_but_partitions_never_shrink() -> None:
    policy = dead_letter_policy(dead_letter={"partitions": 3, "deletion_policy": "DeleteIfEmpty"})
    assert spec_of(desire(policy=policy), "billing.dlq")["deletionPolicy"] == "DeleteIfEmpty"
    assert spec_of(desire(policy=policy), "billing.dlq")["partitions"] == 3
    grown = DLQ.model_copy(update={"status": DLQ.status.model_copy(update={"partitions": 5})})
    assert spec_of(desire(grown, policy=policy), "billing.dlq")["partitions"] == 5


def test_dead_letters_may_be_longer_than_the_longest_event() -> None:
    sources = {"orders": event_topic(config={"max.message.bytes": "2000000"}), "gone": None, "small": event_topic()}
    found = desire_dead_letters(BILLING, BLOCKING, BUS, sources, ())
    assert spec_of(found, "billing.dlq")["config"]["max.message.bytes"] == "2065536"
    bus = event_bus(defaults={"config": {"max.message.bytes": "3000000"}})
    found = desire_dead_letters(BILLING, BLOCKING, bus, sources, ())
    assert spec_of(found, "billing.dlq")["config"]["max.message.bytes"] == "3065536"


# --- rules and rights


def test_until_its_topics_are_made_the_consumer_is_told_nothing() -> None:
    found = desire(DLQ, SECOND, child("billing.retry-10s", delay="10s", made=False))
    assert found.rules is None
    assert [each.reason for each in found.missing] == [Reason.TOPIC_NOT_READY] * 2
    assert "EventTopic shop/billing.retry-10s has not been made on EventBus shop/main" in found.missing[0].message
    assert found.grants == {write("billing.dlq"), write("billing.retry-1s"), read("billing.retry-1s")}


def test_the_consumer_is_told_names_in_kafka() -> None:
    found = desire(DLQ, SECOND, TEN, HUNDRED)
    assert found.missing == ()
    assert found.rules is not None
    assert found.rules.dead_letter_topic == "shop.billing.dlq"
    assert (found.rules.attempts, found.rules.delays_ms, found.rules.jitter_percent) == (4, (1000, 10_000, 100_000), 0)
    assert found.rules.tiers == (
        RetryTier(topic="shop.billing.retry-1s", delay_ms=1000),
        RetryTier(topic="shop.billing.retry-10s", delay_ms=10_000),
        RetryTier(topic="shop.billing.retry-100s", delay_ms=100_000),
    )
    assert found.rules.give_up_on == ("Undecodable", "ExpressionFailed", "Rejected")


def test_waits_in_place_have_jitter_and_no_tiers() -> None:
    found = desire(DLQ, policy=BLOCKING)
    assert found.rules is not None
    assert (found.rules.jitter_percent, found.rules.tiers) == (20, ())
    assert found.grants == {write("billing.dlq")}


def test_without_a_policy_everything_is_tried_for_ever_in_place() -> None:
    found = desire(of=PLAIN, policy=None)
    assert found.rules is not None
    assert (found.rules.dead_letter_topic, found.rules.tiers, found.rules.give_up_on) == (None, (), ())
    assert (found.manifests, found.kept, found.grants, found.missing) == ((), (), frozenset(), ())


# --- when the policy changes


LONGER = dead_letter_policy(
    retry={"attempts": 3, "strategy": "RetryTopics", "backoff": {"initial": "1s", "factor": 60, "max": "5m"}}
)
MINUTE = child("billing.retry-1m", delay="1m")


def test_a_tier_that_is_not_asked_for_any_more_is_kept_and_read_until_it_is_empty() -> None:
    found = desire(DLQ, SECOND, TEN, HUNDRED, MINUTE, policy=LONGER)
    assert [each["metadata"]["name"] for each in found.manifests] == [
        "billing.dlq",
        "billing.retry-1s",
        "billing.retry-1m",
    ]
    assert found.kept == ("billing.retry-10s", "billing.retry-100s")
    assert {write("billing.retry-10s"), read("billing.retry-10s")} <= found.grants
    assert found.rules is not None
    assert [tier.delay_ms for tier in found.rules.tiers] == [1000, 60_000]
    assert [tier.delay_ms for tier in found.rules.draining] == [10_000, 100_000]


def test_a_tier_that_has_been_empty_for_a_while_is_let_go() -> None:
    found = desire(DLQ, SECOND, TEN, HUNDRED, MINUTE, policy=LONGER, drained=("shop.billing.retry-10s",))
    assert found.kept == ("billing.retry-100s",)
    assert read("billing.retry-10s") not in found.grants


def test_a_tier_that_was_never_made_never_held_anything() -> None:
    assert desire(DLQ, SECOND, MINUTE, child("billing.retry-10s", made=False), policy=LONGER).kept == ()


def test_a_tier_whose_label_is_unreadable_is_kept_and_not_read() -> None:
    found = desire(DLQ, SECOND, MINUTE, child("billing.retry-soon", delay="soon"), policy=LONGER)
    assert found.kept == ("billing.retry-soon",)
    assert found.rules is not None
    assert (len(found.rules.tiers), found.rules.draining) == (2, ())


def test_waits_of_one_length_share_a_topic() -> None:
    capped = dead_letter_policy(
        retry={"attempts": 4, "strategy": "RetryTopics", "backoff": {"initial": "1s", "factor": 60, "max": "1m"}}
    )
    found = desire(DLQ, SECOND, MINUTE, policy=capped)
    assert found.rules is not None
    assert [tier.topic for tier in found.rules.tiers] == ["shop.billing.retry-1s", *["shop.billing.retry-1m"] * 2]


def test_who_names_no_policy_any_more_keeps_what_it_has_until_it_is_empty() -> None:
    found = desire(DLQ, TEN, of=PLAIN, policy=None, drained=("shop.billing.dlq",))
    assert (found.manifests, found.kept) == ((), ("billing.retry-10s",))
    assert found.rules is not None
    assert (found.rules.tiers, [tier.topic for tier in found.rules.draining]) == ((), ["shop.billing.retry-10s"])
    assert found.rules.dead_letter_topic is None


@pytest.mark.parametrize(
    ("policy", "siblings", "reason", "words"),
    [
        (None, (), Reason.POLICY_NOT_FOUND, "DeadLetterPolicy shop/careful does not exist: create it"),
        (Refusal(Reason.INVALID_SPEC, "not understood"), (), Reason.INVALID_SPEC, "shop/careful: not understood"),
        (
            dead_letter_policy(retry={"backoff": {"initial": "2d", "max": "1d"}}),
            (),
            Reason.INVALID_SPEC,
            "backoff.initial 2d, is longer than the longest, backoff.max 1d",
        ),
        (
            BLOCKING,
            (event_topic("billing.dlq"),),
            Reason.OWNED_BY_ANOTHER,
            "or label it events.sindhan.ai/subscription",
        ),
        (BLOCKING, (child("billing.dlq", of="audit"),), Reason.OWNED_BY_ANOTHER, "EventTopic shop/billing.dlq exists"),
    ],
)
def test_with_a_policy_that_cannot_be_used_everything_stays_as_it_is(
    policy: Policy, siblings: tuple[EventTopic, ...], reason: Reason, words: str
) -> None:
    found = desire(TEN, *siblings, policy=policy)
    assert (found.manifests, found.kept, found.rules) == ((), ("billing.retry-10s",), None)
    assert found.grants == {read("billing.retry-10s"), write("billing.retry-10s")}
    (missing,) = found.missing
    assert missing.reason == reason
    assert words in missing.message


def test_a_name_that_leaves_no_room_is_refused() -> None:
    long = subscription("b" * 250, dead_letter_policy_ref={"name": "careful"})
    (missing,) = desire(of=long).missing
    assert missing.reason == Reason.INVALID_NAME
    assert desire_dead_letters(long, BLOCKING, BUS, SOURCES, ()).missing[0].reason == Reason.INVALID_NAME


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (BLOCKING, None),
        (dead_letter_policy(retry={"backoff": {"initial": "1d", "max": "1d"}}), None),
        (dead_letter_policy(retry={"backoff": {"initial": "1d", "max": "1h"}}), "make the one shorter"),
        (dead_letter_policy(dead_letter={"retention": "0s"}), "would keep no dead letter"),
        (dead_letter_policy(dead_letter={"retention": "unlimited"}), None),
    ],
)
def test_a_policy_may_contradict_itself(policy: DeadLetterPolicy, words: str | None) -> None:
    problem = policy_problem(policy)
    assert (problem is None) == (words is None)
    assert problem is None or (words or "") in problem.message
