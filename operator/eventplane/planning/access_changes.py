"""The changes that can be made to an application's access: its Secret, its user, and what Kafka lets that do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from eventplane.planning.access_state import Grant, ScramMechanism, first_user


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Create a user, or give it another password."""

    user: str
    mechanism: ScramMechanism
    password: str = field(repr=False)
    iterations: int
    """Rounds of hashing, 4,096 to 16,384 as Kafka demands; they tell which password it is, see `iterations_of`."""

    def describe(self) -> str:
        """Say the change in one line."""
        return f"set the password of user {self.user}"


@dataclass(frozen=True, slots=True)
class GrantAccess:
    """Let a user do something."""

    user: str
    grants: tuple[Grant, ...]

    def describe(self) -> str:
        """Say the change in one line."""
        return f"grant user {self.user} {', '.join(grant.describe() for grant in self.grants)}"


@dataclass(frozen=True, slots=True)
class RevokeAccess:
    """Let a user do something no more; what others allow or deny it stays."""

    user: str
    grants: tuple[Grant, ...]

    def describe(self) -> str:
        """Say the change in one line."""
        return f"revoke from user {self.user} {', '.join(grant.describe() for grant in self.grants)}"


@dataclass(frozen=True, slots=True)
class RemovePassword:
    """Let a user log in no more: delete its passwords of all mechanisms; ACLs stay, whoever made them."""

    user: str

    def describe(self) -> str:
        """Say the change in one line."""
        return f"remove the password of user {self.user}"


@dataclass(frozen=True, slots=True)
class RemoveUser:
    """Delete a user, its passwords of all mechanisms, and every ACL for it, whoever made it."""

    user: str

    def describe(self) -> str:
        """Say the change in one line."""
        return f"remove user {self.user} with all its access"


@dataclass(frozen=True, slots=True)
class WriteSecret:
    """Create the Secret that holds an application's credentials, or make its contents what they should be."""

    user: str | None
    """Whose credentials it holds; None where the bus asks for none."""
    namespace: str
    name: str
    owner: tuple[str, str, str]
    """Kind, name and uid of the resource with which it goes."""
    data: Mapping[str, str] = field(repr=False)
    """All of its contents, not encoded."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """All annotations that it has of us."""

    def describe(self) -> str:
        """Say the change in one line."""
        return f"write Secret {self.name}"


PrincipalChange: TypeAlias = SetPassword | GrantAccess | RevokeAccess | RemovePassword | RemoveUser
AccessChange: TypeAlias = WriteSecret | PrincipalChange


def application_of(change: AccessChange) -> str:
    """Identify the application that a change is for: it has two users, or none, and one Secret."""
    return f"{change.namespace}/{change.name}" if change.user is None else first_user(change.user)
