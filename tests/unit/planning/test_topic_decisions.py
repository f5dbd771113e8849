"""What to do about one EventTopic now: modes, approval, drift policies, pauses, limits, rivals, deletion."""

from dataclasses import replace
from typing import Any

import pytest
from builders import (
    CREATED,
    TOPIC,
    case,
    claim,
    event_bus,
    event_topic,
    existing,
    metadata,
    observed,
    owner,
    settled,
    usage,
)

from eventplane.api import FINALIZER
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Adoption, DriftPolicy, Metadata, Mode
from eventplane.planning.decision import Decision, is_paused
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    DeleteTopic,
    ReleaseTopic,
    TopicChange,
)
from eventplane.planning.topic_decisions import (
    decide,
    owner_of,
    topic_query,
)
from eventplane.planning.topic_state import ObservedTopic, TopicQuery

OURS = owner()
CLAIM, CREATE = ClaimTopic(TOPIC, OURS), CreateTopic(TOPIC, OURS, 3, 1)
READOPT = ClaimTopic(TOPIC, OURS, "id-1")
RELEASE, DELETE = ReleaseTopic(TOPIC, OURS), DeleteTopic(TOPIC, "id-1")
NEW = observed()
THERE = observed(existing(), claim())


def orders(**fields: Any) -> EventTopic:
    return event_topic(partitions=3, replication_factor=1, **fields)


# --- modes


@pytest.mark.parametrize(
    ("mode", "approve", "changes", "hold"),
    [
        pytest.param("Enforce", None, (CLAIM, CREATE), None, id="Enforce"),
        pytest.param("Plan", None, (), "AwaitingApproval", id="Plan, not approved"),
        pytest.param("Plan", "0123456789abcdef", (), "AwaitingApproval", id="Plan, another hash approved"),
        pytest.param("Plan", "", (), "AwaitingApproval", id="Plan, nothing approved"),
        pytest.param("Plan", Plan((CLAIM, CREATE)).hash(), (CLAIM, CREATE), None, id="Plan, approved"),
        pytest.param("Observe", Plan((CLAIM, CREATE)).hash(), (), "OutOfSync", id="Observe, whatever is approved"),
    ],
)
def test_modes(mode: Mode, approve: str | None, changes: tuple[TopicChange, ...], hold: str | None) -> None:
    decision = decide(case(orders(mode=mode, approve=approve), NEW))
    assert (decision.changes, decision.hold) == (changes, hold)
    if hold is not None:
        assert decision.held is not None
        assert decision.held.changes == (CLAIM, CREATE)


def test_approval_is_of_these_changes_only() -> None:
    """What was approved for three partitions is not approved for six."""
    approved = Plan((CLAIM, CREATE)).hash()
    asked = event_topic(partitions=6, replication_factor=1, mode="Plan", approve=approved)
    assert decide(case(asked, NEW)).hold == "AwaitingApproval"


def test_plan_with_nothing_to_do_waits_for_nobody() -> None:
    assert decide(case(settled(orders(mode="Plan")), THERE)) == Decision()


def test_observe_with_nothing_to_do_still_holds() -> None:
    assert decide(case(orders(mode="Observe"), THERE)) == Decision(hold="OutOfSync", held=Plan())


# --- drift

KEY = "retention.ms"
CONFIG_DRIFT = observed(existing(overrides={KEY: "7"}), claim())
GROWN = observed(existing(partitions=5), claim())
REASSIGNED = observed(existing(replication_factor=2), claim())
RECREATED = observed(existing("id-2", partitions=1), claim())
BACK = Difference("config.retention.ms", "the broker's default", "7")
MORE = Difference("partitions", "3", "5")
FEWER = Difference("partitions", "3", "1")
TWICE = Difference("replicationFactor", "1", "2")
ABSENT = Difference("topic", TOPIC, "absent")
RESET = AlterConfig(TOPIC, {}, (KEY,))


