"""Room for so much at a time: in the order of coming, and never lost by who is cut off."""

from __future__ import annotations

import asyncio

import pytest

from eventplane.client.back_pressure import Room


async def test_who_comes_when_it_is_full_waits_in_order() -> None:
    room = Room(2, 100)
    await room.enter(10)
    await room.enter(10)
    entered: list[int] = []

    async def enter(number: int) -> None:
        await room.enter(10)
        entered.append(number)

    tasks = [asyncio.create_task(enter(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert entered == []
    for left in range(1, 4):
        room.leave(10)
        await asyncio.sleep(0)
        assert entered == list(range(left))
    await asyncio.gather(*tasks)
    assert (room.events, room.bytes) == (2, 20)


async def test_bytes_count_and_one_alone_always_fits() -> None:
    room = Room(10, 100)
    await room.enter(1000)
    waiting = asyncio.create_task(room.enter(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    room.leave(1000)
    await waiting
    assert room.bytes == 1


async def test_who_is_cut_off_takes_no_room() -> None:
    room = Room(1, 100)
    await room.enter(1)
    first, second = asyncio.create_task(room.enter(1)), asyncio.create_task(room.enter(1))
    await asyncio.sleep(0)
    first.cancel()
    room.leave(1)
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 1)
    third = asyncio.create_task(room.enter(1))
    await asyncio.sleep(0)
    room.leave(1)  # it is given to the third, who is cut off before it knows
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    assert (room.events, room.bytes) == (0, 0)
