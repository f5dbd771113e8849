"""Spans of the processes of the data plane, exported by OTLP, in one trace with those around them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from integration.consumer_process import config_of, consumers
from integration.event_topics import Topics, cloud_event, header
from integration.gateway_process import gateway
from integration.http_service import Answer, HttpService
from integration.service_process import wait_until
from integration.span_collector import SpanCollector, place_of
from spans import PARENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.token_issuers import TokenIssuers

    from e2e.servers import Kafka

pytestmark = pytest.mark.kafka

_NUMBERS = count(1)
TRACE, CALLER = PARENT.split("-")[1:3]


@pytest.fixture
def name() -> str:
    """Of a topic that no other test uses."""
    return f"spans-{next(_NUMBERS)}"


@pytest.fixture
def collector() -> Iterator[SpanCollector]:
    with SpanCollector() as collector:
        yield collector


def config(name: str, **others: Any) -> dict[str, Any]:
    retry = {"attempts": 2, "delaysMs": [20], "giveUpOn": ["Undecodable", "Rejected"]}
    return config_of(name, **{"retry": retry, **others})


def write_traced(topics: Topics, name: str) -> None:
    key, value, headers = cloud_event(1, "k", traceparent="00-of-the-event")
    topics.write(name, [(key, value, {**headers, "traceparent": PARENT})])


def test_a_delivery_names_the_span_of_its_attempt(
    event_kafka: Kafka, topics: Topics, name: str, collector: SpanCollector, tmp_path: Path
) -> None:
    """Each attempt has one of its own, below that of who published; the event's own attribute stays as it was."""
    topics.create(name)
    service = HttpService(lambda _request, attempt: Answer(500 if attempt == 1 else 204))
    with service, consumers(tmp_path / "c", event_kafka, config(name, http={"url": service.url})) as started:
        process = started.start(**collector.environment)
        write_traced(topics, name)
        wait_until(lambda: len(collector.named(f"process {name}")) == 2, "two attempts are told of")
        assert process.terminate() == 0
    failed, delivered = collector.named(f"process {name}")
    assert {(each.trace_id, each.parent_id, each.service) for each in (failed, delivered)} == {
        (TRACE, CALLER, "eventplane-runtime")
    }
    assert failed.attributes["error.type"] == "Unavailable"
    assert "error.type" not in delivered.attributes
    (request,) = service.taken
    assert place_of(request.headers["traceparent"]) == delivered.place
    assert request.headers["ce-traceparent"] == "00-of-the-event"


@pytest.mark.parametrize("guarantee", ["AtLeastOnce", "ExactlyOnce"])
def test_a_topics_record_names_the_span_of_its_attempt(
    event_kafka: Kafka, topics: Topics, name: str, collector: SpanCollector, tmp_path: Path, guarantee: str
) -> None:
    topics.create(name, f"{name}-out")
    told = config(
        name,
        topic={"topic": f"{name}-out"},
        delivery={"guarantee": guarantee},
        transactionalIdPrefix=f"{name}.",
    )
    with consumers(tmp_path / "c", event_kafka, told) as started:
        process = started.start(**collector.environment)
        write_traced(topics, name)
        wait_until(lambda: len(collector.named(f"process {name}")) == 1, "the attempt is told of")
        assert process.terminate() == 0
    (span,) = collector.named(f"process {name}")
    assert (span.trace_id, span.parent_id) == (TRACE, CALLER)
    (record,) = topics.read_committed(f"{name}-out")
    assert place_of(header(record, "traceparent")) == span.place
    assert [each[0] for each in record.headers() or ()].count("traceparent") == 1
    assert header(record, "ce_traceparent") == "00-of-the-event"


def test_a_collector_that_is_away_holds_nothing_up(
    event_kafka: Kafka, topics: Topics, name: str, tmp_path: Path
) -> None:
    topics.create(name)
    with (
        HttpService() as service,
        consumers(tmp_path / "c", event_kafka, config(name, http={"url": service.url})) as started,
    ):
        process = started.start(
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
            OTEL_EXPORTER_OTLP_TIMEOUT="1",
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        write_traced(topics, name)
        wait_until(lambda: topics.committed(f"group-{name}", name) == 1, "it is finished")
        assert process.terminate() == 0
    assert [request.id for request in service.taken] == ["1"]


@pytest.mark.parametrize("is_exporting", [True, False], ids=["exporting", "not exporting"])
def test_the_gateway_publishes_below_the_callers_span(
    event_kafka: Kafka,
    topics: Topics,
    name: str,
    collector: SpanCollector,
    issuers: TokenIssuers,
    tmp_path: Path,
    is_exporting: bool,  # noqa: FBT001 - a row's
) -> None:
    """Where it has no spans of its own, the caller's goes along."""
    topics.create(name)
    token = issuers.service_account("shop:orders")
    told = collector.environment if is_exporting else {}
    with gateway(tmp_path / "g", event_kafka, issuers, environment=told) as running:
        running.grant({"identity": "system:serviceaccount:shop:orders", "publish": [name]})
        event = {"event_type": "order.created", "event_version": "1.0", "source": "shop", "data": {}}
        wait_until(lambda: running.publish(name, token, event, traceparent=PARENT).status == 200, "the grants are read")
        assert running.publish(name, token, [event, event], traceparent=PARENT, tracestate="a=b").status == 200
        assert running.publish(name, token, event, traceparent="nonsense").status == 200
        if is_exporting:
            wait_until(lambda: len(collector.named(f"send {name}")) == 4, "what was published is told of")
    records = topics.read(name)
    if not is_exporting:
        assert [header(each, "traceparent") for each in records] == [PARENT] * 3 + [None]
        assert [header(each, "tracestate") for each in records] == [None, "a=b", "a=b", None]
        return
    spans = {span.place: span for span in collector.named(f"send {name}")}
    *below, alone = [spans[place_of(header(each, "traceparent")) or ""] for each in records]
    assert {(each.trace_id, each.parent_id, each.service) for each in below} == {(TRACE, CALLER, "eventplane-gateway")}
    assert alone.parent_id == ""
