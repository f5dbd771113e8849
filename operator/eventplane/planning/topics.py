"""What must change about one Kafka topic. Its tables are its specification, and the tests mirror their rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from eventplane.api.conditions import Reason
from eventplane.api.event_topic import PartitionGrowth
from eventplane.api.metadata import Adoption
from eventplane.planning.desired import CLEANUP, DesiredTopic
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    ReleaseTopic,
    TopicChange,
)
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, Owner


@dataclass(frozen=True, slots=True)
class TopicRequest:
    """What a resource asks for, and what it knows already."""

    desired: DesiredTopic
    owner: Owner
    adoption: Adoption = "IfUnowned"
    growth: PartitionGrowth = "IfUnkeyed"
    known_topic_id: str | None = None
    """The id in the resource's status: a second witness beside the ledger."""
    applied_before: bool = False
    """Something was applied in full for this resource on this bus before: unless the topic has been replaced since,
    what it does not declare is not inherited."""


def plan_topic(request: TopicRequest, observed: ObservedTopic) -> Plan[TopicChange]:
    """Decide what must change so that the topic is as desired.

    | topic  | standing claim            | adoption  | plan                                           |
    |--------|---------------------------|-----------|------------------------------------------------|
    | any    | another's                 | any       | refuse OwnedByAnother                          |
    | any    | our name's, other uid     | any       | release it (that resource is gone), go on      |
    | absent | none                      | any       | claim, create                                  |
    | absent | ours                      | any       | create                                         |
    | exists | ours, same id             | any       | alter                                          |
    | exists | ours, no id yet           | any       | claim (completes a creation cut short), alter  |
    | exists | ours, other id            | IfUnowned | claim, alter: somebody re-created it           |
    | exists | ours, other id            | Never     | refuse TopicReplaced                           |
    | exists | none, id is the known one | any       | claim (the ledger lost it), alter              |
    | exists | none                      | IfUnowned | claim (adopt), alter                           |
    | exists | none                      | Never     | refuse TopicExists                             |
    | Kafka's own or the ledger | any    | any       | refuse InternalTopic                           |
    """
    stale = stale_release(observed, request.owner)
    if stale is not None:
        observed = replace(observed, claim=None)
    refusal = _not_ours(request, observed)
    if refusal is not None:
        return Plan(refusals=(refusal,))
    claims = (*((stale,) if stale else ()), *_claims(request, observed))
    if observed.existing is None:
        return Plan(
            changes=(*claims, _creation(request)), differences=(Difference("topic", request.desired.topic, "absent"),)
        )
    return _alter(request, observed, observed.existing, claims)


def _not_ours(request: TopicRequest, observed: ObservedTopic) -> Refusal | None:
    topic, claim, existing = observed.topic, observed.claim, observed.existing
    if existing is not None and existing.internal:
        return Refusal(Reason.INTERNAL_TOPIC, f"topic {topic} is Kafka's own: create an EventTopic for another")
    if claim is not None and claim.owner != request.owner:
        return owned_by_another(topic, claim.owner, request.owner)
    if existing is None or request.adoption == "IfUnowned":
        return None
    if claim is None and existing.topic_id != request.known_topic_id:
        return Refusal(
            Reason.TOPIC_EXISTS,
            f"topic {topic} exists already and adoption is Never: set adoption to IfUnowned to take it over, or create"
            " an EventTopic with another topicName",
        )
    if claim is not None and claim.topic_id not in (None, existing.topic_id):
        return Refusal(
            Reason.TOPIC_REPLACED,
            f"topic {topic} was deleted and created again by somebody else and adoption is Never: set adoption to"
            " IfUnowned to take the new one over, or delete it",
        )
    return None


def owned_by_another(topic: str, owner: Owner, asking: Owner) -> Refusal:
    """Refuse a topic that another resource owns, and name the owner."""
    elsewhere = f" of the Kubernetes cluster with uid {owner.cluster}" if owner.cluster != asking.cluster else ""
    return Refusal(
        Reason.OWNED_BY_ANOTHER,
        f"topic {topic} belongs to {owner.path}{elsewhere}: create an EventTopic with another topicName, or delete one"
        " of the two",
    )


def stale_release(observed: ObservedTopic, owner: Owner) -> ReleaseTopic | None:
    """Release the claim of a resource that had our name and is gone; another with the same name took its place."""
    claim = observed.claim
    if claim is None or claim.owner == owner or replace(claim.owner, uid=owner.uid) != owner:
        return None
    return ReleaseTopic(observed.topic, claim.owner)


def _claims(request: TopicRequest, observed: ObservedTopic) -> Iterator[ClaimTopic]:
    claim, existing = observed.claim, observed.existing
    topic_id = None if existing is None else existing.topic_id
    if claim is None or (topic_id is not None and claim.topic_id != topic_id):
        yield ClaimTopic(observed.topic, request.owner, topic_id)


def _creation(request: TopicRequest) -> CreateTopic:
    desired = request.desired
    return CreateTopic(desired.topic, request.owner, desired.partitions, desired.replication_factor, desired.config)


def _alter(
    request: TopicRequest, observed: ObservedTopic, existing: ExistingTopic, claims: tuple[TopicChange, ...]
) -> Plan[TopicChange]:
    partitions = _partitions(request, existing)
    if partitions.needs_usage:
        return partitions
    ours_before = request.applied_before and observed.claim == Claim(request.owner, existing.topic_id)
    parts: tuple[Plan[TopicChange], ...] = (
        partitions,
        _replication(request, existing),
        _config(request.desired, existing, ours_before=ours_before),
    )
    return Plan(
        changes=(*claims, *(change for part in parts for change in part.changes)),
        refusals=tuple(refusal for part in parts for refusal in part.refusals),
        differences=tuple(difference for part in parts for difference in part.differences),
    )