@pytest.mark.parametrize(
    ("policy", "seen", "changes", "refused", "drift"),
    [
        pytest.param("Enforce", CONFIG_DRIFT, (RESET,), [], (), id="config, undone"),
        pytest.param("Warn", CONFIG_DRIFT, (), [], (BACK,), id="config, reported"),
        pytest.param("Ignore", CONFIG_DRIFT, (), [], (), id="config, ignored"),
        pytest.param("Enforce", observed(claim=claim()), (CREATE,), [], (), id="topic gone, created again"),
        pytest.param("Warn", observed(claim=claim()), (), [], (ABSENT,), id="topic gone, reported"),
        pytest.param("Ignore", observed(claim=claim()), (), [], (ABSENT,), id="topic gone is too much to ignore"),
        pytest.param("Enforce", GROWN, (), [Reason.PARTITIONS_NOT_SHRINKABLE], (MORE,), id="grown, cannot be undone"),
        pytest.param("Warn", GROWN, (), [], (MORE,), id="grown, reported"),
        pytest.param("Ignore", GROWN, (), [], (), id="grown, ignored"),
        pytest.param(
            "Enforce", REASSIGNED, (), [Reason.REPLICATION_FACTOR_NOT_CHANGEABLE], (TWICE,), id="reassigned, stands"
        ),
        pytest.param("Warn", REASSIGNED, (), [], (TWICE,), id="reassigned, reported"),
        pytest.param(
            "Enforce",
            RECREATED,
            (ClaimTopic(TOPIC, OURS, "id-2"), AddPartitions(TOPIC, 1, 3)),
            [],
            (),
            id="re-created with fewer partitions, adopted and grown",
        ),
        pytest.param("Warn", RECREATED, (ClaimTopic(TOPIC, OURS, "id-2"),), [], (FEWER,), id="re-created, reported"),
        pytest.param("Enforce", THERE, (), [], (), id="no drift, Enforce"),
        pytest.param("Warn", THERE, (), [], (), id="no drift, Warn"),
        pytest.param("Warn", observed(existing()), (READOPT,), [], (), id="the ledger is kept true under Warn"),
        pytest.param(
            "Warn",
            observed(existing(partitions=5), claim(owner(uid="before"))),
            (ReleaseTopic(TOPIC, owner(uid="before")), READOPT),
            [],
            (MORE,),
            id="... also from a predecessor",
        ),
        pytest.param(
            "Warn", observed(existing(), claim(owner("x"))), (), [Reason.OWNED_BY_ANOTHER], (), id="stolen, told"
        ),
    ],
)
def test_drift(
    policy: DriftPolicy,
    seen: ObservedTopic,
    changes: tuple[TopicChange, ...],
    refused: list[Reason],
    drift: tuple[Difference, ...],
) -> None:
    resource = settled(orders(drift_policy=policy, partition_growth="Allow"))
    decision = decide(case(resource, seen))
    assert (decision.changes, decision.drift) == (changes, drift)
    assert [refusal.reason for refusal in decision.refusals] == refused


def test_drift_that_is_undone_is_called_so() -> None:
    assert decide(case(settled(orders()), CONFIG_DRIFT)).repairs_drift
    assert not decide(case(settled(orders(drift_policy="Warn")), CONFIG_DRIFT)).repairs_drift


@pytest.mark.parametrize("policy", ["Warn", "Ignore"])
def test_what_is_asked_anew_is_no_drift(policy: DriftPolicy) -> None:
    before = settled(orders(drift_policy=policy))
    asked = before.model_copy(update={"spec": before.spec.model_copy(update={"partitions": 5})})
    seen = observed(existing(usage=usage()), claim())
    assert decide(case(asked, seen)) == Decision((AddPartitions(TOPIC, 3, 5),))


def test_foreign_key_with_null_is_neither_drift_nor_change() -> None:
    assert decide(case(settled(orders(config={KEY: None})), CONFIG_DRIFT)) == Decision()


