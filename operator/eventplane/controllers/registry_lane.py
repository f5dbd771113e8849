"""The lane of a bus's Schemas: its schema registry, and the subjects that Schemas let go leave in it."""

from collections.abc import Callable
from typing import TypeAlias

from eventplane.api.event_bus import EventBusStatus
from eventplane.api.schema import Schema
from eventplane.backends.schemas import RegistryState, SchemaBackend
from eventplane.controllers.lanes import Lane
from eventplane.controllers.shelf import Key
from eventplane.planning.bus_decisions import registry_unusable
from eventplane.planning.connection import RegistryConnection, Secrets, connect_registry, registry_secret_names
from eventplane.planning.outcome import BackendError, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.readiness import registry_status
from eventplane.planning.schema_decisions import plan_orphan_subject

ConnectRegistry: TypeAlias = Callable[[RegistryConnection, Key], SchemaBackend]


class RegistryLane(Lane[Schema, SchemaBackend, RegistryState]):
    """Everything that happens to the Schemas of one bus."""

    def secret_names(self) -> frozenset[str]:
        """Name the Secrets that the connection is made of."""
        return registry_secret_names(self.bus)

    def connection(self, secrets: Secrets) -> RegistryConnection | Refusal:
        """Make the connection to the registry, if the bus has one."""
        return connect_registry(self.bus, secrets)

    async def ask(self, backend: SchemaBackend) -> RegistryState | Refusal:
        """Ask the registry for its default level."""
        return await backend.probe()

    def bus_status(self, before: EventBusStatus, found: RegistryState | BackendError | Refusal) -> EventBusStatus:
        """Say whether the registry answers."""
        return registry_status(self.bus, before, None if isinstance(found, RegistryState) else found)

    def unusable(self, problem: BackendError | Refusal) -> Unavailable:
        """Tell Schemas why they have to wait."""
        return registry_unusable(self.bus, problem)

    async def sweep(self, backend: SchemaBackend) -> None:
        """Deal with the subjects of Schemas that were let go while the registry did not answer."""
        store, shelf = self.reconciler.store, self.reconciler.shelf
        plans = {
            orphan: plan_orphan_subject(
                orphan,
                claimed=bool(shelf.owners_named(self.key, orphan.thing, ("", ""))),
                used=bool(store.users_of((orphan.kind, (orphan.namespace, orphan.name)))),
            )
            for orphan in self.leftovers.orphans()
        }
        if not await self.leftovers.deal_with(backend, plans):
            self.leftovers.sweep_due = True
