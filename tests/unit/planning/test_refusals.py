"""Every refusal there is, in one place: its reason is of the closed set, and its message tells what to do."""

import re
from collections.abc import Mapping
from typing import Final

import pytest
from builders import case, claim, event_bus, event_topic, existing, observed, owner, settled, usage

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBusStatus
from eventplane.api.metadata import BusRef
from eventplane.planning.bus_decisions import verify_cluster
from eventplane.planning.buses import BusDirectory
from eventplane.planning.connection import connect
from eventplane.planning.desired import desire_topic
from eventplane.planning.plan import Refusal
from eventplane.planning.topic_decisions import TopicCase, decide

LOGIN = {"type": "PLAIN", "secret_ref": {"name": "login"}}
BUS_WITH_LOGIN = event_bus(kafka={"bootstrap_servers": ["kafka:9092"], "authentication": LOGIN})
SEEN = observed(existing(), claim())


def first(of: TopicCase) -> Refusal | None:
    return next(iter(decide(of).refusals), None)


REFUSALS: Final[Mapping[Reason, object]] = {
    Reason.BUS_NOT_FOUND: BusDirectory([], {}).resolve("shop", None),
    Reason.BUS_AMBIGUOUS: BusDirectory([event_bus("a"), event_bus("b")], {}).resolve("shop", None),
    Reason.NAMESPACE_NOT_ALLOWED: BusDirectory([event_bus()], {}).resolve(
        "other", BusRef(name="main", namespace="shop")
    ),
    Reason.INVALID_SPEC: desire_topic(
        event_topic(replication_factor=1, config={"min.insync.replicas": "2"}), event_bus()
    ),
    Reason.INVALID_NAME: desire_topic(event_topic(), event_bus(naming={"topic": "{{ name"})),
    Reason.INTERNAL_TOPIC: first(case(event_topic(), observed(existing(internal=True)))),
    Reason.LIMIT_EXCEEDED: first(case(event_topic(), bus=event_bus(limits={"topics_per_namespace": 0}))),
    Reason.SECRET_INVALID: connect(BUS_WITH_LOGIN, {"login": {}}),
    Reason.OWNED_BY_ANOTHER: first(case(event_topic(), observed(claim=claim(owner("x"))))),
    Reason.TOPIC_EXISTS: first(case(event_topic(adoption="Never"), observed(existing()))),
    Reason.TOPIC_REPLACED: first(case(event_topic(adoption="Never"), observed(existing(), claim(topic_id="id-0")))),
    Reason.CONFIG_NOT_DECLARED: first(case(event_topic(), observed(existing(overrides={"retention.ms": "1"})))),
    Reason.PARTITIONS_NOT_SHRINKABLE: first(case(event_topic(partitions=1), SEEN)),
    Reason.PARTITION_GROWTH_REFUSED: first(case(event_topic(partitions=9, partition_growth="Never"), SEEN)),
    Reason.REPLICATION_FACTOR_NOT_CHANGEABLE: first(case(event_topic(replication_factor=2), SEEN)),
    Reason.NOT_EMPTY: first(
        case(
            settled(event_topic(deleting=True, deletion_policy="DeleteIfEmpty")),
            observed(existing(usage=usage(records=True)), claim()),
        )
    ),
    Reason.IN_USE: first(
        case(
            settled(event_topic(deleting=True, deletion_policy="DeleteIfIdle")),
            observed(existing(usage=usage(groups=("g",))), claim()),
        )
    ),
    Reason.CLUSTER_CHANGED: verify_cluster(event_bus(status=EventBusStatus(cluster_id="one")), "two"),
}
SAID_BY_OTHERS: Final = {
    # conditions that are no refusals
    Reason.READY, Reason.RECONCILING, Reason.AWAITING_APPROVAL, Reason.PAUSED, Reason.OUT_OF_SYNC, Reason.DRIFTED,
    Reason.DELETING,
    # by backends and controllers
    Reason.SECRET_NOT_FOUND, Reason.SECRET_NOT_READABLE, Reason.REJECTED, Reason.AUTHORIZATION_FAILED,
    Reason.AUTHENTICATION_FAILED, Reason.BUS_UNAVAILABLE, Reason.INTERNAL_ERROR,
}  # fmt: skip
INSTRUCTION: Final = re.compile(
    r"(: |; |\. |, or |^)(create|correct|set|annotate|delete|add|lower|stop|Name|its owner can admit)\b"
)


def test_every_reason_is_said_by_somebody() -> None:
    assert set(Reason) == REFUSALS.keys() | SAID_BY_OTHERS


@pytest.mark.parametrize(("reason", "said"), REFUSALS.items())
def test_refusal_tells_what_to_do(reason: Reason, said: object) -> None:
    assert isinstance(said, Refusal)
    assert said.reason is reason
    assert INSTRUCTION.search(said.message), said.message
    assert not said.message.endswith("."), "it may be joined with others"
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d|0x[0-9a-f]+", said.message), "the same each time"
    assert "choose another topicName" not in said.message, "topicName is immutable"


def test_instructions_are_recognized() -> None:
    assert INSTRUCTION.search("it is so: set it")
    assert not INSTRUCTION.search("it is so and settled")