@pytest.mark.parametrize(
    ("policy", "drift", "changes"),
    [
        pytest.param("Enforce", (BACK,), (RESET,), id="would be undone"),
        pytest.param("Warn", (BACK,), (), id="would not be undone anyway, but is told"),
        pytest.param("Ignore", (), (), id="would be ignored anyway"),
    ],
)
@pytest.mark.parametrize("held_by", ["Paused", "OutOfSync", "AwaitingApproval"])
def test_what_is_held_is_what_would_be_done(
    policy: DriftPolicy, drift: tuple[Difference, ...], changes: tuple[TopicChange, ...], held_by: str
) -> None:
    mode = {"OutOfSync": "Observe", "AwaitingApproval": "Plan"}.get(held_by, "Enforce")
    resource = settled(orders(drift_policy=policy, mode=mode, paused=held_by == "Paused"))
    decision = decide(case(resource, CONFIG_DRIFT))
    assert (decision.changes, decision.drift) == ((), drift)
    if changes or held_by != "AwaitingApproval":
        assert decision.hold == held_by
        assert decision.held is not None
        assert decision.held.changes == changes


def test_plan_mode_writes_not_even_the_ledger_without_approval() -> None:
    resource = settled(orders(mode="Plan", drift_policy="Warn"))
    decision = decide(case(resource, observed(existing(partitions=5))))
    assert (decision.changes, decision.hold) == ((), "AwaitingApproval")


# --- another bus, another topic


def test_on_another_bus_nothing_was_applied_yet() -> None:
    """The default moved to another bus: what is missing there is no drift, what is there is not ours to reset."""
    resource = settled(orders(drift_policy="Warn"))
    elsewhere = event_bus("other")
    assert decide(case(resource, NEW, bus=elsewhere)).changes == (CLAIM, CREATE)
    decision = decide(case(resource, observed(existing("id-9", overrides={KEY: "-1"})), bus=elsewhere))
    assert decision.changes == (ClaimTopic(TOPIC, OURS, "id-9"),)
    assert [refusal.reason for refusal in decision.refusals] == [Reason.CONFIG_NOT_DECLARED]


@pytest.mark.parametrize(
    ("applied", "adopted"),
    [
        pytest.param(True, True, id="it was ours: the ledger lost it"),
        pytest.param(False, False, id="it was only looked at, as mode Observe does"),
    ],
)
def test_id_in_the_status_is_a_witness_only_of_what_was_ours(applied: bool, adopted: bool) -> None:  # noqa: FBT001
    resource = settled(orders(adoption="Never"))
    if not applied:
        resource = resource.model_copy(update={"status": resource.status.model_copy(update={"applied": None})})
    decision = decide(case(resource, observed(existing())))
    assert (decision.changes == (READOPT,)) is adopted
    assert [refusal.reason for refusal in decision.refusals] == ([] if adopted else [Reason.TOPIC_EXISTS])


# --- pauses and finalizers


def test_paused_holds_everything() -> None:
    decision = decide(case(orders(paused=True), NEW))
    assert (decision.changes, decision.hold) == ((), "Paused")
    assert decision.held is not None
    assert decision.held.changes == (CLAIM, CREATE)


@pytest.mark.parametrize(
    ("value", "paused"), [("true", True), ("false", False), ("", False), ("True", False), ("yes", False)]
)
def test_is_paused(value: str, paused: bool) -> None:  # noqa: FBT001 - a row
    assert is_paused(event_topic(annotations={"events.sindhan.ai/paused": value})) is paused


@pytest.mark.parametrize(
    ("fields", "carried", "expected"),
    [
        pytest.param({}, False, False, id="Retain"),
        pytest.param({"deletion_policy": "Delete"}, False, True, id="Delete"),
        pytest.param({"deletion_policy": "DeleteIfEmpty"}, False, True, id="DeleteIfEmpty"),
        pytest.param({"deletion_policy": "DeleteIfIdle"}, False, True, id="DeleteIfIdle"),
        pytest.param({"deletion_policy": "Delete", "mode": "Plan"}, False, True, id="Plan"),
        pytest.param({"deletion_policy": "Delete", "mode": "Observe"}, False, False, id="Observe deletes nothing"),
        pytest.param({}, True, False, id="Retain now: taken away"),
        pytest.param({"paused": True}, True, True, id="Retain now, paused: stays"),
        pytest.param({"deletion_policy": "Delete", "paused": True}, False, False, id="paused: not set either"),
    ],
)
def test_finalizer(fields: dict[str, Any], carried: bool, expected: bool) -> None:  # noqa: FBT001 - a row
    resource = orders(finalizers=(FINALIZER,) if carried else (), **fields)
    assert decide(case(resource, THERE)).finalizer is expected
    if "paused" not in fields:
        assert resource.spec.deletion_must_act is expected