def _partitions(request: TopicRequest, existing: ExistingTopic) -> Plan[TopicChange]:
    """Grow where asked and allowed; never shrink.

    | asked   | partitionGrowth | topic                             | plan                           |
    |---------|-----------------|-----------------------------------|--------------------------------|
    | nothing, or as many | any | any                               | nothing                        |
    | fewer   | any             | any                               | refuse PartitionsNotShrinkable |
    | more    | Allow           | any                               | grow                           |
    | more    | Never           | any                               | refuse PartitionGrowthRefused  |
    | more    | IfUnkeyed       | compacted (now or as asked)       | refuse PartitionGrowthRefused  |
    | more    | IfUnkeyed       | its latest records have keys      | refuse PartitionGrowthRefused  |
    | more    | IfUnkeyed       | else                              | grow                           |
    """
    topic, asked, current = request.desired.topic, request.desired.partitions, existing.partitions
    if asked is None or asked == current:
        return Plan()
    differences = (Difference("partitions", str(asked), str(current)),)
    if asked < current:
        message = (
            f"topic {topic} has {current} partitions and Kafka cannot take any away: set partitions to {current},"
            f" or create another EventTopic with {asked} and move over"
        )
        return Plan(refusals=(Refusal(Reason.PARTITIONS_NOT_SHRINKABLE, message),), differences=differences)
    unknown, obstacle = _growth_obstacle(request, existing)
    if unknown:
        return Plan(needs_usage=True)
    if obstacle is not None:
        message = (
            f"{obstacle}, and growing topic {topic} from {current} to {asked} partitions would move keys to other"
            f" partitions: set partitions back to {current}, or partitionGrowth to Allow if order by key may break"
        )
        return Plan(refusals=(Refusal(Reason.PARTITION_GROWTH_REFUSED, message),), differences=differences)
    return Plan(changes=(AddPartitions(topic, current, asked),), differences=differences)


def _growth_obstacle(request: TopicRequest, existing: ExistingTopic) -> tuple[bool, str | None]:
    """Tell what stands against more partitions, and whether the usage must be looked at first."""
    if request.growth == "Allow":
        return False, None
    if request.growth == "Never":
        return False, "partitionGrowth is Never"
    policies = (existing.config.get(CLEANUP, ""), request.desired.config.get(CLEANUP, ""))
    if any("compact" in policy for policy in policies):
        return False, "the topic is compacted"
    if existing.usage is None:
        return True, None
    return False, "the topic's records have keys" if existing.usage.keyed else None


def _replication(request: TopicRequest, existing: ExistingTopic) -> Plan[TopicChange]:
    asked, current = request.desired.replication_factor, existing.replication_factor
    if asked is None or asked == current:
        return Plan()
    message = (
        f"topic {request.desired.topic} has replication factor {current} and changing it is not supported yet: set"
        f" replicationFactor to {current}, or move the replicas with kafka-reassign-partitions.sh and keep {asked}"
    )
    return Plan(
        refusals=(Refusal(Reason.REPLICATION_FACTOR_NOT_CHANGEABLE, message),),
        differences=(Difference("replicationFactor", str(asked), str(current)),),
    )


def _config(desired: DesiredTopic, existing: ExistingTopic, *, ours_before: bool) -> Plan[TopicChange]:
    """Set what is asked for; reset what nobody asked for, unless it was there before us.

    | setting           | on the topic            | ours before | plan                         |
    |-------------------|-------------------------|-------------|------------------------------|
    | asked for         | that value              | any         | nothing                      |
    | asked for         | another, or none        | any         | set                          |
    | null              | any                     | any         | nothing                      |
    | not mentioned     | none                    | any         | nothing                      |
    | not mentioned     | some                    | yes         | reset                        |
    | not mentioned     | some (it came with an adopted or replaced topic) | no | refuse ConfigNotDeclared |
    """
    values = {key: value for key, value in desired.config.items() if not _is_set(existing, key, value)}
    foreign = tuple(sorted(existing.overrides - desired.config.keys() - desired.left_alone))
    differences = tuple(
        Difference(f"config.{key}", desired.config.get(key, "the broker's default"), _actual(existing, key))
        for key in sorted({*values, *foreign})
    )
    resets = foreign if ours_before else ()
    refusals = () if ours_before or not foreign else (_not_declared(desired.topic, existing.config, foreign),)
    changes = (AlterConfig(desired.topic, values, resets),) if values or resets else ()
    return Plan(changes=changes, refusals=refusals, differences=differences)


def _not_declared(topic: str, config: Mapping[str, str], keys: tuple[str, ...]) -> Refusal:
    settings = ", ".join(f"{key}={config[key]}" for key in keys)
    return Refusal(
        Reason.CONFIG_NOT_DECLARED,
        f"topic {topic} came with settings that this resource does not declare: {settings}. Name each in config, with"
        " the value to keep or with null to leave it alone; until then they stay as they are",
    )


def _actual(existing: ExistingTopic, key: str) -> str:
    return existing.config.get(key, "unknown") if key in existing.overrides else "the broker's default"


def _is_set(existing: ExistingTopic, key: str, value: str) -> bool:
    return key in existing.overrides and _canonical(existing.config[key]) == _canonical(value)


def _canonical(value: str) -> str:
    """Write a setting as Kafka would read it: 007 is 7, 1 is 1.0, TRUE is true, compact,delete is delete,compact."""
    text = value.strip()
    if "," in text:
        return ",".join(sorted(part.strip() for part in text.split(",")))
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in {"true", "false"} else text
    if text.lstrip("+-").isdecimal():
        return str(int(text))  # exact, where a float is not
    return str(int(number)) if number.is_integer() else repr(number)
