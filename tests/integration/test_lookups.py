"""Consumers that look values up, as processes on a real broker: in a compacted topic, and in a service that fails."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.lookup_service import LookupService, Value
from integration.service_process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)
NUMBER = "event.data.number"


@pytest.fixture
def name(topics: Topics) -> str:
    """Of a topic that no other test uses; .out takes what is delivered, .dlq dead letters, .table is looked into."""
    name = f"lookup-{next(_NUMBERS)}"
    topics.create(name, f"{name}.out", f"{name}.dlq")
    topics.create(f"{name}.table", partitions=3, **{"cleanup.policy": "compact"})
    return name


def config(name: str, *lookups: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Copy to a topic what is looked up; failures become dead letters after the third attempt."""
    retry = {
        "attempts": 3,
        "delaysMs": [20, 40],
        "giveUpOn": ["Undecodable", "ExpressionFailed", "Rejected"],
        "deadLetterTopic": f"{name}.dlq",
    }
    told = {"topic": {"topic": f"{name}.out"}, "retry": retry, "lookups": lookups, **others}
    return config_of(name, **told)


def table(name: str, **others: Any) -> dict[str, Any]:
    return {"name": "customer", "key": f"'c-' + string({NUMBER})", "topic": {"topic": f"{name}.table"}, **others}


def service(url: str, key: str = NUMBER, **others: Any) -> dict[str, Any]:
    return {"name": "rate", "key": key, "http": {"url": url, "timeout": "500ms"}, **others}


def delivered(topics: Topics, name: str) -> dict[int, Any]:
    """What arrived, by the ids of events; none arrived twice."""
    messages = topics.read(f"{name}.out")
    found = {int(header(each, "ce_id") or ""): json.loads(each.value() or b"") for each in messages}
    assert len(found) == len(messages)
    return found


def customer(number: int, tier: str | None) -> tuple[str, bytes | None, dict[str, str]]:
    value = None if tier is None else json.dumps({"tier": tier}).encode()
    return f"c-{number}", value, {}


def test_a_table_is_read_before_the_first_event_and_followed(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """Its updates and tombstones, in three partitions; what it lacks is null."""
    topics.write(f"{name}.table", [customer(number, "old") for number in range(500)])
    topics.write(f"{name}.table", [customer(number, "new") for number in range(0, 500, 2)])
    topics.write(f"{name}.table", [customer(number, None) for number in range(0, 500, 5)])
    topics.write_events(name, range(500))
    with consumers(tmp_path / "c", event_kafka, config(name, table(name), transform="lookups.customer")) as started:
        process = started.start()
        wait_until(lambda: topics.committed(f"group-{name}", name) == 500, "all is finished")
        tiers = {number: each and each["tier"] for number, each in delivered(topics, name).items()}
        assert tiers == {n: None if n % 5 == 0 else "old" if n % 2 else "new" for n in range(500)}
        assert process.metric("eventplane_runtime_table_entries") == 400
        counted = 'eventplane_runtime_lookups_total{lookup="customer",outcome="%s",source="Table"}'
        assert [process.metric(counted % outcome) for outcome in ("Found", "Missing")] == [400, 100]
        topics.write(f"{name}.table", [customer(0, "back"), customer(1, None)])
        wait_until(lambda: process.metric("eventplane_runtime_table_entries") == 400, "it follows")
        topics.write(f"{name}.table", [customer(1000, "last")])
        wait_until(lambda: process.metric("eventplane_runtime_table_entries") == 401, "it follows")
        topics.write(name, [cloud_event(number, "a") for number in (1000,)])
        wait_until(lambda: topics.committed(f"group-{name}", name) == 501, "all is finished")
        assert delivered(topics, name)[1000] == {"tier": "last"}
        assert process.probe("/readyz")[0] == 200
        assert process.terminate() == 0


def test_a_service_that_fails_and_the_counts_add_up(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """It hangs, answers 500, 404, 400 and nonsense: what heals is delivered, what does not is a dead letter."""

    def answer(key: str, attempt: int) -> Value:
        number = int(key)
        if number < 10:
            return Value(status=500) if attempt < 3 else Value(number)
        return {
            10: Value(status=500),
            11: Value(hang_seconds=1.0),
            12: Value(status=404),
            13: Value(status=400),
            14: Value(body=b"<html>"),
        }.get(number, Value(number))

    with LookupService(answer) as rates:
        told = config(name, service(rates.url), filter=f"{NUMBER} < 100", transform="{'rate': lookups.rate}")
        with consumers(tmp_path / "c", event_kafka, told) as started:
            topics.write_events(name, range(200), keys=200)
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 200, "all is finished")
            found, dead = delivered(topics, name), topics.read(f"{name}.dlq")
            counts = {
                (outcome, source): process.metric(
                    f'eventplane_runtime_lookups_total{{lookup="rate",outcome="{outcome}",source="{source}"}}'
                )
                for outcome in ("Found", "Missing", "Failed")
                for source in ("Service", "Cache")
            }
            assert process.terminate() == 0
    assert found == {n: {"rate": None if n == 12 else n} for n in range(100) if n not in {10, 11, 13, 14}}
    assert {header(each, "ce_id"): header(each, "eventplane-reason") for each in dead} == {
        "10": "Unavailable",
        "11": "TimedOut",
        "13": "Rejected",
        "14": "Unavailable",
    }
    assert rates.asked == {str(n): 3 if n < 12 or n == 14 else 1 for n in range(100)}, (
        "once, and again only what failed; what is filtered out costs no request"
    )
    assert counts == {
        ("Found", "Service"): 95,
        ("Missing", "Service"): 1,
        ("Failed", "Service"): 10 * 2 + 3 * 3 + 1,
        ("Found", "Cache"): 0,
        ("Missing", "Cache"): 0,
        ("Failed", "Cache"): 0,
    }
