"""Outcomes to status: what is said about a Schema after a pass, and what of it is worth a Kubernetes Event."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from eventplane.api.conditions import Reason
from eventplane.api.schema import SchemaStatus, SubjectVersion, Violation
from eventplane.planning.decision import Decision
from eventplane.planning.definitions import fingerprint
from eventplane.planning.occurrences import Occurrence, problem_occurrence
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_changes import AlterLevel, OpenMajor, RecordMajors, RegisterVersion, SchemaChange
from eventplane.planning.schema_decisions import SchemaCase, planned
from eventplane.planning.schema_state import ObservedSubject, RegisteredVersion
from eventplane.planning.schemas import current_version, level_asked, opened
from eventplane.planning.verdicts import (
    Verdict,
    conditions_of,
    drift_entries,
    drift_message,
    first_error,
    pending,
    verdict_of,
    verdict_of_deletion,
    verdict_of_hold,
)

SchemaOutcome: TypeAlias = Outcome[SchemaChange, ObservedSubject]
VERSIONS_SHOWN: Final = 50
USERS_SHOWN: Final = 50
_OF_THE_DEFINITION: Final = frozenset(
    {Reason.INCOMPATIBLE, Reason.MIGRATION_MISSING, Reason.MIGRATION_FAILED, Reason.DEFINITION_INVALID}
)
"""What stands in the way of a new definition, and harms nothing that is registered already."""
_NAME_OF_ANOTHER: Final = frozenset({Reason.OWNED_BY_ANOTHER, Reason.SUBJECT_EXISTS})


def schema_status(
    case: SchemaCase, decision: Decision[SchemaChange], outcomes: Sequence[SchemaOutcome]
) -> SchemaStatus:
    """Say what is the case about a Schema after its pass."""
    resource, before = case.resource, case.resource.status
    observed = _observed_after(case.observed, outcomes)
    error = first_error(outcomes)
    against = {refusal.reason for refusal in decision.refusals} | ({error.reason} if error else set())
    shown = not against & _NAME_OF_ANOTHER
    standing = standing_version(case, observed) if shown else None
    verdict = _verdict(case, decision, outcomes, standing)
    asked = case.desired
    return SchemaStatus(
        observed_generation=resource.metadata.generation,
        bus="/".join(case.bus.metadata.key),
        subject=case.subject,
        id=standing.schema_id if standing else None,
        version=standing.version if standing else None,
        major=opened(observed).major_of(standing.version) if standing else None,
        fingerprint=fingerprint(standing.definition) if standing else None,
        compatibility=level_asked(asked, observed) if asked and shown else before.compatibility,
        versions=_versions(observed) if shown else (),
        used_by=case.users[:USERS_SHOWN],
        violations=_violations(case, decision),
        applied=_applied(case, decision, against),
        plan=pending(decision.held),
        drift=drift_entries(decision),
        conditions=conditions_of(verdict, resource.metadata.generation, drifted=drift_message(decision)),
    )


def standing_version(case: SchemaCase, observed: ObservedSubject) -> RegisteredVersion | None:
    """Find the version that stands for the resource: its definition, else what was last registered for it."""
    current = current_version(case.desired, observed) if case.desired is not None else None
    if current is not None:
        return current
    known = case.resource.status.version if case.applied_before else None
    return next((each for each in observed.versions if each.version == known), None)


def _observed_after(observed: ObservedSubject, outcomes: Sequence[SchemaOutcome]) -> ObservedSubject:
    """Compute the subject as the changes left it."""
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        match outcome.change:
            case AlterLevel():
                observed = replace(observed, level=outcome.change.level)
            case RecordMajors():
                observed = replace(observed, majors=outcome.change.majors)
            case RegisterVersion() | OpenMajor() if outcome.state is not None:
                observed = replace(observed, versions=outcome.state.versions)
            case _:
                pass
    return observed


def _versions(observed: ObservedSubject) -> tuple[SubjectVersion, ...]:
    majors = opened(observed)
    return tuple(
        SubjectVersion(
            version=each.version,
            id=each.schema_id,
            major=majors.major_of(each.version),
            fingerprint=fingerprint(each.definition),
        )
        for each in observed.versions[-VERSIONS_SHOWN:]
    )


def _violations(case: SchemaCase, decision: Decision[SchemaChange]) -> tuple[Violation, ...]:
    if case.desired is None or not any(refusal.reason in _OF_THE_DEFINITION for refusal in decision.refusals):
        return ()
    return planned(case, case.desired).violations


def _applied(case: SchemaCase, decision: Decision[SchemaChange], against: set[Reason]) -> str | None:
    """Fingerprint what has been applied in full, last and to this subject on this bus."""
    if decision.hold is None and not against and case.desired is not None:
        return case.desired.fingerprint()
    return case.resource.status.applied if case.applied_before else None


def _verdict(
    case: SchemaCase,
    decision: Decision[SchemaChange],
    outcomes: Sequence[SchemaOutcome],
    standing: RegisteredVersion | None,
) -> Verdict:
    """Judge a pass; the first row that fits wins.

    | outcome                                               | Ready | reason of   | also                         |
    |-------------------------------------------------------|-------|-------------|------------------------------|
    | the registry did not answer a change                  | False | the error   | Reconciling                  |
    | a new definition is refused, a version of ours stands | True  | Ready       | Stalled, with the refusal    |
    | something is refused or rejected                      | False | the refusal | Stalled                      |
    | held, and something would be done                     | False | the hold    |                              |
    | being deleted                                         | False | Deleting, or Paused | Reconciling          |
    | no version stands                                     | False | Drifted     |                              |
    | else                                                  | True  | Ready, or Paused |                         |
    """
    problem = _problem(decision, first_error(outcomes))
    if isinstance(problem, Refusal) and problem.reason in _OF_THE_DEFINITION and standing is not None:
        return Verdict(
            "True", Reason.READY, f"{_state(case, standing)}; the new definition is refused", against=problem
        )
    if problem is not None:
        return verdict_of(problem)
    held = verdict_of_hold(decision)
    if held is not None:
        return held
    if case.desired is None:
        return verdict_of_deletion(f"subject {case.subject}", decision.hold)
    return _verdict_of_state(case, decision, standing)


def _problem(decision: Decision[SchemaChange], error: BackendError | None) -> BackendError | Refusal | None:
    """Choose what to speak of: a change that was not answered, else what is refused, else what was rejected."""
    if isinstance(error, Unavailable) or (error is not None and not decision.refusals):
        return Refusal(error.reason, error.message) if isinstance(error, Rejected) else error
    return next(iter(decision.refusals), None)


def _verdict_of_state(
    case: SchemaCase, decision: Decision[SchemaChange], standing: RegisteredVersion | None
) -> Verdict:
    if standing is None:
        policy = case.resource.spec.drift_policy
        return Verdict(
            "False", Reason.DRIFTED, f"subject {case.subject} was deleted and driftPolicy {policy} leaves it so"
        )
    state = _state(case, standing)
    if decision.hold == "Paused":
        return Verdict("True", Reason.PAUSED, f"{state}; nothing is written while paused")
    return Verdict("True", Reason.READY, state)


def _state(case: SchemaCase, standing: RegisteredVersion) -> str:
    return f"version {standing.version} of subject {case.subject} is registered with id {standing.schema_id}"


def schema_occurrences(
    case: SchemaCase, decision: Decision[SchemaChange], outcomes: Sequence[SchemaOutcome]
) -> Iterator[Occurrence]:
    """Tell what happened to a subject that existed, and what is refused now and was not before."""
    done = [outcome.change for outcome in outcomes if outcome.error is None]
    new = not case.observed.versions and not decision.repairs_drift
    for change in () if new else done:
        reason = "DriftRepaired" if decision.repairs_drift else type(change).__name__
        yield Occurrence(warning=False, reason=reason, message=change.describe())
    yield from problem_occurrence(case.resource, decision, outcomes)
