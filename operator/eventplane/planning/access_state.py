"""What is known of an application's access: its Secret, whether Kafka knows its user, and what that may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from eventplane.planning.outcome import BackendError

ScramMechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256"]
"""Mechanisms whose users Kafka keeps by itself (KIP-554)."""
SCRAM_MECHANISMS: Final[tuple[ScramMechanism, ...]] = get_args(ScramMechanism)

_SECOND: Final = "_2"
"""What the name of an application's second user ends with: no name in Kubernetes has a `_`."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """Something that a principal may do from anywhere: an ACL that allows one operation on one name, or on a prefix."""

    resource: Literal["TOPIC", "GROUP", "TRANSACTIONAL_ID", "CLUSTER", "DELEGATION_TOKEN", "USER"]
    """Kafka's type of the resource."""
    name: str
    operation: str
    """Kafka's name of the operation, such as READ; READ and WRITE imply DESCRIBE."""
    prefixed: bool = False
    """The name is the beginning of names."""

    def describe(self) -> str:
        """Say it in words: READ topic orders."""
        kind = self.resource.lower().replace("_", " ")
        return f"{self.operation} {kind} {self.name}{'*' if self.prefixed else ''}"


@dataclass(frozen=True, slots=True)
class PrincipalQuery:
    """What to observe: a user by its name in Kafka, without the `User:` of principals, and one mechanism."""

    user: str
    mechanism: ScramMechanism | None
    """None where Kafka does not keep what its users prove themselves by: nobody can make or end such a user."""


@dataclass(frozen=True, slots=True)
class ObservedPrincipal:
    """What Kafka shows of one user."""

    user: str
    iterations: int | None = None
    """Iterations of its credential for the mechanism that was asked for; None where it has none."""
    grants: frozenset[Grant] = field(default_factory=frozenset)
    """What ACLs for it from any host allow. What is denied, or allowed from some hosts only, is an administrator's."""
    error: BackendError | None = None
    """Why this one user cannot be looked at, though Kafka answers; nothing else is known of it then."""


@dataclass(frozen=True, slots=True)
class AccessQuery:
    """What to observe for one application: its user, if it has one, and the Secret that holds its credentials."""

    namespace: str
    secret_name: str
    principal: PrincipalQuery | None
    """Its first user; None where the bus asks for no credentials."""

    def principals(self) -> tuple[PrincipalQuery, ...]:
        """Name both users, of which one is in the Secret, and the other is in use while clients move over.

        A principal that is mapped takes turns with none.
        """
        first = self.principal
        if first is None or first.mechanism is None:
            return () if first is None else (first,)
        return first, PrincipalQuery(other_user(first.user), first.mechanism)


@dataclass(frozen=True, slots=True)
class ObservedSecret:
    """What the API server shows of a Secret."""

    data: Mapping[str, str] | None = field(default=None, repr=False)
    """Its contents, decoded; None where it does not exist."""
    owner: tuple[str, str] | None = None
    """Kind and name of the resource of ours that controls it, in its namespace."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Those of our group: since when it holds which password, see `Issue`."""


@dataclass(frozen=True, slots=True)
class ObservedAccess:
    """What was seen of one application's access."""

    secret: ObservedSecret = ObservedSecret()
    principal: ObservedPrincipal | None = None
    """Its first user; None where none was asked for."""
    second: ObservedPrincipal | None = None
    """Its second user; None where none was asked for."""
    error: BackendError | None = None
    """Why it cannot be looked at; nothing else is known of it then."""

    def user(self, name: str) -> ObservedPrincipal:
        """Tell what was seen of one of its users."""
        seen = (user for user in (self.principal, self.second) if user is not None and user.user == name)
        return next(seen, ObservedPrincipal(name))


def first_user(user: str) -> str:
    """Name the first user of the application that has this one."""
    return user.removesuffix(_SECOND)


def other_user(user: str) -> str:
    """Name the user that takes turns with this one."""
    return first_user(user) if user.endswith(_SECOND) else f"{user}{_SECOND}"
