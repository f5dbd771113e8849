"""How changes are cut into requests, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError

from eventplane.api.conditions import Reason
from eventplane.backends.kafka.batches import errors_of, in_batches, topics_with_code
from eventplane.backends.kafka.client import KafkaClient
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import CreateTopic
from eventplane.planning.topic_state import Owner

OWNER = Owner("cluster", "a", "orders", "uid")
TOO_LARGE = KafkaError(KafkaError.POLICY_VIOLATION, "Excessively large number of partitions per request.")


class Client:
    """Answers a request of so many changes as told."""

    def __init__(self, answer: Callable[[int], KafkaError | None]) -> None:
        self.sizes: list[int] = []
        self._answer = answer

    async def ask(
        self, _api: str, _right: str, send: Callable[[object], Mapping[str, object]]
    ) -> dict[str, KafkaError | None]:
        topics = send(None)
        self.sizes.append(len(topics))
        return dict.fromkeys(topics, self._answer(len(topics)))

    async def create(self, count: int, partitions: int | None) -> dict[str, Any]:
        changes = [CreateTopic(f"topic-{number}", OWNER, partitions, 1, {"a": "1"}) for number in range(count)]

        def request(_admin: object, part: Sequence[CreateTopic]) -> Mapping[str, Any]:
            return {change.topic: None for change in part}

        return await in_batches(cast("KafkaClient", self), "CreateTopics", "Create", changes, request)


@pytest.mark.parametrize(
    ("count", "partitions", "sizes"),
    [
        pytest.param(0, 1, [], id="nothing"),
        pytest.param(3000, 1, [3000], id="as many as fit"),
        pytest.param(1000, 20, [409, 409, 182], id="by metadata records: topic, partitions, settings"),
        pytest.param(2, 20_000, [1, 1], id="one that is too large alone is Kafka's to refuse"),
        pytest.param(1000, None, [750, 250], id="a guess where the broker chooses"),
    ],
)
async def test_a_request_stays_below_ten_thousand_records(count: int, partitions: int | None, sizes: list[int]) -> None:
    client = Client(lambda _: None)
    answers = await client.create(count, partitions)
    assert client.sizes == sizes
    assert len(answers) == count


async def test_a_request_that_turns_out_too_large_is_halved() -> None:
    client = Client(lambda size: TOO_LARGE if size > 300 else None)
    answers = await client.create(750, None)
    assert client.sizes == [750, 375, 187, 188, 375, 187, 188]
    assert set(answers.values()) == {None}


async def test_a_policy_that_refuses_is_not_argued_with() -> None:
    client = Client(lambda _: KafkaError(KafkaError.POLICY_VIOLATION, "names begin with team-"))
    answers = await client.create(10, 1)
    assert client.sizes == [10]
    assert errors_of(answers, "Create")["topic-0"].reason == Reason.REJECTED


async def test_silence_after_some_answers_is_the_error_of_the_rest() -> None:
    def answer(_: int) -> None:
        if len(client.sizes) > 1:
            raise Unavailable("no answer")

    client = Client(answer)
    answers = await client.create(1000, 20)
    assert [answers[f"topic-{number}"] is None for number in (0, 408, 409, 999)] == [True, True, False, False]


async def test_silence_from_the_start_is_raised() -> None:
    def answer(_: int) -> None:
        raise Unavailable("no answer")

    with pytest.raises(Unavailable):
        await Client(answer).create(1000, 20)


def test_answers_are_told_apart_and_name_the_right() -> None:
    answers = {
        "done": None,
        "denied": KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED),
        "there": KafkaError(KafkaError.TOPIC_ALREADY_EXISTS, "it exists"),
        "later": KafkaError(KafkaError.NOT_ENOUGH_REPLICAS, "2 of 3"),
    }
    errors = errors_of(answers, "Create")
    assert set(errors) == {"denied", "there", "later"}
    assert "Create on topic denied" in errors["denied"].message
    assert (type(errors["there"]), errors["there"].reason) == (Rejected, Reason.TOPIC_EXISTS)
    assert type(errors["later"]) is Unavailable
    assert topics_with_code(answers, (KafkaError.TOPIC_ALREADY_EXISTS,)) == {"there"}
