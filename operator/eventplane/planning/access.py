"""The planner of applications' access: what must change so that an application has what it asks for, and no more."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemovePassword,
    RevokeAccess,
    SetPassword,
    WriteSecret,
)
from eventplane.planning.access_desired import DesiredAccess, iterations_of
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_rotation import (
    Credentials,
    Issue,
    credentials_in,
    is_due,
    is_retiring,
    request_of,
    retirement_time,
    rotation_time,
)
from eventplane.planning.access_state import (
    Grant,
    ObservedAccess,
    ObservedPrincipal,
    ObservedSecret,
    ScramMechanism,
    other_user,
)
from eventplane.planning.decision import Decision, applied_here, held_back
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal


@dataclass(frozen=True, slots=True)
class AccessCase:
    """Everything that a decision about one Publication or Subscription hangs on."""

    resource: Access
    bus: EventBus
    desired: DesiredAccess
    observed: ObservedAccess
    new_password: str = field(repr=False)
    """A password that nobody knows, in case that one is needed."""
    now: datetime
    old_clients_gone: bool = False
    """Every client uses the user that the Secret names now, as is known from having looked since it does."""


def decide_access(case: AccessCase) -> Decision[AccessChange]:
    """Decide what to do about the access of one application.

    Nothing holds its resource when that is deleted: the Secret goes with it, and its users are swept.
    """
    error = case.observed.error
    if isinstance(error, Unavailable):
        return Decision(postponed=error)
    if error is not None:
        return Decision(refusals=(Refusal(error.reason, error.message),))
    resource = case.resource
    plan = plan_access(case)
    applied = resource.status.applied == case.desired.fingerprint()
    drift = plan.differences if applied and applied_here(resource, "/".join(case.bus.metadata.key)) else ()
    if drift and resource.spec.drift_policy != "Enforce":
        return _leave(case, drift if resource.spec.drift_policy == "Warn" else ())
    decision = Decision(plan.changes, plan.refusals, drift=drift, repairs_drift=bool(drift))
    decision = held_back(decision, resource, plan)
    return _timed(case, decision if decision.hold is not None else _without_drift(decision))


def _leave(case: AccessCase, drift: tuple[Difference, ...]) -> Decision[AccessChange]:
    """Leave what was done behind our back as it is; passwords have their time nonetheless."""
    plan = plan_access(case, repairs=False)
    decision: Decision[AccessChange] = Decision(plan.changes, drift=drift)
    return _timed(case, held_back(decision, case.resource, plan) if plan.changes else decision)


def _without_drift(decision: Decision[AccessChange]) -> Decision[AccessChange]:
    """Leave out the drift that is about to be undone."""
    return Decision(decision.changes, decision.refusals, repairs_drift=decision.repairs_drift)


def _timed(case: AccessCase, decision: Decision[AccessChange]) -> Decision[AccessChange]:
    """Say when a password or a user will have had its time; a rotation waits until the user before has retired."""
    seen = observed_after(case.observed, decision.changes)
    before, credentials = credentials_of(case, case.observed), credentials_of(case, seen)
    if credentials is None:
        return decision
    rotated = before is not None and before.user != credentials.user
    time = rotation_time(case.resource, credentials.issue)
    if seen.user(other_user(credentials.user)).iterations is not None:
        retirement = retirement_time(case.resource, credentials.issue)
        time = retirement if rotated or retirement > case.now else time
    if time is None or (time <= case.now and not rotated):
        return decision  # what is due already and is not done now waits for somebody
    return replace(decision, again_in_seconds=max((time - case.now).total_seconds(), 0))


# --- the plan


def plan_access(case: AccessCase, *, repairs: bool = True) -> Plan[AccessChange]:
    """Plan the access of one application: first whatever the Secret says, and of the user that this names.

    | Secret                   | its user            | ACLs for its user     | plan                               |
    |--------------------------|---------------------|-----------------------|------------------------------------|
    | another's, or nobody's   | any                 | any                   | refuse SecretOwnedByAnother        |
    | absent, or no password   | any                 | any                   | end the second user; for the first |
    |                          |                     |                       | write it with a new password, set  |
    |                          |                     |                       | that, and what follows             |
    | ours, other contents     | any                 | any                   | write it, keep its password        |
    | ours                     | absent, or another  | any                   | set the password of the Secret     |
    |                          | password            |                       |                                    |
    | ours                     | that password       | some are missing      | grant those                        |
    | ours                     | that password       | more than asked for   | revoke those                       |

    There the Secret comes first: a password that only Kafka knows would be lost if we stopped in between, and where we
    may write no Secret, no user is made. Then comes the other user, the first of these that fits:

    | the other user                           | rotation is due | plan                                               |
    |------------------------------------------|-----------------|----------------------------------------------------|
    | had the turn before, and is still let in | any             | grant it the same, and no more                     |
    | any                                      | yes             | set a new password for it, grant it the same, then |
    |                                          |                 | write the Secret: who reads it must be let in      |
    | has a password, or grants                | no              | take them; what others deny it waits for its turn  |

    Args:
        case: everything it hangs on.
        repairs: whether what was done behind our back is undone; else the users only take turns, and whose turn it
            becomes may do what the one before could.
    """
    secret = case.observed.secret
    if secret.data is not None and not owns_secret(case):
        return Plan(refusals=(_not_ours(case, secret),))
    principal, credentials = case.desired.query.principal, credentials_of(case, case.observed)
    if principal is None or credentials is None:
        return _without_credentials(case) if repairs else Plan()
    current, other = (case.observed.user(user) for user in (credentials.user, other_user(credentials.user)))
    stays = is_retiring(case.resource, credentials.issue, other, case.now, clients_gone=case.old_clients_gone)
    rotates = not stays and is_due(case.resource, credentials.issue, case.now)
    parts: list[Plan[AccessChange]] = []
    if repairs:
        parts += (
            _secret(case, credentials, rewritten=rotates),
            _password(principal.mechanism, current, credentials.password),
        )
        parts += (_aligned(each, case.desired.grants) for each in ((current, other) if stays else (current,)))
    elif not rotates:
        parts.append(_recorded(case, credentials))
    if rotates:
        parts.append(
            _rotation(case, principal.mechanism, credentials, other, case.desired.grants if repairs else current.grants)
        )
    elif not stays:
        parts.append(_removal(other))
    return _joined(parts)


def owns_secret(case: AccessCase) -> bool:
    """Tell whether the Secret exists and goes with the resource, or with one of its name that went before."""
    return _is_owner(case, case.observed.secret)


def credentials_of(case: AccessCase, seen: ObservedAccess) -> Credentials | None:
    """Read the credentials in the resource's Secret, as seen; None where it has none, or they are not ours."""
    first = case.desired.user
    if first is None or not _is_owner(case, seen.secret):
        return None
    return credentials_in(seen.secret, first, case.now)


