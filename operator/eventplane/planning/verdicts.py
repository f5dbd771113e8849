"""What a pass comes to: a verdict, the conditions that kstatus reads of it, and the parts of a status all kinds share.

Ready is always there. Reconciling, Stalled and Drifted are there while they hold, as kstatus recommends for
conditions whose presence is the news (github.com/kubernetes-sigs/cli-utils, pkg/kstatus).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eventplane.api import APPROVE_ANNOTATION, PAUSED_ANNOTATION
from eventplane.api.conditions import Condition, ConditionType, Reason, Status
from eventplane.api.resource import DriftEntry, Managed, ManagedStatus, PendingPlan
from eventplane.planning.decision import Decision, Hold
from eventplane.planning.outcome import BackendError, Change, Outcome, Unavailable
from eventplane.planning.plan import Plan, Refusal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a resource is ready, and why; the other conditions follow from it."""

    status: Status
    reason: Reason
    message: str
    reconciling: bool = False
    """The operator goes on by itself."""
    stalled: bool = False
    """The user must act."""
    against: Refusal | None = None
    """What the user must act on although what stands is ready."""


def verdict_of(problem: BackendError | Refusal) -> Verdict:
    """Judge by an error or a refusal alone: what did not answer is tried again, everything else waits for the user."""
    waiting = isinstance(problem, Unavailable)
    return Verdict("False", problem.reason, problem.message, reconciling=waiting, stalled=not waiting)


def status_without_pass(resource: Managed, problem: BackendError | Refusal) -> ManagedStatus:
    """Say why a resource could not even be looked at; what was known of it stays.

    A resource that was ready and whose bus is out of reach is not known to be unready: Ready turns Unknown.
    """
    generation = resource.metadata.generation
    verdict = verdict_of(problem)
    ready = condition(resource.status.conditions, ConditionType.READY)
    unchanged = ready is not None and ready.status != "False" and ready.observed_generation == generation
    if unchanged and isinstance(problem, Unavailable):
        verdict = replace(verdict, status="Unknown")
    return resource.status.model_copy(
        update={"observed_generation": generation, "conditions": conditions_of(verdict, generation)}
    )


def verdict_of_obstacle(decision: Decision[Change], error: BackendError | None) -> Verdict | None:
    """Judge by what kept the pass from doing all that was planned, the first of these: an error, a refusal, a hold."""
    if error is not None:
        return verdict_of(error)
    if decision.refusals:
        message = "; ".join(refusal.message for refusal in decision.refusals)
        return Verdict("False", decision.refusals[0].reason, message, stalled=True)
    return verdict_of_hold(decision)


def verdict_of_hold(decision: Decision[Change]) -> Verdict | None:
    """Judge by what is held back, where that would change anything."""
    hold, held = decision.hold, decision.held
    if hold is None or held is None or not held.changes:
        return None
    return Verdict("False", Reason(hold), _hold_message(hold, held))


def verdict_of_deletion(thing: str, hold: Hold | None) -> Verdict:
    """Judge a resource on its way out; `thing` is the kind and name of what it leaves."""
    if hold is not None:
        message = f"{thing} is left alone while paused: remove the annotation {PAUSED_ANNOTATION} to delete on"
        return Verdict("False", Reason(hold), message)
    return Verdict("False", Reason.DELETING, f"{thing} is being dealt with as deletionPolicy says", reconciling=True)


def _hold_message(hold: Hold, held: Plan[Change]) -> str:
    """Say what would be done, and what it takes for it to be done."""
    intents: dict[Hold, str] = {
        "AwaitingApproval": f"annotate with {APPROVE_ANNOTATION}={held.hash()} to",
        "Paused": "nothing is written while paused; without the annotation the operator would",
        "OutOfSync": "mode Observe writes nothing; with Enforce the operator would",
    }
    return f"{intents[hold]} {'; '.join(held.lines())}"


def conditions_of(verdict: Verdict, generation: int, *, drifted: str | None = None) -> tuple[Condition, ...]:
    """Make the conditions that kstatus reads of a verdict; `drifted` says what stands of what was done behind us."""
    stalled = Refusal(verdict.reason, verdict.message) if verdict.stalled else verdict.against
    held = {
        ConditionType.RECONCILING: Refusal(verdict.reason, verdict.message) if verdict.reconciling else None,
        ConditionType.STALLED: stalled,
        ConditionType.DRIFTED: Refusal(Reason.DRIFTED, drifted) if drifted is not None else None,
    }
    ready = Condition(
        type=ConditionType.READY,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        observed_generation=generation,
    )
    others = (
        Condition(type=kind, status="True", reason=why.reason, message=why.message, observed_generation=generation)
        for kind, why in held.items()
        if why is not None
    )
    return (ready, *others)


def drift_message(decision: Decision[Change]) -> str | None:
    """Say what was done behind our back and stands."""
    if not decision.drift:
        return None
    entries = "; ".join(f"{d.setting} is {d.actual}, asked for is {d.expected}" for d in decision.drift)
    return f"changed behind our back: {entries}"


def drift_entries(decision: Decision[Change]) -> tuple[DriftEntry, ...]:
    """Show what was done behind our back and stands."""
    return tuple(DriftEntry(setting=d.setting, expected=d.expected, actual=d.actual) for d in decision.drift)


def pending(held: Plan[Change] | None) -> PendingPlan | None:
    """Show a plan that waits, or would be carried out."""
    if held is None or not held.changes:
        return None
    return PendingPlan(hash=held.hash(), changes=held.lines())


def condition(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """Find a condition by its type."""
    return next((each for each in conditions if each.type == kind), None)


def condition_of(kind: ConditionType, verdict: Verdict, generation: int) -> Condition:
    """Say a verdict as a condition."""
    return Condition(
        type=kind,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        observed_generation=generation,
    )


def with_transition_times(
    conditions: Sequence[Condition], before: Sequence[Condition], now: str
) -> tuple[Condition, ...]:
    """Date conditions: one whose status is as before keeps its time, the others changed now (RFC 3339)."""
    known = {each.type: each for each in before}
    return tuple(_dated(each, known.get(each.type), now) for each in conditions)


def _dated(new: Condition, old: Condition | None, now: str) -> Condition:
    since = old.last_transition_time if old is not None and old.status == new.status else None
    return new.model_copy(update={"last_transition_time": since or now})


def first_error(outcomes: Sequence[Outcome[Change, object]]) -> BackendError | None:
    """Return the first error among outcomes, or None when all is done."""
    return next((outcome.error for outcome in outcomes if outcome.error is not None), None)
