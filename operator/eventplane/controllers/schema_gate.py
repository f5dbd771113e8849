"""The gate at admission: the same look and the same decision as in a pass, of one Schema and within a time limit.

It works on every replica, leading or not, over connections of its own. What cannot be found out in time is let
through: the same refusal then stands in the status.
"""

import asyncio
from typing import Final

from eventplane.api.event_bus import EventBus
from eventplane.api.schema import Schema
from eventplane.backends.kubernetes import KubernetesApi
from eventplane.backends.schemas import SchemaBackend
from eventplane.controllers.reconcile import Batch
from eventplane.controllers.registry_lane import ConnectRegistry
from eventplane.controllers.schemas import SchemaReconciler
from eventplane.controllers.shelf import Key
from eventplane.planning.admission import is_reviewed, refusal_of
from eventplane.planning.connection import RegistryConnection, connect_registry, registry_secret_names
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_decisions import SchemaCase

TIME_LIMIT_SECONDS: Final = 2.5
"""Less than the webhook's own time limit, so that it is we who decide what happens then."""


class SchemaGate:
    """Reviews Schemas before the API server stores them."""

    def __init__(self, reconciler: SchemaReconciler, api: KubernetesApi, connect: ConnectRegistry) -> None:
        self._reconciler = reconciler
        self._api = api
        self._connect = connect
        self._open: dict[Key, tuple[RegistryConnection, SchemaBackend]] = {}

    async def review(self, schema: Schema, before: Schema | None) -> Refusal | None:
        """Decide whether a schema is turned away; None also where that cannot be found out in time."""
        bus = self._reconciler.home_of(schema)
        if not is_reviewed(schema, before) or isinstance(bus, Refusal):
            return None  # GitOps may apply in any order: the status tells of what is missing
        try:
            async with asyncio.timeout(TIME_LIMIT_SECONDS):
                return await self._look(bus, schema)
        except (Unavailable, Rejected, TimeoutError):
            return None

    async def _look(self, bus: EventBus, schema: Schema) -> Refusal | None:
        backend = await self._backend(bus)
        if backend is None:
            return None
        batch: Batch[Schema, SchemaCase] = Batch()
        await self._reconciler.look(bus, backend, [schema], batch)
        return refusal_of([problem for _, problem in batch.refused], [flight.decision for flight in batch.flights])

    async def _backend(self, bus: EventBus) -> SchemaBackend | None:
        key = bus.metadata.key
        names = sorted(registry_secret_names(bus))
        secrets = {name: await self._api.read_secret(key[0], name) for name in names}
        connection = connect_registry(bus, secrets)
        if isinstance(connection, Refusal):
            return None
        known = self._open.get(key)
        if known is not None and known[0] == connection:
            return known[1]
        self._open[key] = (connection, self._connect(connection, key))
        if known is not None:
            await known[1].close()
        return self._open[key][1]

    async def close(self) -> None:
        """Close the connections."""
        for _, backend in self._open.values():
            await backend.close()
        self._open.clear()
