"""A watch on a namespace's resources of one kind, and what is expected to be seen on it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Self, TypeAlias

import aiohttp
import orjson

from bench.api_server import ApiServer
from bench.failure import BenchError
from bench.manifests import topics_path

Sight: TypeAlias = Callable[[str, dict[str, Any]], bool]
"""Tells from an event's type and its object whether this is what is waited for."""


def in_sync(event: str, resource: dict[str, Any]) -> bool:
    """Tell whether a resource is Ready, and that for its present generation."""
    status = resource.get("status", {})
    current = status.get("observedGeneration") == resource["metadata"]["generation"]
    return event != "DELETED" and current and _ready(status) == "True"


def in_sync_again(event: str, resource: dict[str, Any]) -> bool:
    """Tell whether a resource whose spec was changed is Ready again."""
    return resource["metadata"]["generation"] > 1 and in_sync(event, resource)


def not_ready(_event: str, resource: dict[str, Any]) -> bool:
    """Tell whether a resource says that it is not Ready."""
    return _ready(resource.get("status", {})) == "False"


def gone(event: str, _resource: dict[str, Any]) -> bool:
    """Tell whether a resource is gone."""
    return event == "DELETED"


class Expectation:
    """Resources that are to be seen in a certain state."""

    def __init__(self, names: Iterable[str], sight: Sight) -> None:
        self.missing = set(names)
        self.count = len(self.missing)
        self.at = 0.0
        """When the last of them was seen so, `time.perf_counter`."""
        self.met = asyncio.Event()
        self._sight = sight

    def note(self, event: str, resource: dict[str, Any]) -> None:
        """Look at an event."""
        name = resource["metadata"]["name"]
        if name in self.missing and self._sight(event, resource):
            self.missing.discard(name)
            if not self.missing:
                self.at = time.perf_counter()
                self.met.set()

    def progress(self) -> str:
        """Say how far it is."""
        return f"{self.count - len(self.missing):,} of {self.count:,}"


class ResourceWatch:
    """Sees every change of the resources below a path from the moment it is opened."""

    def __init__(self) -> None:
        self._expectations: list[Expectation] = []
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, api: ApiServer, path: str) -> AsyncIterator[Self]:
        """Watch for as long as the context lasts."""
        watch = cls()
        version = (await api.read(f"{path}?limit=1"))["metadata"]["resourceVersion"]
        watch._watching = asyncio.create_task(watch._follow(api, path, version))
        try:
            yield watch
        finally:
            watch._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch._watching

    def expect(self, names: Iterable[str], sight: Sight = in_sync) -> Expectation:
        """Begin to wait for resources to be seen in a state; what was seen before does not count."""
        expectation = Expectation(names, sight)
        self._expectations = [each for each in self._expectations if each.missing]
        self._expectations.append(expectation)
        return expectation

    async def until(self, expectation: Expectation) -> float:
        """Wait until all is seen; return when that was, `time.perf_counter`.

        Raises:
            BenchError: the watch ended.
        """
        if self._watching is None:
            raise BenchError("the watch is not open")
        met = asyncio.create_task(expectation.met.wait())
        try:
            await asyncio.wait({met, self._watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            met.cancel()
        if not expectation.met.is_set():
            self._watching.result()
            raise BenchError("the API server ended the watch")
        return expectation.at

    async def _follow(self, api: ApiServer, path: str, version: str) -> None:
        forever = aiohttp.ClientTimeout(total=None)
        while True:  # the server ends a watch when its time is over; the next one goes on where it was
            query = f"?watch=true&timeoutSeconds=3000&resourceVersion={version}"
            async with api.session.get(api.url + path + query, timeout=forever) as response:
                async for line in response.content:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise BenchError(f"the API server ended the watch: {event['object'].get('message')}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    for expectation in self._expectations:
                        expectation.note(event["type"], event["object"])


class TopicWatch(ResourceWatch):
    """Sees every change of a namespace's EventTopics."""

    @classmethod
    def open(cls, api: ApiServer, namespace: str) -> AbstractAsyncContextManager[Self]:
        """Watch for as long as the context lasts."""
        return cls.at(api, topics_path(namespace))


def _ready(status: dict[str, Any]) -> str | None:
    return next((each["status"] for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