def test_finalizer_is_there_while_usage_is_looked_up() -> None:
    resource = event_topic(partitions=6, deletion_policy="Delete")
    assert decide(case(resource, THERE)) == Decision(needs_usage=True, finalizer=True)


# --- limits

FEW = event_bus(limits={"topics_per_namespace": 2})
SMALL = event_bus(limits={"partitions_per_topic": 4})
SMALL_BY_DEFAULT = event_bus(limits={"partitions_per_topic": 4}, defaults={"partitions": 6})
KEPT = observed(existing(partitions=6, usage=usage()), claim())


@pytest.mark.parametrize(
    ("resource", "bus", "elders", "seen", "refused"),
    [
        pytest.param(orders(), FEW, 1, NEW, False, id="within the number of topics"),
        pytest.param(orders(), FEW, 2, NEW, True, id="one topic too many"),
        pytest.param(orders(), FEW, 2, THERE, False, id="too many, but it exists"),
        pytest.param(orders(), FEW, 2, observed(existing()), False, id="too many, but it is adopted, not created"),
        pytest.param(orders(), event_bus(limits={"topics_per_namespace": 0}), 0, NEW, True, id="none at all"),
        pytest.param(event_topic(partitions=4), SMALL, 0, NEW, False, id="as many partitions as allowed"),
        pytest.param(event_topic(partitions=5), SMALL, 0, NEW, True, id="created with too many"),
        pytest.param(event_topic(), SMALL_BY_DEFAULT, 0, NEW, True, id="created with the bus's own, too many"),
        pytest.param(
            event_topic(partitions=5, partition_growth="Allow"), SMALL, 0, THERE, True, id="grown to too many"
        ),
        pytest.param(event_topic(partitions=6), SMALL, 0, KEPT, False, id="has too many already"),
        pytest.param(event_topic(), SMALL, 0, NEW, False, id="the broker's choice is not known"),
        pytest.param(event_topic(partitions=900), event_bus(), 900, NEW, False, id="no limits"),
    ],
)
def test_limits(resource: EventTopic, bus: EventBus, elders: int, seen: ObservedTopic, refused: bool) -> None:  # noqa: FBT001
    decision = decide(case(resource, seen, bus=bus, elders=elders))
    assert [refusal.reason for refusal in decision.refusals] == ([Reason.LIMIT_EXCEEDED] if refused else [])
    if refused:
        assert decision.changes == ()


def test_limit_on_growth_leaves_the_rest_of_an_existing_topic_alone() -> None:
    asked = settled(orders(partition_growth="Allow"))
    asked = asked.model_copy(update={"spec": asked.spec.model_copy(update={"partitions": 5, "config": {KEY: "9"}})})
    decision = decide(case(asked, THERE, bus=SMALL))
    assert decision.changes == (AlterConfig(TOPIC, {KEY: "9"}),)
    assert decision.refusals == (
        Refusal(
            Reason.LIMIT_EXCEEDED,
            "EventBus shop/main allows 4 partitions per topic: set partitions to at most 4, or ask the bus's owner for"
            " more in spec.limits.partitionsPerTopic",
        ),
    )


def test_message_of_one_topic_too_many() -> None:
    assert decide(case(orders(), NEW, bus=FEW, elders=2)).refusals == (
        Refusal(
            Reason.LIMIT_EXCEEDED,
            "namespace shop may have 2 topics on EventBus shop/main and has as many older ones: delete some, or ask the"
            " bus's owner for more in spec.limits.topicsPerNamespace",
        ),
    )


