"""What stands in an application's Secret, as the Service Binding Specification (servicebinding.io) would have it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from eventplane.planning.connection import RegistryConnection

_SECURITY: Final = "org.apache.kafka.common.security"
_SCRAM_LOGIN: Final = f"{_SECURITY}.scram.ScramLoginModule"
_TOKEN_LOGIN: Final = f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule"
_TOKEN_LOGIN_HANDLER: Final = f"{_SECURITY}.oauthbearer.OAuthBearerLoginCallbackHandler"
_REGISTRY_LOGIN: Final[Mapping[str, str]] = {
    "username": "schemaRegistryUsername",
    "password": "schemaRegistryPassword",
    "certificate_pem": "schemaRegistry.tls.crt",
    "key_pem": "schemaRegistry.tls.key",
}
"""What a registry is shown of who somebody is, and the entries of the Secret that hold it."""
_TOLD_ONCE: Final = frozenset({"group", "transactionalIdPrefix", "principal"})
"""Entries that tell what no other entry tells."""
_HIDDEN: Final = ("password", "key_pem")


@dataclass(frozen=True, slots=True)
class Binding:
    """Everything that becomes an application's Secret."""

    settings: Mapping[str, str] = field(repr=False)
    """What its client has to be told, by librdkafka's names, user and password included."""
    topics: tuple[str, ...]
    """Names in Kafka."""
    transactional_id_prefix: str | None
    registry: RegistryConnection | None
    """How it reaches the schema registry, if there is one."""
    principal: str | None = None
    """Who it has to be to Kafka, where it comes with credentials of its own."""

    def entries(self) -> Mapping[str, str | None]:
        """Write the Secret; what is None is not to be in it."""
        settings, registry = self.settings, self.registry
        user = settings.get("sasl.username")
        return {
            "type": "kafka",
            "provider": "eventplane",
            "bootstrapServers": settings["bootstrap.servers"],
            "securityProtocol": settings["security.protocol"],
            "saslMechanism": settings.get("sasl.mechanism"),
            "principal": self.principal,
            "user": user,
            "username": user,
            "password": settings.get("sasl.password"),
            "ca.crt": settings.get("ssl.ca.pem"),
            "oauthTokenEndpointUrl": settings.get("sasl.oauthbearer.token.endpoint.url"),
            "oauthScope": settings.get("sasl.oauthbearer.scope"),
            "oauth.ca.crt": settings.get("https.ca.pem"),
            "topics": ",".join(self.topics),
            "group": settings.get("group.id"),
            "transactionalIdPrefix": self.transactional_id_prefix,
            "schemaRegistryUrl": registry.url if registry is not None else None,
            "schemaRegistry.ca.crt": registry.ca_pem if registry is not None else None,
            **{key: getattr(registry, name, None) for name, key in _REGISTRY_LOGIN.items()},
            "librdkafka.json": json.dumps(settings, indent=1, sort_keys=True),
            "client.properties": _java_properties(settings, registry),
        }


def holds(secret: Mapping[str, str], entries: Mapping[str, str | None]) -> bool:
    """Tell whether a Secret holds these entries; what others have added to it is theirs.

    That goes for most entries, too, that are not to be in it: had we put it there, another entry would differ as well.
    """
    return all(secret.get(key) == value for key, value in entries.items() if value is not None or key in _TOLD_ONCE)


def without_secrets(registry: RegistryConnection | None) -> RegistryConnection | None:
    """Take out of a connection what nobody else may know."""
    hidden = {name: "" for name in _HIDDEN if getattr(registry, name, None) is not None}
    return registry if registry is None else replace(registry, **hidden)


def registry_login(secret: Mapping[str, str]) -> Mapping[str, str]:
    """Read from a Secret as whom it lets the registry be reached; empty where it lets nobody log in."""
    return {name: secret[key] for name, key in _REGISTRY_LOGIN.items() if key in secret}


def with_login(registry: RegistryConnection, login: Mapping[str, str]) -> RegistryConnection:
    """Reach a registry as somebody else, see `registry_login`."""
    return RegistryConnection(registry.url, registry.ca_pem, **login)


# --- Java


def _java_properties(settings: Mapping[str, str], registry: RegistryConnection | None) -> str:
    """Write settings as the file that Java's clients and Kafka's own tools read (`--command-config`)."""
    rest = dict(settings)
    ca, user, password = (rest.pop(key, None) for key in ("ssl.ca.pem", "sasl.username", "sasl.password"))
    if ca is not None:
        rest |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": ca}
    if user is not None and password is not None:
        rest["sasl.jaas.config"] = f"{_SCRAM_LOGIN} required username={_quoted(user)} password={_quoted(password)};"
    if rest.pop("sasl.oauthbearer.method", None) is not None:
        rest |= _token_properties(rest.pop("https.ca.pem", None))
    rest |= _registry_properties(registry) if registry is not None else {}
    return "".join(f"{key}={_escaped(value)}\n" for key, value in sorted(rest.items()))


def _token_properties(ca: str | None) -> Mapping[str, str]:
    """Let Java's clients get tokens from where the other settings say; who asks, the application adds (KIP-1139).

    Whom to trust there they read nowhere but here.
    """
    trust = "" if ca is None else f' ssl.truststore.type="PEM" ssl.truststore.certificates={_quoted(ca)}'
    return {
        "sasl.jaas.config": f"{_TOKEN_LOGIN} required{trust};",
        "sasl.login.callback.handler.class": _TOKEN_LOGIN_HANDLER,
    }


def _registry_properties(registry: RegistryConnection) -> Mapping[str, str]:
    """Tell Confluent's serializers where the registry is, and who asks: its names are theirs."""
    told = {"schema.registry.url": registry.url}
    if registry.username is not None:
        told |= {
            "basic.auth.credentials.source": "USER_INFO",
            "basic.auth.user.info": f"{registry.username}:{registry.password}",
        }
    if registry.ca_pem is not None:
        told |= {
            "schema.registry.ssl.truststore.type": "PEM",
            "schema.registry.ssl.truststore.certificates": registry.ca_pem,
        }
    if registry.certificate_pem is not None and registry.key_pem is not None:
        told |= {
            "schema.registry.ssl.keystore.type": "PEM",
            "schema.registry.ssl.keystore.certificate.chain": registry.certificate_pem,
            "schema.registry.ssl.keystore.key": registry.key_pem,
        }
    return told


def _quoted(value: str) -> str:
    """Quote as JAAS does; somebody may have put a password of his own into the Secret."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
