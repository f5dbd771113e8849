"""A bus with a gateway to what that is: its user of Kafka, what it is told, and whom it lets in."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eventplane.api.access import Access, AccessSpec, AccessStatus, TopicRef
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.gateway import Gateway
from eventplane.api.gateway_config import GatewayConfig, Grants, Limits, TokenReviews
from eventplane.api.gateway_config import Grant as CallerGrant
from eventplane.api.publication import Publication
from eventplane.planning.access_desired import (
    DesiredAccess,
    Topics,
    client_settings,
    made_user,
    takes_users,
    topic_to_grant,
    user_name,
)
from eventplane.planning.access_state import AccessQuery, Grant
from eventplane.planning.connection import AccessConnection
from eventplane.planning.gateway_manifests import (
    CALLERS,
    CERTIFICATE_DIR,
    CONFIG,
    deployment_key,
    gateway_manifests,
    gateway_name,
)
from eventplane.planning.objects import Manifest, ObjectKey
from eventplane.planning.plan import Refusal

CERTIFICATE_KEYS: Final = ("tls.crt", "tls.key")
_SERVICE_NAME: Final = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
"""A label of DNS that begins with a letter (RFC 1035), which the name of a Service has to be."""


class GatewayAccessSpec(AccessSpec):
    """What the gateway of a bus asks for as an application of that bus: no topic by itself."""

    topics: tuple[TopicRef, ...] = ()


class GatewayAccess(Access):
    """The gateway of a bus as an application of that bus, whose credentials go with the bus."""

    kind: ClassVar[str] = EventBus.kind
    plural: ClassVar[str] = EventBus.plural

    spec: AccessSpec


@dataclass(frozen=True, slots=True)
class DesiredGateway:
    """A gateway as it shall be."""

    access: DesiredAccess
    manifests: tuple[Manifest, ...]
    """In the order in which they are applied."""
    deployment: ObjectKey


def gateway_access(bus: EventBus) -> GatewayAccess:
    """Look at the gateway of a bus as at an application: its credentials live like those of all others."""
    known = bus.status.gateway
    status = AccessStatus(bus="/".join(bus.metadata.key), applied=known.applied if known is not None else None)
    return GatewayAccess(metadata=bus.metadata, spec=GatewayAccessSpec(secret_name=gateway_name(bus)), status=status)


def gateway_query(bus: EventBus, connection: AccessConnection, cluster: str) -> AccessQuery:
    """Say what to observe of the access of a gateway; no user where Kafka takes none."""
    user = user_name(gateway_access(bus), cluster)
    principal = made_user(connection.kafka, user) if takes_users(connection.kafka) else None
    return AccessQuery(bus.metadata.namespace, gateway_name(bus), principal)


# --- whom it lets in


def callers_of(bus: EventBus, applications: Iterable[tuple[Access, Topics]]) -> Grants:
    """Let in whom Publications and Subscriptions of a bus name, each to the topics that those have.

    | resource                                     | its ServiceAccounts may             |
    |----------------------------------------------|-------------------------------------|
    | names none                                   | nothing                             |
    | is being deleted, or in mode Plan or Observe | nothing                             |
    | Publication                                  | publish to those topics that exist  |
    | Subscription                                 | read those topics that exist        |

    Args:
        bus: the bus.
        applications: those that are on it, with their EventTopics.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for resource, topics in applications:
        callers, metadata = resource.spec.gateway, resource.metadata
        if callers is None or metadata.deleting or resource.spec.mode != "Enforce":
            continue
        names = {name for topic in topics.values() if (name := topic_to_grant(topic, bus)) is not None}
        for each in callers.service_accounts if names else ():
            identity = f"system:serviceaccount:{metadata.namespace}:{each.name}"
            publish, subscribe = found.setdefault(identity, (set(), set()))
            (publish if isinstance(resource, Publication) else subscribe).update(names)
    return Grants(
        grants=tuple(
            CallerGrant(identity=identity, publish=tuple(sorted(publish)), subscribe=tuple(sorted(subscribe)))
            for identity, (publish, subscribe) in sorted(found.items())
        )
    )


def _rights(callers: Grants) -> frozenset[Grant]:
    """Let the gateway itself do what it lets somebody do, and no more; it is in no group of consumers."""
    writes = {Grant("TOPIC", topic, "WRITE") for each in callers.grants for topic in each.publish}
    reads = {Grant("TOPIC", topic, "READ") for each in callers.grants for topic in each.subscribe}
    return frozenset(writes | reads)


# --- what it becomes


def desire_gateway(
    bus: EventBus, gateway: Gateway, connection: AccessConnection, callers: Grants, cluster: str, image: str
) -> DesiredGateway | Refusal:
    """Resolve what the gateway of a bus is.

    Args:
        bus: whose.
        gateway: how it is asked for.
        connection: what the access of applications is made with there.
        callers: whom it lets in.
        cluster: identity of the Kubernetes cluster, see `Owner.cluster`.
        image: the image of Eventplane.
    """
    refusal = _impossible(bus, connection)
    if refusal is not None:
        return refusal
    query = gateway_query(bus, connection, cluster)
    user = query.principal.user if query.principal is not None else None
    access = DesiredAccess(
        query=query,
        grants=_rights(callers) if user is not None else frozenset(),
        topics=(),
        missing=(),
        settings=client_settings(connection.kafka, user),
        registry=connection.registry,
    )
    config, callers_text = _text(_config_of(gateway).to_wire()), _text(callers.to_wire())
    manifests = gateway_manifests(bus, gateway, access, {CONFIG: config, CALLERS: callers_text}, image)
    return DesiredGateway(access, manifests, deployment_key(bus))


def no_certificate(bus: EventBus, gateway: Gateway, certificate: Mapping[str, str] | Refusal) -> Refusal | None:
    """Say what is wrong with the Secret of the gateway's certificate; without it no pod would start, nor say why."""
    if isinstance(certificate, Refusal):
        return certificate
    missing = [key for key in CERTIFICATE_KEYS if not certificate.get(key)]
    if not missing:
        return None
    where = f"{bus.metadata.namespace}/{gateway.tls.secret_ref.name}"
    return Refusal(Reason.SECRET_INVALID, f"Secret {where} has no {' and no '.join(missing)}: add the key")


def _impossible(bus: EventBus, connection: AccessConnection) -> Refusal | None:
    name = gateway_name(bus)
    if _SERVICE_NAME.match(name) is None:
        return Refusal(
            Reason.INVALID_NAME,
            f"{name} is no name of a Service, which begins with a letter and has at most 63 letters in lower case,"
            " digits and hyphens: give the gateway to an EventBus of another name",
        )
    if takes_users(connection.kafka):
        return None
    return Refusal(
        Reason.IDENTITY_NOT_SUPPORTED,
        f"EventBus {'/'.join(bus.metadata.key)} knows its users by client certificates or by PLAIN, and its gateway"
        " needs a user that Kafka can be given: name a listener with SCRAM in spec.kafka",
    )


def _config_of(gateway: Gateway) -> GatewayConfig:
    """Write what the gateway is told, by the model by which it reads that."""
    return GatewayConfig(
        audience=gateway.audience,
        token_reviews=TokenReviews(),
        certificate_dir=CERTIFICATE_DIR,
        limits=Limits(events_per_second=gateway.events_per_second),
    )


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True)
