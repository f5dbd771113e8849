"""The demo's honesty: what it shows is compared with what is, and its exit code says whether all of it was so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from e2e import demo
from e2e.cluster.commands import HarnessError
from e2e.servers import ServerError
from e2e.workspace import NotReachedError, is_current, ready, topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.kafka_view import KafkaView
    from e2e.workspace import Resource, Workspace


class Statuses:
    """A workspace whose topics show these statuses."""

    def __init__(self, **statuses: Mapping[str, Any]) -> None:
        self._statuses = statuses

    def every(self, kind: str) -> list[Resource]:
        assert kind == "EventTopic"
        return [{"metadata": {"name": name}, "status": dict(status)} for name, status in self._statuses.items()]


class Existing:
    """A Kafka that has these topics."""

    def __init__(self, **topics: int) -> None:
        self._topics = topics

    def partitions(self) -> dict[str, int]:
        return self._topics


def check(statuses: Statuses, existing: Existing, **reasons: str) -> dict[str, int]:
    return demo.check_topics(cast("Workspace", statuses), cast("KafkaView", existing), reasons)


def test_a_topic_is_shown_when_its_status_and_kafka_agree() -> None:
    shown = check(Statuses(t={"topicName": "t", "partitions": 3}), Existing(t=3), t="Ready")
    assert shown == {"t": 3}


def test_a_topic_that_waits_for_approval_is_not_in_kafka() -> None:
    assert check(Statuses(t={"topicName": "t"}), Existing(), t="AwaitingApproval") == {}


def test_what_the_demo_did_not_apply_is_not_its_business() -> None:
    assert check(Statuses(foreign={"topicName": "foreign", "partitions": 9}), Existing()) == {}


@pytest.mark.parametrize(
    ("status", "existing"),
    [
        ({"topicName": "t", "partitions": 3}, Existing(t=2)),
        ({"topicName": "t", "partitions": 3}, Existing()),
        ({"topicName": "t"}, Existing(t=3)),
        ({"topicName": "t"}, Existing()),
    ],
    ids=["other partitions", "not in Kafka", "status says nothing", "Ready without a topic"],
)
def test_a_status_that_does_not_tell_the_truth_fails_the_demo(status: dict[str, Any], existing: Existing) -> None:
    with pytest.raises(demo.ClaimError, match="topic t"):
        check(Statuses(t=status), existing, t="Ready")


@pytest.mark.parametrize(
    "failure",
    [
        HarnessError("no cluster"),
        ServerError("no Kafka"),
        NotReachedError("not Ready"),
        demo.ClaimError("not so"),
        TimeoutError("no record"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failure_is_said_and_shows_in_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    def fail() -> None:
        raise failure

    monkeypatch.setattr(demo, "run", fail)
    assert demo.main() == 1
    said = capsys.readouterr()
    assert str(failure) in said.err
    assert "is so" not in said.out


def test_a_status_of_an_older_spec_proves_nothing() -> None:
    resource = topic("t") | {"metadata": {"name": "t", "generation": 2}, "status": {"observedGeneration": 1}}
    assert not is_current(resource)
    assert ready(resource) == {}
