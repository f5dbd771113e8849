"""Events for later, through the consumer as a process, on a real broker: none is lost, none comes before its time."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.http_service import Answer, HttpService, Request
from integration.service_process import wait_until

from eventplane.events.dead_letters import NOT_BEFORE, history_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)
TIERS = (("retry-1s", 1_000), ("retry-3s", 3_000))


@pytest.fixture
def name() -> str:
    """Of a topic that no other test uses."""
    return f"later-{next(_NUMBERS)}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def retry(name: str, *, in_topics: bool) -> dict[str, Any]:
    tiers = [{"topic": f"{name}.{tier}", "delayMs": delay_ms} for tier, delay_ms in TIERS] if in_topics else []
    waits = [delay_ms for _tier, delay_ms in TIERS]
    return {"attempts": 3, "delaysMs": waits, "tiers": tiers, "deadLetterTopic": f"{name}.dlq"}


def create(topics: Topics, name: str) -> None:
    topics.create(name, partitions=2)
    topics.create(f"{name}.dlq", f"{name}.out", *(f"{name}.{tier}" for tier, _delay_ms in TIERS))


def write(topics: Topics, name: str, numbers: Iterable[int], due: int | str) -> None:
    """Write events that are to be delivered at a time."""
    events = [cloud_event(number, f"key-{number % 5}") for number in numbers]
    topics.write(name, [(key, value, {**headers, NOT_BEFORE: str(due)}) for key, value, headers in events])


class Clock:
    """Notes when the service was first asked to take each event; it refuses some at first."""

    def __init__(self, fails_at_first: Iterable[int] = ()) -> None:
        self.came: dict[int, int] = {}
        self._fails = {str(number) for number in fails_at_first}

    def __call__(self, request: Request, attempt: int) -> Answer:
        self.came.setdefault(int(request.id), now_ms())
        return Answer(503 if request.id in self._fails and attempt == 1 else 204)


def test_through_retry_topics_and_the_counts_add_up(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """Also with what fails at its time, which is its first attempt, and with times that are none."""
    create(topics, name)
    clock = Clock(fails_at_first=[3, 13])
    with (
        HttpService(clock) as service,
        consumers(
            tmp_path / "c", event_kafka, config_of(name, http={"url": service.url}, retry=retry(name, in_topics=True))
        ) as started,
    ):
        process = started.start()
        process.wait_ready()
        due_ms = now_ms() + 8_000
        write(topics, name, range(10), due_ms)
        write(topics, name, range(10, 20), due_ms + 1_500)
        topics.write_events(name, range(20, 30))
        write(topics, name, range(30, 33), "tomorrow")
        wait_until(lambda: len(service.taken) == 30, "all are delivered")
        wait_until(lambda: process.metric("eventplane_runtime_delivered_total") == 30, "and counted")
        wait_until(lambda: process.metric("eventplane_runtime_dead_lettered_total") == 3, "what has no time, too")
        dead = topics.read(f"{name}.dlq")
        waits = [each for tier, _delay_ms in TIERS for each in topics.read(f"{name}.{tier}")]
        hops = [each for each in waits if header(each, "eventplane-attempts") is None]
        assert process.metric('eventplane_runtime_postponed_total{where="Topic"}') == len(hops)
        assert process.metric('eventplane_runtime_postponed_total{where="InPlace"}') == 0
        assert process.metric('eventplane_runtime_retried_total{route="",where="Topic"}') == len(waits) - len(hops)
        assert process.metric("eventplane_runtime_received_total") == 33 + len(waits)
        assert process.metric("eventplane_runtime_failed_attempts_total") == 2 + 3 * 3
        assert process.terminate() == 0
    assert sorted(int(request.id) for request in service.taken) == list(range(30)), "each once"
    assert all(clock.came[number] >= due_ms for number in range(10))
    assert all(clock.came[number] >= due_ms + 1_500 for number in range(10, 20))
    assert {header(each, "ce_id") for each in hops} == {str(number) for number in range(20)}
    assert len(waits) - len(hops) == 2 + 3 * 2
    assert topics.committed(f"group-{name}", name) == 33
    histories = [history_of(each) for each in dead]  # type: ignore[arg-type]  # a Message is a Record
    assert [(each.failure.reason, each.attempts) for each in histories if each] == [("Undecodable", 3)] * 3


@pytest.mark.parametrize("in_topics", [False, True])
def test_killed_while_they_wait_all_come_and_none_before_its_time(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path, *, in_topics: bool
) -> None:
    create(topics, name)
    clock = Clock()
    with (
        HttpService(clock) as service,
        consumers(
            tmp_path / "c",
            event_kafka,
            config_of(name, http={"url": service.url}, retry=retry(name, in_topics=in_topics)),
        ) as started,
    ):
        first = started.start(EVENTPLANE_INSTANCE_ID="only")
        first.wait_ready()
        due_ms = now_ms() + 9_000
        write(topics, name, range(20), due_ms)
        topics.write_events(name, range(20, 40))
        waits = f'eventplane_runtime_postponed_total{{where="{"Topic" if in_topics else "InPlace"}"}}'
        wait_until(lambda: first.metric(waits) > 0, "they wait")
        first.kill()
        second = started.start(EVENTPLANE_INSTANCE_ID="only")
        second.wait_ready()
        second.kill()
        last = started.start(EVENTPLANE_INSTANCE_ID="only")
        wait_until(lambda: set(clock.came) == set(range(40)), "all are delivered")
        wait_until(lambda: topics.committed(f"group-{name}", name) == 40, "and finished")
        assert last.terminate() == 0
    assert all(clock.came[number] >= due_ms for number in range(20))
    assert topics.read(f"{name}.dlq") == []


@pytest.mark.parametrize("in_topics", [False, True])
def test_exactly_once_killed_while_they_wait(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path, *, in_topics: bool
) -> None:
    """A wait in a topic is in the transaction; one in place has none open."""
    create(topics, name)
    told = config_of(
        name,
        transactionalIdPrefix=f"{name}.",
        topic={"topic": f"{name}.out"},
        delivery={"guarantee": "ExactlyOnce"},
        retry=retry(name, in_topics=in_topics),
    )
    with consumers(tmp_path / "c", event_kafka, told) as started:
        due_ms = now_ms() + 9_000
        write(topics, name, range(20), due_ms)
        topics.write_events(name, range(20, 40))
        for _ in range(2):
            process = started.start(HOSTNAME="pod-1")
            process.wait_ready()
            process.kill()
        last = started.start(HOSTNAME="pod-1")
        wait_until(lambda: len(topics.read_committed(f"{name}.out")) == 40, "all are there")
        assert last.terminate() == 0
    out = {int(header(each, "ce_id") or ""): each for each in topics.read_committed(f"{name}.out")}
    assert set(out) == set(range(40)), "each once"
    assert all(out[number].timestamp()[1] >= due_ms for number in range(20))
    assert all(header(each, NOT_BEFORE) is None for each in out.values())
    assert topics.read(f"{name}.dlq") == []
