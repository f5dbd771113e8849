"""How requests are answered: the tables of outcomes and of problems, row by row."""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest

from eventplane.client import (
    Event,
    EventRejectedError,
    EventTooLargeError,
    InvalidEventError,
    PublisherClosedError,
    PublishError,
    PublishUnavailableError,
    Receipt,
    SchemaMismatchError,
)
from eventplane.gateway.outcomes import answer_of, merge
from eventplane.gateway.problems import Problem, path_of, problem_of, reason_of

PLACE = Receipt("orders", 2, 7, datetime(2026, 1, 1, tzinfo=UTC))
EVENT: Event[Any] = Event("t", "1", "s", {})
BAD = Problem(HTTPStatus.BAD_REQUEST, "bad")
AWAY = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "away", retry_after_seconds=1.2)


def test_outcomes_are_in_the_order_of_the_request() -> None:
    merged = merge([EVENT, BAD, EVENT], [PLACE, PublishUnavailableError("away")])
    assert merged[:2] == (PLACE, BAD)
    assert isinstance(merged[2], Problem)
    assert merged[2].status is HTTPStatus.SERVICE_UNAVAILABLE


def test_one_event_is_answered_with_its_place() -> None:
    answer = answer_of([PLACE], ["e-1"], is_batch=False)
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "id": "e-1",
        "topic": "orders",
        "partition": 2,
        "offset": 7,
        "timestamp": "2026-01-01T00:00:00.000+00:00",
    }


def test_one_event_is_answered_with_its_problem() -> None:
    answer = answer_of([AWAY], ["e-1"], is_batch=False)
    assert (answer.status, answer.content_type) == (503, "application/problem+json")
    assert answer.headers == {"retry-after": "2"}
    assert json.loads(answer.body) == {"title": "Service Unavailable", "status": 503, "detail": "away"}


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [([PLACE, PLACE], 200), ([], 200), ([PLACE, BAD], 207), ([BAD, BAD], 400), ([AWAY, AWAY], 503), ([BAD, AWAY], 207)],
    ids=["all", "no event", "some", "none, one reason", "none, may pass", "none, several reasons"],
)
def test_a_batch_has_an_outcome_for_each(outcomes: list[Receipt | Problem], status: int) -> None:
    answer = answer_of(outcomes, [f"e-{at}" for at in range(len(outcomes))], is_batch=True)
    document = json.loads(answer.body)
    assert answer.status == status
    assert document["published"] + document["failed"] == len(outcomes)
    assert [each["id"] for each in document["outcomes"]] == [f"e-{at}" for at in range(len(outcomes))]
    assert [each["status"] for each in document["outcomes"]] == [
        200 if isinstance(each, Receipt) else each.status for each in outcomes
    ]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_what_is_no_event_has_no_id() -> None:
    answer = answer_of([PLACE, BAD], ["e-1", None], is_batch=True)
    assert "id" not in json.loads(answer.body)["outcomes"][1]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidEventError("x"), 400),
        (SchemaMismatchError("x", "a: y"), 422),
        (EventTooLargeError("x"), 413),
        (EventRejectedError("x"), 422),
        (PublishUnavailableError("x"), 503),
        (PublisherClosedError("x"), 503),
    ],
)
def test_errors_are_problems(error: PublishError | InvalidEventError, status: int) -> None:
    problem = problem_of(error)
    assert problem.status == status
    assert ("retry-after" in problem.headers()) == (status == 503)


@pytest.mark.parametrize(
    ("complaint", "path"),
    [
        ('lines[1].amount: "two" is not of type "integer"', "lines[1].amount"),
        ("data: {} has less than 1 property", "data"),
        ("lines[0].amount must be long, not str", "lines[0].amount"),
        ("amount is missing", "amount"),
        ("colour is no field of Order", "colour"),
        ("the bytes are not JSON", None),
    ],
)
def test_a_complaint_begins_with_the_path(complaint: str, path: str | None) -> None:
    assert path_of(complaint) == path


def test_a_path_is_told_as_a_member_of_the_problem() -> None:
    problem = problem_of(SchemaMismatchError("it does not fit: a.b is missing", "a.b is missing"))
    assert problem.document()["errors"] == [{"path": "a.b", "detail": "it does not fit: a.b is missing"}]


def test_who_is_not_known_is_told_how_to_be() -> None:
    assert Problem(HTTPStatus.UNAUTHORIZED, "x").headers() == {"www-authenticate": "Bearer"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidEventError("type: an event has one"), "Invalid"),
        (SchemaMismatchError("orders: a: is no number", "a: is no number"), "SchemaMismatch"),
        (EventTooLargeError("large"), "TooLarge"),
        (EventRejectedError("no schema"), "Rejected"),
        (PublishUnavailableError("away"), "Unavailable"),
        (PublisherClosedError("closed"), "Unavailable"),
    ],
)
def test_reasons_are_counted_in_words_of_a_closed_set(error: PublishError | InvalidEventError, reason: str) -> None:
    assert reason_of(problem_of(error)) == reason
