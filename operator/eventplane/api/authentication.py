"""How the operator proves who it is to a Kafka: by a password, by its certificate, or by tokens."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.metadata import SecretKeyRef, SecretRef
from eventplane.api.model import ApiModel, rules

Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$", max_length=1024)]
"""Scopes with a space in between, of the characters that RFC 6749, section 3.3 allows."""


class OAuth(ApiModel):
    """Where clients get the tokens that Kafka believes, by the client credentials grant (RFC 6749, section 4.4)."""

    model_config = rules(
        (
            "self.tokenEndpointUrl.startsWith('https://') == has(self.caSecretRef)",
            "caSecretRef goes with a tokenEndpointUrl that begins with https://, and only with it",
        ),
    )

    token_endpoint_url: str = Field(pattern=r"^https?://[^\s?#@]+$", max_length=1024)
    """The token endpoint of the identity provider, such as `https://sso/realms/events/protocol/openid-connect/token`.
    Whoever asks there shows a secret, so it should be https."""
    scope: Scope | None = None
    """Scopes to ask for, with a space in between; default: those that the identity provider gives unasked."""
    ca_secret_ref: SecretKeyRef | None = None
    """The certificates to trust there, PEM, by the operator and by applications. It goes with https and has no default:
    where images keep whom they trust, librdkafka does not find out."""


class Authentication(ApiModel):
    """How the operator proves who it is to the bus."""

    model_config = rules(
        (
            "(self.type == 'TLS') != has(self.secretRef)",
            "secretRef goes with every type but TLS, whose identity is in tls.certificateSecretRef",
        ),
        ("(self.type == 'OAUTHBEARER') == has(self.oauth)", "oauth goes with type OAUTHBEARER, and only with it"),
    )

    type: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "TLS", "OAUTHBEARER"]
    """TLS takes the identity from tls.certificateSecretRef; the others read it from secretRef."""
    secret_ref: SecretRef | None = None
    """A Secret with the keys username and password; with OAUTHBEARER, with clientId and clientSecret."""
    oauth: OAuth | None = None
    """Where tokens come from, with OAUTHBEARER."""
