"""What to make of a bus, and what its topics are told."""

import pytest
from builders import event_bus

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.planning.bus_decisions import ACCEPT_CLUSTER_ANNOTATION, registry_unusable, unusable, verify_cluster
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal

KNOWN = EventBusStatus(cluster_id="one")


@pytest.mark.parametrize(
    ("bus", "refused"),
    [
        pytest.param(event_bus(), False, id="first sight"),
        pytest.param(event_bus(status=EventBusStatus(cluster_id="two")), False, id="the one of before"),
        pytest.param(event_bus(status=KNOWN), True, id="another"),
        pytest.param(
            event_bus(status=KNOWN, annotations={ACCEPT_CLUSTER_ANNOTATION: "two"}), False, id="another, accepted"
        ),
        pytest.param(
            event_bus(status=KNOWN, annotations={ACCEPT_CLUSTER_ANNOTATION: "three"}), True, id="a third one accepted"
        ),
        pytest.param(
            event_bus(status=KNOWN, annotations={ACCEPT_CLUSTER_ANNOTATION: "true"}), True, id="nothing in blank"
        ),
    ],
)
def test_verify_cluster(bus: EventBus, refused: bool) -> None:  # noqa: FBT001 - a row
    assert (verify_cluster(bus, "two") is not None) is refused


def test_message_of_another_cluster() -> None:
    assert verify_cluster(event_bus(status=KNOWN), "two") == Refusal(
        Reason.CLUSTER_CHANGED,
        "the addresses lead to Kafka cluster two, and were those of one: correct them, or annotate with"
        " events.sindhan.ai/accept-cluster=two to go on with this one",
    )


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        pytest.param(
            Refusal(Reason.SECRET_NOT_FOUND, "create Secret shop/login"),
            "EventBus shop/main is unusable (SecretNotFound): create Secret shop/login",
            id="the owner of the bus must act",
        ),
        pytest.param(
            Rejected(Reason.AUTHENTICATION_FAILED, "wrong password"),
            "EventBus shop/main is unusable (AuthenticationFailed): wrong password",
            id="the bus refused us",
        ),
        pytest.param(
            Unavailable("no answer"), "EventBus shop/main is unusable (BusUnavailable): no answer", id="no answer"
        ),
    ],
)
def test_topics_wait_whatever_the_reason(problem: Rejected | Unavailable | Refusal, told: str) -> None:
    error = unusable(event_bus(), problem)
    assert isinstance(error, Unavailable)
    assert (error.reason, error.message) == (Reason.BUS_UNAVAILABLE, told)


def test_schemas_wait_for_their_registry_and_blame_no_other() -> None:
    error = registry_unusable(event_bus(), Unavailable("no answer", Reason.REGISTRY_UNAVAILABLE))
    assert (error.reason, error.message) == (
        Reason.REGISTRY_UNAVAILABLE,
        "the schema registry of EventBus shop/main is unusable (RegistryUnavailable): no answer",
    )