@pytest.mark.parametrize(
    ("bus", "seen", "drift"),
    [
        pytest.param(FEW, observed(claim=claim()), (ABSENT,), id="gone, and not created again"),
        pytest.param(
            event_bus(limits={"partitions_per_topic": 2}), RECREATED, (FEWER,), id="re-created smaller, and not grown"
        ),
    ],
)
def test_drift_that_a_limit_leaves_is_told(bus: EventBus, seen: ObservedTopic, drift: tuple[Difference, ...]) -> None:
    decision = decide(case(settled(orders(partition_growth="Allow")), seen, bus=bus, elders=2))
    assert decision.drift == drift


# --- rivals

ELDER = metadata("elder", "billing", creation_timestamp="2025-01-01T00:00:00Z")
ELDEST = metadata("eldest", "billing", creation_timestamp="2024-01-01T00:00:00Z")
YOUNGER = metadata("younger", "billing", creation_timestamp="2026-06-01T00:00:00Z")
TWIN = metadata("a-twin", "billing", creation_timestamp=CREATED, uid="a")


@pytest.mark.parametrize(
    ("rivals", "seen", "winner"),
    [
        pytest.param([], NEW, None, id="alone"),
        pytest.param([YOUNGER], NEW, None, id="the elder wins"),
        pytest.param([ELDER], NEW, ELDER, id="the younger waits"),
        pytest.param([ELDER, ELDEST, YOUNGER], NEW, ELDEST, id="for the eldest"),
        pytest.param([TWIN], NEW, TWIN, id="made in one second: the uid settles it"),
        pytest.param([ELDER], observed(existing()), ELDER, id="also for adoption"),
        pytest.param([ELDER], THERE, None, id="the ledger has settled it: ours"),
        pytest.param([ELDER], observed(existing(), claim(owner("younger", "billing"))), YOUNGER, id="... theirs"),
        pytest.param([ELDER], observed(claim=claim(owner(uid="before"))), ELDER, id="our predecessor's claim is none"),
    ],
)
def test_rivals(rivals: list[Metadata], seen: ObservedTopic, winner: Metadata | None) -> None:
    decision = decide(case(orders(), seen, rivals=rivals))
    assert [refusal.reason for refusal in decision.refusals] == ([Reason.OWNED_BY_ANOTHER] if winner else [])
    if winner:
        assert decision.changes == ()
        assert f"EventTopic billing/{winner.name}:" in decision.refusals[0].message


@pytest.mark.parametrize("adoption", ["IfUnowned", "Never"])
def test_of_two_exactly_one_goes_on(adoption: Adoption) -> None:
    """Whatever they see together, they never both act and never both wait."""
    one, two = orders(adoption=adoption), event_topic("other", "billing", topic_name=TOPIC, adoption=adoption)
    decisions = [
        decide(case(one, NEW, rivals=[two.metadata])),
        decide(case(two, NEW, rivals=[one.metadata])),
    ]
    assert sorted(bool(decision.changes) for decision in decisions) == [False, True]


# --- deletion


def leaving(**fields: Any) -> EventTopic:
    return settled(orders(deleting=True, **fields))


FULL = observed(existing(usage=usage(records=True)), claim())


