"""ExactlyOnce as a process, on a real broker: whoever reads committed records sees each event once, in order."""

from __future__ import annotations

import random
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.service_process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)
KEYS = 40


@pytest.fixture
def name() -> str:
    """Of a topic that no other test uses."""
    return f"once-{next(_NUMBERS)}"


def config(name: str, **others: Any) -> dict[str, Any]:
    """A Subscription from one topic to another."""
    told = {
        "transactionalIdPrefix": f"{name}.",
        "topic": {"topic": f"{name}.out"},
        "delivery": {"guarantee": "ExactlyOnce"},
        "retry": {
            "attempts": 2,
            "delaysMs": [20],
            "giveUpOn": ["Undecodable", "ExpressionFailed", "Rejected"],
            "deadLetterTopic": f"{name}.dlq",
        },
    }
    return config_of(name, **{**told, **others})


def numbers(messages: list[Any]) -> list[int]:
    return [int(header(each, "ce_id") or "") for each in messages]


def test_killed_again_and_again_each_event_is_there_once_and_in_order(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name, f"{name}.out", f"{name}.dlq", partitions=3)
    chance = random.Random(7)  # noqa: S311 - no secret
    each_turn, kills = 1_500, 6
    total = each_turn * kills
    with consumers(tmp_path / "c", event_kafka, config(name, filter="event.data.number % 100 != 99")) as started:
        for turn in range(kills):
            topics.write_events(name, range(turn * each_turn, (turn + 1) * each_turn), keys=KEYS)
            topics.write(name, [("poison", b"\xff no event", {"ce_id": str(-1 - turn)})])
            process = started.start(HOSTNAME="pod-1")
            process.wait_ready()
            time.sleep(chance.random() / 4)  # sometimes before it has read, in a transaction, or after it
            process.kill()
        last = started.start(HOSTNAME="pod-1")
        last.wait_ready()
        wait_until(lambda: topics.committed(f"group-{name}", name) >= total + kills, "all is finished")
        assert last.terminate() == 0
    out = numbers(topics.read_committed(f"{name}.out"))
    assert sorted(out) == [each for each in range(total) if each % 100 != 99]
    for key in range(KEYS):
        of_key = [each for each in out if each % KEYS == key]
        assert of_key == sorted(of_key)
    assert sorted(numbers(topics.read_committed(f"{name}.dlq"))) == list(range(-kills, 0)), "dead letters, too"


def test_pods_come_and_go_and_nothing_is_there_twice(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name, f"{name}.out", f"{name}.dlq", partitions=6)
    with consumers(tmp_path / "c", event_kafka, config(name)) as started:
        first = started.start(HOSTNAME="pod-1")
        first.wait_ready()
        topics.write_events(name, range(1000), keys=KEYS)
        second = started.start(HOSTNAME="pod-2")
        topics.write_events(name, range(1000, 2000), keys=KEYS)
        second.wait_ready()
        assert first.terminate() == 0
        topics.write_events(name, range(2000, 3000), keys=KEYS)
        wait_until(lambda: topics.committed(f"group-{name}", name) >= 3000, "all is finished")
        assert second.metric("eventplane_runtime_delivered_total") > 0
        assert second.terminate() == 0
    out = numbers(topics.read_committed(f"{name}.out"))
    assert sorted(out) == list(range(3000))
    assert all([each for each in out if each % KEYS == key] == list(range(key, 3000, KEYS)) for key in range(KEYS))


def test_retry_topics_and_dead_letters_are_in_the_transaction(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """A sink that refuses what is large: it is tried as often as the policy says, and ends as a dead letter, once."""
    small: dict[str, Any] = {"max.message.bytes": "4000"}
    topics.create(f"{name}.out", **small)
    topics.create(name, f"{name}.dlq", f"{name}.r1")
    tiers = [{"topic": f"{name}.r1", "delayMs": 200}]
    retry = {"attempts": 2, "delaysMs": [200], "tiers": tiers, "deadLetterTopic": f"{name}.dlq"}
    noise = random.Random(2).randbytes(20_000).hex()  # noqa: S311 - no secret, but nothing that could be compressed
    large = ("key-1", f'"{noise}"'.encode(), cloud_event(3, "key-1")[2])
    with consumers(tmp_path / "c", event_kafka, config(name, retry=retry)) as started:
        process = started.start(HOSTNAME="pod-1")
        topics.write_events(name, range(3), keys=1)
        topics.write(name, [large])
        topics.write_events(name, range(4, 10), keys=1)
        wait_until(lambda: bool(topics.read_committed(f"{name}.dlq")), "a dead letter")
        wait_until(lambda: process.metric("eventplane_runtime_dead_lettered_total") == 1, "counted once it is certain")
        assert process.metric("eventplane_runtime_delivered_total") == 9
        assert process.terminate() == 0
    (letter,) = topics.read_committed(f"{name}.dlq")
    told = {field: header(letter, f"eventplane-{field}") for field in ("reason", "attempts", "topic", "offset")}
    assert told == {"reason": "Rejected", "attempts": "2", "topic": name, "offset": "3"}
    assert numbers(topics.read_committed(f"{name}.r1")) == [3]
    assert numbers(topics.read_committed(f"{name}.out")) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
