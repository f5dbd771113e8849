"""How the client of a schema registry shares itself between a sweep and a sign of life."""

from __future__ import annotations

import asyncio

from aiohttp import web

from eventplane.backends.schema_registry import SchemaRegistryBackend
from eventplane.planning.connection import RegistryConnection
from eventplane.planning.schema_state import SubjectQuery

SUBJECTS = [f"subject-{number}" for number in range(120)]


async def test_a_sign_of_life_does_not_wait_behind_a_sweep() -> None:
    """A registry that is slow with subjects but answers is no outage, however much it is asked meanwhile."""
    let_go, asked = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/subjects":
            return web.json_response(SUBJECTS)
        if request.path != "/config":
            asked.set()
            await let_go.wait()
        return web.json_response({"compatibilityLevel": "BACKWARD"})

    server = web.Application()
    server.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    backend = SchemaRegistryBackend(RegistryConnection(f"http://{host}:{port}"), client_id="test")
    sweep = asyncio.create_task(backend.observe([SubjectQuery(subject) for subject in SUBJECTS]))
    try:
        await asyncio.wait_for(asked.wait(), 5)
        state = await asyncio.wait_for(backend.probe(), 1.5)
        assert state.default_level == "BACKWARD"
        assert not sweep.done()
    finally:
        let_go.set()
        await asyncio.gather(sweep, return_exceptions=True)
        await backend.close()
        await runner.cleanup()
