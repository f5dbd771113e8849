"""Users that are left in Kafka of resources that are gone, or that have no right to them any more."""

from collections.abc import Collection, Iterable

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_desired import user_name, user_prefix
from eventplane.planning.access_state import first_user
from eventplane.planning.plan import Refusal


def stray_users(users: Collection[str], alive: Iterable[Access], kind: str, cluster: str) -> tuple[str, ...]:
    """Find those users, first and second, of a kind of resource, of this Kubernetes cluster, that no resource keeps.

    Args:
        users: whom Kafka knows, whosever they are.
        alive: every resource of the kind that keeps its user there, see `keeps_user`.
        kind: the kind of resource.
        cluster: identity of the Kubernetes cluster, see `Owner.cluster`.
    """
    living = {user_name(resource, cluster) for resource in alive}  # each may have a second user as well
    ours = ((first_user(user), user) for user in users if user.startswith(user_prefix(cluster)))
    return tuple(sorted(user for first, user in ours if first.endswith(f".{kind.lower()}") and first not in living))


def keeps_user(home: EventBus | Refusal, bus: EventBus) -> bool:
    """Tell whether a resource that exists keeps its user in the Kafka of a bus.

    | the resource's bus                          | its user |
    |---------------------------------------------|----------|
    | leads to the same Kafka                     | stays    |
    | leads to another Kafka                      | goes     |
    | one of the two has never answered           | stays    |
    | does not let the namespace in any more      | goes     |
    | cannot be told for another reason           | stays    |
    """
    if isinstance(home, Refusal):
        return home.reason != Reason.NAMESPACE_NOT_ALLOWED
    there, here = home.status.cluster_id, bus.status.cluster_id
    return there is None or here is None or there == here
