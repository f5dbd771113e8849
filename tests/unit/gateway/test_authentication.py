"""Whose word is asked for a token, and for how long it is believed: the table, with verifiers that count."""

import base64
import json
from http import HTTPStatus
from typing import Any

import pytest

from eventplane.gateway.authentication import Authenticator, Caller, NoAnswerError, RefusedTokenError
from eventplane.gateway.limits import Admission, Rates
from eventplane.gateway.problems import ProblemError
from eventplane.gateway.token_reviews import caller_of


class Counting:
    """A Verifier that answers as it is told to."""

    def __init__(self, answer: Caller | Exception) -> None:
        self.answer = answer
        self.asked = 0

    async def verify(self, token: str) -> Caller:
        assert token
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class World:
    """An issuer, an API server and a clock."""

    def __init__(self, issuer: Caller | Exception | None = None, reviews: Caller | Exception | None = None) -> None:
        self.now = 1000.0
        self.issuer = Counting(issuer or Caller("people:ada", 2000.0))
        self.reviews = Counting(reviews or Caller("system:serviceaccount:a:b", 2000.0))
        self.authenticator = Authenticator({"https://i": self.issuer}, self.reviews, 60.0, lambda: self.now)

    async def ask(self, **claims: Any) -> str:
        return (await self.authenticator.authenticate(f"Bearer {token(**claims)}")).identity


def token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.sig"


async def test_the_issuer_that_a_token_names_is_asked_and_else_the_api_server() -> None:
    world = World()
    assert await world.ask(iss="https://i") == "people:ada"
    assert await world.ask(iss="https://other") == "system:serviceaccount:a:b"
    assert await world.ask() == "system:serviceaccount:a:b"
    assert (world.issuer.asked, world.reviews.asked) == (1, 2)


async def test_where_service_accounts_are_not_believed_nobody_is_asked() -> None:
    authenticator = Authenticator({}, None, 60.0, lambda: 0.0)
    with pytest.raises(ProblemError, match="not believed"):
        await authenticator.authenticate(f"Bearer {token()}")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer  ", "Basic abc", "Bearer abc", "Bearer a.b.c", "Bearer " + "a" * 20_000]
)
async def test_what_is_no_token_costs_no_question(header: str | None) -> None:
    world = World()
    with pytest.raises(ProblemError) as refused:
        await world.authenticator.authenticate(header)
    assert refused.value.problem.status is HTTPStatus.UNAUTHORIZED
    assert world.issuer.asked + world.reviews.asked == 0


@pytest.mark.parametrize(
    ("ends", "later", "asked"), [(2000.0, 59.0, 1), (2000.0, 61.0, 2), (1030.0, 29.0, 1), (1030.0, 29.9, 1)]
)
async def test_a_token_is_believed_for_a_while(ends: float, later: float, asked: int) -> None:
    world = World(issuer=Caller("people:ada", ends))
    await world.ask(iss="https://i")
    world.now += later
    await world.ask(iss="https://i")
    assert world.issuer.asked == asked


async def test_a_token_is_never_believed_beyond_its_end() -> None:
    world = World(issuer=Caller("people:ada", 1030.0))
    await world.ask(iss="https://i")
    world.now = 1030.0
    with pytest.raises(ProblemError, match="ended"):
        await world.ask(iss="https://i")


async def test_a_refusal_is_remembered_for_a_moment() -> None:
    world = World(issuer=RefusedTokenError("forged"))
    for _ in range(3):
        with pytest.raises(ProblemError, match="forged"):
            await world.ask(iss="https://i")
    assert world.issuer.asked == 1
    world.now += 11
    world.issuer.answer = Caller("people:ada", 2000.0)
    assert await world.ask(iss="https://i") == "people:ada"


async def test_no_answer_is_no_refusal() -> None:
    world = World(issuer=NoAnswerError("away"))
    for _ in range(2):
        with pytest.raises(ProblemError) as refused:
            await world.ask(iss="https://i")
        assert refused.value.problem.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert world.issuer.asked == 2


GOOD = {"authenticated": True, "audiences": ["us"], "user": {"username": "system:serviceaccount:a:b"}}


def test_a_review_tells_whose_a_token_is() -> None:
    assert caller_of({"status": GOOD}, token(exp=5), "us") == Caller("system:serviceaccount:a:b", 5.0)


@pytest.mark.parametrize(
    ("review", "claims"),
    [
        (None, {"exp": 5}),
        ({}, {"exp": 5}),
        ({"status": {**GOOD, "authenticated": False}}, {"exp": 5}),
        ({"status": {**GOOD, "authenticated": "true"}}, {"exp": 5}),
        ({"status": {**GOOD, "audiences": None}}, {"exp": 5}),
        ({"status": {**GOOD, "audiences": ["others"]}}, {"exp": 5}),
        ({"status": {**GOOD, "user": {"username": "admin"}}}, {"exp": 5}),
        ({"status": {**GOOD, "user": None}}, {"exp": 5}),
        ({"status": GOOD}, {}),
        ({"status": GOOD}, {"exp": True}),
    ],
)
def test_a_review_that_proves_nothing_is_refused(review: Any, claims: dict[str, Any]) -> None:
    with pytest.raises(RefusedTokenError):
        caller_of(review, token(**claims), "us")


def test_room_is_taken_and_given_back() -> None:
    admission = Admission(2, 100)
    with admission.admitted(60):
        with pytest.raises(ProblemError), admission.admitted(60):
            pass
        with admission.admitted(40), pytest.raises(ProblemError), admission.admitted(0):
            pass
        assert admission.under_way == 1
    with admission.admitted(1_000):
        assert admission.under_way == 1  # one alone always fits


def test_each_identity_has_a_rate_of_its_own_and_a_look_takes_nothing() -> None:
    now = 0.0
    rates = Rates(lambda: now)
    for _ in range(9):
        rates.take("ada", 0, 2.0)
    rates.take("ada", 2, 2.0)
    with pytest.raises(ProblemError) as refused:
        rates.take("ada", 0, 2.0)
    assert refused.value.problem.retry_after_seconds == pytest.approx(0.5)
    rates.take("bob", 2, 2.0)
    now = 0.5
    rates.take("ada", 1, 2.0)
