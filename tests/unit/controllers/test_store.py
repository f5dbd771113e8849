"""What the watch has shown: news, our own writes, and the look-ups."""

from collections.abc import Iterable
from typing import Any

import pytest
from builders import event_bus, event_topic, refusal, schema, settled, subscription

from eventplane.api import DEFAULT_BUS_ANNOTATION, FINALIZER
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.controllers.store import Store
from eventplane.planning.plan import Refusal

SHOP = ("shop", "orders")
BUS = ("shop", "main")
DEFAULT = {DEFAULT_BUS_ANNOTATION: "true"}


def stored(*resources: EventTopic | EventBus) -> Store:
    store = Store()
    for resource in resources:
        if isinstance(resource, EventBus):
            store.put_bus(resource)
        else:
            store.topics.put(resource)
    return store


def names(those: Iterable[object]) -> list[str]:
    return sorted(getattr(each, "name", str(each)) for each in those)


# --- news


@pytest.mark.parametrize(
    ("seen", "news"),
    [
        ({"resource_version": "9"}, False),
        ({"resource_version": "10"}, False),
        ({"resource_version": "11"}, True),
        ({"resource_version": "9", "uid": "successor"}, True),
        ({"resource_version": "10", "generation": 2}, True),
        ({"resource_version": "10", "annotations": DEFAULT}, True),
        ({"resource_version": "10", "deletion_timestamp": "2026-01-02T00:00:00Z"}, True),
        ({"resource_version": "10", "finalizers": (FINALIZER,)}, True),
        ({"resource_version": "9", "generation": 2}, False),
    ],
)
def test_an_object_is_news_when_it_is_newer_or_an_echo_that_brings_more(seen: dict[str, object], *, news: bool) -> None:
    known = event_topic(resource_version="10").metadata
    fields: dict[str, object] = {"resource_version": "10"} | seen
    assert Store().is_news(known, known.model_copy(update=fields)) is news


def test_what_is_unknown_is_news() -> None:
    assert Store().is_news(None, event_topic().metadata)


def test_own_writes_are_remembered_and_change_nothing_that_decisions_hang_on() -> None:
    store = stored(event_bus(), event_topic(resource_version="10"))
    status = EventTopicStatus(topic_id="id")
    store.topics.wrote_status(event_topic(), status, "11")
    store.topics.wrote_finalizers(event_topic(), (FINALIZER,), "12")
    known = store.topics[SHOP]
    assert (known.status, known.metadata.finalizers, known.metadata.resource_version) == (status, (FINALIZER,), "12")
    assert not store.topics.put(known)


def test_own_writes_to_what_is_gone_or_replaced_are_forgotten() -> None:
    store = stored(event_bus(uid="new"), event_topic(uid="new"))
    store.topics.wrote_status(event_topic(uid="old"), EventTopicStatus(topic_id="id"), "11")
    store.topics.wrote_finalizers(event_topic(uid="old"), (FINALIZER,), "12")
    store.wrote_bus_status(BUS, "old", EventBusStatus(brokers=1), "13")
    store.topics.wrote_status(event_topic("none"), EventTopicStatus(), "14")
    assert store.topics[SHOP] == event_topic(uid="new")
    assert store.buses[BUS] == event_bus(uid="new")


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"resource_version": "11"}, False),
        ({"labels": {"team": "a"}}, False),
        ({"generation": 2}, True),
        ({"annotations": DEFAULT}, True),
        ({"deletion_timestamp": "2026-01-02T00:00:00Z"}, True),
        ({"uid": "successor"}, True),
    ],
)
def test_only_what_users_ask_for_makes_a_resource_dirty(change: dict[str, object], *, matters: bool) -> None:
    topic, bus = event_topic(), event_bus()
    store = stored(bus, topic)
    changed = topic.model_copy(update={"metadata": topic.metadata.model_copy(update=change)})
    assert store.topics.put(changed) is matters
    assert store.put_bus(bus.model_copy(update={"metadata": bus.metadata.model_copy(update=change)})) is matters
    assert not store.topics.put(changed.model_copy(update={"status": EventTopicStatus(topic_id="id")}))


# --- which bus


