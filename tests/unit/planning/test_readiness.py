"""Outcomes to status: the rows of `_topic_verdict`, what is shown and kept, and when a condition changed."""

from dataclasses import replace
from typing import Any

import pytest
from builders import (
    TOPIC,
    case,
    claim,
    condition_of,
    event_bus,
    event_topic,
    existing,
    observed,
    orphan,
    outcome,
    owner,
    settled,
    usage,
    wanted,
)

from eventplane.api.conditions import Condition, ConditionType, Reason
from eventplane.api.event_bus import EventBusStatus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.api.resource import DriftEntry
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.plan import Plan, Refusal
from eventplane.planning.readiness import (
    bus_status,
    registry_status,
    topic_status,
)
from eventplane.planning.topic_changes import AddPartitions, AlterConfig, ClaimTopic, CreateTopic, TopicChange
from eventplane.planning.topic_decisions import TopicCase, decide
from eventplane.planning.topic_state import ExistingTopic, ObservedTopic
from eventplane.planning.verdicts import condition, status_without_pass, with_transition_times

THERE = observed(existing(), claim())
GROW = AddPartitions(TOPIC, 3, 6)
CREATE = CreateTopic(TOPIC, owner(), 3, 1)
AWAY, NO = Unavailable("the broker did not answer"), Rejected(Reason.REJECTED, "Kafka says no")


def orders(**fields: Any) -> EventTopic:
    return event_topic(partitions=3, replication_factor=1, **fields)


def created(state: ExistingTopic | None = None) -> ObservedTopic:
    return observed(state or existing("id-2"), claim())


