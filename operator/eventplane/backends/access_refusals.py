"""What is asked of no Kafka about its users: it would not be about one user, or cannot be put into a request."""

from typing import Final

from eventplane.api.conditions import Reason
from eventplane.planning.access_changes import GrantAccess, PrincipalChange, RevokeAccess, SetPassword
from eventplane.planning.access_state import Grant
from eventplane.planning.outcome import Rejected

EVERYBODY: Final = "*"
"""The user whose ACLs are for all users."""

_RESOURCES: Final = frozenset({"TOPIC", "GROUP", "TRANSACTIONAL_ID", "CLUSTER"})
_OPERATIONS: Final = frozenset(
    {
        *("ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION"),
        *("DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE"),
    }
)
"""What librdkafka knows; it has no number for delegation tokens, nor for users as a resource."""


def refusal(change: PrincipalChange) -> Rejected | None:
    """Say why a change is not even asked for, if so."""
    if user_refusal := refusal_of_user(change.user):
        return user_refusal
    if isinstance(change, SetPassword) and not change.password:
        return Rejected(Reason.REJECTED, f"the password of user {change.user} must not be empty")
    grants = change.grants if isinstance(change, GrantAccess | RevokeAccess) else ()
    unspeakable = next((grant for grant in grants if not _can_be_asked_for(grant)), None)
    if unspeakable is not None:
        return Rejected(Reason.REJECTED, f"the Kafka client cannot put into an ACL: {unspeakable.describe()}")
    return None


def refusal_of_user(user: str) -> Rejected | None:
    """Say why a name is no user's, if so."""
    if user in {"", EVERYBODY}:
        return Rejected(Reason.REJECTED, f"{user!r} is no user's name: to Kafka it means everybody")
    return None


def _can_be_asked_for(grant: Grant) -> bool:
    return grant.resource in _RESOURCES and grant.operation in _OPERATIONS
