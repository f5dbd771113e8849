"""What is turned away at the door: the rows of `review_topic` and of `review_subscription`."""

from typing import Any

import pytest
from builders import event_bus, event_topic, metadata, refusal, settled, subscription

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.api.subscription import Subscription
from eventplane.planning.admission import review_subscription, review_topic
from eventplane.planning.plan import Refusal

BUS = event_bus()
LIMITED = event_bus(limits={"topics_per_namespace": 2, "partitions_per_topic": 4})
STRICT = event_bus(defaults={"config": {"min.insync.replicas": "2"}})
RIVAL = metadata("elder", "billing")
SMALL, LARGE = event_topic(partitions=3), event_topic(partitions=5)
NOT_FOUND, AMBIGUOUS = refusal(Reason.BUS_NOT_FOUND), refusal(Reason.BUS_AMBIGUOUS)


def route(name: str, url: str = "http://x/", **fields: Any) -> dict[str, Any]:
    return {"name": name, "sink": {"http": {"url": url}}, **fields}


def function(name: str, image: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "sink": {"python": {"image": image, "callable": f"m:{name}", **fields}}}


def routed(*to: dict[str, Any], match: str = "First", **fields: Any) -> Subscription:
    return subscription(routes={"match": match, "to": to}, **fields)


NOT_ALLOWED = refusal(Reason.NAMESPACE_NOT_ALLOWED)


def looking_up(url: str = "http://rates/{key}", key: str = "event.key", **others: Any) -> Subscription:
    """Make a Subscription that asks a service."""
    lookup = {"name": "rate", "key": key, "http": {"url": url}}
    return subscription(sink={"http": {"url": "http://billing"}}, lookups=[lookup], **others)


@pytest.mark.parametrize(
    ("topic", "before", "bus", "rivals", "elders", "expected"),
    [
        pytest.param(LARGE, LARGE, LIMITED, [RIVAL], 9, None, id="the spec does not change"),
        pytest.param(event_topic(partitions=5, deleting=True), SMALL, LIMITED, [], 9, None, id="being deleted"),
        pytest.param(SMALL, None, NOT_FOUND, [], 0, None, id="its bus does not exist yet"),
        pytest.param(SMALL, None, AMBIGUOUS, [], 0, Reason.BUS_AMBIGUOUS, id="its bus is ambiguous"),
        pytest.param(SMALL, None, NOT_ALLOWED, [], 0, Reason.NAMESPACE_NOT_ALLOWED, id="its bus does not let it in"),
        pytest.param(event_topic(replication_factor=1), None, STRICT, [], 0, Reason.INVALID_SPEC, id="contradiction"),
        pytest.param(event_topic("__x", topic_name="__x"), None, BUS, [], 0, Reason.INTERNAL_TOPIC, id="its name"),
        pytest.param(SMALL, None, BUS, [RIVAL], 0, Reason.OWNED_BY_ANOTHER, id="another names the topic"),
        pytest.param(event_topic(mode="Observe"), None, BUS, [RIVAL], 0, None, id="another names it, and is observed"),
        pytest.param(LARGE, SMALL, BUS, [RIVAL], 0, None, id="another names it, but it is there already"),
        pytest.param(SMALL, None, LIMITED, [], 2, Reason.LIMIT_EXCEEDED, id="one topic too many"),
        pytest.param(SMALL, None, LIMITED, [], 1, None, id="within the limit"),
        pytest.param(SMALL, LARGE, LIMITED, [], 9, None, id="too many topics, but this one is there already"),
        pytest.param(LARGE, None, LIMITED, [], 0, Reason.LIMIT_EXCEEDED, id="too many partitions"),
        pytest.param(LARGE, settled(SMALL), LIMITED, [], 0, Reason.LIMIT_EXCEEDED, id="grown to too many"),
        pytest.param(event_topic(), settled(SMALL), LIMITED, [], 0, None, id="asks for none"),
        pytest.param(
            event_topic(partitions=5, cleanup=("delete",)),
            settled(LARGE),
            LIMITED,
            [],
            0,
            None,
            id="has too many already",
        ),
        pytest.param(SMALL, None, BUS, [], 0, None, id="all well"),
    ],
)
def test_review(
    topic: EventTopic,
    before: EventTopic | None,
    bus: EventBus | Refusal,
    rivals: list[Metadata],
    elders: int,
    expected: Reason | None,
) -> None:
    verdict = review_topic(topic, before, bus, rivals, elders)
    assert (verdict.reason if verdict else None) == expected


def test_rival_is_named() -> None:
    younger = metadata("younger", "billing", creation_timestamp="2026-06-01T00:00:00Z")
    verdict = review_topic(SMALL, None, BUS, [younger, RIVAL], 0)
    assert verdict is not None
    assert verdict.message == (
        "topic shop.orders belongs to EventTopic billing/elder: create an EventTopic with another topicName, or delete"
        " one of the two"
    )


HTTP = {"http": {"url": "http://billing"}}
FAULTY = subscription(filter="event.type = 'a'", sink=HTTP)
SOUND = subscription(filter="event.type == 'a'", transform="{'id': event.data.id}", sink=HTTP)


