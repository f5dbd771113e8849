"""A Subscription to all that it asks for: its access, and every object that it becomes, whatever that is for."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from eventplane.api import API_VERSION
from eventplane.api.access import Access
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.subscription import Subscription
from eventplane.planning.access_desired import DesiredAccess, Topics, desire_access, topic_to_grant
from eventplane.planning.connection import AccessConnection, no_login_for_applications
from eventplane.planning.dead_letters import DeadLetters, Policy, desire_dead_letters
from eventplane.planning.objects import Manifest, ObjectKey
from eventplane.planning.plan import Refusal
from eventplane.planning.scaling import autoscaler, wants_autoscaling
from eventplane.planning.topic_uses import with_lookup_topics, with_sink_topics
from eventplane.planning.workload_desired import (
    DesiredApplication,
    DesiredObjects,
    desire_workload,
    head_of,
    no_sink_topic,
    object_name,
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a Subscription finds around it."""

    bus: EventBus
    connection: AccessConnection
    """What the access of applications is made with there."""
    cluster: str
    """Identity of the Kubernetes cluster, see `Owner.cluster`."""
    runtime_image: str
    """The image of Eventplane's own consumer."""
    topics: Topics
    """The EventTopics that it reads."""
    sink_topics: Topics = field(default_factory=dict)
    """Those that it delivers to."""
    lookup_topics: Topics = field(default_factory=dict)
    """Those that it looks into."""
    policy: Policy = None
    """The policy that it names."""
    siblings: Iterable[EventTopic] = ()
    """Those EventTopics of its namespace that were made for it, or have a name that its own would have."""
    drained: Collection[str] = ()
    """Names in Kafka of its retry and dead-letter topics in which nothing has waited for a while."""
    has_autoscaler: bool = False
    """KEDA is installed."""
    twin: Access | None = None
    """The Publication that has its name, on the same bus."""


def desire_subscription(subscription: Subscription, around: Circumstances) -> DesiredApplication | Refusal:
    """Resolve what a Subscription asks for."""
    refusal = no_sink_topic(subscription)
    if refusal is not None:
        return refusal
    access = desire_access(subscription, around.bus, around.connection, around.topics, around.cluster, around.twin)
    if isinstance(access, Refusal):
        return access
    access = with_sink_topics(access, subscription, around.sink_topics, around.bus)
    access = with_lookup_topics(access, subscription, around.lookup_topics, around.bus)
    drained = around.drained if _is_rolled_out(subscription) else ()
    letters = desire_dead_letters(subscription, around.policy, around.bus, around.topics, around.siblings, drained)
    access = _with_dead_letters(access, letters)
    autoscaled = around.has_autoscaler and wants_autoscaling(subscription)
    workload = desire_workload(
        subscription,
        access,
        around.runtime_image,
        retry=letters.rules,
        topics=_names({**around.sink_topics, **around.lookup_topics}, around.bus),
        autoscaled=autoscaled,
        majors=_majors(subscription, around),
    )
    topics = tuple(_owned(subscription, manifest) for manifest in letters.manifests)
    scalers = _scalers(subscription, access, around) if autoscaled and workload.manifests else ()
    objects = DesiredObjects(
        (*topics, *workload.manifests, *scalers),
        workload.left_alone | {_topic_key(subscription, name) for name in letters.kept},
        workload.deployment,
        around.has_autoscaler if wants_autoscaling(subscription) else None,
        *_registry(subscription, around),
    )
    return DesiredApplication(access, objects)


def _with_dead_letters(access: DesiredAccess, letters: DeadLetters) -> DesiredAccess:
    return dataclasses.replace(
        access,
        grants=access.grants | letters.grants if access.user is not None else access.grants,
        missing=(*access.missing, *letters.missing),
    )


def _is_rolled_out(subscription: Subscription) -> bool:
    """Tell whether no pod is left that may still move events to where they went before."""
    workload = subscription.status.workload
    return workload is None or workload.is_rolled_out


def _majors(subscription: Subscription, around: Circumstances) -> Mapping[str, int]:
    """Tell in which major version the events of a topic are to be read, by its name in Kafka."""
    asked = {each.name: each.major for each in subscription.spec.topics}
    names = _names({ref: around.topics.get(ref) for ref in asked}, around.bus)
    return {names[ref]: major for ref, major in asked.items() if major is not None and ref in names}


def _names(topics: Topics, bus: EventBus) -> Mapping[str, str]:
    """Name topics in Kafka as far as they have been made."""
    found = {ref: topic_to_grant(topic, bus) for ref, topic in topics.items()}
    return {ref: name for ref, name in found.items() if name is not None}


def _registry(subscription: Subscription, around: Circumstances) -> tuple[bool, Refusal | None]:
    """Tell whether the sink's consumer needs the registry, and why it may be turned away there.

    | topics with a Schema, and a registry | the operator logs in there | applications    | needed | refusal     |
    |--------------------------------------|----------------------------|-----------------|--------|-------------|
    | not both                             | any                        | any             | no     |             |
    | both                                 | no                         | any             | yes    |             |
    | both                                 | yes                        | nothing is said | yes    | it may not  |
    | both                                 | yes                        | said            | yes    |             |
    """
    registry = around.bus.spec.schema_registry
    read = (*around.topics.values(), *around.lookup_topics.values())
    has_schema = any(topic is not None and topic.spec.schemas.value is not None for topic in read)
    if not subscription.spec.sinks or registry is None or not has_schema:
        return False, None
    return True, no_login_for_applications(around.bus) if registry.applications is None else None


def _scalers(subscription: Subscription, access: DesiredAccess, around: Circumstances) -> tuple[Manifest, ...]:
    made = (topic for topic in around.topics.values() if topic is not None)
    partitions = {topic.status.topic_name or "": topic.status.partitions or 0 for topic in made}
    name = object_name(subscription)
    return tuple(_owned(subscription, each) for each in autoscaler(subscription, access, name, partitions))


def _owned(subscription: Subscription, manifest: Manifest) -> Manifest:
    """Let an object go with its Subscription."""
    given = manifest["metadata"]
    head = head_of(subscription, manifest["apiVersion"], manifest["kind"], given["name"])
    labels = {**head["metadata"]["labels"], **given.get("labels", {})}
    return {**manifest, "metadata": {**head["metadata"], "labels": labels}}


def _topic_key(subscription: Subscription, name: str) -> ObjectKey:
    return ObjectKey(API_VERSION, EventTopic.kind, subscription.metadata.namespace, name)
