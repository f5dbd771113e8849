"""Users that are left in Kafka of resources that are gone, or that have no right to them any more."""

from collections.abc import Collection, Iterable, Mapping

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_changes import RevokeAccess
from eventplane.planning.access_desired import user_name, user_prefix
from eventplane.planning.access_state import Grant, first_user
from eventplane.planning.mapped_principals import holder_of, maps_principals, principal_name
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


def stray_grants(
    granted: Mapping[str, frozenset[Grant]], alive: Mapping[str, str | None], kind: str, cluster: str
) -> tuple[RevokeAccess, ...]:
    """Take from principals what they were granted for resources that are gone, or that have another principal now.

    A principal that is not marked as one of a kind of resource, of this Kubernetes cluster, is nobody's business.

    Args:
        granted: what principals may do, whosever they are.
        alive: the principal of every resource of the kind that keeps its user there, see `keeps_user`, by the name that
            its user would have; None where it cannot be told.
        kind: the kind of resource.
        cluster: identity of the Kubernetes cluster, see `Owner.cluster`.
    """
    holders = ((principal, holder_of(granted[principal]) or "") for principal in sorted(granted))
    return tuple(
        RevokeAccess(principal, tuple(sorted(granted[principal])))
        for principal, holder in holders
        if holder.startswith(user_prefix(cluster))
        and holder.endswith(f".{kind.lower()}")
        and (holder not in alive or alive[holder] not in {None, principal})
    )


def mapped_to(resource: Access, home: EventBus | Refusal) -> str | None:
    """Name the principal that a resource has on its bus; nothing where it has none, None where that cannot be told."""
    name = home if isinstance(home, Refusal) else principal_name(resource, home) if maps_principals(home) else ""
    return None if isinstance(name, Refusal) else name


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
