"""What becomes of a topic when its resource is deleted, and of what resources left behind."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import Orphan
from eventplane.api.metadata import DeletionPolicy
from eventplane.planning.plan import Plan, Refusal
from eventplane.planning.topic_changes import DeleteTopic, ReleaseTopic, TopicChange
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, Owner, TopicUsage


def plan_deletion(
    policy: DeletionPolicy,
    observed: ObservedTopic,
    owner: Owner,
    *,
    now_ms: int,
    idle_after_ms: int,
    users: Sequence[str] = (),
) -> Plan[TopicChange]:
    """Delete the topic where the policy says so and the ledger proves that it is ours; else only let go of it.

    | standing claim       | topic                          | policy        | plan              |
    |----------------------|--------------------------------|---------------|-------------------|
    | not ours             | any                            | any           | nothing           |
    | ours                 | absent                         | any           | release           |
    | ours                 | not the one claimed            | any           | release           |
    | ours                 | the one claimed                | Retain        | release           |
    | ours                 | the one claimed                | Delete        | delete, release   |
    | ours                 | the one claimed, no records    | DeleteIfEmpty | delete, release   |
    | ours                 | the one claimed, records       | DeleteIfEmpty | refuse NotEmpty   |
    | ours                 | the one claimed, idle          | DeleteIfIdle  | delete, release   |
    | ours                 | the one claimed, in use        | DeleteIfIdle  | refuse InUse      |

    In use is what is read or written, and what `users`, Publications and Subscriptions, name.
    A claim without an id (its creation was cut short) proves nothing: such a topic is kept.
    """
    claim, existing = observed.claim, observed.existing
    if claim is None or claim.owner != owner:
        return Plan()
    release = ReleaseTopic(observed.topic, owner)
    if existing is None or claim.topic_id != existing.topic_id or policy == "Retain":
        return Plan(changes=(release,))
    if policy != "Delete" and existing.usage is None:
        return Plan(needs_usage=True)
    refusal = _held_by(policy, observed.topic, existing, users, now_ms - idle_after_ms)
    if refusal is not None:
        return Plan(refusals=(refusal,))
    return Plan(changes=(DeleteTopic(observed.topic, existing.topic_id), release))


def _held_by(
    policy: DeletionPolicy, topic: str, existing: ExistingTopic, users: Sequence[str], idle_since_ms: int
) -> Refusal | None:
    usage = existing.usage
    way_out = "set deletionPolicy to Retain to keep the topic, or to Delete to delete it all the same"
    if usage is None or policy == "Delete":
        return None
    if policy == "DeleteIfEmpty":
        message = f"topic {topic} holds records: {way_out}"
        return Refusal(Reason.NOT_EMPTY, message) if usage.holds_records else None
    user = f"is named by {', '.join(users)}" if users else _user_of(usage, idle_since_ms)
    return Refusal(Reason.IN_USE, f"topic {topic} {user}: stop it, or {way_out}") if user else None


def _user_of(usage: TopicUsage, idle_since_ms: int) -> str | None:
    if usage.active_groups:
        return f"is read by the active group {', '.join(usage.active_groups)}"
    if usage.newest_record_ms is not None and usage.newest_record_ms > idle_since_ms:
        return "has been written to recently"
    return None


def plan_orphan(
    orphan: Orphan, observed: ObservedTopic, cluster: str, *, now_ms: int, idle_after_ms: int
) -> Plan[TopicChange]:
    """Decide about the topic of a resource that was let go while the bus was unreachable.

    What its policy refuses to delete is kept and released, for there is no resource left to hold; so is a topic that
    is not the one it left behind.
    """
    owner = Owner(cluster, orphan.namespace, orphan.name, orphan.uid)
    replaced = observed.existing is not None and orphan.thing_id not in {None, observed.existing.topic_id}
    policy = "Retain" if replaced else cast("DeletionPolicy", orphan.deletion_policy)  # an EventTopic's
    plan = plan_deletion(policy, observed, owner, now_ms=now_ms, idle_after_ms=idle_after_ms)
    return Plan(changes=(ReleaseTopic(orphan.thing, owner),)) if plan.refusals else plan


def stale_claims(
    claims: Mapping[str, Claim], cluster: str, alive: Iterable[str], orphans: Iterable[Orphan]
) -> tuple[ReleaseTopic, ...]:
    """Release what resources of this Kubernetes cluster claimed that are gone; other clusters' claims are theirs.

    Args:
        claims: the ledger.
        cluster: identity of this Kubernetes cluster, see `Owner.cluster`.
        alive: uids of all EventTopics that exist.
        orphans: those whose topics still have to be dealt with.
    """
    kept = {*alive, *(orphan.uid for orphan in orphans)}
    return tuple(
        ReleaseTopic(topic, claim.owner)
        for topic, claim in sorted(claims.items())
        if claim.owner.cluster == cluster and claim.owner.uid not in kept
    )
