"""The seam for Kafka's users and what they may do: a Backend that also lists every user there is."""

from typing import Protocol

from eventplane.backends import Backend
from eventplane.backends.topics import ClusterState
from eventplane.planning.access_changes import PrincipalChange
from eventplane.planning.access_state import ObservedPrincipal, PrincipalQuery


class PrincipalBackend(Backend[PrincipalQuery, ObservedPrincipal, PrincipalChange], Protocol):
    """Users of one Kafka cluster with their passwords and ACLs.

    A cluster without an authorizer has no ACLs: granting is Rejected, everything else works.
    """

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is; see TopicBackend.

        Raises:
            Unavailable: no answer.
            Rejected: wrong credentials or missing rights.
        """
        ...

    async def users(self, prefix: str) -> frozenset[str]:
        """Name the users that have a password, or that some ACL names, and whose name begins with a prefix.

        Raises:
            Unavailable: no answer.
            Rejected: missing rights.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads; nothing can be asked afterwards."""
        ...
