"""The gateway of a bus: how it is run, what is said of it, and whom Publications and Subscriptions let in there."""

from typing import Annotated

from pydantic import Field

from eventplane.api.gateway_config import IssuerName
from eventplane.api.metadata import SecretKeyRef, SecretRef
from eventplane.api.model import ApiModel, rules
from eventplane.api.workload import OwnedObject, Resources, WorkloadStatus


class ServiceAccountRef(ApiModel):
    """A ServiceAccount of the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the ServiceAccount."""


class OidcSubject(ApiModel):
    """Somebody whom an issuer of OpenID Connect knows."""

    issuer: IssuerName
    """Name of the issuer in spec.gateway.oidc of the EventBus."""
    subject: str = Field(min_length=1, max_length=255)
    """Who it is: the claim sub of the token, to the letter."""


class GatewayCallers(ApiModel):
    """Who may do by HTTP, through the gateway of the bus, what this resource may do."""

    model_config = rules(
        (
            (
                "has(self.serviceAccounts) && size(self.serviceAccounts) > 0"
                " || has(self.oidcSubjects) && size(self.oidcSubjects) > 0"
            ),
            "name serviceAccounts, oidcSubjects or both",
        ),
    )

    service_accounts: tuple[ServiceAccountRef, ...] = Field(
        default=(), max_length=100, json_schema_extra={"x-list-map-keys": ["name"]}
    )
    """ServiceAccounts of this namespace, who show a token for the gateway's audience."""
    oidc_subjects: tuple[OidcSubject, ...] = Field(
        default=(), max_length=100, json_schema_extra={"x-list-map-keys": ["issuer", "subject"]}
    )
    """People and programs whom issuers of the gateway know, who show a token for the gateway's audience."""


class GatewayTls(ApiModel):
    """What the gateway proves itself by."""

    secret_ref: SecretRef
    """A Secret of type kubernetes.io/tls with its certificate and key (tls.crt, tls.key), which may rotate."""


class GatewayIssuer(ApiModel):
    """An issuer of OpenID Connect whose tokens the gateway believes, by the keys that it publishes."""

    name: Annotated[
        IssuerName,
        Field(
            json_schema_extra={
                "x-kubernetes-validations": [
                    {"rule": "self != 'system'", "message": "system is what ServiceAccounts begin with: take another"}
                ]
            }
        ),
    ]
    """What identities of it begin with, before a colon and the subject."""
    issuer: str = Field(pattern=r"^https://[^\s?#]+$", max_length=1024)
    """Its address, to the letter as its tokens name it in the claim iss; below it is
    /.well-known/openid-configuration."""
    ca_secret_ref: SecretKeyRef | None = None
    """The certificates to trust, PEM; default: the trust store of the gateway's image."""


class CallerRate(ApiModel):
    """How fast one caller may publish."""

    identity: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?:.", max_length=320)
    """Who it is, as records name it in the header eventplane-caller: `system:serviceaccount:NAMESPACE:NAME`, or
    `ISSUER:SUBJECT`, the issuer by its name."""
    events_per_second: int = Field(ge=1, le=1_000_000)
    """How many events it may publish on average, through each pod, instead of those that anybody may."""


class Gateway(ApiModel):
    """The gateway, which takes events by HTTP and gives them."""

    model_config = rules(
        (
            "!has(self.oidc) || self.oidc.all(each, self.oidc.exists_one(other, other.issuer == each.issuer))",
            "an issuer has one name: take the others out of oidc",
        ),
    )

    replicas: int = Field(default=2, ge=1, le=100)
    """How many pods it has."""
    tls: GatewayTls
    """What it proves itself by; tokens are shown to it, so there is no gateway without."""
    audience: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            json_schema_extra={
                "x-kubernetes-validations": [
                    {
                        "rule": "!self.contains('kubernetes')",
                        "message": "the audience must not be the API server's: whoever got such a token could use it",
                    }
                ]
            },
        ),
    ] = "eventplane-gateway"
    """For whom tokens have to be that are shown to it."""
    events_per_second: int = Field(default=1_000, ge=1, le=1_000_000)
    """How many events one caller may publish on average, through each pod."""
    rates: tuple[CallerRate, ...] = Field(
        default=(), max_length=500, json_schema_extra={"x-list-map-keys": ["identity"]}
    )
    """Callers that may publish faster than all others, or only slower. Who may publish at all say Publications."""
    oidc: tuple[GatewayIssuer, ...] = Field(default=(), max_length=16, json_schema_extra={"x-list-map-keys": ["name"]})
    """Issuers of OpenID Connect that are believed, beside the API server, which ServiceAccounts have their tokens
    from."""
    resources: Resources = Resources(limits={"memory": "512Mi"})
    """What each pod asks for; where this is left out, at most 512Mi of memory."""


class GatewayStatus(ApiModel):
    """What has become of the gateway."""

    url: str
    """Where it is reached from inside of the cluster."""
    applied: str | None = None
    """Fingerprint of its access to Kafka as it was last made in full."""
    objects: tuple[OwnedObject, ...] = ()
    """What it has become in the namespace of the bus, beside its Secret."""
    workload: WorkloadStatus | None = None
    """Its Deployment."""