def test_a_topic_has_no_bus_before_there_is_one_and_loses_it_with_it() -> None:
    store = stored(event_topic())
    assert isinstance(store.topics.bus_of(event_topic()), Refusal)
    assert store.topics.of(BUS) == ()
    store.put_bus(event_bus())
    assert store.topics.of(BUS) == (SHOP,)
    assert store.remove_bus(BUS, "uid-shop-main") is not None
    assert store.topics.of(BUS) == ()
    assert isinstance(store.topics.bus_of(event_topic()), Refusal)


def test_topics_move_with_the_annotation_of_the_default_bus() -> None:
    store = stored(event_bus(annotations=DEFAULT), event_bus("second"), event_topic())
    assert store.topics.of(BUS) == (SHOP,)
    store.put_bus(event_bus())
    assert store.topics.of(BUS) == ()
    ambiguous = store.topics.bus_of(event_topic())
    assert isinstance(ambiguous, Refusal)
    assert ambiguous.reason is Reason.BUS_AMBIGUOUS
    store.put_bus(event_bus("second", annotations=DEFAULT))
    assert store.topics.of(("shop", "second")) == (SHOP,)


def test_labels_of_a_namespace_open_and_close_a_bus_to_it() -> None:
    selected = {"from": "Selector", "selector": {"matchLabels": {"events": "yes"}}}
    bus = event_bus("central", "platform", allowed_namespaces=selected)
    topic = event_topic(bus_ref={"name": "central", "namespace": "platform"})
    store = stored(bus, topic)
    key = ("platform", "central")
    assert store.put_namespace("shop", {})
    assert store.topics.of(key) == ()
    assert store.put_namespace("shop", {"events": "yes"})
    assert store.topics.of(key) == (SHOP,)
    assert not store.put_namespace("shop", {"events": "yes"})
    store.put_namespace("shop", {"events": "no"})
    assert store.topics.of(key) == ()


def test_what_is_not_understood_has_no_bus_until_it_is() -> None:
    problem = refusal(Reason.INVALID_SPEC)
    store = stored(event_bus())
    store.topics.put(event_topic(), problem)
    assert store.topics.bus_of(event_topic()) == problem
    assert store.topics.of(BUS) == ()
    store.topics.put(event_topic(generation=2))
    assert store.topics.of(BUS) == (SHOP,)


def test_own_writes_do_not_make_understood_what_is_not() -> None:
    problem = refusal(Reason.INVALID_SPEC)
    store = stored(event_bus())
    store.topics.put(event_topic(), problem)
    store.topics.wrote_status(event_topic(), EventTopicStatus(), "11")
    assert store.topics.bus_of(event_topic()) == problem


# --- rivals and elders


def test_rivals_name_the_same_topic_of_the_same_bus() -> None:
    ours = event_topic(topic_name="same")
    store = stored(
        event_bus(),
        ours,
        event_topic("rival", topic_name="same"),
        event_topic("other", topic_name="another"),
        event_topic("leaving", topic_name="same", deleting=True),
        event_topic("observer", topic_name="same", mode="Observe"),
    )
    assert names(store.topics.rivals_of(ours)) == ["rival"]
    assert names(store.topics.rivals_named_by(event_topic("new", topic_name="same"))) == ["orders", "rival"]
    assert names(store.topics.claimants(BUS, "same")) == names(
        [("shop", "leaving"), ("shop", "observer"), ("shop", "orders"), ("shop", "rival")]
    )


def test_a_rival_that_is_renamed_or_gone_is_none() -> None:
    ours = event_topic(topic_name="same")
    store = stored(event_bus(), ours, event_topic("rival", topic_name="same"))
    assert store.topics.remove(("shop", "rival"), "another uid") is None
    assert names(store.topics.rivals_of(ours)) == ["rival"]
    assert store.topics.remove(("shop", "rival"), "uid-shop-rival") is not None
    assert store.topics.rivals_of(ours) == ()


def test_what_has_no_bus_has_no_rivals() -> None:
    store = stored(event_topic(topic_name="same"), event_topic("rival", topic_name="same"))
    assert store.topics.rivals_of(event_topic(topic_name="same")) == ()
    assert store.topics.rivals_named_by(event_topic("new", topic_name="same")) == ()


def test_a_given_name_is_kept_when_the_template_changes() -> None:
    known = event_topic(status=EventTopicStatus(topic_name="shop.orders"))
    store = stored(event_bus(), known)
    store.put_bus(event_bus(generation=2, naming={"topic": "{{ name }}"}))
    assert names(store.topics.rivals_named_by(event_topic("x", topic_name="shop.orders"))) == ["orders"]


