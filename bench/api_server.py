"""The Kubernetes API as a load generator needs it: raw requests, fifty at a time."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from bench.failure import BenchError

AT_ONCE: Final = 50
"""Requests under way at once, for the floor and for the operator's load alike."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)
_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY_PATCH: Final = "application/apply-patch+yaml"


class ApiServer:
    """Sends requests; what comes back is read, and decoded only where somebody wants it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, kubeconfig: Path) -> AsyncIterator[Self]:
        """Open connections to the cluster of a kubeconfig, and close them."""
        about = Configuration()
        await config.load_kube_config(str(kubeconfig), client_configuration=about)
        headers = {"Accept": "application/json"}
        if token := await about.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        connector = aiohttp.TCPConnector(ssl=_tls(about), limit=0, keepalive_timeout=600)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=_TIMEOUT) as session:
            yield cls(session, str(about.host))

    async def send(self, verb: str, path: str, body: Any = None, *, but: Iterable[int] = ()) -> bytes:
        """Send one request and return the answer's body.

        Args:
            verb: the HTTP method.
            path: from the server's root.
            body: sent as JSON, bytes as they are; of a PATCH a merge patch.
            but: failures, by HTTP status, that are as good as success.

        Raises:
            BenchError: the server refused.
        """
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        return await self._send(verb, path, data, _MERGE_PATCH if verb == "PATCH" else "application/json", but)

    async def apply(self, path: str, manifest: bytes) -> None:
        """Apply a manifest in YAML on the server's side, whoever else manages the object.

        Raises:
            BenchError: the server refused.
        """
        await self._send("PATCH", f"{path}?fieldManager=eventplane-bench&force=true", manifest, _APPLY_PATCH)

    async def _send(self, verb: str, path: str, data: bytes | None, kind: str, but: Iterable[int] = ()) -> bytes:
        headers = {"Content-Type": kind}
        async with self.session.request(verb, self.url + path, data=data, headers=headers) as response:
            content = await response.read()
            if response.status >= HTTPStatus.BAD_REQUEST and response.status not in but:
                words = content[:300].decode("utf-8", "replace")
                raise BenchError(f"{verb} {path}: the API server answered {response.status}: {words}")
            return content

    async def open_connections(self) -> None:
        """Open as many connections as two steps of fifty need, so that no measurement pays for handshakes."""
        await asyncio.gather(*(self.send("GET", "/version") for _ in range(2 * AT_ONCE)))

    async def read(self, path: str) -> Any:
        """Read a JSON document."""
        return orjson.loads(await self.send("GET", path))


async def fifty_at_once(jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run coroutines, `AT_ONCE` at a time, in their order; they are taken from the iterable when their turn comes.

    The first failure ends all of them and is raised.
    """
    line = iter(jobs)

    async def worker() -> None:
        for job in line:
            await job

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(worker())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _tls(about: Configuration) -> ssl.SSLContext | bool:
    if not about.verify_ssl:
        return False
    context = ssl.create_default_context(cafile=about.ssl_ca_cert)
    if about.cert_file:
        context.load_cert_chain(about.cert_file, about.key_file)
    return context
