"""Dead letters of a real consumer, listed and replayed by the command on a real Kafka."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from commands import Ended
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.http_service import Answer, HttpService
from integration.service_process import wait_until

from e2e.servers import ports

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)


@pytest.fixture
def name() -> str:
    """Of a topic that no other test uses; its dead letters end in .dlq."""
    return f"letters-{next(_NUMBERS)}"


def run(*words: str, environment: dict[str, str] | None = None, given: str = "") -> Ended:
    command = [sys.executable, "-m", "eventplane.cli", "dead-letters", *words]
    told = {**os.environ, **(environment or {})}
    ended = subprocess.run(command, env=told, input=given, capture_output=True, text=True, timeout=60, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def lines(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_listed_and_replayed_until_the_service_takes_them(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """The consumer knows events by their ids, and takes what is replayed nevertheless."""
    dead = f"{name}.dlq"
    topics.create(name, dead, partitions=3)
    poison = b"\xff\xfe no event"
    told = config_of(
        name,
        delivery={"deduplicate": {"window": "1h"}},
        retry={"attempts": 1, "giveUpOn": ["Undecodable", "Rejected"], "deadLetterTopic": dead},
    )
    is_well = False
    service = HttpService(lambda request, _: Answer(204 if is_well or int(request.id) % 2 else 400))
    with service, consumers(tmp_path / "c", event_kafka, {**told, "http": {"url": service.url}}) as started:
        topics.write(name, [("a", poison, {"mine": "kept"}), *(cloud_event(each, "k") for each in range(6))])
        process = started.start()
        wait_until(lambda: topics.committed(f"group-{name}", name) == 7, "all is finished")
        binding = {"SERVICE_BINDING_ROOT": str(tmp_path / "c")}
        shown = lines(run("list", dead, environment=binding))
        assert sorted((each["reason"], each["original_message"]) for each in shown if each["original_message"]) == [
            ("Rejected", json.dumps({"number": number})) for number in (0, 2, 4)
        ]
        (unread,) = [each for each in shown if each["original_message"] is None]
        assert (unread["original_message_base64"], unread["topic"]) == ("//4gbm8gZXZlbnQ=", name)
        assert {"name": "mine", "value": "kept"} in unread["headers"]

        chosen = ("--reason", "Rejected", "--since", "1h")
        planned = run("replay", dead, *chosen, environment=binding)
        assert [each["replayed"] for each in lines(planned)] == [False] * 3
        assert planned.err == "3 dead letters would be replayed; nothing was sent: add --execute\n"
        assert len(topics.read(name)) == 7

        is_well = True
        replayed = run("replay", dead, *chosen, "--execute", environment=binding)
        assert [(each["replayed"], each["topic"]) for each in lines(replayed)] == [(True, name)] * 3
        assert replayed.err == "3 dead letters replayed\n"
        wait_until(lambda: len(service.taken) == 6, "the replayed are delivered")
        assert sorted(request.id for request in service.taken) == [str(number) for number in range(6)]
        assert process.metric("eventplane_runtime_deduplicated_total") == 0
    assert lines(run("list", dead, environment=binding)) == shown, "they stay"
    again = [each for each in topics.read(name) if header(each, "eventplane-replayed-from")]
    assert sorted(header(each, "ce_id") or "" for each in again) == ["0", "2", "4"]
    assert {header(each, "eventplane-reason") for each in again} == {None}


def test_settings_come_from_a_file_from_standard_input_or_are_an_address(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name)
    settings = json.dumps(event_kafka.client_config("SASL_PLAINTEXT"))
    (tmp_path / "librdkafka.json").write_text(settings)
    address = str(event_kafka.client_config("PLAINTEXT")["bootstrap.servers"])
    assert lines(run("list", name, "--config", str(tmp_path / "librdkafka.json"))) == []
    assert lines(run("list", name, "--config", "-", given=settings)) == []
    assert lines(run("list", name, "--kafka", address)) == []
    absent = run("list", f"{name}-none", "--kafka", address)
    assert (absent.code, absent.out) == (3, "")
    assert f"{name}-none cannot be read" in absent.err


def test_what_cannot_be_replayed_is_said_and_stays(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name)
    headers = {
        "subscription": "shop/billing",
        "reason": "Rejected",
        "exception": "no",
        "attempts": "1",
        "first-failure": "1700000000000",
        "last-failure": "1700000000000",
        "topic": "gone",
        "partition": "0",
        "offset": "3",
    }
    told = {f"eventplane-{field}": text for field, text in headers.items()}
    topics.write(name, [("k", str(number).encode(), told) for number in range(3)])
    settings = {**event_kafka.client_config("PLAINTEXT"), "topic.metadata.propagation.max.ms": 500}
    (tmp_path / "kafka.json").write_text(json.dumps(settings))
    config = ("--config", str(tmp_path / "kafka.json"))
    failed = run("replay", name, *config, "--execute")
    assert (failed.code, failed.out) == (3, "")
    assert f"{name}/0/0 was not replayed" in failed.err
    assert "(and 2 more)" in failed.err
    topics.create(f"{name}-instead")
    writer = ("--publish-config", str(tmp_path / "kafka.json"))
    replayed = lines(run("replay", name, *config, *writer, "--execute", "--to", f"{name}-instead", "--at", "0:1-"))
    assert [(each["dead_letter"], each["offset"]) for each in replayed] == [(f"{name}/0/1", 0), (f"{name}/0/2", 1)]


def test_nobody_listens() -> None:
    ended = run("list", "orders.dlq", "--kafka", f"127.0.0.1:{ports.reserve('127.0.0.1')}")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("eventplane: orders.dlq cannot be read")
