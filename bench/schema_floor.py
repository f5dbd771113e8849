"""The floor of schemas: the same requests by a bare script in a process of its own, without watch or decisions.

Each request of a schema begins as soon as the one before is answered, and of each kind fifty are under way at once.
`python -m bench.schema_floor` reads a `SchemaWork` as JSON from standard input and prints what it measured as JSON.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import aiohttp
import orjson

from bench.api_server import AT_ONCE, ApiServer
from bench.failure import BenchError
from bench.manifests import names
from bench.schema_manifests import (
    REGISTRY_CONTENT_TYPE,
    altered_spec,
    floor_status,
    registration,
    schema,
    schemas_path,
    subject_name,
)

SchemaTask = Literal["register", "create", "update"]
Step: TypeAlias = Callable[[str], Awaitable[object]]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True)
class SchemaWork:
    """What the floor is to do."""

    task: SchemaTask
    kubeconfig: str
    namespace: str
    prefix: str
    count: int
    registry_url: str


class BareRegistry:
    """The registry's API, as a script would use it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, verb: str, path: str, body: Any = None, *, but: Iterable[int] = ()) -> Any:
        """Send a request and return its answer.

        Raises:
            BenchError: the registry refused, with a status that is not among `but`.
        """
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(verb, self._url + path, data=data) as response:
            content = await response.read()
            if response.status >= HTTPStatus.BAD_REQUEST and response.status not in but:
                words = content[:300].decode("utf-8", "replace")
                raise BenchError(f"{verb} {path}: the registry answered {response.status}: {words}")
            return orjson.loads(content)

    async def register(self, namespace: str, name: str, *, altered: bool = False) -> None:
        """Register a definition."""
        path = f"/subjects/{quote(subject_name(namespace, name), safe='')}/versions"
        await self.send("POST", path, registration(namespace, name, altered=altered))

    async def judge(self, namespace: str, name: str) -> None:
        """Ask what the registry thinks of the altered definition."""
        path = f"/compatibility/subjects/{quote(subject_name(namespace, name), safe='')}/versions/latest?verbose=true"
        await self.send("POST", path, registration(namespace, name, altered=True))


def registry_session() -> aiohttp.ClientSession:
    """Open connections for requests to a registry."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
    return aiohttp.ClientSession(connector=connector, headers={"Content-Type": REGISTRY_CONTENT_TYPE}, timeout=_TIMEOUT)


async def pipeline(resources: Sequence[str], steps: Sequence[Step]) -> float:
    """Take all resources through all steps; return the seconds from the first request to the last answer."""
    lines: list[asyncio.Queue[str | None]] = [asyncio.Queue() for _ in range(len(steps) + 1)]
    for name in (*resources, *[None] * AT_ONCE):
        lines[0].put_nowait(name)
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as stages:
        for number, step in enumerate(steps):
            stages.create_task(_stage(step, lines[number], lines[number + 1]))
    return time.perf_counter() - begun


async def _stage(step: Step, inbox: asyncio.Queue[str | None], outbox: asyncio.Queue[str | None]) -> None:
    async def worker() -> None:
        while (name := await inbox.get()) is not None:
            await step(name)
            outbox.put_nowait(name)

    async with asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(worker())
    for _ in range(AT_ONCE):
        outbox.put_nowait(None)


def steps_of(work: SchemaWork, api: ApiServer, registry: BareRegistry) -> Sequence[Step]:
    """Tell the requests that each schema needs, in their order."""
    path, namespace = schemas_path(work.namespace), work.namespace

    async def create(name: str) -> object:
        return await api.send("POST", path, schema(namespace, name))

    async def update(name: str) -> object:
        return await api.send("PATCH", f"{path}/{name}", altered_spec(namespace, name))

    async def judge(name: str) -> None:
        await registry.judge(namespace, name)

    async def register(name: str) -> None:
        await registry.register(namespace, name, altered=work.task == "update")

    async def report(name: str) -> object:
        generation = 2 if work.task == "update" else 1
        return await api.send("PATCH", f"{path}/{name}/status", floor_status(namespace, name, generation))

    steps: dict[SchemaTask, Sequence[Step]] = {
        "register": (register,),
        "create": (create, register, report),
        "update": (update, judge, register, report),
    }
    return steps[work.task]


async def _main() -> None:
    work = SchemaWork(**orjson.loads(sys.stdin.buffer.read()))
    async with ApiServer.connect(Path(work.kubeconfig)) as api, registry_session() as session:
        registry = BareRegistry(session, work.registry_url)
        await api.open_connections()
        await asyncio.gather(*(registry.send("GET", "/config") for _ in range(AT_ONCE)))  # connected, as the operator
        busy = time.process_time()
        seconds = await pipeline(names(work.prefix, work.count), steps_of(work, api, registry))
        print(orjson.dumps({"seconds": seconds, "cpu_seconds": time.process_time() - busy}).decode())


if __name__ == "__main__":
    asyncio.run(_main())
