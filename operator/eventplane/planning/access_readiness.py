"""Outcomes to status: what is said about a Publication or Subscription, and what of it is worth a Kubernetes Event."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from eventplane.api.access import AccessStatus, Binding, CredentialsStatus
from eventplane.api.conditions import Condition, ConditionType, Reason, Status
from eventplane.api.subscription import SubscriptionStatus
from eventplane.planning.access_case import AccessCase, credentials_of
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemovePassword,
    RevokeAccess,
    SetPassword,
)
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_rotation import (
    Credentials,
    is_retiring,
    request_of,
    retirement_time,
    rfc3339,
    rotation_time,
)
from eventplane.planning.access_state import ObservedAccess, ObservedPrincipal, other_user
from eventplane.planning.decision import Decision
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import BackendError, Outcome
from eventplane.planning.verdicts import (
    Verdict,
    conditions_of,
    drift_entries,
    drift_message,
    first_error,
    pending,
    verdict_of_obstacle,
)

AccessOutcome: TypeAlias = Outcome[AccessChange, ObservedAccess]


def access_status(
    case: AccessCase, decision: Decision[AccessChange], outcomes: Sequence[AccessOutcome]
) -> AccessStatus:
    """Say what is the case about a Publication or Subscription after its pass."""
    resource, desired = case.resource, case.desired
    error = first_error(outcomes)
    verdict = access_verdict(case, decision, error)
    generation, owner = resource.metadata.generation, (resource.kind, resource.metadata.name)
    complete = error is None and decision.hold is None and not decision.refusals and not decision.drift
    seen = observed_after(case.observed, (outcome.change for outcome in outcomes if outcome.error is None))
    credentials = credentials_of(case, seen)
    user = _user_shown(case, seen, credentials)
    status = AccessStatus(
        observed_generation=generation,
        bus="/".join(case.bus.metadata.key),
        principal=user.user if user.iterations is not None or desired.mark in user.grants else None,
        binding=Binding(name=desired.query.secret_name) if seen.secret.owner == owner else None,
        credentials=_credentials_status(case, credentials, seen) if credentials is not None else None,
        grants=tuple(grant.describe() for grant in sorted(user.grants)),
        applied=desired.fingerprint() if complete else resource.status.applied,
        plan=pending(decision.held),
        drift=drift_entries(decision),
        conditions=(
            *conditions_of(verdict, generation, drifted=drift_message(decision)),
            _topics_ready(case),
            _access_granted(case, decision, error),
        ),
    )
    return status if desired.group is None else SubscriptionStatus(**dict(status), group=desired.group)


def _user_shown(case: AccessCase, seen: ObservedAccess, credentials: Credentials | None) -> ObservedPrincipal:
    """Find the user that has the turn; of a principal that another has, nothing is said."""
    user = seen.user(credentials.user if credentials is not None else case.desired.user or "")
    is_anothers = case.desired.mark is not None and case.desired.mark not in user.grants
    return ObservedPrincipal(user.user) if is_anothers else user


def access_verdict(case: AccessCase, decision: Decision[AccessChange], error: BackendError | None) -> Verdict:
    """Judge a pass; the first row that fits wins.

    | outcome                             | Ready | reason of                      | also        |
    |-------------------------------------|-------|--------------------------------|-------------|
    | Kafka did not answer a change       | False | the error                      | Reconciling |
    | Kafka rejected a change             | False | the error                      | Stalled     |
    | something is refused                | False | the refusal                    | Stalled     |
    | held, and something would be done   | False | the hold                       |             |
    | a topic is missing                  | False | TopicNotFound, TopicNotReady   | Reconciling |
    | else                                | True  | Ready, or Paused               |             |
    """
    obstacle = verdict_of_obstacle(decision, error)
    if obstacle is not None:
        return obstacle
    missing = case.desired.missing
    if missing:
        return Verdict("False", missing[0].reason, "; ".join(each.message for each in missing), reconciling=True)
    secret = case.desired.query.secret_name
    message = f"Secret {secret} has what a client needs"
    if case.desired.mark is not None:
        message += f", but for its own credentials as {case.desired.user}"
    if case.desired.user is None:
        message += "; the bus asks for no credentials, so anybody may do what this resource asks for"
        if case.resource.spec.credentials.rotate_every is not None or request_of(case.resource) is not None:
            message += ", and there is no password to rotate"
    if decision.hold == "Paused":
        return Verdict("True", Reason.PAUSED, f"{message}; nothing is written while paused")
    return Verdict("True", Reason.READY, message)


def _topics_ready(case: AccessCase) -> Condition:
    missing = case.desired.missing
    if missing:
        return _condition(case, ConditionType.TOPICS_READY, "False", missing[0].reason, missing[0].message)
    return _condition(case, ConditionType.TOPICS_READY, "True", Reason.READY, "every topic has been made")


def _access_granted(case: AccessCase, decision: Decision[AccessChange], error: BackendError | None) -> Condition:
    obstacle, drifted = verdict_of_obstacle(decision, error), drift_message(decision)
    if obstacle is not None:
        return _condition(case, ConditionType.ACCESS_GRANTED, "False", obstacle.reason, obstacle.message)
    if drifted is not None:
        return _condition(case, ConditionType.ACCESS_GRANTED, "False", Reason.DRIFTED, drifted)
    return _condition(
        case, ConditionType.ACCESS_GRANTED, "True", Reason.READY, "the user may do what is asked for, and no more"
    )


def _condition(case: AccessCase, kind: ConditionType, status: Status, reason: Reason, message: str) -> Condition:
    generation = case.resource.metadata.generation
    return Condition(type=kind, status=status, reason=reason, message=message, observed_generation=generation)


def _credentials_status(case: AccessCase, credentials: Credentials, seen: ObservedAccess) -> CredentialsStatus | None:
    """Say since when the password holds; what its Secret does not say, the status does not know."""
    if not credentials.recorded:
        return None
    resource, issue, other = case.resource, credentials.issue, seen.user(other_user(credentials.user))
    retiring = is_retiring(resource, issue, other, case.now, clients_gone=case.old_clients_gone)
    rotates_at = rotation_time(resource, issue)
    return CredentialsStatus(
        issued_at=rfc3339(issue.at),
        rotates_at=rfc3339(rotates_at) if rotates_at is not None else None,
        retiring=other.user if retiring else None,
        retires_at=rfc3339(retirement_time(resource, issue)) if retiring else None,
    )


def change_occurrences(case: AccessCase, done: Sequence[AccessChange], *, repairs: bool) -> Iterator[Occurrence]:
    """Tell what happened to access that stood already; the steps of a rotation are told in one sentence."""
    if case.resource.status.applied is None:
        return
    before, after = (credentials_of(case, seen) for seen in (case.observed, observed_after(case.observed, done)))
    other = other_user(before.user) if before is not None else None
    if before is not None and after is not None and before.user != after.user:
        message = f"user {after.user} takes the place of {before.user} in Secret {case.desired.query.secret_name}"
        yield Occurrence(warning=False, reason="CredentialsRotated", message=message)
    for change in done:
        if isinstance(change, RemovePassword):
            yield Occurrence(warning=False, reason="UserRetired", message=change.describe())
        elif isinstance(change, SetPassword | GrantAccess | RevokeAccess) and change.user != other:
            reason = "DriftRepaired" if repairs else type(change).__name__
            yield Occurrence(warning=False, reason=reason, message=change.describe())
