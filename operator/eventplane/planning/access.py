"""The planner of applications' access: what must change so that an application has what it asks for, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_changes import AccessChange, GrantAccess, RevokeAccess, SetPassword, WriteSecret
from eventplane.planning.access_desired import DesiredAccess, iterations_of
from eventplane.planning.access_state import Grant, ObservedAccess, ObservedPrincipal, ObservedSecret, PrincipalQuery
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


def decide_access(case: AccessCase) -> Decision[AccessChange]:
    """Decide what to do about the access of one application.

    Nothing holds its resource when that is deleted: the Secret goes with it, and its user is swept.
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
        return Decision(refusals=plan.refusals, drift=drift if resource.spec.drift_policy == "Warn" else ())
    decision = Decision(plan.changes, plan.refusals, drift=drift, repairs_drift=bool(drift))
    decision = held_back(decision, resource, plan)
    return decision if decision.hold is not None else _without_drift(decision)


def _without_drift(decision: Decision[AccessChange]) -> Decision[AccessChange]:
    """Leave out the drift that is about to be undone."""
    return Decision(decision.changes, decision.refusals, repairs_drift=decision.repairs_drift)


def plan_access(case: AccessCase) -> Plan[AccessChange]:
    """Plan the access of one application.

    | Secret                   | its user            | ACLs for its user     | plan                               |
    |--------------------------|---------------------|-----------------------|------------------------------------|
    | another's, or nobody's   | any                 | any                   | refuse SecretOwnedByAnother        |
    | absent, or no password   | any                 | any                   | write it with a new password, set  |
    |                          |                     |                       | that, and what follows             |
    | ours, other contents     | any                 | any                   | write it, keep its password        |
    | ours                     | absent, or another  | any                   | set the password of the Secret     |
    |                          | password            |                       |                                    |
    | ours                     | that password       | some are missing      | grant those                        |
    | ours                     | that password       | more than asked for   | revoke those                       |

    The Secret comes first: a password that only Kafka knows would be lost if we stopped in between.
    """
    desired, secret = case.desired, case.observed.secret
    if secret.data is not None and not owns_secret(case):
        return Plan(refusals=(_not_ours(case, secret),))
    kept = (secret.data or {}).get("password")
    password = kept or case.new_password
    differences: list[Difference] = []
    changes: list[AccessChange] = []
    if secret.data is None or not desired.is_in(secret.data, password):
        changes.append(_write(case, desired.secret_data(password)))
        actual = "absent" if secret.data is None else "something else"
        differences.append(Difference(f"Secret {desired.query.secret_name}", "credentials", actual))
    if desired.query.principal is not None:
        shown = case.observed.principal or ObservedPrincipal(desired.query.principal.user)
        if shown.iterations != iterations_of(password):
            changes.append(_set(desired.query.principal, password))
            actual = "no user" if shown.iterations is None else "another"
            differences.append(Difference("password", "the one in the Secret", actual))
        granted, revoked = _access_changes(shown, desired.grants)
        changes += (*granted, *revoked)
        differences += [_difference(grant, "granted", "missing") for each in granted for grant in each.grants]
        differences += [_difference(grant, "not granted", "granted") for each in revoked for grant in each.grants]
    return Plan(tuple(changes), differences=tuple(differences))


def owns_secret(case: AccessCase) -> bool:
    """Tell whether the Secret exists and goes with the resource, or with one of its name that went before."""
    return case.observed.secret.owner == (case.resource.kind, case.resource.metadata.name)


def _access_changes(shown: ObservedPrincipal, wanted: frozenset[Grant]) -> tuple[list[GrantAccess], list[RevokeAccess]]:
    missing, extra = sorted(wanted - shown.grants), sorted(shown.grants - wanted)
    return (
        [GrantAccess(shown.user, tuple(missing))] if missing else [],
        [RevokeAccess(shown.user, tuple(extra))] if extra else [],
    )


def _write(case: AccessCase, data: Mapping[str, str]) -> WriteSecret:
    query, resource = case.desired.query, case.resource
    owner = (resource.kind, resource.metadata.name, resource.metadata.uid)
    return WriteSecret(case.desired.user, query.namespace, query.secret_name, owner, data)


def _set(principal: PrincipalQuery, password: str) -> SetPassword:
    return SetPassword(principal.user, principal.mechanism, password, iterations_of(password))


def _difference(grant: Grant, expected: str, actual: str) -> Difference:
    return Difference(grant.describe(), expected, actual)


def _not_ours(case: AccessCase, secret: ObservedSecret) -> Refusal:
    name, kind = case.desired.query.secret_name, case.resource.kind
    owner = "nobody" if secret.owner is None else " ".join(secret.owner)
    return Refusal(
        Reason.SECRET_OWNED_BY_ANOTHER,
        f"Secret {name} exists and belongs to {owner}: create a {kind} with another secretName, or delete that Secret",
    )
