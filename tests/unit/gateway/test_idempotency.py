"""Answers given again: the table, bounds, and requests that are cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest

from eventplane.gateway.exchange import Answer
from eventplane.gateway.idempotency import Answers
from eventplane.gateway.problems import ProblemError

KEY = ("ada", "orders", "k")


class World:
    """Counts what is carried out, by a clock of its own."""

    def __init__(self, most: int = 3) -> None:
        self.now = 0.0
        self.done = 0
        self.answers = Answers(most, 10.0, lambda: self.now)

    def work(self, status: int = 200, gate: asyncio.Event | None = None) -> Callable[[], Awaitable[Answer]]:
        async def carry_out() -> Answer:
            self.done += 1
            number = self.done
            if gate is not None:
                await gate.wait()
            return Answer(status, b"%d" % number)

        return carry_out


async def test_the_same_request_has_the_same_answer() -> None:
    world = World()
    first = await world.answers.once(KEY, b"f", world.work())
    assert await world.answers.once(KEY, b"f", world.work()) is first
    assert world.done == 1


async def test_another_request_is_refused() -> None:
    world = World()
    await world.answers.once(KEY, b"f", world.work())
    with pytest.raises(ProblemError, match="another request"):
        await world.answers.once(KEY, b"g", world.work())


async def test_keys_are_of_an_identity_and_a_topic() -> None:
    world = World()
    for key in (KEY, ("bob", "orders", "k"), ("ada", "bills", "k")):
        await world.answers.once(key, b"f", world.work())
    assert world.done == 3


async def test_who_comes_while_it_is_under_way_waits_for_it() -> None:
    world, gate = World(), asyncio.Event()
    both = [asyncio.create_task(world.answers.once(KEY, b"f", world.work(gate=gate))) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()
    first, second = await asyncio.gather(*both)
    assert first is second
    assert world.done == 1


@pytest.mark.parametrize(("status", "done"), [(200, 1), (207, 1), (422, 1), (429, 2), (503, 2)])
async def test_what_may_pass_is_tried_again(status: int, done: int) -> None:
    world = World()
    for _ in range(2):
        await world.answers.once(KEY, b"f", world.work(status))
    assert world.done == done


async def test_a_refusal_is_everybodys_and_forgotten() -> None:
    world = World()

    async def refused() -> Answer:
        await asyncio.sleep(0)
        raise ProblemError(HTTPStatus.BAD_REQUEST, "no")

    both = [asyncio.create_task(world.answers.once(KEY, b"f", refused)) for _ in range(2)]
    for outcome in await asyncio.gather(*both, return_exceptions=True):
        assert isinstance(outcome, ProblemError)
    assert (await world.answers.once(KEY, b"f", world.work())).status == 200


async def test_who_waits_for_a_request_that_is_cut_off_is_told_to_come_again() -> None:
    world, gate = World(), asyncio.Event()
    first = asyncio.create_task(world.answers.once(KEY, b"f", world.work(gate=gate)))
    await asyncio.sleep(0)
    second = asyncio.create_task(world.answers.once(KEY, b"f", world.work()))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(ProblemError, match="cut off"):
        await second
    assert len(world.answers) == 0


async def test_it_holds_so_many_for_so_long() -> None:
    world = World(most=3)
    for number in range(10):
        await world.answers.once(("ada", "orders", str(number)), b"f", world.work())
        assert len(world.answers) <= 3
    world.now = 10.0
    await world.answers.once(KEY, b"f", world.work())
    assert len(world.answers) == 1


async def test_a_key_has_bounds() -> None:
    world = World()
    with pytest.raises(ProblemError, match="255"):
        await world.answers.once(("ada", "orders", "k" * 256), b"f", world.work())
