"""Watches and refusals of the API server as they come over HTTP, from a server that says what a real one does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from eventplane.backends.kubernetes import Gone, KubernetesApi
from eventplane.backends.kubernetes_watch import Change, KubernetesWatch
from eventplane.planning.outcome import Rejected, Unavailable

PODS = "/api/v1/namespaces/shop/pods"
LABEL = "app.kubernetes.io/managed-by=eventplane"


class Server:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.parts: list[bytes] = []
        self.breaks_off = False
        self.asked: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        response = web.StreamResponse(status=self.status)
        if self.breaks_off:
            response.content_length = 1_000_000
        await response.prepare(request)
        for part in self.parts:
            await response.write(part)
        if self.breaks_off and request.transport is not None:
            request.transport.close()
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made, application = Server(), web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    addresses: Any = runner.addresses
    made.url = f"http://127.0.0.1:{addresses[0][1]}"
    yield made
    await runner.cleanup()


async def told(server: Server, since: str = "") -> list[Change]:
    configuration = Configuration(host=server.url)
    async with ApiClient(configuration) as client:
        return [change async for change in KubernetesWatch(client).changes(PODS, LABEL, since)]


def event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, "object": fields}).encode() + b"\n"


async def test_lines_are_changes_wherever_the_network_cuts_them(server: Server) -> None:
    text = event("ADDED", metadata={"name": "a"}) + event("BOOKMARK", metadata={"resourceVersion": "7"})
    server.parts = [text[:10], text[10:60], text[60:]]
    assert await told(server, "5") == [("ADDED", {"name": "a"}), ("BOOKMARK", {"resourceVersion": "7"})]
    (asked,) = server.asked
    assert asked.path == PODS
    assert asked.headers["Accept"] == "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    assert asked.query["labelSelector"] == LABEL
    assert (asked.query["watch"], asked.query["resourceVersion"]) == ("true", "5")


async def test_without_a_version_it_begins_with_what_is_there(server: Server) -> None:
    assert await told(server) == []
    assert "resourceVersion" not in server.asked[0].query


@pytest.mark.parametrize(
    ("status", "part", "error"),
    [
        (200, event("ERROR", code=410, message="too old resource version"), Gone),
        (200, event("ERROR", code=500, message="etcd"), Unavailable),
        (403, json.dumps({"kind": "Status", "message": "pods is forbidden"}).encode(), Rejected),
        (404, b"not found", Gone),
        (410, b"{}", Gone),
        (429, b"slow down", Unavailable),
        (503, b"", Unavailable),
    ],
)
async def test_refusals(server: Server, status: int, part: bytes, error: type[Exception]) -> None:
    server.status, server.parts = status, [part]
    with pytest.raises(error):
        await told(server)


async def test_a_connection_that_breaks_off(server: Server) -> None:
    server.parts, server.breaks_off = [event("ADDED", metadata={"name": "a"})], True
    with pytest.raises(Unavailable, match="broke off"):
        await told(server)


async def test_nobody_answers() -> None:
    nobody = Server()
    nobody.url = "http://127.0.0.1:9"
    with pytest.raises(Unavailable):
        await told(nobody)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"kind":"Status","message":"spec.selector: field is immutable"}', "answered 422: spec.selector"),
        (b'["no Status"]', 'answered 422: \\["no Status"'),
        (b"plain text", "answered 422: plain text"),
    ],
)
async def test_an_error_holds_the_servers_words(server: Server, content: bytes, words: str) -> None:
    server.status, server.parts = 422, [content]
    async with ApiClient(Configuration(host=server.url)) as client:
        with pytest.raises(Rejected, match=words):
            await KubernetesApi(client).request("PATCH", PODS, {"a": "b"}, content="application/apply-patch+yaml")
    assert server.asked[0].headers["Content-Type"] == "application/apply-patch+yaml"
