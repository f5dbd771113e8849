"""What is turned away at the door: what CEL cannot say because it takes a look at other resources.

The same refusals stand in the plan, so the operator is as safe without the webhook; with it, users learn at once.
"""

from collections.abc import Sequence

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.metadata import Metadata
from eventplane.api.schema import Schema
from eventplane.api.subscription import Subscription
from eventplane.planning.decision import Decision, is_paused
from eventplane.planning.delivery import refuse_delivery
from eventplane.planning.desired import desire_topic
from eventplane.planning.outcome import BackendError
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_changes import SchemaChange
from eventplane.planning.topic_decisions import limit_refusal, owner_of
from eventplane.planning.topics import owned_by_another


def review_topic(
    topic: EventTopic, before: EventTopic | None, bus: EventBus | Refusal, rivals: Sequence[Metadata], elders: int
) -> Refusal | None:
    """Decide whether a topic is turned away.

    | request                                          | verdict                                               |
    |--------------------------------------------------|-------------------------------------------------------|
    | the spec does not change, or it is being deleted | admitted: annotations and finalizers must always pass |
    | its bus does not exist yet                       | admitted: GitOps may apply in any order               |
    | its bus is ambiguous or does not let it in       | refused                                               |
    | its name or its settings cannot work             | refused                                               |
    | another resource names the same topic            | refused on creation; one that observes only may look  |
    | a limit of the bus is exceeded                   | refused                                               |
    """
    if topic.metadata.deleting or (before is not None and before.spec == topic.spec):
        return None
    if isinstance(bus, Refusal):
        return None if bus.reason is Reason.BUS_NOT_FOUND else bus
    desired = desire_topic(topic, bus)
    if isinstance(desired, Refusal):
        return desired
    if before is None and rivals and topic.spec.mode != "Observe":
        eldest = min(rivals, key=lambda rival: rival.seniority)
        return owned_by_another(desired.topic, owner_of(eldest, ""), owner_of(topic.metadata, ""))
    known = before.status.partitions if before is not None else None
    grows = desired.partitions is not None and desired.partitions > (known or 0)
    return limit_refusal(topic, bus, desired, elders, creates=before is None, grows=grows)


def review_subscription(subscription: Subscription, before: Subscription | None) -> Refusal | None:
    """Decide whether a Subscription is turned away.

    | request                                          | verdict                                               |
    |--------------------------------------------------|-------------------------------------------------------|
    | the spec does not change, or it is being deleted | admitted: annotations and finalizers must always pass |
    | an expression is faulty                          | refused                                               |
    | its delivery cannot be had by its sink           | refused                                               |
    | a URL leads to no service, by its address        | refused                                               |
    | what it refers to is not there                   | admitted: GitOps may apply in any order               |
    """
    if subscription.metadata.deleting or (before is not None and before.spec == subscription.spec):
        return None
    return refuse_delivery(subscription.spec)


def is_reviewed(schema: Schema, before: Schema | None) -> bool:
    """Decide whether the registry is asked about a schema at admission.

    | request                                          | reviewed                                               |
    |--------------------------------------------------|--------------------------------------------------------|
    | the spec does not change, or it is being deleted | no: annotations and finalizers must always pass        |
    | mode Plan or Observe                             | no: what would be refused is what its status is to say |
    | paused                                           | no                                                     |
    | else                                             | yes                                                    |
    """
    unchanged = before is not None and before.spec == schema.spec
    return not (schema.metadata.deleting or unchanged or is_paused(schema) or schema.spec.mode != "Enforce")


def refusal_of(
    problems: Sequence[BackendError | Refusal], decisions: Sequence[Decision[SchemaChange]]
) -> Refusal | None:
    """Find what a schema is turned away for; what may be remedied by others, in any order, is let through."""
    refused = [problem for problem in problems if isinstance(problem, Refusal)]
    refused += [refusal for decision in decisions for refusal in decision.refusals]
    return next((each for each in refused if each.reason is not Reason.DEFINITION_NOT_FOUND), None)
