"""What a user is granted and revoked so that it may do what is wanted, and no more."""

from collections.abc import Iterable

from eventplane.planning.access_changes import AccessChange, GrantAccess, RevokeAccess
from eventplane.planning.access_state import Grant, ObservedPrincipal
from eventplane.planning.plan import Difference, Plan


def align_grants(shown: ObservedPrincipal, wanted: frozenset[Grant]) -> Plan[AccessChange]:
    """Let a user do what is wanted, and no more."""
    missing, extra = sorted(wanted - shown.grants), sorted(shown.grants - wanted)
    changes: list[AccessChange] = []
    if missing:
        changes.append(GrantAccess(shown.user, tuple(missing)))
    if extra:
        changes.append(RevokeAccess(shown.user, tuple(extra)))
    differences = [Difference(grant.describe(), "granted", "missing") for grant in missing]
    differences += [Difference(grant.describe(), "not granted", "granted") for grant in extra]
    return Plan(tuple(changes), differences=tuple(differences))


def joined(parts: Iterable[Plan[AccessChange]]) -> Plan[AccessChange]:
    """Make one plan of several; what two users have in common is one difference."""
    those = tuple(parts)
    return Plan(
        tuple(change for part in those for change in part.changes),
        differences=tuple(dict.fromkeys(each for part in those for each in part.differences)),
    )
