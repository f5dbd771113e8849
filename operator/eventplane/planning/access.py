"""The planner of applications' access: what must change so that an application has what it asks for, and no more."""

from dataclasses import replace
from typing import Final, cast

from eventplane.api.conditions import Reason
from eventplane.planning.access_alignment import align_grants, joined
from eventplane.planning.access_case import AccessCase, credentials_of, owns_secret
from eventplane.planning.access_changes import (
    AccessChange,
    RemovePassword,
    SetPassword,
)
from eventplane.planning.access_desired import iterations_of
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_mapped import plan_mapped
from eventplane.planning.access_rotation import (
    Credentials,
    Issue,
    is_due,
    is_retiring,
    request_of,
    retirement_time,
    rotation_time,
)
from eventplane.planning.access_secret import align_secret, not_ours, write, written
from eventplane.planning.access_state import (
    Grant,
    ObservedPrincipal,
    ScramMechanism,
    other_user,
)
from eventplane.planning.decision import Decision, applied_here, held_back
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal

_ASK_AGAIN_SECONDS: Final = 30.0
"""How soon a principal is looked at again that another has: nobody tells when that lets go of it."""


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
    if any(each.reason == Reason.PRINCIPAL_OWNED_BY_ANOTHER for each in decision.refusals):
        return replace(decision, again_in_seconds=_ASK_AGAIN_SECONDS)
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
    may write no Secret, no user is made. Principals that are mapped are another matter, see `plan_mapped`.
    Then comes the other user, the first of these that fits:

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
        return Plan(refusals=(not_ours(case, secret),))
    principal, credentials = case.desired.query.principal, credentials_of(case, case.observed)
    if principal is None:
        return align_secret(case, "", None, {}, recorded=True, repairs=repairs)
    if case.desired.mark is not None:
        return plan_mapped(case, case.desired.mark, repairs=repairs)
    mechanism = cast("ScramMechanism", principal.mechanism)  # a principal that is not mapped has one
    if credentials is None:
        return _first_credentials(case, principal.user, mechanism) if repairs else Plan()
    current, other = (case.observed.user(user) for user in (credentials.user, other_user(credentials.user)))
    stays = is_retiring(case.resource, credentials.issue, other, case.now, clients_gone=case.old_clients_gone)
    rotates = not stays and is_due(case.resource, credentials.issue, case.now)
    secret_plan = _secret(case, credentials, repairs=repairs)
    parts = [replace(secret_plan, changes=()) if rotates else secret_plan]  # a rotation rewrites it
    if repairs:
        parts.append(_password(mechanism, current, credentials.password))
        parts += (align_grants(each, case.desired.grants) for each in ((current, other) if stays else (current,)))
    if rotates:
        parts.append(_rotation(case, mechanism, credentials, other, case.desired.grants if repairs else current.grants))
    elif not stays:
        parts.append(_removal(other))
    return joined(parts)


# --- its parts


def _first_credentials(case: AccessCase, user: str, mechanism: ScramMechanism) -> Plan[AccessChange]:
    """Issue the first password, or the next one after its Secret is gone."""
    desired, issue = case.desired, Issue(case.now, request_of(case.resource))
    shown, password = case.observed.user(user), case.new_password
    return joined(
        (
            _removal(case.observed.user(other_user(user))),
            written(case, write(case, desired.secret_data(password), issue.annotations())),
            _set(mechanism, shown, password),
            align_grants(shown, desired.grants),
        )
    )


def _secret(case: AccessCase, credentials: Credentials, *, repairs: bool) -> Plan[AccessChange]:
    issue, recorded = credentials.issue.annotations(), credentials.recorded
    return align_secret(case, credentials.password, credentials.user, issue, recorded=recorded, repairs=repairs)


def _password(mechanism: ScramMechanism, shown: ObservedPrincipal, password: str) -> Plan[AccessChange]:
    """Set the password of the Secret, unless that is the one that Kafka knows."""
    return Plan() if shown.iterations == iterations_of(password) else _set(mechanism, shown, password)


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
    steps = joined((_set(mechanism, other, password), align_grants(other, grants)))
    return Plan((*steps.changes, write(case, data, issue.annotations(), other.user)))


def _removal(other: ObservedPrincipal) -> Plan[AccessChange]:
    """Let a user in no more; nobody can tell one that was cut short from one that a foreigner made."""
    if other.iterations is None and not other.grants:
        return Plan()
    return Plan((RemovePassword(other.user), *align_grants(other, frozenset()).changes))


def _set(mechanism: ScramMechanism, shown: ObservedPrincipal, password: str) -> Plan[AccessChange]:
    change = SetPassword(shown.user, mechanism, password, iterations_of(password))
    actual = "no user" if shown.iterations is None else "another"
    return Plan((change,), differences=(Difference("password", "the one in the Secret", actual),))
