"""What a broker that is behind may not hide."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from eventplane.backends.kafka import freshness
from eventplane.backends.kafka.freshness import FreshTopics
from eventplane.planning.topic_changes import AlterConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventplane.backends.kafka.client import KafkaClient


@dataclass
class Description:
    """As much of a description as is looked at."""

    topic_id: str
    partitions: tuple[int, ...] = (0,)


class Brokers:
    """Answer one after the other; the last one answers all that is left."""

    def __init__(self, *answers: object) -> None:
        self.answers = deque(answers)
        self.asked = 0
        self.now = 0.0

    async def look(self, _client: object, topics: Sequence[str], _denied: object) -> dict[str, Any]:
        self.asked += 1
        self.now += 1
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, dict):
            return {topic: answer[topic] for topic in topics if topic in answer}
        return {} if answer is None else dict.fromkeys(topics, answer)


def topics_of(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> FreshTopics:
    monkeypatch.setattr(freshness, "describe_topics", brokers.look)
    monkeypatch.setattr(freshness, "describe_settings", brokers.look)
    return FreshTopics(cast("KafkaClient", None), now=lambda: brokers.now)


OLD, NEW = Description("old"), Description("new")


async def describe(topics: FreshTopics) -> dict[str, Any]:
    return dict(await topics.describe(["orders"]))


async def test_without_own_changes_the_first_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    brokers = Brokers(None, NEW)
    assert await describe(topics_of(brokers, monkeypatch)) == {}


async def test_what_was_created_shows_and_not_what_had_its_name_before(monkeypatch: pytest.MonkeyPatch) -> None:
    brokers = Brokers(None, OLD, NEW)
    topics = topics_of(brokers, monkeypatch)
    topics.deleted("orders", "old")
    topics.created("orders")
    assert await describe(topics) == {"orders": NEW}
    assert brokers.asked == 3


async def test_what_was_deleted_shows_no_more_but_its_successor_does(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = topics_of(Brokers(OLD, None), monkeypatch)
    topics.deleted("orders", "old")
    assert await describe(topics) == {}
    topics = topics_of(Brokers(NEW), monkeypatch)
    topics.deleted("orders", "old")
    assert await describe(topics) == {"orders": NEW}


async def test_growth_and_settings_show(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = Description("new", (0, 1))
    topics = topics_of(Brokers(NEW, grown), monkeypatch)
    topics.grown("orders", 2)
    assert await describe(topics) == {"orders": grown}
    before, after = ({"a": "1", "b": "1"}, frozenset({"a", "b"})), ({"a": "2", "b": "1"}, frozenset({"a"}))
    topics = topics_of(Brokers(before, after), monkeypatch)
    topics.altered(AlterConfig("orders", {"a": "2"}))
    topics.altered(AlterConfig("orders", {}, ("b",)))
    assert await topics.settings(["orders"]) == {"orders": after}


async def test_a_creation_that_does_not_show_is_lagging_and_not_an_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    brokers = Brokers(None)
    topics = topics_of(brokers, monkeypatch)
    topics.created("orders")
    found = await describe(topics)
    assert (found, topics.lagging(["orders", "other"], found)) == ({}, ["orders"])
    brokers.now += 300
    found = await describe(topics)
    assert (found, topics.lagging(["orders"], found)) == ({}, [])


async def test_a_foreigner_who_deletes_what_has_shown_is_believed_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brokers = Brokers(NEW, None)
    topics = topics_of(brokers, monkeypatch)
    topics.created("orders")
    assert await describe(topics) == {"orders": NEW}
    found = await describe(topics)
    assert (found, topics.lagging(["orders"], found)) == ({}, [])
    assert brokers.asked == 6


@pytest.mark.parametrize(
    ("later", "lagging"), [pytest.param(45, ["orders"], id="as long as this one"), pytest.param(65, [], id="longer")]
)
async def test_another_broker_may_be_behind_as_long_as_the_first_that_shows_a_creation(
    monkeypatch: pytest.MonkeyPatch, later: float, lagging: list[str]
) -> None:
    brokers = Brokers(NEW, None)
    topics = topics_of(brokers, monkeypatch)
    topics.created("orders")
    brokers.now += 59
    assert await describe(topics) == {"orders": NEW}
    brokers.now += later
    found = await describe(topics)
    assert (found, topics.lagging(["orders"], found)) == ({}, lagging)


async def test_a_look_at_many_topics_does_not_wait_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"orders-{number}" for number in range(11)]
    brokers = Brokers(None)
    topics = topics_of(brokers, monkeypatch)
    topics.created("orders-3")
    assert topics.lagging(names, await topics.describe(names)) == ["orders-3"]
    assert brokers.asked == 1


@pytest.mark.parametrize(
    "expect",
    [
        pytest.param(lambda topics: topics.deleted("orders-3", "old"), id="was deleted"),
        pytest.param(lambda topics: topics.grown("orders-3", 2), id="was grown"),
        pytest.param(lambda topics: topics.created("orders-3", needed=True), id="all looks need it"),
    ],
)
async def test_a_look_at_many_topics_waits_for_what(
    expect: Callable[[FreshTopics], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"orders-{number}" for number in range(11)]
    topics = topics_of(Brokers({"orders-3": OLD}, {"orders-3": Description("new", (0, 1))}), monkeypatch)
    topics.deleted("orders-3", "old")
    expect(topics)
    found = await topics.describe(names)
    assert found["orders-3"].topic_id == "new"
