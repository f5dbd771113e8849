"""Work beside the lead goes on while it lasts, and a part that fails does not die in silence."""

import asyncio

import pytest

from eventplane.controllers.endless import going_on


async def test_works_end_with_the_context() -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with going_on(work("a"), work("b")):
        await asyncio.sleep(0)
        assert ended == []
    assert ended == ["a", "b"]


async def test_a_work_that_fails_ends_the_context_and_the_others() -> None:
    ended = []

    async def failing() -> None:
        raise ValueError("a fault of ours")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    with pytest.raises(ExceptionGroup) as raised:
        async with going_on(work(), failing()):
            await asyncio.Event().wait()
    assert [str(each) for each in raised.value.exceptions] == ["a fault of ours"]
    assert ended == ["work"]
