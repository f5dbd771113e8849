"""Where a consumer looks values up, and what it counts of that."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from eventplane.events.delivery import Failure
from eventplane.events.lookups import Answer, Found, named
from eventplane.transports.seams import Asking, Table

Source: TypeAlias = Literal["Table", "Cache", "Service"]
"""Where an answer is from: Cache is also that of a request that another event has made."""
_OUTCOMES: Final = {Found: "Found", Failure: "Failed"}


class Lookups:
    """The look-ups of one consumer, by their names.

    Args:
        tables: those that are kept here.
        services: those that are asked.
    """

    def __init__(self, tables: Mapping[str, Table] | None = None, services: Mapping[str, Asking] | None = None) -> None:
        self.tables = tables or {}
        self._services = services or {}
        self.counts: Counter[tuple[str, str, Source]] = Counter()
        """How many, by name, outcome and source."""

    def find(self, name: str, key: str) -> Answer | None:
        """Return what is known without waiting; None: it has to be fetched."""
        table = self.tables.get(name)
        if table is not None:
            return self._counted(name, table.find(key), "Table")
        answer = self._services[name].cached(key)
        return None if answer is None else self._counted(name, answer, "Cache")

    async def fetch(self, wanted: Mapping[str, str]) -> Mapping[str, Answer]:
        """Ask services, all at once; keys and answers are by the names of look-ups."""
        answers = await asyncio.gather(*(self._fetch(name, key) for name, key in wanted.items()))
        return dict(zip(wanted, answers, strict=True))

    async def start(self) -> None:
        """Read all tables up to their ends of now."""
        await asyncio.gather(*(table.start() for table in self.tables.values()))

    async def close(self) -> None:
        """Let go of all."""
        for table in self.tables.values():
            await table.close()
        for service in self._services.values():
            await service.close()

    async def _fetch(self, name: str, key: str) -> Answer:
        answer, is_shared = await self._services[name].fetch(key)
        return self._counted(name, answer, "Cache" if is_shared else "Service")

    def _counted(self, name: str, answer: Answer, source: Source) -> Answer:
        self.counts[name, _OUTCOMES.get(type(answer), "Missing"), source] += 1
        return named(answer, name) if isinstance(answer, Failure) else answer
