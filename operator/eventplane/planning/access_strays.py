"""Users that are left in Kafka of resources that are gone."""

from collections.abc import Collection, Iterable

from eventplane.api.access import Access
from eventplane.planning.access_desired import user_name, user_prefix


def stray_users(users: Collection[str], alive: Iterable[Access], kind: str, cluster: str) -> tuple[str, ...]:
    """Find those users of a kind of resource, of this Kubernetes cluster, whose resource is gone.

    Args:
        users: whom Kafka knows, whosever they are.
        alive: every resource of the kind in the Kubernetes cluster, on whichever bus: two buses may lead to one Kafka.
        kind: the kind of resource.
        cluster: identity of the Kubernetes cluster, see `Owner.cluster`.
    """
    living = {user_name(resource, cluster) for resource in alive}
    ours = (user for user in users if user.startswith(user_prefix(cluster)) and user.endswith(f".{kind.lower()}"))
    return tuple(sorted(user for user in ours if user not in living))
