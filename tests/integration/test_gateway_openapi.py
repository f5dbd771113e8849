"""The gateway does what its OpenAPI document says: schemathesis tries it, on a real Kafka."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from integration.event_topics import Topics
from integration.gateway_process import GatewayProcess, gateway
from integration.service_process import wait_until
from integration.token_issuers import TokenIssuers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

PATH = "/v1/topics/{topic}/events"


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, event_kafka: Kafka, issuers: TokenIssuers
) -> Iterator[GatewayProcess]:
    Topics(event_kafka).create("fuzz", "told")
    folder = tmp_path_factory.mktemp("gateway") / "run"
    with gateway(folder, event_kafka, issuers, limits={"streamSeconds": 0.1, "batchEvents": 20}) as process:
        process.grant({"identity": "realm:ada", "publish": ["*"], "subscribe": ["*"]})
        wait_until(lambda: process.publish("fuzz", issuers.person("ada"), b"{").status == 400, "the grants are read")
        yield process


@pytest.mark.parametrize(("method", "examples"), [("POST", 80), ("GET", 10)])
@pytest.mark.parametrize("topic", ["fuzz", None], ids=["a topic", "any topic"])
def test_it_answers_as_its_document_says(
    running: GatewayProcess,
    issuers: TokenIssuers,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    examples: int,
    topic: str | None,
) -> None:
    document = running.ask("/openapi.json", method="GET").document
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {issuers.person('ada')}"}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(issuers.authority.certificate))  # checks ask by themselves, too
    statuses: set[int] = set()
    # that a filter is CEL, and that an offset excludes a time, no schema can say
    untold = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")] if method == "GET" else []

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(case=schema[PATH][method].as_strategy())
    def try_it(case: Any) -> None:
        if topic is not None:
            case.path_parameters = {"topic": topic}
        if "Idempotency-Key" in (case.headers or {}):
            case.headers["Idempotency-Key"] = secrets.token_hex(8)  # a second use with another body is refused
        response = case.call(base_url=running.url, headers=headers)
        statuses.add(response.status_code)
        case.validate_response(response, excluded_checks=untold)

    try_it()
    assert statuses & ({200} if topic else {404})
    assert running.probe("/healthz")[0] == 200


def test_what_it_sends_is_what_its_document_says(
    running: GatewayProcess, issuers: TokenIssuers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(issuers.authority.certificate))
    event = json.dumps({"event_type": "order.created", "source": "shop", "data": {"amount": 5}}).encode()
    assert running.publish("told", issuers.person("ada"), event).status == 200
    schema = schemathesis.openapi.from_dict(running.ask("/openapi.json", method="GET").document)
    case = schema[PATH]["GET"].Case(path_parameters={"topic": "told"}, query={"offset": "earliest"})
    headers = {"Authorization": f"Bearer {issuers.person('ada')}"}

    def is_sent() -> bool:
        response = case.call(base_url=running.url, headers=headers)
        case.validate_response(response)
        return b"order.created" in response.content

    wait_until(is_sent, "the stream, which ends soon, begins before it does")


def test_anybody_may_see_the_page(running: GatewayProcess) -> None:
    told = running.ask("/", method="GET")
    assert told.status == 200
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in told.headers["content-security-policy"]
    assert b"openapi.json" in told.body
    assert running.ask("/", method="POST").status == 405
    assert running.ask("/elsewhere", method="GET").status == 404