def _is_owner(case: AccessCase, secret: ObservedSecret) -> bool:
    return secret.owner == (case.resource.kind, case.resource.metadata.name)


# --- its parts


def _without_credentials(case: AccessCase) -> Plan[AccessChange]:
    """Issue the first password, or the next one after its Secret is gone; where the bus asks for none, only write."""
    desired, data = case.desired, case.observed.secret.data
    principal = desired.query.principal
    if principal is None:
        is_there = data is not None and desired.is_in(data, "")
        return Plan() if is_there else _written(case, _write(case, desired.secret_data(""), {}))
    issue = Issue(case.now, request_of(case.resource))
    shown, password = case.observed.user(principal.user), case.new_password
    return _joined(
        (
            _removal(case.observed.user(other_user(principal.user))),
            _written(case, _write(case, desired.secret_data(password), issue.annotations())),
            _set(principal.mechanism, shown, password),
            _aligned(shown, desired.grants),
        )
    )


def _secret(case: AccessCase, credentials: Credentials, *, rewritten: bool) -> Plan[AccessChange]:
    """Put the Secret right, unless it is about to be rewritten."""
    user, password, data = credentials.user, credentials.password, case.observed.secret.data or {}
    if case.desired.is_in(data, password, user):
        return Plan() if rewritten else _recorded(case, credentials)
    change = _write(case, case.desired.secret_data(password, user), credentials.issue.annotations(), user)
    plan = _written(case, change)
    return replace(plan, changes=()) if rewritten else plan


