"""The lane of a bus's Publications, or of its Subscriptions: its Kafka, and the users that are left in it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from eventplane.api.access import Access
from eventplane.api.event_bus import EventBusStatus
from eventplane.api.publication import Publication
from eventplane.backends.access import AccessBackend
from eventplane.backends.topics import ClusterState
from eventplane.controllers.lane_on_kafka import Answering, LaneOnKafka
from eventplane.controllers.queue import Urgency
from eventplane.controllers.shelf import Key
from eventplane.planning.access_changes import PrincipalChange, RemoveUser
from eventplane.planning.access_desired import user_name, user_prefix
from eventplane.planning.access_state import Grant
from eventplane.planning.access_strays import keeps_user, mapped_to, stray_grants, stray_users
from eventplane.planning.connection import AccessConnection, Secrets, access_secret_names, connect_access
from eventplane.planning.gateways import has_gateway, stray_gateway_users
from eventplane.planning.mapped_principals import maps_principals
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.plan import Refusal

ConnectAccess: TypeAlias = Callable[[AccessConnection, Key], AccessBackend]


class KeepsUsers(Answering, Protocol):
    """A backend that knows the users of a Kafka."""

    @property
    def connection(self) -> AccessConnection:
        """What access is made with."""
        ...

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users whose name begins with a prefix."""
        ...

    async def grants(self, users: Collection[str]) -> Mapping[str, frozenset[Grant]]:
        """Tell what users may do."""
        ...

    async def apply(self, changes: Sequence[Any]) -> Sequence[Any]:
        """Make changes."""
        ...


A = TypeVar("A", bound=Access)
B = TypeVar("B", bound=KeepsUsers)


class AccessLane(LaneOnKafka[A, B], Generic[A, B]):
    """Everything that happens to the Publications, or to the Subscriptions, of one bus."""

    def secret_names(self) -> frozenset[str]:
        """Name the Secrets that access is made with."""
        return access_secret_names(self.bus)

    def may_have_work_left(self) -> bool:
        """Tell whether something will need this bus though it is gone: its gateway's user has to go."""
        return super().may_have_work_left() or (self._sees_to_gateways and has_gateway(self.bus))

    @property
    def _sees_to_gateways(self) -> bool:
        """Whether this is the one of a bus's lanes that removes what is left of gateways."""
        return self.reconciler.kind == Publication.kind

    def connection(self, secrets: Secrets) -> AccessConnection | Refusal:
        """Make what access is made with."""
        return connect_access(self.bus, secrets)

    def reconnected(self) -> None:
        """Look at everything again: what is handed out to applications may be another."""
        self.mark_all(Urgency.CHANGE)

    def bus_status(self, before: EventBusStatus, found: ClusterState | BackendError | Refusal) -> EventBusStatus:
        """Say nothing: the lane of its topics tells of the same Kafka."""
        del found
        return before

    async def sweep(self, backend: B) -> None:
        """Take from Kafka what resources have there that are gone, or that this Kafka is not for any more."""
        try:
            if maps_principals(self.bus):
                strays = await self._stray_grants(backend)
            else:
                strays = await self._stray_users(backend)
        except Rejected:
            return  # who may not ask has made none; if others lack the right since, their own passes say so
        outcomes = await backend.apply(strays) if strays else ()
        self.leftovers.sweep_due |= any(isinstance(outcome.error, Unavailable) for outcome in outcomes)

    async def _stray_users(self, backend: B) -> Sequence[PrincipalChange]:
        if backend.connection.kafka.mechanism is None:
            return ()
        users = await backend.users(user_prefix(self.reconciler.cluster))  # before the living are counted
        strays = stray_users(users, self._alive(), self.reconciler.kind, self.reconciler.cluster)
        return [*(RemoveUser(user) for user in strays), *self._stray_gateways(users)]

    def _stray_gateways(self, users: Collection[str]) -> Sequence[PrincipalChange]:
        """Find the users of gateways whose bus is gone; one that is not understood is there, and may have one."""
        store = self.reconciler.store
        if not self._sees_to_gateways or store.buses_not_understood:
            return ()
        return stray_gateway_users(users, store.buses.values(), self.bus, self.reconciler.cluster)

    async def _stray_grants(self, backend: B) -> Sequence[PrincipalChange]:
        granted = await backend.grants(await backend.users(""))  # before the living are counted
        shelf, cluster = self.reconciler.shelf, self.reconciler.cluster
        alive = {user_name(each, cluster): mapped_to(each, shelf.bus_of(each)) for each in self._alive()}
        return stray_grants(granted, alive, self.reconciler.kind, cluster)

    def _alive(self) -> list[A]:
        shelf = self.reconciler.shelf
        return [each for each in shelf.values() if keeps_user(shelf.bus_of(each), self.bus)]
