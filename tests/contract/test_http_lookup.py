"""Look-ups in a real service: what each answer means, how often it is asked, and where nobody asks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integration.http_service import mount
from integration.lookup_service import LookupService, Value

from eventplane.api.lookups import HttpLookup as HttpLookupSpec
from eventplane.events.delivery import Failure
from eventplane.events.lookups import MISSING, Answer, Found
from eventplane.transports.http_client import HttpClient, HttpTarget
from eventplane.transports.http_credentials import read_credentials
from eventplane.transports.http_lookup import HttpLookup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def looking_up(
    url: str, at_once: int = 4, cache: dict[str, Any] | None = None, **target: Any
) -> AsyncIterator[HttpLookup]:
    asked = HttpLookupSpec.model_validate({"url": url, "cache": cache or {}})
    client = HttpClient(HttpTarget(url, **{"timeout_seconds": 0.5, "connections": at_once, **target}))
    lookup = HttpLookup(client, asked, at_once)
    try:
        yield lookup
    finally:
        await lookup.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Value({"a": 1}), Found({"a": 1}), id="200"),
        pytest.param(Value(None), Found(None), id="200, null"),
        pytest.param(Value(7, status=203), Found(7), id="203"),
        pytest.param(Value(status=204, body=b""), MISSING, id="204"),
        pytest.param(Value("x" * 100_000, status=404), MISSING, id="404, whatever it says"),
        pytest.param(Value(status=400), Failure("Rejected", "HTTP 400"), id="400"),
        pytest.param(Value(status=401), Failure("Rejected", "HTTP 401"), id="401"),
        pytest.param(Value(status=500), Failure("Unavailable", "HTTP 500"), id="500"),
        pytest.param(
            Value(status=429, headers={"Retry-After": "7"}),
            Failure("Unavailable", "HTTP 429", retry_after_ms=7_000),
            id="429",
        ),
        pytest.param(
            Value(status=302, headers={"Location": "http://169.254.169.254/"}),
            Failure("Rejected", "HTTP 302, redirects are not followed"),
            id="302",
        ),
        pytest.param(Value(hang_seconds=2), Failure("TimedOut", "no answer within 0.5 s"), id="it hangs"),
        pytest.param(
            Value(body=b"<html>"),
            Failure("Unavailable", "the answer is not JSON: unexpected character, expected a JSON value at byte 0"),
            id="no JSON",
        ),
        pytest.param(Value("x" * 65_534), Found("x" * 65_534), id="large"),
        pytest.param(Value("x" * 65_535), Failure("Rejected", "the answer is larger than 65536 bytes"), id="too large"),
    ],
)
async def test_what_an_answer_means_and_what_is_remembered(value: Value, expected: Answer) -> None:
    with LookupService(lambda _key, _attempt: value) as service:
        async with looking_up(service.url) as lookup:
            assert await lookup.fetch("EUR") == (expected, False)
            assert lookup.cached("EUR") == (None if isinstance(expected, Failure) else expected)
    assert service.headers[0]["accept"] == "application/json"
    assert service.headers[0]["accept-encoding"] == "identity"


async def test_what_speaks_no_http_is_told_without_the_key() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with looking_up(f"http://127.0.0.1:{port}/{{key}}") as lookup:
            found, _shared = await lookup.fetch("customer-of-somebody")
    assert isinstance(found, Failure)
    assert found.reason == "Unavailable"
    assert "somebody" not in found.message


async def test_nobody_is_there() -> None:
    async with looking_up("http://127.0.0.1:1/{key}") as lookup:
        answer, _shared = await lookup.fetch("a")
    assert isinstance(answer, Failure)
    assert answer.reason == "Unavailable"


@settings(max_examples=200, deadline=None)
@given(keys=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5))
def test_the_service_is_asked_for_the_very_key(keys: list[str]) -> None:
    """Whatever is in it: a key of somebody's event leads to no other place of the service."""
    with LookupService(lambda key, _attempt: Value(key)) as service:

        async def ask() -> list[Answer]:
            async with looking_up(service.url, timeout_seconds=10) as lookup:
                return [(await lookup.fetch(key))[0] for key in keys]

        answers = asyncio.run(ask())
    assert answers == [
        Failure("Rejected", "the key is a step in a path, which no URL can name") if key in {".", ".."} else Found(key)
        for key in keys
    ]


