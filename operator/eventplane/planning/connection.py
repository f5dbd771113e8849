"""How to reach a Kafka cluster or a schema registry: an EventBus and the Secrets it names, made one value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from eventplane.api.authentication import Authentication, OAuth
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus, RegistryAuthentication, SchemaRegistry, Tls
from eventplane.planning.plan import Refusal

SaslMechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]
Secrets = Mapping[str, Mapping[str, str] | Refusal]
"""Secrets of one namespace by name: their decoded data, or why they cannot be had."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where tokens come from, and who asks for them (RFC 6749, section 4.4)."""

    token_endpoint_url: str
    scope: str | None = None
    ca_pem: str | None = field(default=None, repr=False)
    """Certificates to trust there, PEM; None where it speaks no TLS."""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)

    def public_settings(self) -> Mapping[str, str]:
        """Say where tokens come from, by librdkafka's names, and nothing of who asks."""
        settings = {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": self.token_endpoint_url,
            "sasl.oauthbearer.scope": self.scope,
            "https.ca.pem": self.ca_pem,
        }
        return {key: value for key, value in settings.items() if value is not None}


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Everything a Kafka client needs to connect. Equal values mean that an open client can stay."""

    bootstrap_servers: tuple[str, ...]
    tls: bool = False
    ca_pem: str | None = field(default=None, repr=False)
    """Certificates to trust, PEM; None trusts the system's."""
    certificate_pem: str | None = field(default=None, repr=False)
    """The client's certificate chain for mutual TLS, PEM."""
    key_pem: str | None = field(default=None, repr=False)
    """The client's private key for mutual TLS, PEM."""
    mechanism: SaslMechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tokens: TokenSource | None = None
    """Goes with the mechanism OAUTHBEARER."""

    @property
    def protocol(self) -> str:
        """Kafka's name for the combination of TLS and SASL: its setting security.protocol."""
        return ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT")


@dataclass(frozen=True, slots=True)
class RegistryConnection:
    """Everything a client of a schema registry needs to connect. Equal values mean that an open client can stay."""

    url: str
    """Base address of Confluent's API, without a slash at the end."""
    ca_pem: str | None = field(default=None, repr=False)
    """Certificates to trust, PEM; None trusts the system's."""
    certificate_pem: str | None = field(default=None, repr=False)
    """The client's certificate chain for mutual TLS, PEM."""
    key_pem: str | None = field(default=None, repr=False)
    """The client's private key for mutual TLS, PEM."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AccessConnection:
    """What the access of applications is made with."""

    kafka: KafkaConnection
    """How the operator itself reaches Kafka; of its credentials nothing is passed on."""
    registry: RegistryConnection | None = None
    """How applications reach the registry, as whom its owner says; None where the bus has none."""


def secret_names(bus: EventBus) -> frozenset[str]:
    """Name the Secrets, all of the bus's namespace, that the connection to its Kafka is made of."""
    return frozenset(name for name, _ in _needed_for_kafka(bus))


def registry_secret_names(bus: EventBus) -> frozenset[str]:
    """Name the Secrets, all of the bus's namespace, that the connection to its registry is made of."""
    return frozenset(name for name, _ in _needed_for_registry(bus))


def access_secret_names(bus: EventBus) -> frozenset[str]:
    """Name the Secrets, all of the bus's namespace, that the access of applications is made with."""
    return secret_names(bus) | {name for name, _ in _needed_for_applications(bus)}


def connect(bus: EventBus, secrets: Secrets) -> KafkaConnection | Refusal:
    """Make the connection to the Kafka of a bus, or say which Secret or key is in the way."""
    missing = _missing(bus, _needed_for_kafka(bus), secrets)
    return missing or _kafka_connection(bus, _given(secrets))


def connect_registry(bus: EventBus, secrets: Secrets) -> RegistryConnection | Refusal:
    """Make the connection to the registry of a bus, or say which Secret or key is in the way."""
    registry = bus.spec.schema_registry
    if registry is None:
        return no_registry(bus)
    missing = _missing(bus, _needed_for_registry(bus), secrets)
    return missing or _registry_connection(registry.url, registry.tls, registry.authentication, _given(secrets))


def connect_access(bus: EventBus, secrets: Secrets) -> AccessConnection | Refusal:
    """Make what the access of applications is made with, or say which Secret or key is in the way."""
    kafka, registry = connect(bus, secrets), bus.spec.schema_registry
    if isinstance(kafka, Refusal) or registry is None:
        return kafka if isinstance(kafka, Refusal) else AccessConnection(kafka)
    missing = _missing(bus, _needed_for_applications(bus), secrets)
    if missing is not None:
        return missing
    login = registry.applications.authentication if registry.applications is not None else None
    connection = _registry_connection(registry.url, _tls_of_applications(registry), login, _given(secrets))
    if login is not None and ":" in (connection.username or ""):
        where = f"{bus.metadata.namespace}/{login.secret_ref.name}"
        return Refusal(Reason.SECRET_INVALID, f"the username in Secret {where} has a colon, which ends it: correct it")
    return AccessConnection(kafka, connection)


def no_registry(bus: EventBus) -> Refusal:
    """Say that a bus has no schema registry, and who can change that."""
    return Refusal(
        Reason.REGISTRY_NOT_CONFIGURED,
        f"EventBus {'/'.join(bus.metadata.key)} has no schema registry: its owner can name one in spec.schemaRegistry",
    )


