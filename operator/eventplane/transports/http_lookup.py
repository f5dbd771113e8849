"""Looks values up in a service by GET, remembers its answers, and asks once where many want the same."""

import asyncio
from typing import Final
from urllib.parse import quote

import orjson
from yarl import URL

from eventplane.api.lookups import HttpLookup as HttpLookupSpec
from eventplane.api.quantities import milliseconds
from eventplane.events.delivery import Failure
from eventplane.events.expiring import Expiring
from eventplane.events.lookups import MISSING, Answer, Found
from eventplane.transports.http_client import HttpAnswer, HttpClient

_NOTHING_THERE: Final = frozenset({204, 404})
_STEPS: Final = frozenset({".", ".."})
"""What a path cannot have for a name, however it is encoded (RFC 3986, 5.2.4)."""


class HttpLookup:
    """A service that is asked; one loop's.

    Args:
        client: speaks to it.
        asked: the URL, with {key} in it, and what is remembered.
        at_once: how many requests may be under way.
    """

    def __init__(self, client: HttpClient, asked: HttpLookupSpec, at_once: int) -> None:
        self._client = client
        self._url = asked.url
        self._kept: Expiring[Answer] = Expiring(milliseconds(asked.cache.ttl) / 1000, asked.cache.max_entries)
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._turns = asyncio.Semaphore(at_once)
        self._loop = asyncio.get_running_loop()

    def cached(self, key: str) -> Answer | None:
        """Return what is remembered."""
        return self._kept.get(key, self._loop.time())

    async def fetch(self, key: str) -> tuple[Answer, bool]:
        """Ask, or wait for who has asked already; tell whether it was another's request."""
        task = self._under_way.get(key)
        is_shared = task is not None
        if task is None:
            task = self._loop.create_task(self._ask(key))
            self._under_way[key] = task
            task.add_done_callback(lambda _done: self._under_way.pop(key))
        return await asyncio.shield(task), is_shared

    async def close(self) -> None:
        """Cut off what is under way, and let go of connections."""
        left = tuple(self._under_way.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._client.close()

    async def _ask(self, key: str) -> Answer:
        if key in _STEPS:
            return Failure("Rejected", "the key is a step in a path, which no URL can name")
        async with self._turns:  # here, so that waiting for a connection takes nothing of the time for the answer
            answer = _read(await self._client.get(URL(self._url.replace("{key}", quote(key, safe="")))))
        if not isinstance(answer, Failure):
            self._kept.put(key, answer, self._loop.time())
        return answer


def _read(answer: HttpAnswer | Failure) -> Answer:
    if isinstance(answer, Failure):
        return answer
    if answer.status in _NOTHING_THERE:
        return MISSING
    try:
        return Found(orjson.loads(answer.body))
    except orjson.JSONDecodeError as error:
        return Failure("Unavailable", f"the answer is not JSON: {error.msg} at byte {error.pos}")
