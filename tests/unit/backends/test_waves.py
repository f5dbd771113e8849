"""The order in which changes are made, and what a failure stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventplane.api.conditions import Reason
from eventplane.backends.waves import apply_in_waves
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.topic_changes import AlterConfig, ClaimTopic, CreateTopic, ReleaseTopic, TopicChange
from eventplane.planning.topic_state import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventplane.backends.waves import TopicOutcome

OWNER = Owner("cluster", "a", "orders", "uid")
REFUSAL = Rejected(Reason.REJECTED, "no")
SILENCE = Unavailable("no answer")


class Requests:
    """Takes batches, and fails those changes, or whole batches, that it is told to."""

    def __init__(
        self, refused: Sequence[TopicChange] = (), broken: dict[type[TopicChange], BackendError] | None = None
    ) -> None:
        self.sent: list[list[str]] = []
        self._refused = refused
        self._broken = broken or {}

    async def make(self, changes: Sequence[Any]) -> Sequence[TopicOutcome]:
        self.sent.append([change.describe() for change in changes])
        if type(changes[0]) in self._broken:
            raise self._broken[type(changes[0])]
        return [Outcome(change, REFUSAL if change in self._refused else None) for change in changes]

    async def apply(self, *changes: TopicChange) -> list[BackendError | None]:
        kinds: tuple[type[TopicChange], ...] = (AlterConfig, ClaimTopic, CreateTopic, ReleaseTopic)
        outcomes = await apply_in_waves(changes, dict.fromkeys(kinds, self.make), lambda change: change.topic)
        assert [outcome.change for outcome in outcomes] == list(changes)
        return [outcome.error for outcome in outcomes]


def creation(topic: str) -> tuple[ClaimTopic, CreateTopic]:
    return ClaimTopic(topic, OWNER), CreateTopic(topic, OWNER, 1, 1)


async def test_nothing_to_do_sends_nothing() -> None:
    requests = Requests()
    assert await requests.apply() == []
    assert requests.sent == []


async def test_one_request_for_each_kind_and_step() -> None:
    requests = Requests()
    assert await requests.apply(*creation("a"), *creation("b"), ReleaseTopic("c", OWNER)) == [None] * 5
    assert sorted(map(len, requests.sent)) == [1, 2, 2]
    assert requests.sent.index(["claim topic a", "claim topic b"]) < 2, "claims go before creations"


async def test_a_failure_stops_the_rest_of_its_topic_only() -> None:
    bad, good = creation("bad"), creation("good")
    requests = Requests(refused=[bad[0]])
    found = await requests.apply(*bad, AlterConfig("bad", {"a": "1"}), *good)
    assert found == [REFUSAL, REFUSAL, REFUSAL, None, None]
    assert sum(map(len, requests.sent)) == 3


async def test_silence_about_everything_is_raised() -> None:
    with pytest.raises(Unavailable):
        await Requests(broken={ClaimTopic: SILENCE}).apply(*creation("a"), *creation("b"))


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        pytest.param({CreateTopic: SILENCE}, [None, SILENCE, None], id="silence after something was done"),
        pytest.param({ClaimTopic: REFUSAL}, [REFUSAL, REFUSAL, None], id="a refusal of a whole request"),
        pytest.param({ClaimTopic: SILENCE}, [SILENCE, SILENCE, None], id="silence about a part"),
    ],
)
async def test_what_befell_a_request_is_the_error_of_its_changes(
    broken: dict[type[TopicChange], BackendError], expected: list[BackendError | None]
) -> None:
    assert await Requests(broken=broken).apply(*creation("a"), ReleaseTopic("b", OWNER)) == expected
