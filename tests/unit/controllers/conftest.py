"""What the tests of the controllers share: delays of milliseconds, and no task left behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from eventplane.controllers import lanes, passes, queue


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "LINGER_SECONDS", 0.001)
    monkeypatch.setattr(lanes, "FIRST_REPROBE_SECONDS", 0.005)
    monkeypatch.setattr(lanes, "LAST_REPROBE_SECONDS", 0.01)
    monkeypatch.setattr(queue, "FIRST_RETRY_SECONDS", 0.005)


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(20):
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"tasks left behind: {left}")
