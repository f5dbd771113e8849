"""What to do about one EventTopic now: the plan, filtered by mode, drift policy, limits, seniority and deletion."""

from dataclasses import dataclass, field, replace
from typing import Final

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.planning.decision import Decision, applied_here, has_finalizer, held_back, is_approved, is_paused
from eventplane.planning.desired import DesiredTopic
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.topic_changes import (
    AddPartitions,
    ClaimTopic,
    CreateTopic,
    DeleteTopic,
    ReleaseTopic,
    TopicChange,
)
from eventplane.planning.topic_deletion import plan_deletion
from eventplane.planning.topic_schemas import Bound
from eventplane.planning.topic_state import ObservedTopic, Owner, TopicQuery
from eventplane.planning.topics import TopicRequest, owned_by_another, plan_topic, stale_release


@dataclass(frozen=True, slots=True)
class TopicCase:
    """Everything that a decision about one EventTopic hangs on."""

    resource: EventTopic
    bus: EventBus
    desired: DesiredTopic
    observed: ObservedTopic
    cluster: str
    """Identity of the Kubernetes cluster, see `Owner.cluster`."""
    now_ms: int
    """Milliseconds since the epoch."""
    idle_after_ms: int
    """A topic without writes for this long is idle."""
    rivals: tuple[Metadata, ...] = ()
    """The other resources of this cluster that name the same topic of the same bus and are not being deleted."""
    elders_in_namespace: int = 0
    """How many older EventTopics of the same namespace are on the same bus."""
    schemas: Bound = field(default_factory=dict)
    """The Schemas that it names for its records."""
    users: tuple[str, ...] = ()
    """The Publications and Subscriptions that name it, each as kind namespace/name, in order."""

    @property
    def owner(self) -> Owner:
        """The owner that this resource is, or would be."""
        return owner_of(self.resource.metadata, self.cluster)

    @property
    def replaced(self) -> bool:
        """Whether another topic took the place of the one in the status, and no claim of ours stands on it."""
        topic, claim = self.observed.existing, self.observed.claim
        claimed = claim is not None and claim.owner == self.owner
        return topic is not None and topic.topic_id != self.resource.status.topic_id and not claimed

    @property
    def applied_before(self) -> bool:
        """Whether anything was ever applied in full on this bus."""
        return applied_here(self.resource, "/".join(self.bus.metadata.key))


def topic_query(resource: EventTopic, topic: str, *, usage: bool = False) -> TopicQuery:
    """Name what has to be seen of its topic: nothing of a deletion hangs on settings."""
    return TopicQuery(topic, usage, settings=not resource.metadata.deleting)


def owner_of(metadata: Metadata, cluster: str) -> Owner:
    """Name the owner that a resource is in the ledger."""
    return Owner(cluster, metadata.namespace, metadata.name, metadata.uid)


def decide(case: TopicCase) -> Decision[TopicChange]:
    """Decide what to do about one EventTopic, alive or being deleted."""
    error = case.observed.error
    if isinstance(error, Unavailable):
        return Decision(postponed=error, finalizer=has_finalizer(case.resource))
    if error is not None:
        return Decision(refusals=(Refusal(error.reason, error.message),), finalizer=has_finalizer(case.resource))
    return _decide_deletion(case) if case.resource.metadata.deleting else _decide_life(case)


def _decide_life(case: TopicCase) -> Decision[TopicChange]:
    resource = case.resource
    finalizer = resource.spec.deletion_must_act
    obstacle = _elder_rival(case)
    plan = _refused(obstacle) if obstacle else plan_topic(_request(case), case.observed)
    if plan.needs_usage:
        return Decision(needs_usage=True, finalizer=finalizer)
    plan = _within_limits(case, plan)
    applied = case.applied_before and resource.status.applied == case.desired.fingerprint()
    decision = _carried_out(case, plan, applied=applied)
    if decision.hold is not None and case.replaced:  # and never claimed: held back is to adopt it, not to undo drift
        return _carried_out(case, plan, applied=False)
    return decision


def _carried_out(case: TopicCase, plan: Plan[TopicChange], *, applied: bool) -> Decision[TopicChange]:
    """Make a plan a decision; where all was applied before, differences are drift."""
    resource = case.resource
    drift = plan.differences if applied else ()
    repairs = bool(drift) and resource.spec.drift_policy == "Enforce"
    if drift and not repairs:
        plan, drift = _leave_drift(case, plan)
    decision = Decision(
        plan.changes,
        plan.refusals,
        drift=drift,
        repairs_drift=repairs,
        finalizer=resource.spec.deletion_must_act,
    )
    decision = held_back(decision, resource, plan)
    return replace(decision, drift=_standing(plan, drift)) if repairs and decision.hold is None else decision


def _refused(refusal: Refusal) -> Plan[TopicChange]:
    return Plan(refusals=(refusal,))  # Plan[TopicChange](...) fails on Python 3.11: frozen, generic and with slots