def test_elders_are_counted_by_age_within_namespace_and_bus() -> None:
    topics = [event_topic(f"t{n}", creation_timestamp=f"2026-01-0{n}T00:00:00Z") for n in (3, 1, 2)]
    store = stored(event_bus(allowed_namespaces={"from": "All"}), *topics)
    reference = {"name": "main", "namespace": "shop"}
    store.topics.put(event_topic("old", "other", bus_ref=reference, creation_timestamp="2025-01-01T00:00:00Z"))
    assert [store.topics.elders_in_namespace(topic) for topic in topics] == [2, 0, 1]
    store.topics.remove(("shop", "t1"), "uid-shop-t1")
    assert [store.topics.elders_in_namespace(topics[0]), store.topics.elders_in_namespace(topics[2])] == [1, 0]


def test_to_one_that_is_not_stored_yet_all_are_elders() -> None:
    store = stored(event_bus(), event_topic("one"), event_topic("two"))
    assert store.topics.elders_in_namespace(event_topic("new", creation_timestamp="")) == 2
    assert store.topics.elders_in_namespace(event_topic("new", "other")) == 0


def test_the_buses_of_a_store_are_indexed_again_only_when_something_matters() -> None:
    store = stored(event_bus(), event_topic())
    before = store.directory
    assert not store.put_bus(event_bus(status=EventBusStatus(brokers=1)))
    assert store.directory is before
    assert store.put_bus(event_bus(generation=2))
    assert store.directory is not before


def test_another_bus_of_that_name_is_not_removed() -> None:
    store = stored(event_bus(uid="new"))
    assert store.remove_bus(BUS, "old") is None
    assert store.remove_bus(("shop", "none"), "old") is None
    assert BUS in store.buses


# --- applications that select topics by labels


BILLING = {"team": "billing"}
BY_LABEL: dict[str, Any] = {"topic_selector": {"match_labels": BILLING}}
SELECTING = ("Subscription", ("shop", "billing"))


def selecting_store(*topics: EventTopic) -> tuple[Store, set[object]]:
    """Give a store with a Subscription that selects, and what is marked from here on."""
    store, marked = stored(event_bus(), *topics), set[object]()
    store.subscriptions.put(subscription(**BY_LABEL))
    store.on_outward_change = marked.update
    return store, marked


def selected(store: Store) -> list[str]:
    return list(store.topics_of(store.subscriptions["shop", "billing"]))


def test_topics_are_selected_by_their_labels_in_their_own_namespace() -> None:
    store, _ = selecting_store(
        event_topic("bills", labels=BILLING), event_topic("orders"), event_topic("bills", "other", labels=BILLING)
    )
    assert selected(store) == ["bills"]
    assert store.applications_of(store.topics["shop", "bills"]) == (SELECTING,)
    assert store.applications_of(store.topics["shop", "orders"]) == ()


def test_who_selects_is_looked_at_as_topics_come_change_and_go() -> None:
    store, marked = selecting_store()
    for topic in (
        event_topic("bills"),
        event_topic("bills", labels=BILLING),
        settled(event_topic("bills", labels=BILLING)),
    ):
        marked.clear()
        store.topics.put(topic)
        assert SELECTING in marked
    marked.clear()
    store.topics.put(settled(event_topic("bills", labels=BILLING)))
    assert marked == set()
    store.topics.remove(("shop", "bills"), topic.metadata.uid)
    assert SELECTING in marked
    assert selected(store) == []


def test_topics_and_their_schemas_are_looked_at_when_somebody_selects_or_not_any_more() -> None:
    store = stored(event_bus(), event_topic("bills", labels=BILLING, schemas={"value": {"name": "bill"}}))
    store.schemas.put(schema("bill"))
    marked = set[object]()
    store.on_outward_change = marked.update
    chosen = subscription(**BY_LABEL)
    both = {("EventTopic", ("shop", "bills")), ("Schema", ("shop", "bill"))}
    store.subscriptions.put(chosen)
    assert both <= marked
    assert store.readers_and_writers_of(store.schemas["shop", "bill"])[-1] == SELECTING
    marked.clear()
    store.topics.put(event_topic("bills", schemas={"value": {"name": "bill"}}))
    assert ("Schema", ("shop", "bill")) in marked
    marked.clear()
    store.subscriptions.remove(("shop", "billing"), chosen.metadata.uid)
    assert both <= marked