@pytest.mark.parametrize(
    ("resource", "seen", "expected"),
    [
        pytest.param(leaving(finalizers=()), THERE, Decision(), id="nothing of ours holds it"),
        pytest.param(leaving(deletion_policy="Delete", finalizers=()), THERE, Decision(), id="... not even for Delete"),
        pytest.param(leaving(deletion_policy="Delete"), THERE, Decision((DELETE, RELEASE)), id="Delete"),
        pytest.param(leaving(), THERE, Decision((RELEASE,)), id="Retain by now: only let go"),
        pytest.param(leaving(deletion_policy="Delete", mode="Observe"), THERE, Decision((RELEASE,)), id="Observe"),
        pytest.param(
            leaving(deletion_policy="DeleteIfEmpty"), THERE, Decision(needs_usage=True, finalizer=True), id="look first"
        ),
        pytest.param(
            leaving(deletion_policy="Delete", paused=True),
            THERE,
            Decision(hold="Paused", held=Plan(), finalizer=True),
            id="paused",
        ),
        pytest.param(
            leaving(deletion_policy="Delete", mode="Plan"),
            THERE,
            Decision(hold="AwaitingApproval", held=Plan((DELETE, RELEASE)), finalizer=True),
            id="Plan, not approved",
        ),
        pytest.param(
            leaving(deletion_policy="Delete", mode="Plan", approve=Plan((DELETE, RELEASE)).hash()),
            THERE,
            Decision((DELETE, RELEASE)),
            id="Plan, approved",
        ),
        pytest.param(
            leaving(deletion_policy="Delete", mode="Plan"),
            observed(claim=claim()),
            Decision((RELEASE,)),
            id="Plan: to let go needs nobody's approval",
        ),
        pytest.param(leaving(mode="Plan"), THERE, Decision((RELEASE,)), id="Plan, Retain by now: must be able to go"),
        pytest.param(leaving(deletion_policy="Delete"), observed(existing()), Decision(), id="never claimed"),
        pytest.param(
            leaving(deletion_policy="Delete"), observed(existing(), claim(owner("x"))), Decision(), id="another's"
        ),
    ],
)
def test_deletion(resource: EventTopic, seen: ObservedTopic, expected: Decision[TopicChange]) -> None:
    assert decide(case(resource, seen)) == expected


def test_refused_deletion_keeps_the_finalizer() -> None:
    decision = decide(case(leaving(deletion_policy="DeleteIfEmpty"), FULL))
    assert ([refusal.reason for refusal in decision.refusals], decision.finalizer) == ([Reason.NOT_EMPTY], True)
    assert decision.changes == ()


def test_limits_and_rivals_do_not_keep_a_resource_from_going() -> None:
    seen = replace(THERE)
    assert decide(case(leaving(deletion_policy="Delete"), seen, bus=FEW, elders=9, rivals=[ELDER])).changes == (
        DELETE,
        RELEASE,
    )


def test_owner_is_the_resource() -> None:
    assert owner_of(metadata(), "cluster-1") == case().owner == OURS


@pytest.mark.parametrize("deleting", [False, True])
@pytest.mark.parametrize("usage", [False, True])
def test_nothing_of_a_deletion_hangs_on_settings(deleting: bool, usage: bool) -> None:  # noqa: FBT001 - a row
    assert topic_query(orders(deleting=deleting), "shop.orders", usage=usage) == TopicQuery(
        "shop.orders", usage, settings=not deleting
    )


# --- topics that cannot be looked at


@pytest.mark.parametrize("finalizers", [(), (FINALIZER,)])
def test_a_topic_that_does_not_show_yet_is_looked_at_again(finalizers: tuple[str, ...]) -> None:
    error = Unavailable("it does not show yet")
    decision = decide(case(orders(finalizers=finalizers), replace(NEW, error=error)))
    assert decision == Decision(postponed=error, finalizer=bool(finalizers))


def test_a_topic_that_may_not_be_looked_at_is_refused() -> None:
    error = Rejected(Reason.AUTHORIZATION_FAILED, "grant Describe")
    decision = decide(case(orders(), replace(NEW, error=error)))
    assert decision == Decision(refusals=(Refusal(Reason.AUTHORIZATION_FAILED, "grant Describe"),))


# --- the bus's defaults


def test_defaults_of_the_bus_make_topics_and_leave_existing_ones_alone() -> None:
    bus = event_bus(defaults={"partitions": 6, "replication_factor": 2})
    created = decide(case(event_topic(), NEW, bus=bus)).changes
    assert created[1] == CreateTopic(TOPIC, OURS, 6, 2)
    assert decide(case(event_topic(), THERE, bus=bus)) == Decision()
