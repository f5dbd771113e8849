"""What to do about one Schema now: the plan, filtered by mode, drift policy, seniority and deletion."""

from dataclasses import dataclass, replace

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, Orphan
from eventplane.api.schema import Schema
from eventplane.planning.decision import Decision, applied_here, has_finalizer, held_back, is_approved, is_paused
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.schema_changes import DeleteSubject, SchemaChange
from eventplane.planning.schema_desired import DesiredSubject
from eventplane.planning.schema_gate import Judge, judge_of
from eventplane.planning.schema_state import ObservedSubject
from eventplane.planning.schemas import SubjectPlan, SubjectRequest, plan_subject

LATEST_VERSION = "latest version"


@dataclass(frozen=True, slots=True)
class SchemaCase:
    """Everything that a decision about one Schema hangs on."""

    resource: Schema
    bus: EventBus
    subject: str
    desired: DesiredSubject | None
    """None while it is being deleted: it asks for nothing that could be refused, else it could never go."""
    observed: ObservedSubject
    rivals: tuple[Schema, ...] = ()
    """The other Schemas that name the same subject of the same bus and are not being deleted."""
    users: tuple[str, ...] = ()
    """The resources that refer to this one, and the applications of the topics among them: kind namespace/name."""

    @property
    def applied_before(self) -> bool:
        """Whether anything was ever applied in full to this subject on this bus."""
        return applied_here(self.resource, "/".join(self.bus.metadata.key)) and (
            self.resource.status.subject == self.subject
        )


def decide_schema(case: SchemaCase) -> Decision[SchemaChange]:
    """Decide what to do about one Schema, alive or being deleted."""
    error = case.observed.error
    if isinstance(error, Unavailable):
        return Decision(postponed=error, finalizer=has_finalizer(case.resource))
    if error is not None and _judge(case) is None:
        return Decision(refusals=(Refusal(error.reason, error.message),), finalizer=has_finalizer(case.resource))
    return _decide_life(case, case.desired) if case.desired is not None else _decide_deletion(case)


def _judge(case: SchemaCase) -> Judge | None:
    """Find out who can judge a new definition; None where something else is wrong."""
    error, desired = case.observed.error, case.desired
    if desired is None:
        return None if error is not None else "Registry"
    return judge_of(error, desired.definition, case.observed.versions, level_is_asked=desired.level is not None)


def planned(case: SchemaCase, desired: DesiredSubject) -> SubjectPlan:
    """Plan a subject for the one who owns it; the others are told who does."""
    rival = _owner_before(case)
    if rival is not None:
        return SubjectPlan(Plan(refusals=(rival,)))
    request = SubjectRequest(
        desired=desired,
        adoption=case.resource.spec.adoption,
        applied_before=case.applied_before,
        judge=_judge(case) or "Registry",
    )
    return plan_subject(request, case.observed)


def _decide_life(case: SchemaCase, desired: DesiredSubject) -> Decision[SchemaChange]:
    resource = case.resource
    finalizer = resource.spec.deletion_must_act
    plan = planned(case, desired).plan
    if plan.needs_usage:
        return Decision(needs_usage=True, finalizer=finalizer)
    applied = case.applied_before and resource.status.applied == desired.fingerprint()
    drift = _drift(case, plan) if applied else ()
    repairs = resource.spec.drift_policy == "Enforce" and any(each.setting != LATEST_VERSION for each in drift)
    if applied and plan.differences and resource.spec.drift_policy != "Enforce":
        plan = replace(plan, changes=(), refusals=())  # it is reported or not, and nothing of it is undone
    decision = Decision(plan.changes, plan.refusals, drift=drift, repairs_drift=repairs, finalizer=finalizer)
    decision = held_back(decision, resource, plan)
    if decision.hold is None and repairs:
        return replace(decision, drift=tuple(each for each in drift if each.setting == LATEST_VERSION))
    return decision


def _drift(case: SchemaCase, plan: Plan[SchemaChange]) -> tuple[Difference, ...]:
    return () if case.resource.spec.drift_policy == "Ignore" else plan.differences


def _owner_before(case: SchemaCase) -> Refusal | None:
    """Leave a subject to who has it already, else to the eldest of those that name it."""
    bus = "/".join(case.bus.metadata.key)

    def rank(schema: Schema) -> tuple[bool, tuple[str, str]]:
        has_it = applied_here(schema, bus) and schema.status.subject == case.subject
        return (not has_it, schema.metadata.seniority)

    first = min((case.resource, *case.rivals), key=rank)
    if first.metadata.uid == case.resource.metadata.uid:
        return None
    return owned_by_another_schema(case.subject, first)


def owned_by_another_schema(subject: str, owner: Schema) -> Refusal:
    """Refuse a subject that another resource owns, and name the owner."""
    return Refusal(
        Reason.OWNED_BY_ANOTHER,
        f"subject {subject} belongs to Schema {'/'.join(owner.metadata.key)}: create a Schema with another subject, or"
        " delete one of the two",
    )


def _decide_deletion(case: SchemaCase) -> Decision[SchemaChange]:
    """Delete the subject where the policy says so, the resource owned it, and nothing refers to it.

    | finalizer | paused | policy     | ours, and there | users | plan                |
    |-----------|--------|------------|-----------------|-------|---------------------|
    | none      | any    | any        | any             | any   | nothing             |
    | ours      | yes    | any        | any             | any   | keep                |
    | ours      | no     | Retain     | any             | any   | let go              |
    | ours      | no     | Soft, Hard | no              | any   | let go              |
    | ours      | no     | Soft, Hard | yes             | some  | refuse InUse        |
    | ours      | no     | Soft, Hard | yes             | none  | delete              |

    Not ours any more is what another Schema names: it takes the subject over as it is. Mode Plan: a deletion waits for
    its approval.
    """
    resource = case.resource
    if not has_finalizer(resource):
        return Decision()
    if is_paused(resource):
        return Decision(hold="Paused", held=Plan(), finalizer=True)
    ours = case.applied_before and not case.rivals
    if not resource.spec.deletion_must_act or not ours or not case.observed.versions:
        return Decision()
    if case.users:
        return Decision(refusals=(_in_use(case),), finalizer=True)
    change = DeleteSubject(case.subject, hard=resource.spec.deletion_policy == "Hard")
    plan: Plan[SchemaChange] = Plan(changes=(change,))
    if resource.spec.mode == "Plan" and not is_approved(resource, plan):
        return Decision(hold="AwaitingApproval", held=plan, finalizer=True)
    return Decision((change,))


def plan_orphan_subject(orphan: Orphan, *, claimed: bool, used: bool) -> tuple[SchemaChange, ...]:
    """Decide about the subject of a Schema that was let go while the registry did not answer.

    Args:
        orphan: what is on record.
        claimed: another Schema names that subject now.
        used: something refers to the one that is gone; with no resource left to hold, its subject is kept.
    """
    if claimed or used or orphan.deletion_policy not in {"Soft", "Hard"}:
        return ()
    return (DeleteSubject(orphan.thing, hard=orphan.deletion_policy == "Hard"),)


def _in_use(case: SchemaCase) -> Refusal:
    return Refusal(
        Reason.IN_USE,
        f"subject {case.subject} is referred to by {', '.join(case.users[:5])}: take the reference away, or set"
        " deletionPolicy to Retain to keep the subject",
    )
