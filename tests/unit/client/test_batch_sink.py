"""A function that is given lists of events: what it is given, and what becomes of each event by how it ends."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from unit.client.test_handlers import read

from eventplane.client import Event, EventRejectedError, RetryLaterError
from eventplane.client.batch_sink import BatchSink
from eventplane.client.handlers import handler_of
from eventplane.events.batches import BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventplane.events.delivery import Failure


class Order(BaseModel):
    """What the data are."""

    amount: int


async def outcomes(
    function: Callable[[Any], Any], values: Sequence[bytes] = (b'{"amount": 1}',) * 3, new_data: bytes | None = None
) -> list[Failure | None]:
    """Deliver events, as one batch if they can be read, and return what became of each."""
    sink = BatchSink(handler_of(function), BatchLimits(len(values), 1_000_000, 0.05), 2, 0.2)
    loop = asyncio.get_running_loop()
    answers: list[asyncio.Future[Failure | None]] = [loop.create_future() for _ in values]
    for offset, (value, answer) in enumerate(zip(values, answers, strict=True)):
        sink.deliver(read(value, offset=offset), new_data, answer.set_result)
    try:
        return await asyncio.wait_for(asyncio.gather(*answers), 5)
    finally:
        await sink.close()


async def test_events_come_in_order_as_their_annotation_has_them() -> None:
    got: list[list[Event[Order]]] = []

    async def handle(events: list[Event[Order]]) -> None:
        got.append(events)

    assert await outcomes(handle, [b'{"amount": 1}', b'{"amount": 2}']) == [None, None]
    ((first, second),) = got
    assert (first.data, second.data) == (Order(amount=1), Order(amount=2))


async def test_a_transform_makes_their_data() -> None:
    got: list[Any] = []
    assert await outcomes(lambda events: got.extend(each.data for each in events), new_data=b'{"b":2}') == [None] * 3
    assert got == [{"b": 2}] * 3


async def test_one_that_cannot_be_read_is_not_in_the_list() -> None:
    sizes: list[int] = []
    answers = await outcomes(lambda events: sizes.append(len(events)), [b'{"amount": 1}', b"{", b'{"amount": 3}'])
    assert [each.reason if each else None for each in answers] == [None, "Undecodable", None]
    assert sizes == [2]


async def test_functions_that_block_do_so_on_a_thread() -> None:
    threads: list[str] = []
    assert await outcomes(lambda _events: threads.append(threading.current_thread().name)) == [None] * 3
    assert threads[0].startswith("eventplane-handler")


async def gathered(events: list[Event]) -> list[Any]:
    async def handle(event: Event) -> str:
        assert event.received is not None
        errors = [ValueError("no"), RetryLaterError("busy", 2.0), EventRejectedError("never")]
        if event.received.offset < 3:
            raise errors[event.received.offset]
        return "done"

    return await asyncio.gather(*map(handle, events), return_exceptions=True)


async def test_it_tells_of_each_event_what_became_of_it() -> None:
    answers = await outcomes(gathered, [b'{"amount": 1}'] * 4)
    assert [(each.reason, each.retry_after_ms) if each else None for each in answers] == [
        ("Unavailable", None),
        ("Unavailable", 2000),
        ("Rejected", None),
        None,
    ]


def fail(_events: object) -> None:
    raise ValueError("no database")


async def hang(_events: object) -> None:
    await asyncio.sleep(10)


@pytest.mark.parametrize(
    ("function", "reason", "words"),
    [
        pytest.param(fail, "Unavailable", "fail raised ValueError: no database", id="an exception"),
        pytest.param(hang, "TimedOut", "longer than 0.2 s", id="too late"),
        pytest.param(lambda _events: threading.Event().wait(0.4), "TimedOut", "longer", id="too late on a thread"),
        pytest.param(lambda _events: [None], "Unavailable", "one item for each event", id="a list too short"),
        pytest.param(lambda _events: True, "Unavailable", "returned a bool", id="no list"),
    ],
)
async def test_all_fail_where_nobody_can_tell(function: Callable[[Any], Any], reason: str, words: str) -> None:
    answers = await outcomes(function)
    assert [each.reason if each else None for each in answers] == [reason] * 3
    assert answers[0] is not None
    assert words in answers[0].message
