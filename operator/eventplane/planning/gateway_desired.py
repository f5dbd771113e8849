"""A bus with a gateway to what that is: its user of Kafka, and what it is told."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eventplane.api.access import Access, AccessSpec, AccessStatus, TopicRef
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.gateway import Gateway
from eventplane.api.gateway_config import GatewayConfig, Grants, Limits, OidcIssuer, TokenReviews
from eventplane.api.metadata import SecretKeyRef
from eventplane.planning.access_desired import (
    DesiredAccess,
    client_settings,
    made_user,
    takes_users,
    user_name,
)
from eventplane.planning.access_state import AccessQuery, Grant
from eventplane.planning.connection import AccessConnection, Secrets, missing_secret
from eventplane.planning.gateway_manifests import (
    CALLERS,
    CERTIFICATE_DIR,
    CONFIG,
    authority_file,
    deployment_key,
    gateway_manifests,
    gateway_name,
)
from eventplane.planning.objects import Manifest, ObjectKey
from eventplane.planning.plan import Refusal

CERTIFICATE_KEYS: Final = ("tls.crt", "tls.key")
_PEM: Final = "-----BEGIN CERTIFICATE-----"
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
class GatewayCircumstances:
    """What a gateway finds around it."""

    cluster: str
    """Identity of the Kubernetes cluster, see `Owner.cluster`."""
    image: str
    """The image of Eventplane."""
    secrets: Secrets
    """See `secrets_of_gateway`."""

    def pem(self, reference: SecretKeyRef) -> str:
        """Return what is in a key of a Secret that is there."""
        secret = self.secrets[reference.name]
        return "" if isinstance(secret, Refusal) else secret[reference.key]


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


# --- what it becomes


def _rights(callers: Grants) -> frozenset[Grant]:
    """Let the gateway itself do what it lets somebody do, and no more; it is in no group of consumers."""
    writes = {Grant("TOPIC", topic, "WRITE") for each in callers.grants for topic in each.publish}
    reads = {Grant("TOPIC", topic, "READ") for each in callers.grants for topic in each.subscribe}
    return frozenset(writes | reads)


def desire_gateway(
    bus: EventBus, gateway: Gateway, connection: AccessConnection, callers: Grants, around: GatewayCircumstances
) -> DesiredGateway | Refusal:
    """Resolve what the gateway of a bus is.

    Args:
        bus: whose.
        gateway: how it is asked for.
        connection: what the access of applications is made with there.
        callers: whom it lets in.
        around: what it finds around it.
    """
    refusal = _missing(bus, gateway, around.secrets) or _impossible(bus, connection)
    if refusal is not None:
        return refusal
    query = gateway_query(bus, connection, around.cluster)
    user = query.principal.user if query.principal is not None else None
    access = DesiredAccess(
        query=query,
        grants=_rights(callers) if user is not None else frozenset(),
        topics=(),
        missing=(),
        settings=client_settings(connection.kafka, user),
        registry=connection.registry,
    )
    files = {CONFIG: _text(_config_of(gateway).to_wire()), CALLERS: _text(callers.to_wire())}
    authorities = tuple(around.pem(each.ca_secret_ref) for each in gateway.oidc if each.ca_secret_ref is not None)
    manifests = gateway_manifests(bus, gateway, access, files, authorities, around.image)
    return DesiredGateway(access, manifests, deployment_key(bus))


def secrets_of_gateway(gateway: Gateway) -> frozenset[str]:
    """Name the Secrets, all of the bus's namespace, that its pods need beside that with its credentials."""
    return frozenset(name for name, _ in _needed(gateway))


def _needed(gateway: Gateway) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield gateway.tls.secret_ref.name, CERTIFICATE_KEYS
    for each in gateway.oidc:
        if each.ca_secret_ref is not None:
            yield each.ca_secret_ref.name, (each.ca_secret_ref.key,)


def _missing(bus: EventBus, gateway: Gateway, secrets: Secrets) -> Refusal | None:
    """Say what is wrong with a Secret that pods need; without it none would start, nor say why."""
    return missing_secret(bus, _needed(gateway), secrets) or _no_authority(bus, gateway, secrets)


def _no_authority(bus: EventBus, gateway: Gateway, secrets: Secrets) -> Refusal | None:
    for each in gateway.oidc:
        reference = each.ca_secret_ref
        secret = secrets[reference.name] if reference is not None else {}
        if reference is not None and not isinstance(secret, Refusal) and _PEM not in secret[reference.key]:
            where = f"Secret {bus.metadata.namespace}/{reference.name}"
            text = f"{reference.key} of {where} is no certificate in PEM, by which the issuer {each.name} were trusted"
            return Refusal(Reason.SECRET_INVALID, f"{text}: correct it")
    return None


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
        f"EventBus {'/'.join(bus.metadata.key)} knows its users by client certificates, by PLAIN or by"
        " OAUTHBEARER, and its gateway needs a user that Kafka can be given: name a listener with SCRAM in spec.kafka",
    )


def _config_of(gateway: Gateway) -> GatewayConfig:
    """Write what the gateway is told, by the model by which it reads that."""
    return GatewayConfig(
        audience=gateway.audience,
        token_reviews=TokenReviews(),
        oidc=tuple(
            OidcIssuer(
                name=each.name, issuer=each.issuer, ca_file=authority_file(each.name) if each.ca_secret_ref else None
            )
            for each in gateway.oidc
        ),
        certificate_dir=CERTIFICATE_DIR,
        limits=Limits(events_per_second=gateway.events_per_second),
    )


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True)
