"""How to reach a Kafka cluster: an EventBus and the Secrets it names, made one value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.planning.plan import Refusal

SaslMechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]
Secrets = Mapping[str, Mapping[str, str] | Refusal]
"""Secrets of one namespace by name: their decoded data, or why they cannot be had."""


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

    @property
    def protocol(self) -> str:
        """Kafka's name for the combination of TLS and SASL: its setting security.protocol."""
        return ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT")


def secret_names(bus: EventBus) -> frozenset[str]:
    """Name the Secrets, all of the bus's namespace, that its connection is made of."""
    return frozenset(name for name, _ in _needed(bus))


def connect(bus: EventBus, secrets: Secrets) -> KafkaConnection | Refusal:
    """Make the connection of a bus, or say which Secret or key is in the way."""
    for name, keys in _needed(bus):
        secret = secrets[name]
        if isinstance(secret, Refusal):
            return secret
        missing = [key for key in keys if not secret.get(key)]
        if missing:
            where = f"{bus.metadata.namespace}/{name}"
            return Refusal(Reason.SECRET_INVALID, f"Secret {where} has no {' and no '.join(missing)}: add the key")
    return _connection(bus, {name: data for name, data in secrets.items() if not isinstance(data, Refusal)})


def _needed(bus: EventBus) -> Iterator[tuple[str, tuple[str, ...]]]:
    kafka = bus.spec.kafka
    if kafka.tls is not None and kafka.tls.ca_secret_ref is not None:
        yield kafka.tls.ca_secret_ref.name, (kafka.tls.ca_secret_ref.key,)
    if kafka.tls is not None and kafka.tls.certificate_secret_ref is not None:
        yield kafka.tls.certificate_secret_ref.name, ("tls.crt", "tls.key")
    if kafka.authentication is not None and kafka.authentication.secret_ref is not None:
        yield kafka.authentication.secret_ref.name, ("username", "password")


def _connection(bus: EventBus, secrets: Mapping[str, Mapping[str, str]]) -> KafkaConnection:
    kafka = bus.spec.kafka
    tls, authentication = kafka.tls, kafka.authentication
    ca = tls.ca_secret_ref if tls else None
    certificate = secrets[tls.certificate_secret_ref.name] if tls and tls.certificate_secret_ref else {}
    login = secrets[authentication.secret_ref.name] if authentication and authentication.secret_ref else {}
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        tls=tls is not None,
        ca_pem=secrets[ca.name][ca.key] if ca else None,
        certificate_pem=certificate.get("tls.crt"),
        key_pem=certificate.get("tls.key"),
        mechanism=authentication.type if authentication and authentication.type != "TLS" else None,
        username=login.get("username"),
        password=login.get("password"),
    )
