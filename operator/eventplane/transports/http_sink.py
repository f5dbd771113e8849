"""Delivers events to a service by HTTP POST, each by itself."""

import asyncio

from eventplane.api.sink import OneByOne
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.outgoing import HttpRequest, http_request
from eventplane.transports.http_client import HttpClient
from eventplane.transports.seams import Answered


class HttpSink:
    """A Sink that is a service."""

    keeps_order = False

    def __init__(self, client: HttpClient, mode: OneByOne) -> None:
        self._client = client
        self._mode: OneByOne = mode
        self._under_way: set[asyncio.Task[None]] = set()

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Post an event."""
        try:
            request = http_request(event, new_data, self._mode)
        except UndecodableError as error:
            answered(Failure("Undecodable", str(error)))
            return
        task = asyncio.get_running_loop().create_task(self._post(request, event, answered))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Cut off what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.close()

    async def _post(self, request: HttpRequest, event: Event, answered: Answered) -> None:
        answered(await self._client.post(request, [event]))
