"""What the lanes have in common whose resources become something in the Kafka of their bus."""

from typing import Generic, Protocol, TypeVar

from eventplane.backends.topics import ClusterState
from eventplane.controllers.lanes import Closable, Lane
from eventplane.controllers.reconcile import R
from eventplane.planning.bus_decisions import verify_cluster
from eventplane.planning.connection import KafkaConnection, Secrets, connect, secret_names
from eventplane.planning.plan import Refusal


class Answering(Closable, Protocol):
    """A backend that knows which Kafka answers."""

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is."""
        ...


B = TypeVar("B", bound=Answering)


class LaneOnKafka(Lane[R, B, ClusterState], Generic[R, B]):
    """A lane whose resources become something in the Kafka of the bus."""

    def secret_names(self) -> frozenset[str]:
        """Name the Secrets that the connection is made of."""
        return secret_names(self.bus)

    def connection(self, secrets: Secrets) -> KafkaConnection | Refusal:
        """Make the connection to Kafka."""
        return connect(self.bus, secrets)

    async def ask(self, backend: B) -> ClusterState | Refusal:
        """Ask the cluster who it is, and refuse another one than before."""
        state = await backend.probe()
        return verify_cluster(self.bus, state.cluster_id) or state
