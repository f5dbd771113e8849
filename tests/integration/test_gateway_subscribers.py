"""Server-sent events of the gateway on a real Kafka: from an offset, from a time, resumed, filtered, bounded."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil
import pytest
from integration.event_topics import Topics
from integration.gateway_process import GatewayProcess, gateway
from integration.service_process import wait_until
from integration.subjects import Subject
from integration.token_issuers import TokenIssuers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse
    from types import TracebackType
    from typing import Self

    from e2e.servers import Kafka
    from e2e.servers.registry import Registry

pytestmark = pytest.mark.kafka


class Stream:
    """A subscriber, who comes again while the gateway counts one before that has gone."""

    answer: HTTPResponse

    def __init__(self, process: GatewayProcess, topic: str, token: str, query: str = "", **headers: str) -> None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = (f"/v1/topics/{topic}/events{query}", {"authorization": f"Bearer {token}", **told})
        wait_until(lambda: self._is_let_in(process, *asked), "streams that have ended are counted no more")

    def _is_let_in(self, process: GatewayProcess, path: str, headers: dict[str, str]) -> bool:
        self._connection = process.connect()
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()
        if self.answer.status != 429:
            return True
        self.answer.close()
        self._connection.close()
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answer.close()
        self._connection.close()

    def blocks(self) -> Iterator[dict[str, str]]:
        """Give what is sent, fields by their names, until it ends."""
        fields: dict[str, str] = {}
        while line := self.answer.readline():
            text = line.decode().rstrip("\n")
            if text:
                name, _colon, value = text.partition(": ")
                fields[name] = value
            else:
                yield fields
                fields = {}

    def events(self) -> Iterator[dict[str, Any]]:
        """Give what has data."""
        for fields in self.blocks():
            if "data" in fields:
                yield {**fields, "data": json.loads(fields["data"])}

    def numbers(self, count: int) -> list[int]:
        return [each["data"]["data"]["number"] for each in islice(self.events(), count)]


@pytest.fixture(scope="module")
def topics(event_kafka: Kafka) -> Topics:
    made = Topics(event_kafka)
    made.create("feed", "feed.timed", "feed.live", "feed.typed", "feed.large")
    made.create("feed.wide", partitions=3)
    made.write_events("feed", range(20))
    made.write_events("feed.wide", range(30))
    return made


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    event_kafka: Kafka,
    event_registry: Registry,
    issuers: TokenIssuers,
    topics: Topics,
) -> Iterator[GatewayProcess]:
    del topics
    folder = tmp_path_factory.mktemp("gateway") / "run"
    limits = {"streamsPerIdentity": 2}
    with gateway(folder, event_kafka, issuers, registry_url=event_registry.url, limits=limits) as process:
        process.grant(*({"identity": f"realm:{name}", "subscribe": ["feed*"]} for name in ("ada", "slow", "late")))
        path, token = "/v1/topics/feed/events?offset=no", issuers.person("ada")
        wait_until(lambda: process.ask(path, token, method="GET").status == 400, "the grants are read")
        yield process


def test_from_the_earliest_with_the_attributes_of_cloudevents(running: GatewayProcess, issuers: TokenIssuers) -> None:
    with Stream(running, "feed", issuers.person("ada"), "?offset=earliest") as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-store"
        found = list(islice(stream.events(), 20))
    assert [each["data"]["data"]["number"] for each in found] == list(range(20))
    assert [each["id"] for each in found] == [f"0:{offset + 1}" for offset in range(20)]
    assert found[0]["data"]["specversion"] == "1.0"
    assert found[0]["data"]["type"] == "order.created"


def test_who_comes_again_goes_on_where_it_was(running: GatewayProcess, issuers: TokenIssuers) -> None:
    token = issuers.person("ada")
    with Stream(running, "feed.wide", token, "?offset=earliest") as stream:
        first = list(islice(stream.events(), 11))
    with Stream(running, "feed.wide", token, "?offset=earliest", last_event_id=first[-1]["id"]) as stream:
        rest = list(islice(stream.events(), 19))
    assert sorted(each["data"]["data"]["number"] for each in first + rest) == list(range(30))


def test_from_an_offset(running: GatewayProcess, issuers: TokenIssuers) -> None:
    with Stream(running, "feed", issuers.person("ada"), "?offset=0:15") as stream:
        assert stream.numbers(5) == [15, 16, 17, 18, 19]


def test_from_a_time(running: GatewayProcess, issuers: TokenIssuers, topics: Topics) -> None:
    topics.write_events("feed.timed", range(3))
    time.sleep(0.05)
    since = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    topics.write_events("feed.timed", range(3, 6))
    with Stream(running, "feed.timed", issuers.person("ada"), f"?since={quote(since)}") as stream:
        assert stream.numbers(3) == [3, 4, 5]


def test_from_now_on_only_what_the_filter_lets_through(
    running: GatewayProcess, issuers: TokenIssuers, topics: Topics
) -> None:
    topics.write_events("feed.live", range(5))
    condition = quote('event.data.number % 2 == 0 && event.type == "order.created"')
    with Stream(running, "feed.live", issuers.person("ada"), f"?filter={condition}") as stream:
        blocks = stream.blocks()
        assert next(blocks) == {"id": "0:5"}  # it has begun
        topics.write_events("feed.live", range(10, 14))
        assert [json.loads(next(blocks)["data"])["data"]["number"] for _ in range(2)] == [10, 12]


def test_data_in_the_registrys_wire_format_are_sent_as_json(
    running: GatewayProcess, issuers: TokenIssuers, topics: Topics, event_registry: Registry
) -> None:
    schema = {"type": "record", "name": "Order", "fields": [{"name": "number", "type": "long"}]}
    schema_id, _version = Subject(event_registry, "feed.typed-value", "AVRO").register(json.dumps(schema))
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t"}
    framed = b"\0" + schema_id.to_bytes(4, "big") + b"\x54"
    topics.write("feed.typed", [("k", framed, headers), ("k", b"\0\xff\xff\xff\xff\x54", headers), (None, b"\xff", {})])
    with Stream(running, "feed.typed", issuers.person("ada"), "?offset=earliest") as stream:
        typed, unknown, garbage = islice(stream.events(), 3)
    assert typed["data"]["data"] == {"number": 42}
    assert (unknown["event"], garbage["event"]) == ("problem", "problem")
    assert garbage["data"]["offset"] == 2


@pytest.mark.parametrize(
    ("topic", "query", "headers", "status"),
    [
        ("feed", "?offset=soon", {}, 400),
        ("feed", "?offset=7:1", {}, 400),
        ("feed", "?filter=1%20%2B", {}, 400),
        ("feed", "?filter=event.nothing%20%3D%3D%201", {}, 400),
        ("feed", "?since=2026-01-01T00:00:00Z&offset=latest", {}, 400),
        ("feed", "", {"last_event_id": "x"}, 400),
        ("feed.absent", "", {}, 404),
        ("other", "", {}, 403),
    ],
)
def test_what_cannot_be_is_refused(
    running: GatewayProcess, issuers: TokenIssuers, topic: str, query: str, headers: dict[str, str], status: int
) -> None:
    told = running.ask(f"/v1/topics/{topic}/events{query}", issuers.person("ada"), method="GET", **headers)
    assert told.status == status, told.body
    assert told.headers["content-type"] == "application/problem+json"


def test_an_identity_reads_so_many_times_at_once(running: GatewayProcess, issuers: TokenIssuers) -> None:
    token = issuers.person("late")
    with Stream(running, "feed", token), Stream(running, "feed", token):
        assert running.ask("/v1/topics/feed/events", token, method="GET").status == 429

    def is_let_in() -> bool:
        with Stream(running, "feed", token) as stream:
            return stream.answer.status == 200

    wait_until(is_let_in, "their places are free again")


def test_a_stream_ends_with_its_token(running: GatewayProcess, issuers: TokenIssuers) -> None:
    began = time.monotonic()
    token = issuers.person("ada", seconds=-27)  # it is let in with a leeway of 30 s
    with Stream(running, "feed", token, "?offset=earliest") as stream:
        assert len(list(stream.events())) == 20
    assert time.monotonic() - began < 10


def test_who_does_not_read_costs_no_memory(running: GatewayProcess, issuers: TokenIssuers, topics: Topics) -> None:
    """90 MB wait in the topic; what the gateway has in memory while nobody reads is far from it."""
    note = "x" * 20_000
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t", "content-type": "text/plain"}
    topics.write("feed.large", [(None, note.encode(), headers) for _ in range(4_500)])
    process = psutil.Process(running.pid)
    before = process.memory_info().rss
    with Stream(running, "feed.large", issuers.person("slow"), "?offset=earliest") as stream:
        assert len(list(islice(stream.events(), 2))) == 2
        most = 0
        for _ in range(20):
            time.sleep(0.15)
            most = max(most, process.memory_info().rss - before)
        assert most < 45_000_000
        assert len(list(islice(stream.events(), 4_498))) == 4_498  # it was only waiting


def test_streams_end_when_the_gateway_does(
    tmp_path_factory: pytest.TempPathFactory, event_kafka: Kafka, issuers: TokenIssuers, topics: Topics
) -> None:
    del topics
    with gateway(tmp_path_factory.mktemp("ending") / "run", event_kafka, issuers) as process:
        process.grant({"identity": "realm:ada", "subscribe": ["feed"]})
        path, token = "/v1/topics/feed/events?offset=no", issuers.person("ada")
        wait_until(lambda: process.ask(path, token, method="GET").status == 400, "the grants are read")
        with Stream(process, "feed", token, "?offset=earliest") as stream:
            found: list[Any] = []
            reading = threading.Thread(target=lambda: found.extend(stream.blocks()))
            reading.start()
            wait_until(lambda: len(found) > 20, "it reads")
            process.terminate()
            assert process.ended(8) == 0, process.log()
            reading.join(10)
        assert found[-1] == {"id": "0:20"}
