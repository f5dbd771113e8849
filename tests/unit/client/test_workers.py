"""Workers that stay, and the limit on their time."""

import asyncio
import time
from collections.abc import Iterable
from contextvars import ContextVar

from eventplane.client.workers import TimeLimit, Workers

BOUND: ContextVar[str] = ContextVar("bound", default="nothing")


async def settled(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def all_given(workers: Workers[int], items: Iterable[int]) -> None:
    for item in items:
        workers.give(item)


async def test_work_that_waits_for_nothing_is_done_in_order_by_one_worker_and_its_relief() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        done.append(item)

    workers = Workers(work)
    all_given(workers, range(500))
    await settled()
    assert done == list(range(500))
    assert len(tasks()) == 2
    workers.give(500)
    await settled()
    assert done[-1] == 500
    assert len(tasks()) == 2, "they stay"
    await workers.close()
    assert not tasks()


async def test_work_that_waits_has_a_worker_each_and_none_is_forgotten() -> None:
    going, gate = 0, asyncio.Event()
    done: list[int] = []

    async def work(item: int) -> None:
        nonlocal going
        going += 1
        await gate.wait()
        done.append(item)

    workers = Workers(work)
    all_given(workers, range(30))
    await settled(100)
    assert going == 30
    gate.set()
    all_given(workers, range(30, 60))
    await settled(100)
    assert sorted(done) == list(range(60))
    await workers.close()


async def test_what_an_item_leaves_in_context_variables_is_not_seen_by_the_next() -> None:
    seen: list[str] = []

    async def work(item: int) -> None:
        seen.append(BOUND.get())
        if item % 2:
            BOUND.set(f"item {item}")
        if item == 49:
            workers.give(50)

    workers = Workers(work)
    all_given(workers, range(50))
    await settled(200)
    assert seen == ["nothing"] * 51
    await workers.close()


async def test_the_loop_gets_its_turn_between_items() -> None:
    turns: list[int] = []
    done: list[int] = []

    async def work(item: int) -> None:
        time.sleep(0.003)  # noqa: ASYNC251 - what takes long without waiting for anything
        done.append(item)

    workers = Workers(work)
    all_given(workers, range(20))
    while len(done) < 20:
        turns.append(len(done))
        await asyncio.sleep(0)
    assert max(after - before for before, after in zip(turns, [*turns[1:], 20], strict=True)) < 10
    await workers.close()


async def test_an_item_that_raises_takes_only_its_own_worker_along() -> None:
    done: list[int] = []
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))

    async def work(item: int) -> None:
        if item == 3:
            raise ValueError("three")
        done.append(item)

    workers = Workers(work)
    all_given(workers, range(10))
    await settled()
    workers.give(10)
    await settled()
    assert done == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
    await workers.close()


async def test_at_the_end_what_is_under_way_is_cut_off_and_the_rest_is_left() -> None:
    begun: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        await asyncio.Event().wait()

    workers = Workers(work)
    all_given(workers, range(2))
    await settled()
    workers.give(2)
    await workers.close()
    workers.give(3)
    await settled()
    assert begun == [0, 1]
    assert not tasks()


async def test_a_task_is_cancelled_once_its_time_is_over_and_others_are_not() -> None:
    limit = TimeLimit(0.05)
    ends: dict[str, bool] = {}

    async def timed(name: str, seconds: float) -> None:
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
        limit.begin(task)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ends[name] = limit.end(task)
            assert not task.cancelling()
        else:
            ends[name] = limit.end(task)

    slow = asyncio.create_task(timed("slow", 5))
    await asyncio.gather(asyncio.create_task(timed("quick", 0.001)), slow)
    await asyncio.gather(asyncio.create_task(timed("late", 5)), asyncio.create_task(timed("in time", 0.03)))
    assert ends == {"quick": False, "slow": True, "late": True, "in time": False}
    limit.close()


async def test_two_tasks_that_begin_apart_have_the_same_time() -> None:
    limit = TimeLimit(0.1)
    took: list[float] = []

    async def timed() -> None:
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
        begun = time.monotonic()
        limit.begin(task)
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            assert limit.end(task)
        took.append(time.monotonic() - begun)

    first = asyncio.create_task(timed())
    await asyncio.sleep(0.06)
    await asyncio.gather(first, asyncio.create_task(timed()))
    assert min(took) >= 0.09
    limit.close()
