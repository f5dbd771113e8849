"""Outcomes to status: what is said about a Publication or Subscription, and what of it is worth a Kubernetes Event."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from eventplane.api.access import AccessStatus, Binding
from eventplane.api.conditions import Condition, ConditionType, Reason, Status
from eventplane.api.subscription import SubscriptionStatus
from eventplane.planning.access import AccessCase, owns_secret
from eventplane.planning.access_changes import AccessChange, GrantAccess, RevokeAccess, SetPassword, WriteSecret
from eventplane.planning.access_state import Grant, ObservedAccess
from eventplane.planning.decision import Decision
from eventplane.planning.occurrences import Occurrence, problem_occurrence
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
    verdict = _verdict(case, decision, error)
    generation = resource.metadata.generation
    complete = error is None and decision.hold is None and not decision.refusals and not decision.drift
    done = [outcome.change for outcome in outcomes if outcome.error is None]
    status = AccessStatus(
        observed_generation=generation,
        bus="/".join(case.bus.metadata.key),
        principal=desired.user if _is_known(case, done) else None,
        binding=Binding(name=desired.query.secret_name) if _is_bound(case, done) else None,
        grants=tuple(grant.describe() for grant in sorted(_grants_after(case, done))),
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


def _verdict(case: AccessCase, decision: Decision[AccessChange], error: BackendError | None) -> Verdict:
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
    if case.desired.user is None:
        message += "; the bus asks for no credentials, so anybody may do what this resource asks for"
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


def _is_bound(case: AccessCase, done: Sequence[AccessChange]) -> bool:
    """Tell whether the Secret exists and is ours."""
    return owns_secret(case) or any(isinstance(change, WriteSecret) for change in done)


def _is_known(case: AccessCase, done: Sequence[AccessChange]) -> bool:
    """Tell whether Kafka knows the user."""
    principal = case.observed.principal
    known = principal is not None and principal.iterations is not None
    return known or any(isinstance(change, SetPassword) for change in done)


def _grants_after(case: AccessCase, done: Sequence[AccessChange]) -> frozenset[Grant]:
    """Compute what the user may do as the changes left it."""
    principal = case.observed.principal
    grants = principal.grants if principal is not None else frozenset()
    for change in done:
        match change:
            case GrantAccess():
                grants |= frozenset(change.grants)
            case RevokeAccess():
                grants -= frozenset(change.grants)
            case _:
                pass
    return grants


def access_occurrences(
    case: AccessCase, decision: Decision[AccessChange], outcomes: Sequence[AccessOutcome]
) -> Iterator[Occurrence]:
    """Tell what happened to access that stood already, and what is refused now and was not before."""
    before = case.resource.status.applied is not None
    for change in (outcome.change for outcome in outcomes if outcome.error is None):
        if before and isinstance(change, SetPassword | GrantAccess | RevokeAccess):
            reason = "DriftRepaired" if decision.repairs_drift else type(change).__name__
            yield Occurrence(warning=False, reason=reason, message=change.describe())
    yield from problem_occurrence(case.resource, decision, outcomes)