@pytest.mark.parametrize(
    ("asked", "before", "message"),
    [
        pytest.param(FAULTY, FAULTY, None, id="the spec does not change"),
        pytest.param(FAULTY.model_copy(update={"metadata": metadata(deleting=True)}), SOUND, None, id="being deleted"),
        pytest.param(FAULTY, None, "correct spec.filter: line 1, column 12: ", id="a faulty filter"),
        pytest.param(FAULTY, SOUND, "correct spec.filter: line 1, column 12: ", id="a filter that is faulty now"),
        pytest.param(
            subscription(transform="{'id': evnt.data.id}", sink=HTTP),
            None,
            "correct spec.transform: line 1, column 17: undeclared reference to 'evnt.data.id'",
            id="a faulty transform",
        ),
        pytest.param(SOUND, None, None, id="what it refers to is not there"),
        pytest.param(
            subscription(sink=HTTP, delivery={"guarantee": "ExactlyOnce"}),
            None,
            "delivery.guarantee ExactlyOnce is for sink.topicRef; a service cannot take part",
            id="transactions with a service",
        ),
        pytest.param(
            subscription(delivery={"guarantee": "ExactlyOnce"}),
            None,
            "delivery.guarantee ExactlyOnce is for sink.topicRef; a container of your own",
            id="transactions of somebody else",
        ),
        pytest.param(
            subscription(sink={"topic_ref": {"name": "returns"}}, delivery={"guarantee": "ExactlyOnce"}),
            None,
            None,
            id="transactions from topic to topic",
        ),
        pytest.param(
            subscription(delivery={"deduplicate": {}}),
            None,
            "delivery.deduplicate is for a sink",
            id="deduplication for somebody else",
        ),
        pytest.param(
            subscription(sink=HTTP, delivery={"deduplicate": {"window": "10m"}}), None, None, id="deduplication"
        ),
        pytest.param(
            subscription(sink={"http": {"url": "http://127.0.0.1:8080/events"}}),
            None,
            "correct sink.http.url: 127.0.0.1 is no address of a service: it is the pod itself",
            id="the loopback",
        ),
        pytest.param(
            subscription(sink={"http": {"url": "https://LocalHost/"}}),
            None,
            "correct sink.http.url: localhost is no address of a service: it is the pod itself",
            id="its name",
        ),
        pytest.param(
            subscription(sink={"http": {"url": "http://me@[::ffff:169.254.169.254]:80/"}}),
            None,
            "correct sink.http.url: ::ffff:169.254.169.254 is no address of a service: it is",
            id="metadata",
        ),
        pytest.param(
            subscription(sink={"http": {"url": "http://[::1"}}),
            None,
            "sink.http.url is no URL: correct its host, or its port",
            id="half an address",
        ),
        pytest.param(
            subscription(sink={"http": {"url": "http://:80/"}}),
            None,
            "sink.http.url is no URL: correct its host, or its port",
            id="no host",
        ),
        pytest.param(
            subscription(sink={"http": {"url": "http://billing:65536/"}}),
            None,
            "sink.http.url is no URL: correct its host, or its port",
            id="no port",
        ),
        pytest.param(
            subscription(sink={"http": {"url": "https://10.0.0.7:8443/events"}}),
            None,
            None,
            id="an address of a cluster",
        ),
        pytest.param(subscription(sink={"topic_ref": {"name": "returns"}}), None, None, id="no service at all"),
        pytest.param(
            looking_up(url="http://169.254.169.254/{key}"), None, "correct lookups[rate].http.url", id="look-up"
        ),
        pytest.param(looking_up(), None, None, id="a look-up"),
        pytest.param(
            looking_up(key="event.typo"),
            None,
            "correct spec.lookups[rate].key: line 1, column 6: an event has no field typo",
            id="the key of a look-up",
        ),
        pytest.param(
            looking_up(filter="lookups.rates > 1"),
            None,
            "correct spec.filter: line 1, column 8: lookups has no rates; it has rate",
            id="a look-up that is not declared",
        ),
        pytest.param(routed(route("a", filter="true"), route("b")), None, None, id="routes"),
        pytest.param(
            routed(route("a"), route("b", filter="event.type =="), match="All"),
            None,
            "correct spec.routes.to[b].filter: line 1, column 14: Syntax error: mismatched input '<EOF>'",
            id="a typo in the filter of a route",
        ),
        pytest.param(
            routed(route("a", transform="evnt.data"), match="All"),
            None,
            "correct spec.routes.to[a].transform: line 1, column 5: undeclared reference to 'evnt.data'; what an "
            "expression knows is event, and CEL's functions",
            id="a typo in the transform of a route",
        ),
        pytest.param(
            routed(route("a"), route("b")),
            None,
            "with match First, route a has no filter and takes all events: give it one, or put it last",
            id="a route that would never get an event",
        ),
        pytest.param(routed(route("a"), route("b"), match="All"), None, None, id="all routes get all events"),
        pytest.param(
            routed(route("a"), delivery={"guarantee": "ExactlyOnce"}),
            None,
            "delivery.guarantee ExactlyOnce is for sink.topicRef; routes have no transactions: set AtLeastOnce, or make"
            " a Subscription with one topicRef for each route",
            id="routes exactly once",
        ),
        pytest.param(
            routed(route("a", url="http://169.254.169.254/")),
            None,
            "correct routes.to[a].sink.http.url: 169.254.169.254 is no address of a service",
            id="a route to a cloud's metadata",
        ),
        pytest.param(
            routed(function("a", "shop/a:1"), function("b", "shop/b:1"), match="All"),
            None,
            "routes with python run in one container: give them the same image, env, envFromSecrets, imagePullSecrets"
            " and resources, or make a Subscription for each",
            id="two images",
        ),
        pytest.param(
            routed(function("a", "shop/a:1"), function("b", "shop/a:1", timeout="1s"), match="All"),
            None,
            None,
            id="two functions of one image",
        ),
        pytest.param(
            routed(route("a"), delivery={"deduplicate": {}}), None, None, id="what comes twice is not delivered twice"
        ),
    ],
)
def test_subscriptions_are_turned_away(asked: Subscription, before: Subscription | None, message: str | None) -> None:
    verdict = review_subscription(asked, before)
    if message is None:
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.reason in {Reason.EXPRESSION_INVALID, Reason.INVALID_SPEC}
        assert verdict.message.startswith(message)
