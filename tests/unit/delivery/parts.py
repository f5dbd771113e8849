"""What the tests of consumers are made of, whatever moves the events."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.delivery import Failure
from eventplane.events.lookups import MISSING, Found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from eventplane.delivery.engine import Engine
    from eventplane.events.event import Event
    from eventplane.events.lookups import Answer
    from eventplane.transports.memory import MemorySource


def config_of(**told: Any) -> RuntimeConfig:
    """Return what the consumer of the Subscription shop/emails is told, which reads orders."""
    return RuntimeConfig.model_validate(
        {"namespace": "shop", "name": "emails", "group": "g", "topics": ["orders"], **told}
    )


@asynccontextmanager
async def at_work(engine: Engine, source: MemorySource) -> AsyncIterator[None]:
    """Let an engine take what comes."""
    source.start(engine)
    try:
        yield
    finally:
        await source.stop()
        engine.close()


class Registry:
    """Reads a registry's wire format; it may be away."""

    def __init__(self) -> None:
        self.is_away = False

    def read_all(self, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
        if self.is_away:
            return [Failure("Unavailable", "no answer", blames_event=False)] * len(events)
        outcomes: list[Failure | None] = []
        for event, topic in events:
            number = (event.body or b"")[5:]
            outcomes.append(None if number.isdigit() else Failure("Undecodable", "no number"))
            event.set_data({"number": int(number or b"0") if number.isdigit() else None, "topic": topic})
        return outcomes


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the world has no event for each wish
            await asyncio.sleep(0.002)


class Service:
    """Is asked for values, which are its keys; answers when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.failures: dict[str, list[Failure]] = {}
        """By key, one for each request."""
        self.kept: dict[str, Answer] = {}
        self.is_closed = False

    def cached(self, key: str) -> Answer | None:
        return self.kept.get(key)

    async def fetch(self, key: str) -> tuple[Answer, bool]:
        self.asked.append(key)
        await self.may_answer.wait()
        left = self.failures.get(key)
        return (left.pop(0) if left else MISSING if key == "none" else Found(key)), False

    async def close(self) -> None:
        self.is_closed = True


class Entries:
    """A table that does not change by itself."""

    problem: str | None = None

    def __init__(self, **values: Answer) -> None:
        self.values = values

    @property
    def entries(self) -> int:
        return len(self.values)

    def find(self, key: str) -> Answer:
        return self.values.get(key, MISSING)

    async def start(self) -> None:
        self.values["started"] = Found(True)  # noqa: FBT003 - a value

    async def close(self) -> None:
        self.values.clear()
