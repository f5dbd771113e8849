"""The lane of a bus's Publications, or of its Subscriptions: its Kafka, and the users that are left in it."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from eventplane.api.access import Access
from eventplane.api.event_bus import EventBusStatus
from eventplane.backends.access import AccessBackend
from eventplane.backends.topics import ClusterState
from eventplane.controllers.lane_on_kafka import Answering, LaneOnKafka
from eventplane.controllers.queue import Urgency
from eventplane.controllers.shelf import Key
from eventplane.planning.access_changes import RemoveUser
from eventplane.planning.access_desired import user_prefix
from eventplane.planning.access_strays import keeps_user, stray_users
from eventplane.planning.connection import AccessConnection, Secrets, access_secret_names, connect_access
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
        """Remove the users of resources that are gone, or that this Kafka is not for any more."""
        if backend.connection.kafka.mechanism is None:
            return
        try:
            users = await backend.users(user_prefix(self.reconciler.cluster))  # before the living are counted
        except Rejected:
            return  # who may not ask has made none; if others lack the right since, their own passes say so
        shelf = self.reconciler.shelf
        alive = [each for each in shelf.values() if keeps_user(shelf.bus_of(each), self.bus)]
        strays = stray_users(users, alive, self.reconciler.kind, self.reconciler.cluster)
        outcomes = await backend.apply([RemoveUser(user) for user in strays]) if strays else ()
        self.leftovers.sweep_due |= any(isinstance(outcome.error, Unavailable) for outcome in outcomes)
