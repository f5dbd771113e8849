"""What the gateway is told, in two files: how it listens and whom it believes, and who may do what.

They hold no secrets. Times are seconds.
"""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.model import ApiModel

TopicPattern = Annotated[str, Field(pattern=r"^([a-zA-Z0-9._-]{1,249}|[a-zA-Z0-9._-]{0,248}\*)$")]
"""A topic's name in Kafka, or the beginning of one and an asterisk, as Kafka's own rights have it."""

IssuerName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]
"""What identities of an issuer begin with, before a colon."""


class Grant(ApiModel):
    """What one identity may do; whoever has none may do nothing."""

    identity: str = Field(min_length=1, max_length=1024)
    """`system:serviceaccount:<namespace>:<name>`, or `<name of the issuer>:<subject>`."""
    publish: tuple[TopicPattern, ...] = ()
    """Topics that it may write to."""
    subscribe: tuple[TopicPattern, ...] = ()
    """Topics that it may read."""
    events_per_second: float | None = Field(default=None, gt=0)
    """How many events it may publish, on average; default: the gateway's."""


class Grants(ApiModel):
    """Who may do what. Of several grants of one identity each counts; of their rates the highest does."""

    version: Literal[1] = 1
    """Of this format."""
    grants: tuple[Grant, ...] = ()
    """All there are."""


class TokenReviews(ApiModel):
    """Where ServiceAccount tokens are reviewed: the API server."""

    url: str = "https://kubernetes.default.svc"
    """Its address."""
    ca_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    """Certificates to trust, PEM."""
    token_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where it is, not what
    """The gateway's own token, which needs the right to create TokenReviews."""


class OidcIssuer(ApiModel):
    """An issuer of JWTs that are believed."""

    name: IssuerName
    """What identities of it begin with, before a colon; never `system`."""
    issuer: str = Field(pattern=r"^https?://")
    """Its address, which its tokens name."""
    ca_file: str | None = None
    """Certificates to trust, PEM; default: those of the system."""


class Limits(ApiModel):
    """What one process of the gateway takes on."""

    request_bytes: int = Field(default=4_194_304, gt=0)
    """Of one request, a batch included."""
    requests: int = Field(default=1_000, gt=0)
    """Under way at a time."""
    bytes_under_way: int = Field(default=67_108_864, gt=0)
    """Of all their bodies."""
    batch_events: int = Field(default=1_000, gt=0)
    """In one batch."""
    events_per_second: float = Field(default=1_000.0, gt=0)
    """Of an identity whose grant says nothing; a second's worth may come at once."""
    request_seconds: float = Field(default=30.0, gt=0)
    """For a request to arrive whole."""
    publish_seconds: float = Field(default=10.0, gt=0)
    """For Kafka to acknowledge."""
    streams: int = Field(default=50, gt=0)
    """Subscribers at a time."""
    streams_per_identity: int = Field(default=5, gt=0)
    """And of one identity."""
    stream_seconds: float = Field(default=3_600.0, gt=0)
    """For how long a subscriber is served before it has to come again."""


class GatewayConfig(ApiModel):
    """How the gateway listens and whom it believes."""

    version: Literal[1] = 1
    """Of this format."""
    audience: str = Field(min_length=1)
    """For whom tokens have to be."""
    token_reviews: TokenReviews | None = None
    """Whether ServiceAccounts of the cluster are believed; default: not."""
    oidc: tuple[OidcIssuer, ...] = ()
    """Issuers that are believed besides."""
    believed_seconds: float = Field(default=60.0, ge=0, le=600)
    """For how long a token that was accepted is not looked at again; never beyond its own end."""
    certificate_dir: str | None = None
    """Folder with tls.crt and tls.key, read again when they change; default: no TLS."""
    limits: Limits = Limits()
    """What one process takes on."""
