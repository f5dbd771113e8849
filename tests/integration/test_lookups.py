"""Consumers that look values up, as processes on a real broker: in a compacted topic, and in a service that fails."""

from __future__ import annotations

import json
import ssl
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.http_service import mount
from integration.lookup_service import LookupService, Value
from integration.service_process import wait_until

from e2e.servers.certificates import Authority

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


def test_events_wait_for_a_table_that_cannot_be_read(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    """It says so, and takes none; once the table is there, it goes on."""
    late = f"{name}.late"
    told = config(name, table(name, topic={"topic": late}), transform="lookups.customer")
    topics.write_events(name, range(3))
    with consumers(tmp_path / "c", event_kafka, told) as started:
        process = started.start()
        wait_until(lambda: "the table customer cannot be read" in process.probe("/readyz")[1], "it says so")
        assert process.probe("/healthz")[0] == 200
        assert process.metric("eventplane_runtime_received_total") == 0
        topics.create(late)
        topics.write(late, [customer(1, "gold")])
        wait_until(lambda: topics.committed(f"group-{name}", name) == 3, "all is finished")
        assert set(delivered(topics, name)) == {0, 1, 2}
        assert process.probe("/readyz")[0] == 200
        assert process.terminate() == 0


def test_who_is_told_to_end_before_a_table_is_there_ends(event_kafka: Kafka, name: str, tmp_path: Path) -> None:
    told = config(name, table(name, topic={"topic": f"{name}.never"}), transform="lookups.customer")
    with consumers(tmp_path / "c", event_kafka, told) as started:
        process = started.start()
        wait_until(lambda: "cannot be read" in process.probe("/readyz")[1], "it waits")
        assert process.terminate() == 0


def test_a_table_that_is_too_large_ends_the_process_and_says_what_to_do(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.write(f"{name}.table", [customer(number, "gold") for number in range(30)])
    small = {"topic": {"topic": f"{name}.table", "maxEntries": 10}}
    with consumers(tmp_path / "c", event_kafka, config(name, table(name, **small))) as started:
        process = started.start()
        assert process.ended() == 1
        assert "has more than 10 keys: raise lookups[customer].topicRef.maxEntries" in process.log()
    assert topics.committed(f"group-{name}", name) <= 0


def test_each_pod_has_all_of_the_table(event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path) -> None:
    source = f"{name}.wide"
    topics.create(source, partitions=4)
    topics.write(f"{name}.table", [customer(number, f"t{number}") for number in range(200)])
    told = config(name, table(name), topics=[source], transform="lookups.customer.tier")
    with consumers(tmp_path / "c", event_kafka, told) as started:
        both = [started.start() for _ in range(2)]
        for process in both:
            wait_until(lambda: process.metric("eventplane_runtime_table_entries") == 200, "its table is read")  # noqa: B023
            wait_until(lambda: process.probe("/readyz")[0] == 200, "it is assigned")  # noqa: B023
        topics.write_events(source, range(200), keys=200)
        wait_until(lambda: topics.committed(f"group-{name}", source) == 200, "all is finished")
        looked_up = [process.metric("eventplane_runtime_lookups_total") for process in both]
    assert delivered(topics, name) == {number: f"t{number}" for number in range(200)}
    assert sum(looked_up) == 200


def test_exactly_once_with_a_table(event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path) -> None:
    topics.write(f"{name}.table", [customer(number, "gold") for number in range(0, 400, 2)])
    told = config(
        name,
        table(name, ifMissing="Fail"),
        transform="{'tier': lookups.customer.tier}",
        delivery={"guarantee": "ExactlyOnce"},
        transactionalIdPrefix=f"{name}.",
    )
    told["retry"]["giveUpOn"] += ["LookupMissing"]
    with consumers(tmp_path / "c", event_kafka, told) as started:
        topics.write_events(name, range(400))
        process = started.start()
        wait_until(lambda: topics.committed(f"group-{name}", name) >= 400, "all is finished")
        wait_until(lambda: len(topics.read_committed(f"{name}.dlq")) == 200, "what lacks a customer is set aside")
        assert process.terminate() == 0
    out = topics.read_committed(f"{name}.out")
    assert sorted(int(header(each, "ce_id") or "") for each in out) == list(range(0, 400, 2))
    dead = topics.read_committed(f"{name}.dlq")
    assert {header(each, "eventplane-reason") for each in dead} == {"LookupMissing"}


def test_one_request_for_a_key_of_many_events_and_another_after_its_time(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    with LookupService(lambda key, attempt: Value(f"{key}-{attempt}", hang_seconds=0.2)) as rates:
        rate = service(rates.url, f"string({NUMBER} % 3)")
        rate["http"] |= {"cache": {"ttl": "3s"}}
        with consumers(tmp_path / "c", event_kafka, config(name, rate, transform="lookups.rate")) as started:
            topics.write_events(name, range(300))
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 300, "all is finished")
            asked = dict(rates.asked)
            wait_until(
                lambda: _write_one(topics, name) and rates.asked["0"] > asked["0"], "another request after its time"
            )
            total = process.metric("eventplane_runtime_received_total")
            wait_until(
                lambda: process.metric("eventplane_runtime_lookups_total") >= total,
                "all is looked up",
            )
            by_request = process.metric(
                'eventplane_runtime_lookups_total{lookup="rate",outcome="Found",source="Service"}'
            )
            assert process.terminate() == 0
    assert by_request == rates.asked.total()
    assert asked == {"0": 1, "1": 1, "2": 1}


def _write_one(topics: Topics, name: str) -> bool:
    topics.write(name, [cloud_event(0, "a")])
    return True


def test_a_service_that_is_known_by_its_certificate_and_wants_a_token(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    authority.create()
    pem, key = authority.issue("rates", frozenset({"127.0.0.1"}))
    mount(tmp_path / "server", {"tls.crt": pem, "tls.key": key})
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server" / "tls.crt", tmp_path / "server" / "tls.key")
    bindings = tmp_path / "c"
    mount(bindings / "lookup-rate-ca", {"ca.crt": authority.certificate.read_text()})
    mount(bindings / "lookup-rate-token", {"token": "secret-token"})
    with LookupService(lambda key, _attempt: Value(int(key)), tls=context) as rates:
        rate = service(rates.url)
        rate["http"] |= {
            "bearerTokenSecretRef": {"name": "token"},
            "tls": {"caSecretRef": {"name": "authority"}},
        }
        with consumers(bindings, event_kafka, config(name, rate, transform="lookups.rate")) as started:
            topics.write_events(name, range(5))
            process = started.start()
            wait_until(lambda: topics.committed(f"group-{name}", name) == 5, "all is finished")
            assert process.terminate() == 0
            assert "secret-token" not in process.log()
    assert delivered(topics, name) == {number: number for number in range(5)}
    assert {each["authorization"] for each in rates.headers} == {"Bearer secret-token"}
