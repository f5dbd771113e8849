"""The lane of a bus's Publications, or of its Subscriptions: its Kafka, and the users that are left in it."""

from collections.abc import Callable
from typing import Generic, TypeAlias

from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.backends.access import AccessBackend
from eventplane.backends.kubernetes import KubernetesApi
from eventplane.backends.topics import ClusterState
from eventplane.controllers.access import A, AccessReconciler
from eventplane.controllers.lanes import Lane, LaneTiming
from eventplane.controllers.shelf import Key
from eventplane.planning.access_changes import RemoveUser
from eventplane.planning.access_desired import user_prefix
from eventplane.planning.access_strays import stray_users
from eventplane.planning.bus_decisions import verify_cluster
from eventplane.planning.connection import KafkaConnection, Secrets, connect, secret_names
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.plan import Refusal

ConnectAccess: TypeAlias = Callable[[KafkaConnection, Key], AccessBackend]


class AccessLane(Lane[A, AccessBackend, ClusterState], Generic[A]):
    """Everything that happens to the Publications, or to the Subscriptions, of one bus."""

    def __init__(
        self,
        bus: EventBus,
        reconciler: AccessReconciler[A],
        api: KubernetesApi,
        connect_backend: ConnectAccess,
        timing: LaneTiming,
        batch_size: int,
    ) -> None:
        super().__init__(bus, reconciler, api, timing, batch_size)
        self._connect_backend = connect_backend

    def secret_names(self) -> frozenset[str]:
        """Name the Secrets that the connection is made of."""
        return secret_names(self.bus)

    def connection(self, secrets: Secrets) -> KafkaConnection | Refusal:
        """Make the connection to Kafka."""
        return connect(self.bus, secrets)

    def open(self, connection: KafkaConnection) -> AccessBackend:
        """Open a backend for access."""
        return self._connect_backend(connection, self.key)

    async def ask(self, backend: AccessBackend) -> ClusterState | Refusal:
        """Ask the cluster who it is, and refuse another one than before."""
        state = await backend.probe()
        return verify_cluster(self.bus, state.cluster_id) or state

    def bus_status(self, before: EventBusStatus, found: ClusterState | BackendError | Refusal) -> EventBusStatus:
        """Say nothing: the lane of its topics tells of the same Kafka."""
        del found
        return before

    async def sweep(self, backend: AccessBackend) -> None:
        """Remove the users of resources that are gone."""
        if backend.connection.mechanism is None:
            return
        try:
            users = await backend.users(user_prefix(self.reconciler.cluster))  # before the living are counted
        except Rejected:
            return  # who may not ask has made none; if others lack the right since, their own passes say so
        strays = stray_users(users, self.reconciler.shelf.values(), self.reconciler.kind, self.reconciler.cluster)
        outcomes = await backend.apply([RemoveUser(user) for user in strays]) if strays else ()
        self.leftovers.sweep_due |= any(isinstance(outcome.error, Unavailable) for outcome in outcomes)
