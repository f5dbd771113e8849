"""The table of `review_topic`, through the store and the objects that the API server sends."""

from typing import Any

import kopf
import pytest
from builders import event_bus, event_topic, subscription

from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.controllers.admission import admission_server, admit_subscription, admit_topic, versions
from eventplane.controllers.store import Store
from eventplane.settings import OperatorSettings


def stored(*resources: EventTopic | EventBus) -> Store:
    store = Store()
    for namespace in ("shop", "other"):
        store.put_namespace(namespace, {})
    for resource in resources:
        if isinstance(resource, EventBus):
            store.put_bus(resource)
        else:
            store.topics.put(resource)
    return store


def refused(store: Store, topic: EventTopic, old: EventTopic | None = None) -> str | None:
    """Ask for admission; return the reason of a refusal."""
    return asked(store, topic.to_wire(), old.to_wire() if old else None)


def asked(store: Store, body: dict[str, Any], old: dict[str, Any] | None = None) -> str | None:
    try:
        admit_topic(store, *versions(EventTopic, body, old))
    except kopf.AdmissionError as error:
        return str(error).partition(":")[0] if error.code == 422 else "not for the user to correct"
    return None


NEW = event_topic("new", creation_timestamp="")
TWO_BUSES = (event_bus(), event_bus("second"))
LIMITED = event_bus(limits={"topics_per_namespace": 2, "partitions_per_topic": 10})


@pytest.mark.parametrize(
    ("known", "topic", "reason"),
    [
        ((event_bus(),), NEW, None),
        ((), NEW, None),
        ((), event_topic("new", bus_ref={"name": "later"}), None),
        (TWO_BUSES, NEW, "BusAmbiguous"),
        (
            (event_bus(),),
            event_topic("new", "other", bus_ref={"name": "main", "namespace": "shop"}),
            "NamespaceNotAllowed",
        ),
        ((event_bus(naming={"topic": "no spaces {{ name }}"}),), NEW, "InvalidName"),
        ((event_bus(),), event_topic(replication_factor=1, config={"min.insync.replicas": "2"}), "InvalidSpec"),
        ((event_bus(), event_topic(topic_name="same")), event_topic("new", topic_name="same"), "OwnedByAnother"),
        ((LIMITED, event_topic("a")), NEW, None),
        ((LIMITED, event_topic("a"), event_topic("b")), NEW, "LimitExceeded"),
        ((LIMITED, event_topic("a", "other"), event_topic("b", "other")), NEW, None),
        ((LIMITED,), event_topic("new", partitions=10), None),
        ((LIMITED,), event_topic("new", partitions=11), "LimitExceeded"),
    ],
)
def test_a_creation_is_admitted_or_refused(
    known: tuple[EventTopic | EventBus, ...], topic: EventTopic, reason: str | None
) -> None:
    assert refused(stored(*known), topic) == reason


VIOLATING = event_topic(partitions=50, status=EventTopicStatus(partitions=50))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"annotations": {"events.sindhan.ai/paused": "true"}}, None),
        ({"finalizers": ("events.sindhan.ai/deletion",)}, None),
        ({"finalizers": (), "deletion_timestamp": "2026-01-02T00:00:00Z"}, None),
        ({"labels": {"team": "a"}}, None),
    ],
)
def test_what_violates_a_limit_can_still_be_annotated_and_let_go(change: dict[str, object], reason: str | None) -> None:
    changed = VIOLATING.model_copy(update={"metadata": VIOLATING.metadata.model_copy(update=change)})
    assert refused(stored(LIMITED, VIOLATING), changed, VIOLATING) == reason


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (5, 8, None),
        (5, 11, "LimitExceeded"),
        (50, 51, "LimitExceeded"),
        (50, 50, None),
    ],
)
def test_growth_is_limited_and_what_exists_is_not(before: int, after: int, reason: str | None) -> None:
    old = event_topic(partitions=before, status=EventTopicStatus(partitions=before))
    new = event_topic(partitions=after, retention={"time": "7d"}, status=old.status)
    assert refused(stored(LIMITED, old), new, old) == reason


def test_a_rival_does_not_stand_against_an_update() -> None:
    old = event_topic(topic_name="same")
    store = stored(event_bus(), old, event_topic("rival", topic_name="same"))
    assert refused(store, event_topic(topic_name="same", partitions=3), old) is None


def test_an_object_without_identity_yet_is_understood() -> None:
    body = {"metadata": {"generateName": "orders-", "namespace": "shop"}, "spec": {"partitions": 3}}
    assert asked(stored(event_bus()), body) is None
    body["spec"] = {"partitions": 11}
    assert asked(stored(LIMITED), body) == "LimitExceeded"


def test_a_namespace_too_new_to_be_known_is_not_turned_away() -> None:
    store = stored(event_bus(allowed_namespaces={"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}))
    reference = {"name": "main", "namespace": "shop"}
    assert refused(store, event_topic("new", "other", bus_ref=reference)) == "NamespaceNotAllowed"
    assert refused(store, event_topic("new", "just-created", bus_ref=reference)) is None


def test_the_message_says_what_to_do() -> None:
    with pytest.raises(kopf.AdmissionError, match="set partitions to at most 10"):
        admit_topic(stored(LIMITED), event_topic(partitions=11), None)


def test_without_a_certificate_there_is_no_webhook() -> None:
    assert admission_server(OperatorSettings()) is None
    server = admission_server(OperatorSettings(webhook_certificate_dir="/certs", webhook_port=1234))
    assert server is not None
    assert (server.port, str(server.certfile)) == (1234, "/certs/tls.crt")


def test_a_subscription_is_turned_away_with_the_place_of_its_fault() -> None:
    admit_subscription(subscription(), None)
    with pytest.raises(
        kopf.AdmissionError, match=r"^ExpressionInvalid: correct spec\.filter: line 1, column 12: "
    ) as refused:
        admit_subscription(subscription(filter="event.type = 'a'", sink={"http": {"url": "http://billing"}}), None)
    assert refused.value.code == 422
