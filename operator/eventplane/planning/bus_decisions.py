"""What to make of a bus: whether the cluster that answers is the one of before, and what its topics are told."""

from typing import Final

from eventplane.api import GROUP
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.outcome import BackendError, Unavailable
from eventplane.planning.plan import Refusal

ACCEPT_CLUSTER_ANNOTATION: Final = f"{GROUP}/accept-cluster"


def verify_cluster(bus: EventBus, cluster_id: str) -> Refusal | None:
    """Refuse to work on another Kafka cluster than before, until the owner of the bus says that it is meant.

    A wrong address would otherwise create every topic anew in a place where nobody looks for it.
    """
    known = bus.status.cluster_id
    if known in (None, cluster_id) or bus.metadata.annotations.get(ACCEPT_CLUSTER_ANNOTATION) == cluster_id:
        return None
    return Refusal(
        Reason.CLUSTER_CHANGED,
        f"the addresses lead to Kafka cluster {cluster_id}, and were those of {known}: correct them, or annotate with"
        f" {ACCEPT_CLUSTER_ANNOTATION}={cluster_id} to go on with this one",
    )


def unusable(bus: EventBus, problem: BackendError | Refusal) -> Unavailable:
    """Tell topics why their bus cannot be used; they wait for it, whatever the reason."""
    return Unavailable(f"EventBus {'/'.join(bus.metadata.key)} is unusable ({problem.reason}): {problem.message}")


def registry_unusable(bus: EventBus, problem: BackendError | Refusal) -> Unavailable:
    """Tell schemas why the registry of their bus cannot be used; they wait for it, whatever the reason."""
    name = "/".join(bus.metadata.key)
    message = f"the schema registry of EventBus {name} is unusable ({problem.reason}): {problem.message}"
    return Unavailable(message, Reason.REGISTRY_UNAVAILABLE)
