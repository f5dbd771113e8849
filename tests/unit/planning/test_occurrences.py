"""What is worth a Kubernetes Event: only what happened, and what is refused now and was not before."""

from typing import Any

import pytest
from builders import TOPIC, case, claim, condition_of, event_topic, existing, observed, outcome, owner, settled

from eventplane.api.conditions import Reason
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.planning.occurrences import Occurrence, occurrences
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.topic_decisions import TopicCase, decide

THERE = observed(existing(), claim())
DRIFTED = observed(existing(overrides={"retention.ms": "7"}), claim())
SHRUNK = "topic shop.orders has 3 partitions and Kafka cannot take any away: set partitions to 3, or create another"


def orders(**fields: Any) -> EventTopic:
    return event_topic(**{"partitions": 3, "replication_factor": 1, **fields})


def happened(of: TopicCase, error: BackendError | None = None) -> list[Occurrence]:
    decision = decide(of)
    return list(occurrences(of, decision, [outcome(change, error) for change in decision.changes]))


def stalled(resource: EventTopic, reason: str) -> EventTopic:
    status = EventTopicStatus(conditions=(condition_of("Stalled", "True", reason),))
    return resource.model_copy(update={"status": status})


def normal(reason: str, message: str) -> Occurrence:
    return Occurrence(warning=False, reason=reason, message=message)


def warning(reason: str, message: str) -> Occurrence:
    return Occurrence(warning=True, reason=reason, message=message)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(case(settled(orders()), THERE), [], id="nothing happened"),
        pytest.param(case(orders(), observed()), [], id="a creation is told by Ready"),
        pytest.param(
            case(orders(), observed(existing())), [normal("ClaimTopic", "adopt topic shop.orders")], id="an adoption"
        ),
        pytest.param(
            case(orders(partitions=5, partition_growth="Allow"), THERE),
            [normal("AddPartitions", "grow topic shop.orders from 3 to 5 partitions")],
            id="growth",
        ),
        pytest.param(
            case(orders(config={"retention.ms": "9"}), THERE),
            [normal("AlterConfig", "alter topic shop.orders: set retention.ms=9")],
            id="another setting",
        ),
        pytest.param(
            case(settled(orders()), DRIFTED),
            [normal("DriftRepaired", "alter topic shop.orders: reset retention.ms")],
            id="drift undone",
        ),
        pytest.param(
            case(settled(orders()), observed(claim=claim())),
            [warning("DriftRepaired", "topic shop.orders was gone: created")],
            id="a topic that was gone, and its records with it",
        ),
        pytest.param(case(settled(orders(drift_policy="Warn")), DRIFTED), [], id="drift left: nothing happened"),
        pytest.param(case(orders(mode="Plan"), observed()), [], id="held: nothing happened"),
        pytest.param(
            case(settled(orders(deleting=True, deletion_policy="Delete")), THERE),
            [normal("DeleteTopic", "delete topic shop.orders with its records")],
            id="deleted",
        ),
        pytest.param(case(settled(orders(deleting=True)), THERE), [], id="let go"),
    ],
)
def test_what_happened(of: TopicCase, expected: list[Occurrence]) -> None:
    assert happened(of) == expected


def test_what_failed_did_not_happen() -> None:
    assert happened(case(settled(orders()), DRIFTED), Unavailable("away")) == []
    assert happened(case(settled(orders()), observed(claim=claim())), Unavailable("away")) == []


@pytest.mark.parametrize(
    ("resource", "error", "expected"),
    [
        pytest.param(orders(partitions=1), None, ["PartitionsNotShrinkable"], id="refused for the first time"),
        pytest.param(stalled(orders(partitions=1), "PartitionsNotShrinkable"), None, [], id="refused as before"),
        pytest.param(
            stalled(orders(partitions=1), "LimitExceeded"), None, ["PartitionsNotShrinkable"], id="refused otherwise"
        ),
        pytest.param(
            orders(config={"retention.ms": "x"}),
            Rejected(Reason.REJECTED, "Kafka says no"),
            ["Rejected"],
            id="rejected",
        ),
        pytest.param(
            stalled(orders(config={"retention.ms": "x"}), "Rejected"),
            Rejected(Reason.REJECTED, "Kafka says no"),
            [],
            id="rejected as before",
        ),
        pytest.param(orders(config={"retention.ms": "x"}), Unavailable("away"), [], id="no answer: told by the bus"),
    ],
)
def test_what_is_refused(resource: EventTopic, error: BackendError | None, expected: list[str]) -> None:
    events = happened(case(resource, THERE), error)
    assert [(event.warning, event.reason) for event in events] == [(True, reason) for reason in expected]


def test_refusal_is_told_in_its_words() -> None:
    (event,) = happened(case(orders(partitions=1), THERE))
    assert event == warning(Reason.PARTITIONS_NOT_SHRINKABLE, f"{SHRUNK} EventTopic with 1 and move over")


def test_topic_of_the_tests() -> None:
    assert case(orders()).owner == owner()
    assert case(orders()).desired.topic == TOPIC
