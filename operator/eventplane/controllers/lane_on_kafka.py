"""What the lanes have in common whose resources become something in the Kafka of their bus."""

from typing import Generic, Protocol, TypeVar

from eventplane.backends.topics import ClusterState
from eventplane.controllers.lanes import Closable, Lane
from eventplane.controllers.reconcile import R
from eventplane.planning.bus_decisions import verify_cluster
from eventplane.planning.plan import Refusal


class Answering(Closable, Protocol):
    """A backend that knows which Kafka answers."""

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is."""
        ...


B = TypeVar("B", bound=Answering)


class LaneOnKafka(Lane[R, B, ClusterState], Generic[R, B]):
    """A lane whose resources become something in the Kafka of the bus."""

    async def ask(self, backend: B) -> ClusterState | Refusal:
        """Ask the cluster who it is, and refuse another one than before."""
        state = await backend.probe()
        return verify_cluster(self.bus, state.cluster_id) or state