def _request(case: TopicCase) -> TopicRequest:
    spec = case.resource.spec
    desired = case.desired
    if case.observed.existing is not None:  # the bus's defaults make new topics; they never stall or grow old ones
        desired = replace(desired, partitions=spec.partitions, replication_factor=spec.replication_factor)
    return TopicRequest(
        desired=desired,
        owner=case.owner,
        adoption=spec.adoption,
        growth=spec.partition_growth,
        # the id of a topic that was only looked at proves nothing
        known_topic_id=case.resource.status.topic_id if case.applied_before else None,
        applied_before=case.applied_before,
    )


def _elder_rival(case: TopicCase) -> Refusal | None:
    """Leave an unclaimed topic to the eldest of the resources that name it."""
    claim = case.observed.claim
    if claim is not None and stale_release(case.observed, case.owner) is None:
        return None  # the ledger has settled it
    elders = [rival for rival in case.rivals if rival.seniority < case.resource.metadata.seniority]
    if not elders:
        return None
    eldest = min(elders, key=lambda rival: rival.seniority)
    return owned_by_another(case.desired.topic, owner_of(eldest, case.cluster), case.owner)


def _within_limits(case: TopicCase, plan: Plan[TopicChange]) -> Plan[TopicChange]:
    """Refuse creation and growth beyond the bus's limits; what exists is never refused."""
    creates = any(isinstance(change, CreateTopic) for change in plan.changes)
    grows = any(isinstance(change, AddPartitions) for change in plan.changes)
    elders = case.elders_in_namespace
    refusal = limit_refusal(case.resource, case.bus, case.desired, elders, creates=creates, grows=grows)
    if refusal is None:
        return plan
    # a topic that exists gets all but the partitions
    changes = () if creates else tuple(change for change in plan.changes if not isinstance(change, AddPartitions))
    return replace(plan, changes=changes, refusals=(refusal, *plan.refusals))


def limit_refusal(
    resource: EventTopic, bus: EventBus, desired: DesiredTopic, elders: int, *, creates: bool, grows: bool
) -> Refusal | None:
    """Refuse what exceeds the limits of a bus.

    Args:
        resource: who asks.
        bus: whose limits.
        desired: what it asks for.
        elders: how many older topics its namespace has on the bus.
        creates: the topic does not exist yet.
        grows: partitions would be added.
    """
    limits, name = bus.spec.limits, "/".join(bus.metadata.key)
    if creates and limits.topics_per_namespace is not None and elders >= limits.topics_per_namespace:
        return Refusal(
            Reason.LIMIT_EXCEEDED,
            f"namespace {resource.metadata.namespace} may have {limits.topics_per_namespace} topics on EventBus {name}"
            " and has as many older ones: delete some, or ask the bus's owner for more in"
            " spec.limits.topicsPerNamespace",
        )
    most = limits.partitions_per_topic
    if (creates or grows) and most is not None and (desired.partitions or 0) > most:
        return Refusal(
            Reason.LIMIT_EXCEEDED,
            f"EventBus {name} allows {most} partitions per topic: set partitions to at most {most}, or ask the bus's"
            " owner for more in spec.limits.partitionsPerTopic",
        )
    return None


def _leave_drift(case: TopicCase, plan: Plan[TopicChange]) -> tuple[Plan[TopicChange], tuple[Difference, ...]]:
    """Report drift or not, and undo none of it; only the ledger is kept true."""
    exists = case.observed.existing is not None
    ledger = (ClaimTopic, ReleaseTopic)
    bookkeeping = tuple(change for change in plan.changes if exists and isinstance(change, ledger))
    reported = plan.differences if case.resource.spec.drift_policy == "Warn" or not exists else ()
    refusals = () if plan.differences else plan.refusals
    return replace(plan, changes=bookkeeping, refusals=refusals), reported


def _standing(plan: Plan[TopicChange], drift: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Keep the drift whose repair is refused; the rest is about to be undone."""
    refused: Final = {
        Reason.PARTITIONS_NOT_SHRINKABLE: "partitions",
        Reason.PARTITION_GROWTH_REFUSED: "partitions",
        Reason.REPLICATION_FACTOR_NOT_CHANGEABLE: "replicationFactor",
        Reason.LIMIT_EXCEEDED: "topic" if any(each.setting == "topic" for each in drift) else "partitions",
    }
    settings = {refused[refusal.reason] for refusal in plan.refusals if refusal.reason in refused}
    return tuple(difference for difference in drift if difference.setting in settings)


def _decide_deletion(case: TopicCase) -> Decision[TopicChange]:
    resource = case.resource
    if not has_finalizer(resource):
        return Decision()  # nothing of ours holds it; its claim is swept when it is gone
    if is_paused(resource):
        return Decision(hold="Paused", held=Plan(), finalizer=True)
    policy = resource.spec.deletion_policy if resource.spec.deletion_must_act else "Retain"
    plan = plan_deletion(
        policy, case.observed, case.owner, now_ms=case.now_ms, idle_after_ms=case.idle_after_ms, users=case.users
    )
    if plan.needs_usage:
        return Decision(needs_usage=True, finalizer=True)
    if plan.refusals:
        return Decision(refusals=plan.refusals, finalizer=True)
    deletes = any(isinstance(change, DeleteTopic) for change in plan.changes)
    if resource.spec.mode == "Plan" and deletes and not is_approved(resource, plan):
        return Decision(hold="AwaitingApproval", held=plan, finalizer=True)
    return Decision(plan.changes)
