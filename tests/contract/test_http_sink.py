"""The HTTP sink before a real service: what each answer means, and where it does not go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from contract.transport_arenas import until
from integration.http_service import Answer, HttpService

from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.record import PlainRecord
from eventplane.transports.http_sink import HttpSink, HttpTarget, retry_after_ms

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


def event(value: bytes = b'{"a": 1}') -> Event:
    told = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    notes = [(f"ce_{name}", text.encode()) for name, text in told.items()]
    made = decode_record(PlainRecord(body=value, notes=(*notes, ("content-type", b"application/json"))))
    assert isinstance(made, Event)
    return made


async def delivered(url: str, value: bytes = b'{"a": 1}', **others: Any) -> Failure | None:
    """Deliver one event and return the answer."""
    answers: list[Failure | None] = []
    sink = HttpSink(HttpTarget(url, **{"timeout_seconds": 0.5, "mode": "Binary", **others}), clock=lambda: NOW)
    sink.deliver(event(value), None, answers.append)
    await until(lambda: len(answers) == 1)
    await sink.close()
    return answers[0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Answer(200), None, id="200"),
        pytest.param(Answer(202), None, id="202"),
        pytest.param(Answer(400), Failure("Rejected", "HTTP 400"), id="400"),
        pytest.param(Answer(404), Failure("Rejected", "HTTP 404"), id="404"),
        pytest.param(Answer(409), Failure("Unavailable", "HTTP 409"), id="409, which the user lists"),
        pytest.param(Answer(408), Failure("Unavailable", "HTTP 408"), id="408"),
        pytest.param(Answer(500), Failure("Unavailable", "HTTP 500"), id="500"),
        pytest.param(
            Answer(429, {"Retry-After": "7"}), Failure("Unavailable", "HTTP 429", retry_after_ms=7_000), id="429"
        ),
        pytest.param(
            Answer(503, {"Retry-After": "Mon, 15 Jan 2024 10:31:00 GMT"}),
            Failure("Unavailable", "HTTP 503", retry_after_ms=60_000),
            id="503",
        ),
        pytest.param(
            Answer(302, {"Location": "/elsewhere"}),
            Failure("Rejected", "HTTP 302, redirects are not followed"),
            id="302",
        ),
        pytest.param(Answer(hang_seconds=3), Failure("TimedOut", "no answer within 0.5 s"), id="it hangs"),
    ],
)
async def test_what_an_answer_means(answer: Answer, expected: Failure | None) -> None:
    with HttpService(lambda _request, _attempt: answer) as service:
        assert await delivered(service.url, retry_statuses=frozenset({409})) == expected
        assert service.attempts["1"] == 1, "nothing is sent twice behind the back of the policy"


async def test_a_connection_that_is_cut() -> None:
    with HttpService(lambda _request, _attempt: Answer(cut=True)) as service:
        answer = await delivered(service.url)
    assert answer is not None
    assert answer.reason == "Unavailable"


async def test_nobody_is_there() -> None:
    with HttpService() as service:
        url = service.url
    answer = await delivered(url)
    assert answer is not None
    assert answer.reason == "Unavailable"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://169.254.169.254/latest/meta-data", id="a cloud's metadata"),
        pytest.param("http://[::ffff:169.254.169.254]/", id="the same, mapped"),
        pytest.param("http://[fe80::1]/", id="link-local of IPv6"),
        pytest.param("http://0.0.0.0/", id="no address"),
    ],
)
async def test_where_events_never_go(url: str) -> None:
    answer = await delivered(url)
    assert answer is not None
    assert answer.reason == "Rejected"


async def test_a_token_is_sent_and_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with HttpService() as service:
        assert await delivered(service.url, token_file=token) is None
        token.write_text("second")
        assert await delivered(service.url, token_file=token) is None
        assert [request.headers["authorization"] for request in service.taken] == ["Bearer first", "Bearer second"]
        token.unlink()
        answer = await delivered(service.url, token_file=token)
    assert answer is not None
    assert answer.reason == "Unavailable"


async def test_structured_mode_and_data_that_do_not_fit_it() -> None:
    with HttpService() as service:
        assert await delivered(service.url, mode="Structured") is None
        answer = await delivered(service.url, b"{", mode="Structured")
        assert answer is not None
        assert answer.reason == "Undecodable"
    (taken,) = service.taken
    assert taken.headers["content-type"] == "application/cloudevents+json"


async def test_what_is_under_way_is_cut_off_by_closing() -> None:
    answers: list[Failure | None] = []
    with HttpService(lambda _request, _attempt: Answer(hang_seconds=5)) as service:
        sink = HttpSink(HttpTarget(service.url, 30, "Binary"))
        sink.deliver(event(), None, answers.append)
        await asyncio.sleep(0.1)
        await sink.close()
    assert answers == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("3", 3_000, id="seconds"),
        pytest.param("Mon, 15 Jan 2024 10:30:05 GMT", 5_000, id="a date"),
        pytest.param("Mon, 15 Jan 2024 10:29:05 -0000", 0, id="a date that is past, without a zone"),
        pytest.param("soon", None, id="nonsense"),
    ],
)
def test_retry_after(header: str | None, expected: int | None) -> None:
    assert retry_after_ms(header, NOW) == expected
