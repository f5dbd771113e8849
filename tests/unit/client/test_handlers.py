"""Which functions an event is for, what they want to be given, and what their ends mean."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from eventplane.client import ConfigurationError, Event, EventRejectedError, RetryLaterError
from eventplane.client.handler_sink import HandlerSink
from eventplane.client.handlers import Handlers
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event as ReadEvent
from eventplane.events.record import PlainRecord

if TYPE_CHECKING:
    from eventplane.client.handlers import HandlerFunction
    from eventplane.events.delivery import Failure


class Order(BaseModel):
    """What the data are."""

    amount: int


def read(value: bytes = b'{"amount": 1}', event_type: bytes = b"order.created", offset: int = 0) -> ReadEvent:
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", event_type))
    event = decode_record(PlainRecord(("orders", 0), offset, value, b"k", headers))
    assert isinstance(event, ReadEvent)
    return event


async def outcome(
    *functions: HandlerFunction, event: ReadEvent | None = None, data_type: type[BaseModel] | None = None
) -> Failure | None:
    """Deliver an event once."""
    handlers = Handlers()
    for function in functions:
        handlers.add("order.*", function, data_type)
    sink = HandlerSink(handlers, 2, 0.2)
    answer: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
    sink.deliver(event or read(), None, answer.set_result)
    try:
        return await asyncio.wait_for(answer, 5)
    finally:
        await sink.close()


async def typed(event: Event[Order]) -> None:
    assert event.data.amount == 1
    assert type(event.data) is Order


class Callable:
    """An object that is called."""

    async def __call__(self, event: Event[Order]) -> None:
        await typed(event)


class Service:
    """An object whose method is called."""

    def handle(self, event: Event[Order]) -> None:
        assert event.data == Order(amount=1)


@pytest.mark.parametrize("function", [typed, Callable(), Service().handle])
async def test_what_a_handler_wants_is_in_its_annotation(function: HandlerFunction) -> None:
    assert await outcome(function) is None
    failure = await outcome(function, event=read(b'{"amount": "secret"}'))
    assert failure is not None
    assert (failure.reason, "amount" in failure.message, "secret" in failure.message) == ("Undecodable", True, False)


async def test_or_told_beside_it() -> None:
    got: list[Any] = []
    assert await outcome(lambda event: got.append(event.data), data_type=Order) is None
    assert got == [Order(amount=1)]


def test_an_annotation_that_cannot_be_read_is_not_passed_over() -> None:
    class Local(BaseModel):
        amount: int

    def handle(event: Event[Local]) -> None:
        """Its annotation names what only this function knows."""

    with pytest.raises(ConfigurationError, match="data_type"):
        Handlers().add("*", handle, None)
    with pytest.raises(ConfigurationError, match="called"):
        Handlers().add("*", "handle", None)  # type: ignore[arg-type]


async def test_synchronous_handlers_do_not_hold_up_the_loop() -> None:
    threads: list[str] = []
    assert await outcome(lambda _event: threads.append(threading.current_thread().name)) is None
    assert threads[0].startswith("eventplane-handler")


async def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "reason", "blames", "waits"),
    [
        (ValueError("no such user"), "Unavailable", True, None),
        (RetryLaterError("busy", 2.5), "Unavailable", True, 2500),
        (EventRejectedError("never"), "Rejected", True, None),
        (TimeoutError(), "Unavailable", True, None),
        (asyncio.CancelledError(), "Unavailable", True, None),
    ],
)
async def test_how_a_handler_ends(error: BaseException, reason: str, blames: bool, waits: int | None) -> None:  # noqa: FBT001
    failure = await outcome(lambda _event: fail(error))
    assert failure is not None
    assert (failure.reason, failure.blames_event, failure.retry_after_ms) == (reason, blames, waits)
    assert str(error) in failure.message


async def test_an_asynchronous_handler_has_its_time() -> None:
    async def slow(_event: Event) -> None:
        await asyncio.sleep(10)

    failure = await outcome(slow)
    assert failure is not None
    assert (failure.reason, "0.2 s" in failure.message) == ("TimedOut", True)


async def test_one_on_a_thread_has_its_time_from_its_start_on_and_nobody_waits_for_the_rest() -> None:
    """Two threads: the third event's time begins when one of them is free again."""
    handlers, release = Handlers(), threading.Event()
    handlers.add("*", lambda event: release.wait(0.35) if event.received.offset < 2 else None, None)
    sink = HandlerSink(handlers, 2, 0.2)
    answers: list[Failure | None] = []
    for offset in range(3):
        sink.deliver(read(offset=offset), None, answers.append)
    await asyncio.sleep(0.6)
    await sink.close()
    assert [each.reason if each else None for each in answers] == ["TimedOut", "TimedOut", None]


async def test_a_transform_makes_the_data() -> None:
    got: list[Event] = []
    handlers = Handlers()
    handlers.add("*", got.append, None)
    sink = HandlerSink(handlers, 1, 1.0)
    answer: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
    sink.deliver(read(b"no JSON"), b'{"amount":2}', answer.set_result)
    assert await asyncio.wait_for(answer, 5) is None
    await sink.close()
    assert (got[0].data, got[0].content_type, got[0].event_id) == ({"amount": 2}, "application/json", "1")


async def test_logs_say_what_failed_and_nothing_of_what_was_in_it(caplog: pytest.LogCaptureFixture) -> None:
    async def leak(event: Event) -> None:
        raise ValueError(f"cannot use {event.data}")

    with caplog.at_level(logging.DEBUG):
        await outcome(leak, event=read(b'{"password": "hunter2"}'))
    (line,) = caplog.records
    told = line.fields  # type: ignore[attr-defined]
    assert (told["event_id"], told["topic"], told["error"]) == ("1", "orders", "ValueError")
    assert "test_handlers.py" in told["where"]
    assert "hunter2" not in str(line.__dict__)


async def test_what_nobody_asks_for_is_through_and_what_cannot_be_read_is_not() -> None:
    assert await outcome(typed, event=read(event_type=b"user.left")) is None
    failure = await outcome(typed, event=read(event_type=b"\xff"))
    assert failure is not None
    assert failure.reason == "Undecodable"
    failure = await outcome(typed, event=read(b"{"))
    assert failure is not None
    assert failure.reason == "Undecodable"


async def test_closing_cuts_off_and_answers_nothing() -> None:
    async def slow(_event: Event) -> None:
        await asyncio.sleep(10)

    handlers = Handlers()
    handlers.add("*", slow, None)
    sink = HandlerSink(handlers, 1, 60)
    answers: list[Any] = []
    sink.deliver(read(), None, answers.append)
    await asyncio.sleep(0)
    await sink.close()
    assert answers == []


def test_types_that_nobody_registered_are_not_remembered_for_ever() -> None:
    handlers = Handlers()
    handlers.add("order.*", typed, None)
    for number in range(3000):
        assert handlers.of(f"other.{number}") == ()
    assert len(handlers._found) < 1100  # noqa: SLF001 - what it keeps is not seen otherwise
    assert len(handlers.of("order.paid")) == 1