def _recorded(case: AccessCase, credentials: Credentials) -> Plan[AccessChange]:
    """Date a password whose record was lost, and leave the Secret as it is; the record is ours, so this is no drift."""
    if credentials.recorded:
        return Plan()
    ours = case.desired.secret_data(credentials.password, credentials.user)
    data = {key: value for key, value in (case.observed.secret.data or {}).items() if key in ours}
    return Plan((_write(case, data, credentials.issue.annotations(), credentials.user),))


def _password(mechanism: ScramMechanism, shown: ObservedPrincipal, password: str) -> Plan[AccessChange]:
    """Set the password of the Secret, unless that is the one that Kafka knows."""
    return Plan() if shown.iterations == iterations_of(password) else _set(mechanism, shown, password)


def _aligned(shown: ObservedPrincipal, wanted: frozenset[Grant]) -> Plan[AccessChange]:
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


def _rotation(
    case: AccessCase,
    mechanism: ScramMechanism,
    credentials: Credentials,
    other: ObservedPrincipal,
    grants: frozenset[Grant],
) -> Plan[AccessChange]:
    """Give the other user the turn; that is nothing that was done behind our back."""
    password, issue = case.new_password, Issue(case.now, request_of(case.resource), credentials.user)
    data = case.desired.secret_data(password, other.user)
    steps = _joined((_set(mechanism, other, password), _aligned(other, grants)))
    return Plan((*steps.changes, _write(case, data, issue.annotations(), other.user)))


def _removal(other: ObservedPrincipal) -> Plan[AccessChange]:
    """Let a user in no more; nobody can tell one that was cut short from one that a foreigner made."""
    if other.iterations is None and not other.grants:
        return Plan()
    return Plan((RemovePassword(other.user), *_aligned(other, frozenset()).changes))


def _written(case: AccessCase, change: WriteSecret) -> Plan[AccessChange]:
    actual = "absent" if case.observed.secret.data is None else "something else"
    return Plan((change,), differences=(Difference(f"Secret {change.name}", "credentials", actual),))


def _write(
    case: AccessCase, data: Mapping[str, str], annotations: Mapping[str, str], user: str | None = None
) -> WriteSecret:
    query, resource = case.desired.query, case.resource
    owner = (resource.kind, resource.metadata.name, resource.metadata.uid)
    return WriteSecret(user or case.desired.user, query.namespace, query.secret_name, owner, data, annotations)


def _set(mechanism: ScramMechanism, shown: ObservedPrincipal, password: str) -> Plan[AccessChange]:
    change = SetPassword(shown.user, mechanism, password, iterations_of(password))
    actual = "no user" if shown.iterations is None else "another"
    return Plan((change,), differences=(Difference("password", "the one in the Secret", actual),))


def _joined(parts: Iterable[Plan[AccessChange]]) -> Plan[AccessChange]:
    """Make one plan of several; what two users have in common is one difference."""
    those = tuple(parts)
    return Plan(
        tuple(change for part in those for change in part.changes),
        differences=tuple(dict.fromkeys(each for part in those for each in part.differences)),
    )


def _not_ours(case: AccessCase, secret: ObservedSecret) -> Refusal:
    name, kind = case.desired.query.secret_name, case.resource.kind
    owner = "nobody" if secret.owner is None else " ".join(secret.owner)
    return Refusal(
        Reason.SECRET_OWNED_BY_ANOTHER,
        f"Secret {name} exists and belongs to {owner}: create a {kind} with another secretName, or delete that Secret",
    )
