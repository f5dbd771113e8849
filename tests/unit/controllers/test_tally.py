"""Counting as resources change gives what counting all of them would."""

import pytest
from builders import condition_of, event_topic

from eventplane.api.conditions import ConditionType, Status
from eventplane.api.event_topic import EventTopic, EventTopicStatus
from eventplane.controllers.store import Store


def shown(name: str, ready: Status | None, *, drifted: bool = False) -> EventTopic:
    conditions = [condition_of(ConditionType.READY, ready)] if ready is not None else []
    conditions += [condition_of(ConditionType.DRIFTED, "True")] if drifted else []
    return event_topic(name, status=EventTopicStatus(conditions=tuple(conditions)))


def test_what_is_there_is_counted_as_it_is_now() -> None:
    topics = Store().topics
    for resource in (shown("a", "True"), shown("b", "False", drifted=True), shown("c", None)):
        topics.put(resource)
    assert topics.tally.ready == {"True": 1, "False": 1, "Unknown": 1}
    assert topics.tally.drifted == 1
    topics.put(shown("b", "True"))
    assert topics.tally.ready == {"True": 2, "Unknown": 1}, "what nobody has any more is not told of"
    assert topics.tally.drifted == 0


def test_what_is_gone_is_not_counted_and_another_of_its_name_is() -> None:
    topics = Store().topics
    resource = shown("a", "True", drifted=True)
    topics.put(resource)
    topics.remove(resource.metadata.key, "another uid")
    assert topics.tally.ready == {"True": 1}
    topics.remove(resource.metadata.key, resource.metadata.uid)
    assert (topics.tally.ready, topics.tally.drifted) == ({}, 0)


@pytest.mark.parametrize("status", ["True", "False"])
def test_our_own_writes_are_counted_once(status: Status) -> None:
    topics = Store().topics
    resource = shown("a", None)
    topics.put(resource)
    topics.wrote_status(resource, shown("a", status).status, "7")
    assert topics.tally.ready == {status: 1}
