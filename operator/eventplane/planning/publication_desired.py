"""A Publication to all that it asks for: its access, and the relay that publishes with it."""

from dataclasses import dataclass
from typing import Final

from eventplane.api.access import Access
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.publication import Publication
from eventplane.api.relay import Relay
from eventplane.planning.access_desired import DesiredAccess, Topics, desire_access, topic_to_grant, with_topic
from eventplane.planning.connection import AccessConnection
from eventplane.planning.plan import Refusal
from eventplane.planning.relay_manifests import RelayTopics, relay_manifests
from eventplane.planning.workload_desired import DesiredApplication, DesiredObjects, object_key, workload_keys

_KEPT_FOR_EVER: Final = ("compact",)


@dataclass(frozen=True, slots=True)
class PublicationCircumstances:
    """What a Publication finds around it."""

    bus: EventBus
    connection: AccessConnection
    """What the access of applications is made with there."""
    cluster: str
    """Identity of the Kubernetes cluster, see `Owner.cluster`."""
    runtime_image: str
    """The image of Eventplane, which has the relay."""
    topics: Topics
    """The EventTopics that it writes to."""
    positions: EventTopic | None = None
    """The one in which its relay notes how far it is, if it names one that exists."""
    twin: Access | None = None
    """The Subscription that has its name, on the same bus."""


def desire_publication(publication: Publication, around: PublicationCircumstances) -> DesiredApplication | Refusal:
    """Resolve what a Publication asks for."""
    access = desire_access(publication, around.bus, around.connection, around.topics, around.cluster, around.twin)
    relay = publication.spec.relay
    if isinstance(access, Refusal) or relay is None:
        return access if isinstance(access, Refusal) else DesiredApplication(access, DesiredObjects())
    if around.positions is not None and around.positions.spec.cleanup != _KEPT_FOR_EVER:
        return _forgetful(around.positions)
    access = with_topic(access, publication, relay.positions.name, around.positions, around.bus, "READ", "WRITE")
    return DesiredApplication(access, _relay(publication, relay, access, around))


def _relay(
    publication: Publication, relay: Relay, access: DesiredAccess, around: PublicationCircumstances
) -> DesiredObjects:
    """Resolve what the relay needs; while a topic is missing, nothing is made and what runs stays as it is."""
    deployment = object_key(publication, "apps/v1", "Deployment")
    positions = topic_to_grant(around.positions, around.bus)
    if access.missing or positions is None:
        return DesiredObjects(left_alone=workload_keys(publication), deployment=deployment)
    names = {ref: topic_to_grant(topic, around.bus) for ref, topic in around.topics.items()}
    first = publication.spec.topics[0].name
    routes = tuple((route.types, names[route.topic]) for route in relay.routes) or (("*", names[first]),)
    told = RelayTopics(tuple((types, name) for types, name in routes if name is not None), positions)
    return DesiredObjects(
        relay_manifests(publication, relay, access, told, around.runtime_image), deployment=deployment
    )


def _forgetful(topic: EventTopic) -> Refusal:
    where = "/".join(topic.metadata.key)
    return Refusal(
        Reason.INVALID_SPEC,
        f"EventTopic {where} would forget how far the relay is: give it cleanup [compact], and nothing else",
    )
