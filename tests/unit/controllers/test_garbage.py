"""When garbage is looked for."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from eventplane.controllers.garbage import look_for_garbage, spare_what_is_loaded


class Knot:
    """A cycle: only a look for garbage frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def knotted() -> "weakref.ref[Knot]":
    return weakref.ref(Knot())


async def looking(looks: int, *, idle: bool, until: float = 0.2) -> None:
    task = asyncio.create_task(look_for_garbage(lambda: idle, seconds=0.01, looks=looks))
    await asyncio.sleep(until)
    task.cancel()


async def test_what_is_new_is_looked_at_and_what_stays_is_spared() -> None:
    spare_what_is_loaded()
    spared = gc.get_freeze_count()
    lost, kept = knotted(), Knot()
    await looking(1000, idle=True)
    assert lost() is None
    assert gc.get_freeze_count() > spared
    assert not any(each is kept for each in gc.get_objects()), "it is not looked at any more"


async def test_what_was_spared_is_looked_at_once_there_is_nothing_to_do() -> None:
    lost = knotted()
    spare_what_is_loaded()
    await looking(2, idle=False)
    assert lost() is not None
    await looking(2, idle=True, until=2)
    assert lost() is None