@pytest.mark.parametrize("key", [".", ".."])
async def test_no_key_climbs_a_path(key: str) -> None:
    with LookupService(lambda key, _attempt: Value(key)) as service:
        async with looking_up(service.url) as lookup:
            answer, _shared = await lookup.fetch(key)
    assert isinstance(answer, Failure)
    assert service.asked == {}


async def test_many_who_want_the_same_ask_once_and_share_failures_too() -> None:
    answers = {"good": Value(1, hang_seconds=0.1), "bad": Value(status=500, hang_seconds=0.1)}
    with LookupService(lambda key, _attempt: answers[key]) as service:
        async with looking_up(service.url) as lookup:
            found = await asyncio.gather(*(lookup.fetch(key) for key in ["good", "bad"] * 50))
            assert [each for each, _shared in found] == [Found(1), Failure("Unavailable", "HTTP 500")] * 50
            assert [is_shared for _each, is_shared in found] == [False] * 2 + [True] * 98
            assert service.asked == {"good": 1, "bad": 1}
            assert lookup.cached("good") == Found(1)
            assert await lookup.fetch("bad") == (Failure("Unavailable", "HTTP 500"), False), "failures are not kept"


async def test_so_many_at_once_and_waiting_takes_nothing_of_the_time() -> None:
    with LookupService(lambda key, _attempt: Value(int(key), hang_seconds=0.2)) as service:
        async with looking_up(service.url, at_once=3) as lookup:
            found = await asyncio.gather(*(lookup.fetch(str(number)) for number in range(15)))
    assert [answer for answer, _shared in found] == [Found(number) for number in range(15)]
    assert service.most_at_once == 3


async def test_what_is_remembered_is_bounded_and_ends() -> None:
    with LookupService(lambda _key, attempt: Value(attempt)) as service:
        async with looking_up(service.url, cache={"ttl": "300ms", "maxEntries": 2}) as lookup:
            for key in "abc":
                await lookup.fetch(key)
            assert [lookup.cached(key) for key in "abc"] == [None, Found(1), Found(1)]
            await asyncio.sleep(0.4)
            assert lookup.cached("c") is None
            assert await lookup.fetch("c") == (Found(2), False)


async def test_who_stops_waiting_leaves_the_others_their_answer() -> None:
    with LookupService(lambda _key, _attempt: Value(1, hang_seconds=0.2)) as service:
        async with looking_up(service.url) as lookup:
            first, second = (asyncio.ensure_future(lookup.fetch("a")) for _ in range(2))
            await asyncio.sleep(0.05)
            first.cancel()
            assert await second == (Found(1), True)
    assert service.asked == {"a": 1}


async def test_what_is_under_way_ends_with_the_client() -> None:
    with LookupService(lambda _key, _attempt: Value(hang_seconds=5)) as service:
        async with looking_up(service.url, timeout_seconds=60) as lookup:
            waiting = asyncio.ensure_future(lookup.fetch("a"))
            while not service.asked:  # noqa: ASYNC110 - it is on another thread
                await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_bearer_is_shown(tmp_path: Path) -> None:
    mount(tmp_path / "lookup-fx-rate-token", {"token": "secret"})
    with LookupService(lambda _key, _attempt: Value(1)) as service:
        told = {"url": service.url, "bearerTokenSecretRef": {"name": "token"}}
        asked = HttpLookupSpec.model_validate(told)
        async with looking_up(service.url, credentials=read_credentials(asked, tmp_path, "fx_rate")) as lookup:
            assert (await lookup.fetch("a"))[0] == Found(1)
    assert service.headers[0]["authorization"] == "Bearer secret"


async def test_in_a_pod_nobody_asks_the_loopback() -> None:
    with LookupService(lambda _key, _attempt: Value(1)) as service:
        async with looking_up(service.url, api_server="10.96.0.1") as lookup:
            answer, _shared = await lookup.fetch("a")
    assert answer == Failure("Rejected", "127.0.0.1 is no address of a service: it is the pod itself")
    assert service.asked == {}
