"""The places where the contract of a SchemaBackend is tried: a registry, backends on it, and a foreigner with hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import aiohttp

from eventplane.backends.memory_schemas import MemoryRegistry, MemorySchemaBackend
from eventplane.backends.schema_registry import SchemaRegistryBackend
from eventplane.planning.connection import RegistryConnection

if TYPE_CHECKING:
    from eventplane.api.schema import CompatibilityLevel
    from eventplane.backends.schemas import SchemaBackend
    from eventplane.planning.schema_state import Definition


class RegistryArena(Protocol):
    """A registry that backends look at, and a foreigner, who is no backend, changes."""

    def backend(self) -> SchemaBackend:
        """Open a backend; it is closed with the arena."""
        ...

    async def register(self, subject: str, definition: Definition) -> None: ...
    async def set_level(self, subject: str, level: CompatibilityLevel) -> None: ...
    async def delete(self, subject: str, *, hard: bool) -> None: ...
    async def delete_version(self, subject: str, number: int) -> None: ...


class MemoryRegistryArena:
    """A registry in memory."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry()

    def backend(self) -> SchemaBackend:
        return MemorySchemaBackend(self.registry)

    async def register(self, subject: str, definition: Definition) -> None:
        self.registry.register(subject, definition)

    async def set_level(self, subject: str, level: CompatibilityLevel) -> None:
        self.registry.set_level(subject, level)

    async def delete(self, subject: str, *, hard: bool) -> None:
        self.registry.delete(subject, hard=hard)

    async def delete_version(self, subject: str, number: int) -> None:
        self.registry.delete_version(subject, number)


class RealRegistryArena:
    """A real registry; the foreigner speaks HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        """The calls that the backends opened here have made."""
        self._backends: list[SchemaRegistryBackend] = []

    def backend(self) -> SchemaRegistryBackend:
        return self.backend_at(self.url)

    def backend_at(
        self, url: str, *, timeout_seconds: float = 15.0, batch_seconds: float = 60.0, **connection: str
    ) -> SchemaRegistryBackend:
        """Open a backend on another address, as somebody, or more impatient."""
        backend = SchemaRegistryBackend(
            RegistryConnection(url, **connection),
            client_id="contract",
            timeout_seconds=timeout_seconds,
            batch_seconds=batch_seconds,
            on_call=lambda name, _seconds, _answered: self.requests.append(name),
        )
        self._backends.append(backend)
        return backend

    async def register(self, subject: str, definition: Definition) -> None:
        references = [{"name": r.name, "subject": r.subject, "version": r.version} for r in definition.references]
        body = {"schemaType": definition.type, "schema": definition.text, "references": references}
        await self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", body)

    async def set_level(self, subject: str, level: CompatibilityLevel) -> None:
        await self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    async def delete(self, subject: str, *, hard: bool) -> None:
        await self._ask("DELETE", f"/subjects/{quote(subject, safe='')}")
        if hard:
            await self._ask("DELETE", f"/subjects/{quote(subject, safe='')}?permanent=true")

    async def delete_version(self, subject: str, number: int) -> None:
        await self._ask("DELETE", f"/subjects/{quote(subject, safe='')}/versions/{number}")

    async def close(self) -> None:
        for backend in self._backends:
            await backend.close()

    async def _ask(self, method: str, path: str, body: Any = None) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, raise_for_status=True) as response,
        ):
            await response.read()
