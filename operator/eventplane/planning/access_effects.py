"""What changes make of an application's access, as far as it is known without looking again."""

from collections.abc import Iterable
from dataclasses import replace

from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    PrincipalChange,
    RemovePassword,
    RevokeAccess,
    SetPassword,
    WriteSecret,
)
from eventplane.planning.access_state import ObservedAccess, ObservedPrincipal, ObservedSecret, first_user


def observed_after(before: ObservedAccess, changes: Iterable[AccessChange]) -> ObservedAccess:
    """Compute what will be seen of access when changes have been made."""
    secret = before.secret
    users = {user.user: user for user in (before.principal, before.second) if user is not None}
    for change in changes:
        if isinstance(change, WriteSecret):
            kind, name, _ = change.owner
            secret = ObservedSecret(change.data, (kind, name), change.annotations)
        else:
            users[change.user] = _user_after(users.get(change.user, ObservedPrincipal(change.user)), change)
    first = next((user for name, user in users.items() if name == first_user(name)), None)
    second = next((user for name, user in users.items() if name != first_user(name)), None)
    return ObservedAccess(secret, first, second)


def _user_after(user: ObservedPrincipal, change: PrincipalChange) -> ObservedPrincipal:
    if isinstance(change, SetPassword):
        return replace(user, iterations=change.iterations)
    if isinstance(change, RemovePassword):
        return replace(user, iterations=None)
    if isinstance(change, GrantAccess):
        return replace(user, grants=user.grants | frozenset(change.grants))
    if isinstance(change, RevokeAccess):
        return replace(user, grants=user.grants - frozenset(change.grants))
    return ObservedPrincipal(user.user)
