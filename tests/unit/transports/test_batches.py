"""Batches on their way: when they go, how many at a time, and that an end leaves nothing running."""

from __future__ import annotations

import asyncio

from unit.delivery.parts import until

from eventplane.events.batches import BatchLimits
from eventplane.transports.batches import Batches


class Sent:
    """Notes what was sent; each takes until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def send(self, batch: list[int]) -> None:
        self.batches.append(batch)
        await self.gate.wait()


async def test_a_full_batch_goes_at_once_and_the_rest_when_it_has_waited() -> None:
    sent = Sent()
    batches = Batches(BatchLimits(3, 1000, 0.05), 8, sent.send)
    for number in range(4):
        batches.give(number, 1)
    await asyncio.sleep(0)
    assert sent.batches == [[0, 1, 2]]
    await until(lambda: len(sent.batches) == 2)
    assert sent.batches[1] == [3]
    await batches.close()


async def test_while_the_most_are_under_way_the_next_become_fuller() -> None:
    sent = Sent()
    batches = Batches(BatchLimits(10, 1000, 0.0), 1, sent.send)
    for number in range(5):
        batches.give(number, 1)
        await asyncio.sleep(0.001)
    assert sent.batches == [[0]]
    sent.gate.set()
    await until(lambda: len(sent.batches) == 2)
    assert sent.batches[1] == [1, 2, 3, 4]
    await batches.close()


async def test_the_end_cuts_off_and_nothing_is_sent_any_more() -> None:
    sent = Sent()
    batches = Batches(BatchLimits(2, 1000, 0.01), 1, sent.send)
    for number in range(3):
        batches.give(number, 1)
    await asyncio.sleep(0)
    await batches.close()
    batches.give(3, 1)
    sent.gate.set()
    await asyncio.sleep(0.03)
    assert sent.batches == [[0, 1]]
