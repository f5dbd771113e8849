"""Batches before a real service: together while it takes them, and one by one to find out whom a refusal is for."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from contract.http_arenas import event
from contract.transport_arenas import until
from integration.http_service import Answer, HttpService, Request, mount
from standardwebhooks import Webhook

from eventplane.api.metadata import SecretRef
from eventplane.api.sink import HttpSignature
from eventplane.api.sink import HttpSink as HttpSpec
from eventplane.events.batches import BatchLimits
from eventplane.events.delivery import Failure
from eventplane.transports.http_batch_sink import HttpBatchSink
from eventplane.transports.http_client import HttpClient, HttpTarget
from eventplane.transports.http_credentials import HttpCredentials, read_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LIMITS = BatchLimits(events=4, size=10_000, linger_seconds=0.02)
PUT_OFF = Failure(
    "Unavailable",
    "its batch was refused, and events of it are asked about one by one: its turn has not come",
    blames_event=False,
)


async def delivered(
    url: str, values: Sequence[bytes], limits: BatchLimits = LIMITS, credentials: HttpCredentials | None = None
) -> list[Failure | None]:
    """Deliver events, and return the answers in the order of the events, which are numbered."""
    answers: dict[int, Failure | None] = {}
    target = HttpTarget(url, 0.4, credentials=credentials or HttpCredentials())
    sink = HttpBatchSink(HttpClient(target), limits, 2)

    def answered_as(number: int) -> Callable[[Failure | None], None]:
        def answered(failure: Failure | None) -> None:
            assert number not in answers, "an event is answered once"
            answers[number] = failure

        return answered

    for number, value in enumerate(values):
        sink.deliver(event(value, str(number)), None, answered_as(number))
    await until(lambda: len(answers) == len(values))
    await sink.close()
    return [answers[number] for number in range(len(values))]


def ids(service: HttpService) -> list[list[str]]:
    return [[each["id"] for each in request.batch] for request in service.received]


def refuses(*data: str) -> Callable[[Request, int], Answer]:
    """Refuse what has these data in it."""
    return lambda request, _attempt: Answer(400 if any(each["data"] in data for each in request.batch) else 204)


async def test_events_go_together_as_many_as_fit_and_a_success_is_for_all() -> None:
    with HttpService() as service:
        assert await delivered(service.url, [b"1"] * 6) == [None] * 6
        few = BatchLimits(events=100, size=150, linger_seconds=0.02)
        assert await delivered(service.url, [b"1"] * 3, few) == [None] * 3
    assert sorted(ids(service)[:2]) == [["0", "1", "2", "3"], ["4", "5"]]
    assert max(len(request.batch) for request in service.received[2:]) == 1, "two are more than 150 bytes"
    assert service.received[0].batch[0] == {
        "specversion": "1.0", "id": "0", "source": "/s", "type": "t", "datacontenttype": "application/json", "data": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            Answer(503, {"Retry-After": "7"}), Failure("Unavailable", "HTTP 503", retry_after_ms=7000), id="it is busy"
        ),
        pytest.param(Answer(hang_seconds=2), Failure("TimedOut", "no answer within 0.4 s"), id="it hangs"),
    ],
)
async def test_a_service_that_is_not_there_fails_all_and_is_asked_once(answer: Answer, expected: Failure) -> None:
    with HttpService(lambda _request, _attempt: answer) as service:
        assert await delivered(service.url, [b"1"] * 3) == [expected] * 3
        assert len(service.received) == 1


async def test_of_a_batch_that_is_refused_only_the_guilty_are() -> None:
    with HttpService(refuses("bad", "worse")) as service:
        answers = await delivered(service.url, [b'"good"', b'"bad"', b'"good"', b'"worse"'])
    refused = Failure("Rejected", "HTTP 400")
    assert answers == [None, refused, None, refused]
    assert ids(service) == [["0", "1", "2", "3"], ["0"], ["1"], ["2"], ["3"]]
    assert [request.batch[0]["data"] for request in service.taken] == ["good", "good"]


async def test_a_batch_of_one_that_is_refused_is_not_sent_again() -> None:
    with HttpService(refuses("bad")) as service:
        assert await delivered(service.url, [b'"bad"']) == [Failure("Rejected", "HTTP 400")]
        assert ids(service) == [["0"]]


async def test_who_is_behind_one_that_gets_no_answer_is_not_to_blame() -> None:
    def answer(request: Request, _attempt: int) -> Answer:
        data = [each["data"] for each in request.batch]
        return Answer(503, {"Retry-After": "3"}) if data == ["slow"] else refuses("bad")(request, 1)

    with HttpService(answer) as service:
        answers = await delivered(service.url, [b'"good"', b'"slow"', b'"bad"', b'"good"'])
    assert answers[:2] == [None, Failure("Unavailable", "HTTP 503", retry_after_ms=3000)]
    assert [(each.message, each.blames_event, each.retry_after_ms) for each in answers[2:] if each is not None] == [
        (PUT_OFF.message, False, 3000)
    ] * 2
    assert ids(service) == [["0", "1", "2", "3"], ["0"], ["1"]]


async def test_when_a_timeout_has_passed_no_further_event_is_asked_about() -> None:
    def answer(request: Request, _attempt: int) -> Answer:
        return Answer(400 if len(request.batch) > 1 else 204, hang_seconds=0.25)

    with HttpService(answer) as service:
        assert await delivered(service.url, [b"1"] * 4) == [None, PUT_OFF, PUT_OFF, PUT_OFF]
    assert ids(service) == [["0", "1", "2", "3"], ["0"]]


async def test_what_cannot_be_written_does_not_keep_others_from_their_batch() -> None:
    with HttpService() as service:
        answers = await delivered(service.url, [b"1", b"{", b"1"])
    assert [each.reason if each is not None else None for each in answers] == [None, "Undecodable", None]
    assert ids(service) == [["0", "2"]]


async def test_a_batch_is_signed_as_one_message(tmp_path: Path) -> None:
    secret = f"whsec_{base64.b64encode(b's' * 24).decode()}"
    mount(tmp_path / "sink-signature", {"secret": secret})
    with HttpService(refuses("bad")) as service:
        asked = HttpSpec(url=service.url, signature=HttpSignature(secret_ref=SecretRef(name="s")))
        await delivered(service.url, [b'"bad"', b'"good"'], credentials=read_credentials(asked, tmp_path))
    assert [len(Webhook(secret).verify(request.body, request.headers)) for request in service.received] == [2, 1, 1]
    assert len({request.headers["webhook-id"] for request in service.received}) == 3


async def test_what_is_under_way_is_cut_off_by_closing() -> None:
    answers: list[Failure | None] = []
    with HttpService(lambda _request, _attempt: Answer(hang_seconds=5)) as service:
        sink = HttpBatchSink(HttpClient(HttpTarget(service.url, 30)), LIMITS, 1)
        for _ in range(5):
            sink.deliver(event(), None, answers.append)
        await until(lambda: len(service.received) == 1)
        await sink.close()
    assert answers == []
