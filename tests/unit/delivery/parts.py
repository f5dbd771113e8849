"""What the tests of consumers are made of, whatever moves the events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from eventplane.events.delivery import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventplane.events.event import Event


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
