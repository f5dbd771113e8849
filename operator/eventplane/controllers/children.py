"""Which EventTopics were made for which Subscription: their labels say so. In memory, without IO."""

from collections import defaultdict
from typing import TypeAlias

from eventplane.api import SUBSCRIPTION_LABEL
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_topic import EventTopic
from eventplane.api.resource import Managed
from eventplane.api.subscription import Subscription
from eventplane.controllers.shelf import Key
from eventplane.planning.dead_letter_topics import name_label

Resource: TypeAlias = Managed | DeadLetterPolicy
_Label: TypeAlias = tuple[str, str]
"""A namespace, and what the label says."""


class Children:
    """The labels of all EventTopics, and the Subscriptions that they mean, which may not exist."""

    def __init__(self) -> None:
        self._topics: defaultdict[_Label, set[Key]] = defaultdict(set)
        self._subscriptions: dict[_Label, Key] = {}

    def moved(self, before: Resource | None, after: Resource | None) -> None:
        """Take note of what a resource was and is now; None where it is absent."""
        if isinstance(before, EventTopic) and (label := _label(before)) is not None:
            self._topics[label].discard(before.metadata.key)
            if not self._topics[label]:
                del self._topics[label]
        if isinstance(after, EventTopic) and (label := _label(after)) is not None:
            self._topics[label].add(after.metadata.key)
        if isinstance(before, Subscription):
            self._subscriptions.pop(_meant(before), None)
        if isinstance(after, Subscription):
            self._subscriptions[_meant(after)] = after.metadata.key

    def of(self, subscription: Subscription) -> tuple[Key, ...]:
        """List the EventTopics that were made for a Subscription, in order."""
        return tuple(sorted(self._topics.get(_meant(subscription), ())))

    def parents(self, *topics: Resource | None) -> frozenset[Key]:
        """Name the Subscriptions for which EventTopics were made, if they exist; other resources have none."""
        labels = {_label(each) for each in topics if isinstance(each, EventTopic)}
        return frozenset(self._subscriptions[each] for each in labels if each in self._subscriptions)


def _label(topic: EventTopic) -> _Label | None:
    text = topic.metadata.labels.get(SUBSCRIPTION_LABEL)
    return None if text is None else (topic.metadata.namespace, text)


def _meant(subscription: Subscription) -> _Label:
    return (subscription.metadata.namespace, name_label(subscription.metadata.name))
