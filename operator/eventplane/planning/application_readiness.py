"""Outcomes to status: what is said about a Publication or Subscription, its container included."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from eventplane.api.access import AccessStatus
from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.subscription import SubscriptionStatus
from eventplane.api.workload import OwnedObject
from eventplane.planning.access_readiness import access_status, access_verdict, change_occurrences
from eventplane.planning.applications import ApplicationCase, ApplicationChange, is_about_objects
from eventplane.planning.applied_objects import manifest_after, owned_after
from eventplane.planning.decision import Decision
from eventplane.planning.objects import (
    ApplyObject,
    DeleteObject,
    Manifest,
    ObservedObject,
)
from eventplane.planning.occurrences import Occurrence, problem_occurrence
from eventplane.planning.outcome import BackendError, Outcome
from eventplane.planning.plan import Plan
from eventplane.planning.verdicts import (
    Verdict,
    condition,
    condition_of,
    conditions_of,
    drift_entries,
    drift_message,
    first_error,
    pending,
    verdict_of,
    verdict_of_obstacle,
)
from eventplane.planning.workload_readiness import workload_status, workload_verdict

ApplicationOutcome: TypeAlias = Outcome[ApplicationChange, Any]
"""What became of a change; where it is an ApplyObject that is done, the state is an ObservedObject."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass, taken apart."""

    case: ApplicationCase
    decision: Decision[ApplicationChange]
    outcomes: Sequence[ApplicationOutcome]
    access: Decision[Any]
    """What was decided about the access."""
    objects: Decision[Any]
    """What was decided about the objects."""

    @property
    def access_outcomes(self) -> list[Outcome[Any, Any]]:
        return [outcome for outcome in self.outcomes if not is_about_objects(outcome.change)]

    @property
    def access_error(self) -> BackendError | None:
        return first_error(self.access_outcomes)

    @property
    def objects_error(self) -> BackendError | None:
        """Why an object is not as it should be, unless the access is why."""
        theirs: list[Outcome[Any, Any]] = [outcome for outcome in self.outcomes if is_about_objects(outcome.change)]
        error = first_error(theirs)
        return error if self.access_error is None else None


def _taken_apart(
    case: ApplicationCase, decision: Decision[ApplicationChange], outcomes: Sequence[ApplicationOutcome]
) -> _Pass:
    alone = case.access_decision
    if alone.refusals or alone.postponed is not None:
        return _Pass(case, decision, outcomes, alone, Decision())
    objects = case.objects_decision
    held: tuple[Any, ...] = decision.held.changes if decision.held is not None else ()
    access: Decision[Any] = replace(
        decision,
        changes=tuple(change for change in decision.changes if not is_about_objects(change)),
        refusals=(),
        held=Plan(tuple(change for change in held if not is_about_objects(change))),
        drift=tuple(each for each in decision.drift if each not in objects.drift),
    )
    mine: Decision[Any] = replace(objects, hold=decision.hold, held=Plan(tuple(c for c in held if is_about_objects(c))))
    return _Pass(case, decision, outcomes, access, mine)


def application_status(
    case: ApplicationCase, decision: Decision[ApplicationChange], outcomes: Sequence[ApplicationOutcome]
) -> AccessStatus:
    """Say what is the case about a Publication or Subscription after its pass."""
    made = _taken_apart(case, decision, outcomes)
    generation = case.resource.metadata.generation
    status = access_status(case.access, made.access, made.access_outcomes)
    deployment = _deployment_after(made)
    workload = _workload_verdict(made)
    return status.model_copy(
        update={
            "plan": pending(decision.held),
            "drift": drift_entries(decision),
            "conditions": (
                *conditions_of(_verdict(made, workload), generation, drifted=drift_message(decision)),
                *(each for each in status.conditions if each.type in _OF_ACCESS),
                *(
                    condition_of(ConditionType.WORKLOAD_READY, each, generation)
                    for each in (workload,)
                    if each is not None
                ),
                *(condition_of(ConditionType.AUTOSCALED, each, generation) for each in _autoscaled(case)),
                *(condition_of(ConditionType.REGISTRY_READABLE, each, generation) for each in _readable(case)),
            ),
            "workload": workload_status(deployment, case.pods) if deployment is not None else None,
            "objects": _objects_after(made),
            **({"lag": case.lag} if isinstance(status, SubscriptionStatus) else {}),
        }
    )


_BLIND = (("Ready", "False"), ("HPAActive", "False"), ("Fallback", "True"))
"""What a ScaledObject says when its Deployment does not follow the lag: by KEDA's `Ready` alone it is well-formed."""
_OF_ACCESS = (ConditionType.TOPICS_READY, ConditionType.ACCESS_GRANTED)


def _autoscaled(case: ApplicationCase) -> Iterator[Verdict]:
    """Say whether the number of pods follows the lag, where that is asked for. Readiness does not hang on it."""
    failing = next((each for each in map(_why_not_scaled, case.observed.values()) if each is not None), None)
    if case.desired.autoscaled and failing is not None:
        yield Verdict("False", Reason.AUTOSCALER_FAILING, f"KEDA cannot scale the Deployment: {failing}")
    elif case.desired.autoscaled:
        yield Verdict("True", Reason.READY, "KEDA scales the Deployment by the lag: see its ScaledObject")
    elif case.desired.autoscaled is not None:
        text = "KEDA is not installed, so there are as many pods as scaling.min: install it, or set scaling.max to that"
        yield Verdict("False", Reason.AUTOSCALER_NOT_INSTALLED, text)