def told(status: EventTopicStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


def judged(of: TopicCase, *errors: BackendError | None) -> EventTopicStatus:
    """Decide, let the changes end with the errors given (the rest well), and say what is the case."""
    decision = decide(of)
    given = (*errors, *[None] * len(decision.changes))
    pairs = zip(decision.changes, given, strict=False)
    return topic_status(of, decision, [outcome(change, error) for change, error in pairs])


KEY = {"retention.ms": "7"}
DRIFTED = observed(existing(overrides=KEY), claim())


@pytest.mark.parametrize(
    ("status", "expected", "message"),
    [
        pytest.param(
            judged(case(orders(), observed()), AWAY),
            {"Ready": ("False", "BusUnavailable"), "Reconciling": ("True", "BusUnavailable")},
            "the broker did not answer",
            id="the bus did not answer a change",
        ),
        pytest.param(
            judged(case(orders(), observed()), NO),
            {"Ready": ("False", "Rejected"), "Stalled": ("True", "Rejected")},
            "Kafka says no",
            id="the bus rejected a change",
        ),
        pytest.param(
            judged(case(orders(), observed()), None, NO),
            {"Ready": ("False", "Rejected"), "Stalled": ("True", "Rejected")},
            "Kafka says no",
            id="... the second one",
        ),
        pytest.param(
            judged(case(event_topic(partitions=1, replication_factor=2), THERE)),
            {"Ready": ("False", "PartitionsNotShrinkable"), "Stalled": ("True", "PartitionsNotShrinkable")},
            "topic shop.orders has 3 partitions and Kafka cannot take any away: set partitions to 3, or create another"
            " EventTopic with 1 and move over; topic shop.orders has replication factor 1 and changing it is not"
            " supported yet: set replicationFactor to 1, or move the replicas with kafka-reassign-partitions.sh and"
            " keep 2",
            id="refusals, all of them told",
        ),
        pytest.param(
            judged(case(orders(mode="Plan"), observed())),
            {"Ready": ("False", "AwaitingApproval")},
            f"annotate with events.sindhan.ai/approve={Plan((ClaimTopic(TOPIC, owner()), CREATE)).hash()} to claim"
            " topic shop.orders; create topic shop.orders (partitions=3, replicationFactor=1)",
            id="held for approval",
        ),
        pytest.param(
            judged(case(orders(mode="Observe"), observed())),
            {"Ready": ("False", "OutOfSync")},
            "mode Observe writes nothing; with Enforce the operator would claim topic shop.orders; create topic"
            " shop.orders (partitions=3, replicationFactor=1)",
            id="only observed, not as asked",
        ),
        pytest.param(
            judged(case(settled(orders(paused=True)), DRIFTED)),
            {"Ready": ("False", "Paused"), "Drifted": ("True", "Drifted")},
            "nothing is written while paused; without the annotation the operator would alter topic shop.orders: reset"
            " retention.ms",
            id="paused, not as asked",
        ),
        pytest.param(
            judged(case(orders(paused=True), THERE)),
            {"Ready": ("True", "Paused")},
            "topic shop.orders is as desired; nothing is written while paused",
            id="paused, as asked",
        ),
        pytest.param(
            judged(case(settled(orders(paused=True, drift_policy="Warn")), DRIFTED)),
            {"Ready": ("True", "Paused"), "Drifted": ("True", "Drifted")},
            "topic shop.orders was made as desired; driftPolicy Warn leaves what was changed since; nothing is written"
            " while paused",
            id="paused, with drift that is left anyway",
        ),
        pytest.param(
            judged(case(settled(orders(deleting=True, deletion_policy="Delete", paused=True)), DRIFTED)),
            {"Ready": ("False", "Paused")},
            "topic shop.orders is left alone while paused: remove the annotation events.sindhan.ai/paused to delete on",
            id="being deleted while paused",
        ),
        pytest.param(
            judged(case(orders(deleting=True, deletion_policy="Delete", paused=True), observed())),
            {"Ready": ("False", "Paused")},
            "topic shop.orders is left alone while paused: remove the annotation events.sindhan.ai/paused to delete on",
            id="... and the topic is gone: nobody blames driftPolicy",
        ),
        pytest.param(
            judged(case(settled(orders(deleting=True, deletion_policy="Delete")), THERE)),
            {"Ready": ("False", "Deleting"), "Reconciling": ("True", "Deleting")},
            "topic shop.orders is being dealt with as deletionPolicy says",
            id="being deleted",
        ),
        pytest.param(
            judged(
                case(
                    settled(orders(deleting=True, deletion_policy="DeleteIfEmpty")),
                    observed(existing(usage=usage(records=True)), claim()),
                )
            ),
            {"Ready": ("False", "NotEmpty"), "Stalled": ("True", "NotEmpty")},
            "topic shop.orders holds records: set deletionPolicy to Retain to keep the topic, or to Delete to delete it"
            " all the same",
            id="deletion refused",
        ),
        pytest.param(
            judged(case(settled(orders(drift_policy="Warn")), observed(claim=claim()))),
            {"Ready": ("False", "Drifted"), "Drifted": ("True", "Drifted")},
            "topic shop.orders was deleted and driftPolicy leaves it so",
            id="the topic does not exist",
        ),
        pytest.param(
            judged(case(settled(orders(drift_policy="Warn")), DRIFTED)),
            {"Ready": ("True", "Ready"), "Drifted": ("True", "Drifted")},
            "topic shop.orders was made as desired; driftPolicy Warn leaves what was changed since",
            id="drift that stands: ready, and not said to be as desired",
        ),
        pytest.param(
            judged(case(settled(orders(drift_policy="Ignore")), DRIFTED)),
            {"Ready": ("True", "Ready")},
            "topic shop.orders was made as desired; driftPolicy Ignore leaves what was changed since",
            id="drift that nobody wants to know of",
        ),
        pytest.param(
            judged(case(settled(orders()), THERE)),
            {"Ready": ("True", "Ready")},
            "topic shop.orders is as desired",
            id="all well",
        ),
    ],
)
def test_verdict(status: EventTopicStatus, expected: dict[str, tuple[str, str]], message: str) -> None:
    assert told(status) == expected
    ready = condition(status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message == message
    assert all(each.observed_generation == status.observed_generation for each in status.conditions)


# --- what is shown


def test_status_of_a_created_topic_is_what_the_broker_made() -> None:
    of = case(event_topic(), observed())
    state = created(existing("id-2", partitions=7, replication_factor=3))
    status = topic_status(of, decide(of), [outcome(ClaimTopic(TOPIC, owner())), outcome(CREATE, state=state)])
    assert (status.topic_id, status.partitions, status.replication_factor) == ("id-2", 7, 3)
    assert (status.bus, status.topic_name) == ("shop/main", TOPIC)
    assert status.applied == of.desired.fingerprint()


def test_status_after_growth_is_what_was_grown_to() -> None:
    of = case(event_topic(partitions=6, partition_growth="Allow"), THERE)
    assert judged(of).partitions == 6
    assert judged(of, AWAY).partitions == 3


def test_altering_settings_changes_no_counts() -> None:
    of = case(orders(config=KEY), THERE)
    assert decide(of).changes == (AlterConfig(TOPIC, KEY),)
    assert judged(of).partitions == 3


def test_growth_without_a_topic_shows_none() -> None:
    of = case(orders(), observed())
    assert topic_status(of, Decision((GROW,)), [outcome(GROW)]).partitions is None


@pytest.mark.parametrize(
    ("seen", "fields", "errors", "shown"),
    [
        pytest.param(THERE, {}, (), True, id="ours"),
        pytest.param(observed(existing(), claim(owner("x"))), {}, (), False, id="another's is not shown as ours"),
        pytest.param(observed(existing()), {"adoption": "Never"}, (), False, id="not adopted"),
        pytest.param(observed(existing(internal=True)), {}, (), False, id="Kafka's own"),
        pytest.param(
            observed(existing(), claim(topic_id="id-0")), {"adoption": "Never"}, (), False, id="replaced by another"
        ),
        pytest.param(
            observed(existing()),
            {},
            (Rejected(Reason.OWNED_BY_ANOTHER, "somebody was faster"),),
            False,
            id="somebody else's claim came first",
        ),
        pytest.param(observed(existing(), claim(owner("x"))), {"mode": "Observe"}, (), True, id="Observe shows any"),
    ],
)
def test_only_our_topic_is_shown(
    seen: ObservedTopic,
    fields: dict[str, Any],
    errors: tuple[BackendError, ...],
    shown: bool,  # noqa: FBT001 - a row
) -> None:
    status = judged(case(orders(**fields), seen), *errors)
    assert (status.topic_id is not None) is shown
    assert (status.partitions is not None) is shown


def test_name_of_another_is_not_kept_so_that_naming_can_be_corrected() -> None:
    by_template, by_name = orders(), orders(topic_name=TOPIC)
    seen = observed(existing(), claim(owner("x")))
    assert judged(case(by_template, seen)).topic_name is None
    assert judged(case(by_name, seen)).topic_name == TOPIC
    replaced = observed(existing(), claim(topic_id="id-0"))
    assert judged(case(orders(adoption="Never"), replaced)).topic_name == TOPIC, "its claim is on that name"


# --- what counts as applied


@pytest.mark.parametrize(
    ("resource", "seen", "error", "kept"),
    [
        pytest.param(settled(orders()), DRIFTED, AWAY, True, id="an error"),
        pytest.param(settled(orders(paused=True)), DRIFTED, None, True, id="paused"),
        pytest.param(settled(orders(mode="Observe")), THERE, None, True, id="observed"),
        pytest.param(settled(orders(drift_policy="Warn")), observed(claim=claim()), None, True, id="gone, left so"),
        pytest.param(orders(), DRIFTED, AWAY, False, id="never applied, and an error"),
        pytest.param(orders(paused=True), THERE, None, False, id="never applied, paused"),
        pytest.param(event_topic(partitions=2), THERE, None, False, id="never applied in full: something is refused"),
        pytest.param(
            settled(orders()), observed(existing("id-2", overrides=KEY), claim()), None, False, id="undeclared settings"
        ),
        pytest.param(
            settled(orders(mode="Observe")),
            observed(existing("id-2"), claim()),
            None,
            True,
            id="replaced, claim stands",
        ),
        pytest.param(
            settled(orders(mode="Observe")), observed(existing("id-2")), None, False, id="replaced, no claim: no proof"
        ),
    ],
)
def test_applied_is_kept_while_nothing_new_is_applied(
    resource: EventTopic,
    seen: ObservedTopic,
    error: BackendError | None,
    kept: bool,  # noqa: FBT001 - a row
) -> None:
    status = judged(case(resource, seen), error)
    assert status.applied == (wanted(resource).fingerprint() if kept else None)


def test_applied_elsewhere_is_not_applied_here() -> None:
    moved = settled(orders(), event_bus("other"))
    assert judged(case(moved, observed()), AWAY).applied is None


def test_undeclared_settings_are_refused_again_and_again() -> None:
    """They came with a topic that took the place of ours; the second pass must not take them for drift."""
    seen = observed(existing("id-2", overrides=KEY), claim())
    resource = settled(orders())
    for _ in range(3):
        of = case(resource, seen)
        decision = decide(of)
        assert [refusal.reason for refusal in decision.refusals] == [Reason.CONFIG_NOT_DECLARED]
        assert not any(isinstance(change, AlterConfig) for change in decision.changes)
        resource = resource.model_copy(update={"status": judged(of)})
        seen = replace(seen, claim=claim(topic_id="id-2"))


def test_drift_and_plan_are_told() -> None:
    status = judged(case(settled(orders(mode="Plan")), DRIFTED))
    assert status.drift == (DriftEntry(setting="config.retention.ms", expected="the broker's default", actual="7"),)
    assert status.plan is not None
    assert status.plan.changes == ("alter topic shop.orders: reset retention.ms",)
    assert status.plan.hash == Plan((AlterConfig(TOPIC, {}, ("retention.ms",)),)).hash()
    drifted = condition(status.conditions, ConditionType.DRIFTED)
    assert drifted is not None
    assert drifted.message == "changed behind our back: config.retention.ms is 7, asked for is the broker's default"


def test_message_is_the_same_each_time() -> None:
    of = case(settled(orders()), DRIFTED)
    assert judged(of) == judged(of)


# --- without a pass

REFUSED = Refusal(Reason.BUS_NOT_FOUND, "create it")


@pytest.mark.parametrize(
    ("before", "problem", "expected"),
    [
        pytest.param([], AWAY, ("False", "Reconciling"), id="never looked at, no answer"),
        pytest.param([("True", 1)], AWAY, ("Unknown", "Reconciling"), id="was ready, no answer: not known"),
        pytest.param([("Unknown", 1)], AWAY, ("Unknown", "Reconciling"), id="was unknown, stays so"),
        pytest.param([("False", 1)], AWAY, ("False", "Reconciling"), id="was not ready, is not"),
        pytest.param([("True", 0)], AWAY, ("False", "Reconciling"), id="was ready for what is not asked any more"),
        pytest.param([("True", 1)], REFUSED, ("False", "Stalled"), id="was ready, the user must act"),
    ],
)
def test_status_without_pass(
    before: list[tuple[Any, int]], problem: BackendError | Refusal, expected: tuple[str, str]
) -> None:
    known = tuple(condition_of("Ready", status, generation=generation) for status, generation in before)
    status = EventTopicStatus(topic_name=TOPIC, topic_id="id-1", partitions=3, applied="a", conditions=known)
    now = status_without_pass(event_topic(status=status), problem)
    assert isinstance(now, EventTopicStatus)
    assert [(each.type, each.status, each.reason) for each in now.conditions] == [
        ("Ready", expected[0], problem.reason),
        (expected[1], "True", problem.reason),
    ]
    assert now.observed_generation == 1
    assert (now.topic_id, now.partitions, now.applied) == ("id-1", 3, "a"), "what was known stays"


# --- buses


def test_status_of_a_bus_that_answers() -> None:
    left = orphan()
    assert bus_status(event_bus(generation=4), EventBusStatus(orphans=(left,)), ("one", 3)) == EventBusStatus(
        observed_generation=4,
        cluster_id="one",
        brokers=3,
        orphans=(left,),
        conditions=(condition_of("Ready", "True", "Ready", message="Kafka cluster one answers", generation=4),),
    )


@pytest.mark.parametrize(
    ("problem", "also"),
    [
        pytest.param(AWAY, "Reconciling", id="no answer"),
        pytest.param(Rejected(Reason.AUTHENTICATION_FAILED, "wrong password"), "Stalled", id="refused us"),
        pytest.param(Refusal(Reason.SECRET_NOT_FOUND, "create it"), "Stalled", id="cannot be connected"),
    ],
)
def test_status_of_a_bus_that_does_not(problem: BackendError | Refusal, also: str) -> None:
    status = bus_status(event_bus(), EventBusStatus(cluster_id="one", brokers=3), problem)
    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("Ready", "False", problem.reason),
        (also, "True", problem.reason),
    ]
    assert (status.cluster_id, status.brokers) == ("one", None), "who it is stays known, how many live does not"


def test_what_is_said_of_a_registry_stands_beside_what_is_said_of_kafka() -> None:
    bus = event_bus(schema_registry={"url": "http://registry:8081"})
    kafka = bus_status(bus, EventBusStatus(), ("one", 3))
    both = registry_status(bus, kafka, None)
    said = [(each.type, each.status) for each in both.conditions]
    assert said == [("Ready", "True"), ("SchemaRegistryReady", "True")]
    assert bus_status(bus, both, ("one", 3)) == both, "the one leaves the other alone"
    down = registry_status(bus, both, AWAY)
    no_answer = condition_of("SchemaRegistryReady", "False", AWAY.reason, message=AWAY.message)
    assert down.conditions == (*kafka.conditions, no_answer)
    without = event_bus()
    assert registry_status(without, down, None).conditions == kafka.conditions, "a registry that is not named any more"
    assert bus_status(without, down, ("one", 3)).conditions == kafka.conditions


def test_a_topic_waits_for_its_schemas() -> None:
    resource = settled(event_topic(schemas={"value": {"name": "order"}}))
    waiting = case(resource, observed(existing(), claim()))
    waiting = replace(waiting, schemas={"value": None})
    status = topic_status(waiting, decide(waiting), [])
    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("Ready", "False", "SchemaNotReady"),
        ("Reconciling", "True", "SchemaNotReady"),
    ]
    assert status.conditions[0].message.startswith("topic shop.orders is as desired; Schema shop/order of its values")
    assert status.schemas is not None
    assert status.applied is not None, "the topic itself is as it should be"


# --- transition times

THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param([], NOW, id="new"),
        pytest.param([condition_of("Ready", "True", since=THEN)], THEN, id="same status"),
        pytest.param([condition_of("Ready", "True", "Paused", since=THEN)], THEN, id="another reason is no transition"),
        pytest.param([condition_of("Ready", "False", since=THEN)], NOW, id="another status"),
        pytest.param([condition_of("Ready", "Unknown", since=THEN)], NOW, id="was unknown"),
        pytest.param([condition_of("Stalled", "True", since=THEN)], NOW, id="another condition"),
        pytest.param([condition_of("Ready", "True")], NOW, id="never dated"),
    ],
)
def test_transition_times(before: list[Condition], expected: str) -> None:
    (dated,) = with_transition_times([condition_of("Ready", "True")], before, NOW)
    assert dated == condition_of("Ready", "True", since=expected)


def test_changes_are_values_of_the_status() -> None:
    """A pass over what a pass has written says the same."""
    resource = orders()
    of = case(resource, THERE)
    resource = resource.model_copy(update={"status": judged(of)})
    again: tuple[TopicChange, ...] = decide(case(resource, THERE)).changes
    assert again == ()
    assert judged(case(resource, THERE)) == resource.status
