"""Tasks that stay, so that work without anything to wait for takes none of its own; and a limit on its time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_SLICE_SECONDS: Final = 0.01


class Workers(Generic[T]):
    """As many tasks as there is work that waits for something at a time.

    A worker that is called takes one item after the other; before each it calls another, which finds nothing left
    unless the first had to wait. All see the context variables of whoever made this: what an item leaves in them goes
    with its worker.
    """

    def __init__(self, work: Callable[[T], Awaitable[None]]) -> None:
        """Do `work`, which raises nothing, with each item."""
        self._work = work
        self._context = copy_context()
        self._due: deque[T] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_one_coming = False
        """One was called that has not come yet; so it is whenever something is due."""
        self._is_closed = False

    def __contains__(self, task: object) -> bool:
        """Tell whether a task is one of ours."""
        return task in self._tasks

    def give(self, item: T) -> None:
        """Have an item worked on, soon; after the end it is dropped."""
        if not self._is_closed:
            self._due.append(item)
            self._call_one()

    async def close(self) -> None:
        """Cut off what is under way, and leave the rest."""
        self._is_closed = True
        self._due.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _call_one(self) -> None:
        if self._is_one_coming:
            return
        self._is_one_coming = True
        if self._idle:
            self._idle.pop().set_result(None)
        else:
            task = asyncio.get_running_loop().create_task(self._run(), context=self._context.copy())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._is_one_coming = False
            pause = loop.time() + _SLICE_SECONDS
            while self._due:
                item = self._due.popleft()
                if self._due:
                    self._call_one()
                await self._work(item)
                if copy_context() != self._context:
                    return
                if loop.time() > pause:  # the loop has other things to do as well
                    await asyncio.sleep(0)
                    pause = loop.time() + _SLICE_SECONDS
            turn: asyncio.Future[None] = loop.create_future()
            self._idle.append(turn)
            await turn


class TimeLimit:
    """Cancels tasks that take too long, by one timer for all, since all have the same time: seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: dict[asyncio.Task[None], float] = {}
        """In the order of time."""
        self._expired: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[None]) -> None:
        """Let the time of a task begin."""
        loop = task.get_loop()
        self._until[task] = until = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(until, self._look)

    def end(self, task: asyncio.Task[None]) -> bool:
        """Note that a task is through; tell whether it was cancelled for its time, which is undone."""
        self._until.pop(task, None)
        if task not in self._expired:
            return False
        self._expired.remove(task)
        task.uncancel()
        return True

    def close(self) -> None:
        """End the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        while self._until:
            task, until = next(iter(self._until.items()))
            if until > loop.time():
                self._timer = loop.call_at(until, self._look)
                return
            del self._until[task]
            self._expired.add(task)
            task.cancel()
