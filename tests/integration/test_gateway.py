"""The gateway on a real Kafka and a real registry: the real process, over TLS, with tokens that are vouched for."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from integration.event_topics import Topics, header
from integration.gateway_process import GatewayProcess, gateway
from integration.service_process import wait_until
from integration.subjects import Subject
from integration.token_issuers import TokenIssuers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka

SHOP = "system:serviceaccount:shop:orders"
ENVELOPE = {"event_type": "order.created", "event_version": "1.0", "source": "shop", "data": {"amount": 5}}
CLOUD_EVENT = {"specversion": "1.0", "id": "c-1", "source": "/shop", "type": "order.created", "data": {"amount": 6}}
STRUCTURED = "application/cloudevents+json"
OF_BINARY = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "t"}
BATCH = "application/cloudevents-batch+json"
ORDERS = {
    "type": "object",
    "properties": {"lines": {"type": "array", "items": {"properties": {"amount": {"type": "integer"}}}}},
}


@pytest.fixture(scope="module")
def topics(event_kafka: Kafka) -> Topics:
    made = Topics(event_kafka)
    made.create("shop.parcels", "shop.forms", "shop.keys", partitions=3)
    made.create("shop.small", partitions=1, **{"max.message.bytes": "2000"})
    made.create("shop.typed", "shop.once", "other.orders", "shop.batch")
    return made


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    event_kafka: Kafka,
    event_registry: Registry,
    issuers: TokenIssuers,
    topics: Topics,
) -> Iterator[GatewayProcess]:
    del topics  # there before the gateway looks
    folder = tmp_path_factory.mktemp("gateway") / "run"
    limits = {"requestBytes": 100_000, "batchEvents": 50}
    with gateway(folder, event_kafka, issuers, registry_url=event_registry.url, limits=limits) as process:
        process.grant({"identity": SHOP, "publish": ["shop.*", "absent"]})
        yield process


@pytest.fixture(scope="module")
def token(running: GatewayProcess, issuers: TokenIssuers) -> str:
    found = issuers.service_account("shop:orders")
    wait_until(lambda: running.publish("absent", found, ENVELOPE).status == 404, "the grants are read")
    return found


def read_one(topics: Topics, topic: str) -> Any:
    (message,) = topics.read(topic)
    return message


def test_an_envelope_is_answered_when_kafka_has_it_under_the_callers_name(
    running: GatewayProcess, token: str, topics: Topics
) -> None:
    told = running.publish("shop.parcels", token, ENVELOPE, content_type="application/json")
    message = read_one(topics, "shop.parcels")
    assert told.status == 200, told.body
    assert told.document["topic"] == "shop.parcels"
    assert (told.document["partition"], told.document["offset"]) == (message.partition(), message.offset())
    assert json.loads(message.value()) == {"amount": 5}
    assert header(message, "eventplane-caller") == SHOP
    assert header(message, "ce_type") == "order.created"
    assert header(message, "ce_id") == told.document["id"]


def test_all_forms_become_the_same_event(running: GatewayProcess, token: str, topics: Topics) -> None:
    binary = {f"ce_{name}": str(value) for name, value in CLOUD_EVENT.items() if name != "data"}
    body = json.dumps(CLOUD_EVENT["data"]).encode()
    assert running.publish("shop.forms", token, CLOUD_EVENT, content_type=STRUCTURED).status == 200
    assert running.publish("shop.forms", token, body, content_type="application/json", **binary).status == 200
    assert running.publish("shop.forms", token, [CLOUD_EVENT], content_type=BATCH).status == 200
    written: list[tuple[dict[str, bytes], bytes | None]] = []
    for message in topics.read("shop.forms"):
        headers: Any = dict(message.headers() or [])
        assert headers.pop("ce_time")
        written.append((headers, message.value()))
    assert written[0] == written[1] == written[2]
    assert written[0][0] == {
        "ce_specversion": b"1.0",
        "ce_id": b"c-1",
        "ce_source": b"/shop",
        "ce_type": b"order.created",
        "content-type": b"application/json",
        "eventplane-caller": SHOP.encode(),
    }


def test_the_key_is_the_attribute_partitionkey_or_what_the_request_says(
    running: GatewayProcess, token: str, topics: Topics
) -> None:
    batch = [{**CLOUD_EVENT, "id": "1", "partitionkey": "customer-7"}, {**CLOUD_EVENT, "id": "2"}]
    path = "/v1/topics/shop.keys/events?key=customer-8"
    assert running.ask(path, token, batch, content_type=BATCH).status == 200
    keys = {header(each, "ce_id"): each.key() for each in topics.read("shop.keys")}
    assert keys == {"1": b"customer-7", "2": b"customer-8"}


def test_each_event_of_a_batch_has_an_outcome_of_its_own(running: GatewayProcess, token: str, topics: Topics) -> None:
    batch = [{**CLOUD_EVENT, "id": "good-1"}, {"id": "bad"}, {**CLOUD_EVENT, "id": "good-2"}]
    told = running.publish("shop.batch", token, batch, content_type=BATCH)
    assert told.status == 207
    assert (told.document["published"], told.document["failed"]) == (2, 1)
    assert [each["status"] for each in told.document["outcomes"]] == [200, 400, 200]
    assert [header(each, "ce_id") for each in topics.read("shop.batch")] == ["good-1", "good-2"]


def test_data_are_held_to_the_topics_schema(
    running: GatewayProcess, token: str, topics: Topics, event_registry: Registry
) -> None:
    Subject(event_registry, "shop.typed-value", "JSON").register(json.dumps(ORDERS))
    wrong = {**ENVELOPE, "data": {"lines": [{"amount": 1}, {"amount": "two"}]}}
    told = running.publish("shop.typed", token, wrong)
    assert told.status == 422
    assert told.headers["content-type"] == "application/problem+json"
    assert told.document["errors"][0]["path"] == "lines[1].amount"
    right = {**ENVELOPE, "data": {"lines": [{"amount": 1}]}}
    assert running.publish("shop.typed", token, right).status == 200
    assert read_one(topics, "shop.typed").value()[:1] == b"\0"  # the registry's wire format


def test_a_request_that_comes_again_is_not_carried_out_again(
    running: GatewayProcess, token: str, topics: Topics
) -> None:
    first = running.publish("shop.once", token, ENVELOPE, idempotency_key="order-1")
    again = running.publish("shop.once", token, ENVELOPE, idempotency_key="order-1")
    other = running.publish("shop.once", token, {**ENVELOPE, "data": 1}, idempotency_key="order-1")
    assert (first.status, again.status, other.status) == (200, 200, 422)
    assert first.document == again.document
    assert len(topics.read("shop.once")) == 1


@pytest.mark.parametrize(
    ("topic", "body", "headers", "status"),
    [
        ("absent", ENVELOPE, {}, 404),
        ("other.orders", ENVELOPE, {}, 403),
        ("shop.small", {**ENVELOPE, "data": {"note": secrets.token_hex(4000)}}, {}, 413),
        ("shop.parcels", {**ENVELOPE, "data": {"note": "x" * 200_000}}, {}, 413),
        ("shop.parcels", [ENVELOPE] * 51, {}, 413),
        ("shop.parcels", b"{", {}, 400),
        ("shop.parcels", b"[" * 900 + b"]" * 900, OF_BINARY, 400),
        ("shop.parcels", {"source": "shop"}, {}, 400),
        ("shop.parcels", b"a", {"content_type": "text/plain"}, 415),
        ("shop.parcels", b"a", {"content_type": "application/cloudevents+xml"}, 415),
    ],
    ids=["unknown", "no right", "topic's limit", "request", "batch", "no JSON", "deep", "no event", "text", "xml"],
)
def test_what_cannot_be_is_refused_as_a_problem(
    running: GatewayProcess, token: str, topic: str, body: Any, headers: dict[str, str], status: int
) -> None:
    told = running.publish(topic, token, body, **headers)
    assert told.status == status, told.body
    assert told.headers["content-type"] == "application/problem+json"
    assert told.document["status"] == status
    assert running.probe("/healthz") == (200, "ok\n")


def test_a_body_without_an_end_is_cut_off_at_the_limit(running: GatewayProcess, token: str) -> None:
    connection = running.connect()
    connection.putrequest("POST", "/v1/topics/shop.parcels/events")
    connection.putheader("authorization", f"Bearer {token}")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(40):
            connection.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    except OSError:
        pass  # it has stopped listening
    assert connection.getresponse().status == 413
    connection.close()


def test_metrics_tell_what_was_done(running: GatewayProcess, token: str) -> None:
    running.publish("shop.parcels", token, ENVELOPE)
    running.publish("shop.parcels", token, [ENVELOPE, {"event_type": "no.source"}])
    text = running.probe("/metrics")[1]
    assert 'eventplane_gateway_events_refused_total{reason="Invalid"}' in text
    assert 'eventplane_gateway_requests_total{route="publish",status="200"}' in text
    assert 'eventplane_gateway_events_total{outcome="published"}' in text
    assert "eventplane_gateway_grants_current 1.0" in text


def test_tokens_and_payloads_are_in_no_log(running: GatewayProcess, token: str) -> None:
    running.publish("shop.parcels", token, {**ENVELOPE, "data": {"note": "top-secret-note"}})
    assert token not in running.log()
    assert "top-secret-note" not in running.log()


def test_on_sigterm_what_is_under_way_ends_and_nothing_is_lost(
    tmp_path: Path, event_kafka: Kafka, issuers: TokenIssuers, topics: Topics
) -> None:
    """Clients publish until they are refused; what was answered with 200 is in Kafka."""
    topics.create("shop.drained")
    token = issuers.service_account("shop:orders")
    accepted: list[str] = []
    with gateway(tmp_path / "run", event_kafka, issuers, client={"linger.ms": 50}) as process:
        process.grant({"identity": SHOP, "publish": ["shop.drained"]})
        wait_until(lambda: process.publish("shop.drained", token, ENVELOPE).status == 200, "the grants are read")

        def client(number: int) -> None:
            for at in range(1000):
                try:
                    event_id = f"{number}-{at}"
                    told = process.publish("shop.drained", token, {**ENVELOPE, "event_id": event_id})
                except OSError:
                    return
                if told.status == 200:
                    accepted.append(event_id)

        clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        for each in clients:
            each.start()
        wait_until(lambda: len(accepted) > 20, "events are accepted")
        process.terminate()
        wait_until(lambda: process.probe("/readyz")[0] in {0, 503}, "unready")
        assert process.ended() == 0, process.log()
        for each in clients:
            each.join(30)
    found = {header(each, "ce_id") for each in topics.read("shop.drained")}
    assert set(accepted) <= found


def test_what_kafka_does_not_acknowledge_is_to_be_tried_again(
    tmp_path: Path, event_kafka: Kafka, issuers: TokenIssuers, topics: Topics
) -> None:
    """One request is under way while Kafka stands still; the gateway holds no more than that one."""
    topics.create("shop.stuck")
    token = issuers.service_account("shop:orders")
    limits = {"publishSeconds": 2, "requests": 1}
    answers: list[Any] = []
    with gateway(tmp_path / "run", event_kafka, issuers, limits=limits) as process:
        process.grant({"identity": SHOP, "publish": ["shop.stuck"]})
        wait_until(lambda: process.publish("shop.stuck", token, ENVELOPE).status == 200, "the grants are read")
        clients = [
            threading.Thread(target=lambda: answers.append(process.publish("shop.stuck", token, ENVELOPE)))
            for _ in range(3)
        ]
        event_kafka.pause(1)
        try:
            for each in clients:
                each.start()
            for each in clients:
                each.join(30)
        finally:
            event_kafka.resume(1)
        wait_until(lambda: process.publish("shop.stuck", token, ENVELOPE).status == 200, "it goes on")
    assert [each.status for each in answers] == [503, 503, 503]
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers)
    assert sorted(each.document["detail"].split(" ")[0] for each in answers) == ["as", "as", "shop.stuck"]


def test_who_sends_slowly_is_let_go(tmp_path: Path, event_kafka: Kafka, issuers: TokenIssuers, topics: Topics) -> None:
    del topics
    token = issuers.service_account("shop:orders")
    with gateway(tmp_path / "run", event_kafka, issuers, limits={"requestSeconds": 1}) as process:
        process.grant({"identity": SHOP, "publish": ["shop.*"]})
        wait_until(lambda: process.publish("shop.parcels", token, b"{").status == 400, "the grants are read")
        connection = process.connect()
        connection.putrequest("POST", "/v1/topics/shop.parcels/events")
        connection.putheader("authorization", f"Bearer {token}")
        connection.putheader("content-length", "100")
        connection.endheaders(b"{")
        began = time.monotonic()
        assert connection.getresponse().status == 408
        assert time.monotonic() - began < 5
        connection.close()


def test_plain_http_is_not_spoken_where_there_is_a_certificate(running: GatewayProcess) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert not connection.recv(1000).startswith(b"HTTP/")