def no_login_for_applications(bus: EventBus) -> Refusal | None:
    """Say that the operator logs in to the registry of a bus, and nobody has said as whom applications shall."""
    registry = bus.spec.schema_registry
    logs_in = registry is not None and (
        registry.authentication is not None or (registry.tls or Tls()).certificate_secret_ref is not None
    )
    if not logs_in:
        return None
    return Refusal(
        Reason.REGISTRY_LOGIN_MISSING,
        f"topics have a Schema, and EventBus {'/'.join(bus.metadata.key)} does not say as whom applications read the"
        " registry: its owner can name them in spec.schemaRegistry.applications, as {} where everybody may",
    )


_Needed = Iterator[tuple[str, tuple[str, ...]]]
"""Names of Secrets, and the keys that each must have."""


def _needed_for_kafka(bus: EventBus) -> _Needed:
    kafka = bus.spec.kafka
    yield from _needed_for_tls(kafka.tls)
    if kafka.authentication is not None:
        yield from _needed_for_authentication(kafka.authentication)


def _needed_for_authentication(authentication: Authentication) -> _Needed:
    by_token = authentication.type == "OAUTHBEARER"
    if authentication.oauth is not None and authentication.oauth.ca_secret_ref is not None:
        yield authentication.oauth.ca_secret_ref.name, (authentication.oauth.ca_secret_ref.key,)
    if authentication.secret_ref is not None:
        yield authentication.secret_ref.name, ("clientId", "clientSecret") if by_token else ("username", "password")


def _needed_for_registry(bus: EventBus) -> _Needed:
    registry = bus.spec.schema_registry
    if registry is not None:
        yield from _needed_for_tls(registry.tls)
        if registry.authentication is not None:
            yield registry.authentication.secret_ref.name, ("username", "password")


def _needed_for_applications(bus: EventBus) -> _Needed:
    registry = bus.spec.schema_registry
    if registry is not None:
        yield from _needed_for_tls(_tls_of_applications(registry))
        if registry.applications is not None and registry.applications.authentication is not None:
            yield registry.applications.authentication.secret_ref.name, ("username", "password")


def _tls_of_applications(registry: SchemaRegistry) -> Tls:
    """Tell whom applications trust, which is public, and which certificate they have, if any."""
    own, theirs = registry.tls or Tls(), (registry.applications and registry.applications.tls) or Tls()
    return Tls(
        ca_secret_ref=theirs.ca_secret_ref or own.ca_secret_ref, certificate_secret_ref=theirs.certificate_secret_ref
    )


def _needed_for_tls(tls: Tls | None) -> _Needed:
    if tls is not None and tls.ca_secret_ref is not None:
        yield tls.ca_secret_ref.name, (tls.ca_secret_ref.key,)
    if tls is not None and tls.certificate_secret_ref is not None:
        yield tls.certificate_secret_ref.name, ("tls.crt", "tls.key")


def _missing(bus: EventBus, needed: _Needed, secrets: Secrets) -> Refusal | None:
    for name, keys in needed:
        secret = secrets[name]
        if isinstance(secret, Refusal):
            return secret
        missing = [key for key in keys if not secret.get(key)]
        if missing:
            where = f"{bus.metadata.namespace}/{name}"
            return Refusal(Reason.SECRET_INVALID, f"Secret {where} has no {' and no '.join(missing)}: add the key")
    return None


_Given = Mapping[str, Mapping[str, str]]


def _given(secrets: Secrets) -> _Given:
    return {name: data for name, data in secrets.items() if not isinstance(data, Refusal)}


def _kafka_connection(bus: EventBus, secrets: _Given) -> KafkaConnection:
    kafka = bus.spec.kafka
    authentication = kafka.authentication
    certificate, login = _certificate(kafka.tls, secrets), _login(authentication, secrets)
    oauth = authentication.oauth if authentication is not None else None
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        tls=kafka.tls is not None,
        ca_pem=_ca(kafka.tls, secrets),
        certificate_pem=certificate.get("tls.crt"),
        key_pem=certificate.get("tls.key"),
        mechanism=authentication.type if authentication and authentication.type != "TLS" else None,
        username=login.get("username") if oauth is None else None,
        password=login.get("password") if oauth is None else None,
        tokens=_token_source(oauth, login, secrets) if oauth is not None else None,
    )


def _token_source(oauth: OAuth, login: Mapping[str, str], secrets: _Given) -> TokenSource:
    return TokenSource(
        oauth.token_endpoint_url, oauth.scope, _ca(oauth, secrets), login["clientId"], login["clientSecret"]
    )


def _registry_connection(
    url: str, tls: Tls | None, authentication: RegistryAuthentication | None, secrets: _Given
) -> RegistryConnection:
    certificate, login = _certificate(tls, secrets), _login(authentication, secrets)
    return RegistryConnection(
        url=url.rstrip("/"),
        ca_pem=_ca(tls, secrets),
        certificate_pem=certificate.get("tls.crt"),
        key_pem=certificate.get("tls.key"),
        username=login.get("username"),
        password=login.get("password"),
    )


def _ca(trusting: Tls | OAuth | None, secrets: _Given) -> str | None:
    reference = trusting.ca_secret_ref if trusting else None
    return secrets[reference.name][reference.key] if reference else None


def _certificate(tls: Tls | None, secrets: _Given) -> Mapping[str, str]:
    return secrets[tls.certificate_secret_ref.name] if tls and tls.certificate_secret_ref else {}


def _login(authentication: Authentication | RegistryAuthentication | None, secrets: _Given) -> Mapping[str, str]:
    reference = authentication.secret_ref if authentication else None
    return secrets[reference.name] if reference else {}
