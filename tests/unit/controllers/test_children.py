"""Which EventTopics were made for which Subscription, as they come, change and go."""

from builders import dead_letter_policy, event_topic, settled, subscription
from unit.controllers.world import World, access_world

from eventplane.api import SUBSCRIPTION_LABEL
from eventplane.api.event_topic import EventTopic
from eventplane.controllers.store import Store
from eventplane.planning.dead_letter_topics import name_label

BILLING = subscription("billing")
LONG = subscription("b" * 100)
LABELS = {SUBSCRIPTION_LABEL: "billing"}
LETTERS = event_topic("billing.dlq", labels=LABELS)
LONGER = event_topic("long.dlq", labels={SUBSCRIPTION_LABEL: name_label("b" * 100)})


def marked(store: Store) -> list[object]:
    """Collect who has to be looked at again."""
    seen: list[object] = []
    store.on_outward_change = seen.extend
    return seen


def test_they_are_found_by_label_in_the_namespace() -> None:
    store = Store()
    for topic in (LETTERS, LONGER, event_topic(), event_topic("billing.dlq", "other", labels=LETTERS.metadata.labels)):
        store.topics.put(topic)
    assert store.children_of(BILLING) == (LETTERS,)
    assert store.children_of(LONG) == (LONGER,)
    assert store.children_of(subscription("audit")) == ()


def test_siblings_are_those_and_the_ones_that_have_the_names_of_a_policys_topics() -> None:
    store = Store()
    careful = subscription("billing", dead_letter_policy_ref={"name": "careful"})
    old, taken = (event_topic(f"billing.{name}", labels=labels) for name, labels in (("old", LABELS), ("dlq", {})))
    for topic in (old, taken, event_topic()):
        store.topics.put(topic)
    assert store.siblings_of(careful) == (old,)
    store.policies.put(dead_letter_policy())
    assert store.siblings_of(careful) == (old, taken)
    assert store.siblings_of(BILLING) == (old,)


def test_they_follow_the_label() -> None:
    store = Store()
    store.topics.put(LETTERS)
    store.topics.put(event_topic("billing.dlq"))
    assert store.children_of(BILLING) == ()
    store.topics.put(LETTERS)
    store.topics.remove(LETTERS.metadata.key, LETTERS.metadata.uid)
    assert store.children_of(BILLING) == ()


def test_their_subscription_is_looked_at_again_when_they_are_made_or_go() -> None:
    store = Store()
    store.subscriptions.put(BILLING)
    again = marked(store)
    store.topics.put(LETTERS)
    place = ("Subscription", BILLING.metadata.key)
    assert place in again
    again.clear()
    store.topics.put(LETTERS.model_copy())
    assert place not in again
    store.topics.put(settled(LETTERS))
    assert place in again
    again.clear()
    store.topics.remove(LETTERS.metadata.key, LETTERS.metadata.uid)
    assert place in again
    store.subscriptions.remove(BILLING.metadata.key, BILLING.metadata.uid)
    again.clear()
    store.topics.put(LETTERS)
    assert place not in again


async def test_a_pass_follows_the_moment_a_child_is_made() -> None:
    world: World = access_world(BILLING)
    async with world.operator() as operator:
        await operator.settle()
        reads = len(world.kubernetes.reads)
        world.kubernetes.put(LETTERS)
        await world.until(lambda: len(world.kubernetes.reads) > reads + 1)
        assert world.kubernetes.exists(EventTopic, LETTERS.metadata.key)
