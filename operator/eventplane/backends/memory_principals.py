"""Kafka's users without Kafka: the backend that tests run on, held to the same contract as the real one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from eventplane.api.conditions import Reason
from eventplane.backends.access_refusals import EVERYBODY, refusal, refusal_of_user
from eventplane.backends.memory_backend import MemoryBackend
from eventplane.backends.topics import ClusterState
from eventplane.planning.access_changes import (
    GrantAccess,
    PrincipalChange,
    RemovePassword,
    RemoveUser,
    RevokeAccess,
    SetPassword,
)
from eventplane.planning.access_state import Grant, ObservedPrincipal, PrincipalQuery, ScramMechanism
from eventplane.planning.outcome import Rejected, Unavailable

_LEAST_ITERATIONS: Final = 4096
_MOST_ITERATIONS: Final = 16384


@dataclass(frozen=True, slots=True)
class Acl:
    """An ACL for a user."""

    user: str
    grant: Grant
    host: str = "*"
    allows: bool = True


class MemoryPrincipals:
    """Users that several backends may share, as several operators share a Kafka; tests edit them as foreigners do."""

    def __init__(self, *, brokers: int = 1, cluster_id: str = "memory", authorizer: bool = True) -> None:
        """Make a cluster that knows no user.

        Args:
            brokers: how many there are.
            cluster_id: what the cluster calls itself.
            authorizer: whether it has ACLs.
        """
        self.state = ClusterState(cluster_id, brokers)
        self.available = True
        self.authorizer = authorizer
        self._acls: set[Acl] = set()
        self._passwords: dict[str, dict[ScramMechanism, tuple[str, int]]] = {}

    def set_password(self, user: str, mechanism: ScramMechanism, password: str, iterations: int) -> None:
        """Create a user, or give it another password.

        Raises:
            Rejected: as Kafka would.
        """
        if not _LEAST_ITERATIONS <= iterations <= _MOST_ITERATIONS:
            raise Rejected(Reason.REJECTED, f"Too {'few' if iterations < _LEAST_ITERATIONS else 'many'} iterations")
        self._passwords.setdefault(user, {})[mechanism] = (password, iterations)

    def drop_password(self, user: str, mechanism: ScramMechanism) -> None:
        """Take a password from a user; that it has none is no error."""
        known = self._passwords.get(user, {})
        known.pop(mechanism, None)
        if not known:
            self._passwords.pop(user, None)

    def drop_passwords(self, user: str) -> None:
        """Take all passwords from a user; that it has none is no error."""
        self._passwords.pop(user, None)

    def logs_in(self, user: str, mechanism: ScramMechanism, password: str) -> bool:
        """Tell whether a client could log in."""
        known = self._passwords.get(user, {}).get(mechanism)
        return known is not None and known[0] == password

    def iterations(self, user: str, mechanism: ScramMechanism) -> int | None:
        """Tell the iterations of a user's password."""
        known = self._passwords.get(user, {}).get(mechanism)
        return None if known is None else known[1]

    def add_acl(self, acl: Acl) -> None:
        """Add an ACL; that it is there is no error.

        Raises:
            Rejected: as Kafka would.
        """
        if not self.authorizer:
            raise Rejected(Reason.REJECTED, "the cluster has no authorizer, so everybody may do everything")
        if not acl.grant.name or (acl.grant.resource == "CLUSTER" and acl.grant.name != "kafka-cluster"):
            raise Rejected(Reason.REJECTED, f"no {acl.grant.resource} can have the name {acl.grant.name!r}")
        self._acls.add(acl)

    def drop_acl(self, acl: Acl) -> None:
        """Delete an ACL; that it is not there is no error."""
        self._acls.discard(acl)

    def remove(self, user: str) -> None:
        """Delete a user with every ACL for it; that it is not there is no error."""
        self._passwords.pop(user, None)
        self._acls -= self.acls(user)

    def acls(self, user: str) -> frozenset[Acl]:
        """List the ACLs for a user."""
        return frozenset(acl for acl in self._acls if acl.user == user)

    def users(self) -> frozenset[str]:
        """Name the users that have a password, or that some ACL names."""
        return frozenset(self._passwords) | {acl.user for acl in self._acls if acl.user != EVERYBODY}


class MemoryPrincipalBackend(MemoryBackend[PrincipalChange, ObservedPrincipal]):
    """A PrincipalBackend on MemoryPrincipals, which can be told to fail."""

    def __init__(self, principals: MemoryPrincipals | None = None) -> None:
        """Open a backend on a cluster of its own, or on one that is shared."""
        super().__init__()
        self.principals = principals or MemoryPrincipals()

    async def probe(self) -> ClusterState:
        """Tell who the cluster is."""
        self._called("probe")
        return self.principals.state

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users there are."""
        self._called("users")
        return frozenset(user for user in self.principals.users() if user.startswith(prefix))

    async def observe(self, keys: Collection[PrincipalQuery]) -> Mapping[PrincipalQuery, ObservedPrincipal]:
        """Look at users."""
        self._called("observe")
        return {key: _observed(self.principals, key) for key in keys}

    def _check_answers(self) -> None:
        if not self.principals.available:
            raise Unavailable("the cluster does not answer")

    def _make(self, change: PrincipalChange) -> None:
        error = refusal(change)
        if error is not None:
            raise error
        _make(self.principals, change)

    def _concerned(self, change: PrincipalChange) -> Collection[str]:
        return (change.user,)


def _observed(principals: MemoryPrincipals, query: PrincipalQuery) -> ObservedPrincipal:
    error = refusal_of_user(query.user)
    if error is not None:
        return ObservedPrincipal(query.user, error=error)
    grants = (acl.grant for acl in principals.acls(query.user) if acl.allows and acl.host == "*")
    iterations = principals.iterations(query.user, query.mechanism) if query.mechanism is not None else None
    return ObservedPrincipal(query.user, iterations, frozenset(grants))


def _make(principals: MemoryPrincipals, change: PrincipalChange) -> None:
    match change:
        case SetPassword():
            principals.set_password(change.user, change.mechanism, change.password, change.iterations)
        case GrantAccess():
            for grant in change.grants:
                principals.add_acl(Acl(change.user, grant))
        case RevokeAccess():
            for grant in change.grants:
                principals.drop_acl(Acl(change.user, grant))
        case RemovePassword():
            principals.drop_passwords(change.user)
        case RemoveUser():
            principals.remove(change.user)