def _why_not_scaled(seen: ObservedObject) -> str | None:
    """Read in a ScaledObject why KEDA does not scale by the lag; None where it does, or has not looked yet."""
    manifest = seen.manifest or {}
    if manifest.get("kind") != "ScaledObject":
        return None
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    told: Mapping[str, Mapping[str, str]] = {each["type"]: each for each in conditions}
    failing = (told[kind] for kind, status in _BLIND if kind in told and told[kind]["status"] == status)
    return next((each.get("message") or "see its ScaledObject" for each in failing), None)


def _readable(case: ApplicationCase) -> Iterator[Verdict]:
    """Say whether the consumer can read the registry, where it has to."""
    refusal = case.desired.unreadable
    if refusal is not None:
        yield Verdict("False", refusal.reason, refusal.message, stalled=True)
    elif case.desired.reads_registry:
        text = f"Secret {case.access.desired.query.secret_name} has what it takes to read the schema registry"
        yield Verdict("True", Reason.READY, text)


def _verdict(made: _Pass, workload: Verdict | None) -> Verdict:
    """Judge a pass; the first row that fits wins.

    | outcome                                        | verdict              |
    |------------------------------------------------|----------------------|
    | a change failed, something is refused or held  | what that says       |
    | a topic is missing                             | what the access says |
    | the container is not at work                   | what that says       |
    | it has to read the registry, and may not       | what is said of that |
    | else                                           | what the access says |
    """
    obstacle = verdict_of_obstacle(made.decision, first_error(made.outcomes))
    if obstacle is not None:
        return obstacle
    access = access_verdict(made.case.access, made.access, None)
    if workload is None or access.status != "True":
        return access
    if workload.status != "True":
        return workload
    unreadable = next((each for each in _readable(made.case) if each.status != "True"), None)
    return unreadable or replace(access, message=f"{access.message}; {workload.message}")


# --- the container


def _workload_verdict(made: _Pass) -> Verdict | None:
    """Judge the container; the first row that fits wins.

    | asked for | its objects           | Deployment | access, topics  | verdict                  |
    |-----------|-----------------------|------------|-----------------|--------------------------|
    | no        | any                   | any        | any             | none                     |
    | yes       | failed, refused, held | any        | any             | what that says           |
    | yes       | else                  | there      | any             | what that says           |
    | yes       | else                  | not there  | not as asked for| it waits for them        |
    | yes       | else                  | not there  | as asked for    | Drifted: it was deleted  |
    """
    case = made.case
    if case.desired.deployment is None:
        return None
    obstacle = verdict_of_obstacle(made.objects, made.objects_error)
    if obstacle is not None:
        return obstacle
    deployment = _deployment_after(made)
    if deployment is not None:
        return workload_verdict(deployment, case.pods)
    waits = verdict_of(made.access_error) if made.access_error else access_verdict(case.access, made.access, None)
    if waits.status != "True":
        return replace(waits, message=f"the container waits: {waits.message}")
    return Verdict("False", Reason.DRIFTED, f"{case.desired.deployment.describe()} was deleted, and is left so")


def _deployment_after(made: _Pass) -> Manifest | None:
    key = made.case.desired.deployment
    return manifest_after(made.case.objects, key, made.outcomes) if key is not None else None


def _objects_after(made: _Pass) -> tuple[OwnedObject, ...]:
    """List what is ours after the changes, and what was last applied to it.

    What is asked for and was deleted behind our back stays on the list, or nobody would know that it was not always so.
    """
    case = made.case
    kept = {
        key: fingerprint
        for key, fingerprint in case.objects.applied.items()
        if key in case.desired.keys or case.observed[key].error is not None or case.objects.owns(key)
    }
    return owned_after(kept, made.outcomes)


# --- Events


def application_occurrences(
    case: ApplicationCase, decision: Decision[Any], outcomes: Sequence[ApplicationOutcome]
) -> Iterator[Occurrence]:
    """Tell what happened to an application that stood already, what is refused now, and that pods do not start."""
    done = [outcome.change for outcome in outcomes if outcome.error is None]
    of_access = [change for change in done if not isinstance(change, ApplyObject | DeleteObject)]
    yield from change_occurrences(case.access, of_access, repairs=decision.repairs_drift)
    yield from problem_occurrence(case.resource, decision, outcomes)
    before = case.resource.status
    for change in done:
        if before.objects and isinstance(change, ApplyObject | DeleteObject):
            reason = "DriftRepaired" if decision.repairs_drift else type(change).__name__
            yield Occurrence(warning=False, reason=reason, message=change.describe())
    verdict = _workload_verdict(_taken_apart(case, decision, outcomes))
    known = condition(before.conditions, ConditionType.WORKLOAD_READY)
    if verdict is None or verdict.reason != Reason.PODS_NOT_STARTING:
        return
    if known is None or known.reason != verdict.reason:
        yield Occurrence(warning=True, reason=verdict.reason, message=verdict.message)
