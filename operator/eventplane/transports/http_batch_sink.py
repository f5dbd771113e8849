"""Delivers events to a service in CloudEvents' JSON batches; one that refuses a batch is asked about each event."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from eventplane.events.batches import BatchLimits
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.outgoing import batch_item, batch_request
from eventplane.transports.batches import Batches
from eventplane.transports.http_client import HttpClient
from eventplane.transports.seams import Answered

_PUT_OFF: Final = "its batch was refused, and events of it are asked about one by one: its turn has not come"


class _Given(NamedTuple):
    """An event as it goes into a batch."""

    event: Event
    item: bytes
    answered: Answered


class HttpBatchSink:
    """A Sink that is a service of batches.

    | the answer to a batch | its events |
    |---|---|
    | 2xx | are acknowledged |
    | a status that is tried again, no answer, or none in time | all fail with that |
    | any other, to a batch of one | fails with that |
    | any other, to several | are sent one by one, in order, and end as these do; until one of them fails otherwise than by such |
    | | a status, or time is up: those behind it are tried again soon, and no attempt of theirs is counted |

    Time is up when a timeout has passed since the batch was sent, so all is answered within two of them.
    """  # noqa: E501 - a table

    keeps_order = False

    def __init__(self, client: HttpClient, limits: BatchLimits, at_once: int) -> None:
        """Have at most so many requests under way."""
        self._client = client
        self._batches: Batches[_Given] = Batches(limits, at_once, self._send)

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Let an event wait for its batch."""
        try:
            item = batch_item(event, new_data)
        except UndecodableError as error:
            answered(Failure("Undecodable", str(error)))
            return
        self._batches.give(_Given(event, item, answered), len(item))

    async def close(self) -> None:
        """Cut off what is under way."""
        await self._batches.close()
        await self._client.close()

    async def _send(self, batch: list[_Given]) -> None:
        deadline = asyncio.get_running_loop().time() + self._client.timeout_seconds
        failure = await self._post(batch)
        if failure is not None and failure.reason == "Rejected" and len(batch) > 1:
            await self._send_singly(batch, deadline)
            return
        for each in batch:
            each.answered(failure)

    async def _send_singly(self, refused: Sequence[_Given], deadline: float) -> None:
        """Find out whom a refusal was for."""
        loop, tried = asyncio.get_running_loop(), 0
        failure = None
        for each in refused:
            failure = await self._post([each])
            each.answered(failure)
            tried += 1
            if not _is_final(failure) or loop.time() >= deadline:
                break
        waits = failure.retry_after_ms if failure is not None else None
        for each in refused[tried:]:
            each.answered(Failure("Unavailable", _PUT_OFF, blames_event=False, retry_after_ms=waits))

    async def _post(self, batch: Sequence[_Given]) -> Failure | None:
        request = batch_request([each.item for each in batch])
        return await self._client.post(request, [each.event for each in batch])


def _is_final(failure: Failure | None) -> bool:
    """Tell whether a service has said what it thinks of an event."""
    return failure is None or failure.reason == "Rejected"
