"""The HTTP sink before a real service: what each answer means, and where it does not go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pytest
from contract.http_arenas import answer_of, event
from integration.http_service import Answer, HttpService, mount
from standardwebhooks import Webhook, WebhookVerificationError

from eventplane.api.metadata import SecretRef
from eventplane.api.sink import HttpSignature
from eventplane.api.sink import HttpSink as HttpSpec
from eventplane.events.delivery import Failure
from eventplane.transports.http_client import HttpClient, HttpTarget, retry_after_ms
from eventplane.transports.http_credentials import read_credentials
from eventplane.transports.http_sink import HttpSink

if TYPE_CHECKING:
    from pathlib import Path

    from eventplane.transports.mounted import Mounted

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the specification
NEXT_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105 - of nobody


async def delivered(
    url: str, value: bytes = b'{"a": 1}', mode: Literal["Binary", "Structured"] = "Binary", **others: Any
) -> Failure | None:
    """Deliver one event and return the answer."""
    sink = HttpSink(HttpClient(HttpTarget(url, **{"timeout_seconds": 0.5, **others}), clock=lambda: NOW), mode)
    answer = await answer_of(sink, value)
    await sink.close()
    return answer


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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::1]"])
async def test_from_a_pod_no_event_goes_to_the_loopback_whatever_it_is_called(host: str) -> None:
    with HttpService() as service:
        answer = await delivered(f"http://{host}:{service.port}/events", api_server="10.96.0.1")
    assert answer is not None
    assert answer.reason == "Rejected"
    assert answer.message.endswith("is no address of a service: it is the pod itself")
    assert service.received == []


async def test_from_a_pod_no_event_goes_to_the_api_server() -> None:
    answer = await delivered("https://10.96.0.1/api", api_server="10.96.0.1")
    assert answer == Failure("Rejected", "10.96.0.1 is no address of a service: it is the API server of the cluster")


def look(mounted: Mounted[Any] | None, seconds: float = 60) -> None:
    """Let files be looked at, as if so much time had passed since the start; it has to grow."""
    assert mounted is not None
    mounted.current(asyncio.get_running_loop().time() + seconds)


async def test_a_token_is_sent_and_read_again(tmp_path: Path) -> None:
    mount(tmp_path / "sink", {"token": "first\n"})
    with HttpService() as service:
        asked = HttpSpec(url=service.url, bearer_token_secret_ref=SecretRef(name="token"))
        credentials = read_credentials(asked, tmp_path)
        sink = HttpSink(HttpClient(HttpTarget(service.url, 0.5, credentials=credentials)), "Binary")
        assert await answer_of(sink) is None
        mount(tmp_path / "sink", {"token": "second"})
        assert await answer_of(sink) is None
        look(credentials.token)
        assert await answer_of(sink) is None
        await sink.close()
    sent = [request.headers["authorization"] for request in service.taken]
    assert sent == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_service_verifies_who_has_sent_and_whoever_knows_no_secret_does_not(tmp_path: Path) -> None:
    mount(tmp_path / "sink-signature", {"secret": SECRET})
    with HttpService(lambda _request, attempt: Answer(503 if attempt == 1 else 204)) as service:
        asked = HttpSpec(url=service.url, signature=HttpSignature(secret_ref=SecretRef(name="signing")))
        credentials = read_credentials(asked, tmp_path)
        sink = HttpSink(HttpClient(HttpTarget(service.url, 0.5, credentials=credentials)), "Structured")
        assert await answer_of(sink) == Failure("Unavailable", "HTTP 503")
        assert await answer_of(sink) is None
        mount(tmp_path / "sink-signature", {"secret": NEXT_SECRET, "previousSecret": SECRET})
        look(credentials.signing_keys)
        assert await answer_of(sink) is None
        (tmp_path / "sink-signature" / "previousSecret").unlink()
        look(credentials.signing_keys, 120)
        assert await answer_of(sink) is None
        await sink.close()
    for request, known in zip(service.received, (SECRET, SECRET, SECRET, NEXT_SECRET), strict=True):
        assert Webhook(known).verify(request.body, request.headers)["data"] == {"a": 1}
    assert Webhook(NEXT_SECRET).verify(service.received[2].body, service.received[2].headers)["id"] == "1"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(service.received[3].body, service.received[3].headers)
    assert len({request.headers["webhook-id"] for request in service.received}) == 1, "it is one event each time"


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
        sink = HttpSink(HttpClient(HttpTarget(service.url, 30)), "Binary")
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
