"""What to do about a resource now: a plan, filtered by the modes, policies and annotations that all kinds share."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Literal, TypeVar

from eventplane.api import APPROVE_ANNOTATION, FINALIZER, PAUSED_ANNOTATION
from eventplane.api.resource import Managed
from eventplane.planning.outcome import BackendError, Change
from eventplane.planning.plan import Difference, Plan, Refusal

Hold = Literal["Paused", "AwaitingApproval", "OutOfSync"]
C_co = TypeVar("C_co", bound=Change, covariant=True)


@dataclass(frozen=True, slots=True)
class Decision(Generic[C_co]):
    """What to do now, and what is to be said about the rest."""

    changes: tuple[C_co, ...] = ()
    """To be applied now."""
    refusals: tuple[Refusal, ...] = ()
    hold: Hold | None = None
    """Why nothing is applied although `held` may say what would be."""
    held: Plan[C_co] | None = None
    drift: tuple[Difference, ...] = ()
    """Differences made behind our back that stand, because nobody wants them undone now."""
    repairs_drift: bool = False
    """The changes undo what was done behind our back."""
    needs_usage: bool = False
    """Observe the usage of the thing, or what the registry thinks of a candidate, and decide again."""
    postponed: BackendError | None = None
    """Why nothing can be done or said now; the resource is looked at again soon."""
    again_in_seconds: float | None = None
    """When the passing of time will ask for something: the resource is looked at again then, and not before."""
    finalizer: bool = False
    """The resource carries our finalizer: set before the changes are applied, taken away when they are done."""


def is_paused(resource: Managed) -> bool:
    """Tell whether the resource is to be left alone, deletion included."""
    return resource.metadata.annotations.get(PAUSED_ANNOTATION) == "true"


def is_approved(resource: Managed, plan: Plan[Change]) -> bool:
    """Tell whether exactly this plan has been approved."""
    return resource.metadata.annotations.get(APPROVE_ANNOTATION) == plan.hash()


def has_finalizer(resource: Managed) -> bool:
    """Tell whether something of ours holds the resource."""
    return FINALIZER in resource.metadata.finalizers


def hold_of(resource: Managed, plan: Plan[Change]) -> Hold | None:
    """Tell what keeps a plan from being carried out."""
    if is_paused(resource):
        return "Paused"
    if resource.spec.mode == "Observe":
        return "OutOfSync"
    if resource.spec.mode == "Plan" and plan.changes and not is_approved(resource, plan):
        return "AwaitingApproval"
    return None


def held_back(decision: Decision[C_co], resource: Managed, plan: Plan[C_co]) -> Decision[C_co]:
    """Take the changes out of a decision where something keeps its plan from being carried out."""
    hold = hold_of(resource, plan)
    if hold is None:
        return decision
    # a finalizer that is there stays while paused: taking it away would be the first half of a deletion
    finalizer = has_finalizer(resource) if hold == "Paused" else decision.finalizer
    return replace(decision, changes=(), repairs_drift=False, hold=hold, held=plan, finalizer=finalizer)


def applied_here(resource: Managed, bus: str) -> bool:
    """Tell whether anything was ever applied in full on this bus; what the default is may have moved to another."""
    return resource.status.applied is not None and resource.status.bus == bus


def waited_ms(resource: Managed, now: datetime) -> int:
    """Tell for how long a resource has been on its way out, milliseconds."""
    deleted = datetime.fromisoformat(resource.metadata.deletion_timestamp or now.isoformat())
    return int((now - deleted).total_seconds() * 1000)
