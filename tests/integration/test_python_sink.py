"""A function of an application as a sink: the real process, on a real broker, with the module in a folder."""

from __future__ import annotations

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
MODULE = """
import asyncio, os, time
from eventplane.client import Event, EventRejectedError

def note(event, file=os.environ["TAKEN"]):
    with open(file, "a") as taken:
        taken.write(f"{event.event_id} {event.data['number']}\\n")

async def handle(event: Event) -> None:
    if event.event_id == "3":
        raise EventRejectedError("three is never taken")
    if event.event_id == "4":
        await asyncio.sleep(60)
    if event.event_id == "5":
        raise ValueError("five is not taken today")
    note(event)

def blocks(event: Event) -> None:
    if event.event_id == "1":
        time.sleep(2)
    note(event)

def batch(events: list[Event]) -> list[Exception | None]:
    with open(os.environ["TAKEN"] + ".sizes", "a") as sizes:
        sizes.write(f"{len(events)}\\n")
    outcomes = []
    for event in events:
        refused = int(event.event_id) % 10 == 7
        outcomes.append(ValueError("seven") if refused else note(event))
    return outcomes
"""


@pytest.fixture
def name(topics: Topics) -> str:
    """A topic that no other test uses, and one for its dead letters."""
    name = f"python-{next(_NUMBERS)}"
    topics.create(name, f"{name}.dlq")
    return name


class Application:
    """An image's folder with the module, and what its functions have taken."""

    def __init__(self, folder: Path) -> None:
        self._taken = folder / "taken"
        (folder / "shop_events.py").write_text(MODULE)
        self.environment = {"PYTHONPATH": str(folder), "TAKEN": str(self._taken)}

    @property
    def taken(self) -> list[int]:
        return [int(line.split()[0]) for line in self._taken.read_text().splitlines()] if self._taken.exists() else []

    @property
    def sizes(self) -> list[int]:
        return [int(line) for line in self._taken.with_suffix(".sizes").read_text().splitlines()]


def config(name: str, function: str, python: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    told = {
        "retry": {"attempts": 2, "delaysMs": [10], "giveUpOn": ["Rejected"], "deadLetterTopic": f"{name}.dlq"},
        "python": {"callable": f"shop_events:{function}", "timeout": "500ms", **(python or {})},
    }
    return config_of(name, **{**told, **others})


def reasons(topics: Topics, name: str) -> dict[str, tuple[str, str]]:
    """Return reason and attempts of the dead letters, by the event's id."""
    return {
        header(each, "ce_id") or "": (
            header(each, "eventplane-reason") or "",
            header(each, "eventplane-attempts") or "",
        )
        for each in topics.read(f"{name}.dlq")
    }


def test_exceptions_and_late_ends_are_failures_like_any_other(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    application = Application(tmp_path)
    told = config(name, "handle", filter="event.data.number != 2", transform="{'number': event.data.number * 10}")
    with consumers(tmp_path / "c", event_kafka, told) as started:
        topics.write(name, [cloud_event(number, f"key-{number}") for number in range(10)])
        process = started.start(**application.environment)
        wait_until(lambda: topics.committed(f"group-{name}", name) == 10, "all is finished")
        assert process.metric('eventplane_runtime_failed_attempts_total{reason="TimedOut"') == 2
        assert process.metric("eventplane_runtime_delivered_total") == 6
        assert process.terminate() == 0
        assert "five is not taken" not in process.log(), "texts of exceptions are for dead letters"
    assert sorted(application.taken) == [0, 1, 6, 7, 8, 9]
    assert "1 10" in (tmp_path / "taken").read_text(), "what the function gets is transformed"
    assert reasons(topics, name) == {"3": ("Rejected", "1"), "4": ("TimedOut", "2"), "5": ("Unavailable", "2")}


def test_a_function_that_blocks_holds_up_its_key_only(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    application = Application(tmp_path)
    told = config(name, "blocks", {"timeout": "10s"})
    with consumers(tmp_path / "c", event_kafka, told) as started:
        topics.write(name, [cloud_event(number, "slow" if number in {1, 3} else "other") for number in range(6)])
        process = started.start(**application.environment)
        wait_until(lambda: topics.committed(f"group-{name}", name) == 6, "all is finished")
        assert process.terminate() == 0
    assert application.taken == [0, 2, 4, 5, 1, 3]


def test_a_batch_tells_of_each_event_and_the_rest_goes_on(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    application = Application(tmp_path)
    told = config(name, "batch", {"batch": {"maxEvents": 20, "linger": "200ms"}}, delivery={"concurrency": 2})
    with consumers(tmp_path / "c", event_kafka, told) as started:
        topics.write_events(name, range(200), keys=50)
        process = started.start(**application.environment)
        wait_until(lambda: topics.committed(f"group-{name}", name) == 200, "all is finished")
        assert process.terminate() == 0
    refused = set(range(7, 200, 10))
    assert sorted(application.taken) == sorted(set(range(200)) - refused)
    for key in range(50):
        numbers = [number for number in application.taken if number % 50 == key]
        assert numbers == sorted(numbers), "order of a key is kept"
    assert reasons(topics, name) == {str(number): ("Unavailable", "2") for number in refused}
    assert max(application.sizes) == 20


@pytest.mark.parametrize(
    ("function", "words"),
    [
        pytest.param("shop_events:nothing", "has no nothing: correct sink.python.callable", id="no function"),
        pytest.param("shop_orders:handle", "no module shop_orders where this process looks", id="no module"),
    ],
)
def test_what_is_not_in_the_image_is_said_at_the_start(
    event_kafka: Kafka, name: str, tmp_path: Path, function: str, words: str
) -> None:
    told = config(name, "handle", {"callable": function})
    with consumers(tmp_path / "c", event_kafka, told) as started:
        process = started.start(**Application(tmp_path).environment)
        assert process.ended() == 2
        assert words in process.log()
