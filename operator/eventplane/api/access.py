"""What Publication and Subscription have in common: topics, and the credentials with which to reach them."""

from typing import Annotated, Final

from pydantic import Field

from eventplane.api.gateway import GatewayCallers
from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel
from eventplane.api.printing import AGE, BUS, MESSAGE, READY, REASON, Column
from eventplane.api.resource import Managed, ManagedSpec, ManagedStatus
from eventplane.api.workload import OwnedObject, WorkloadStatus

COLUMNS: Final[tuple[Column, ...]] = (
    READY,
    REASON,
    {"name": "Secret", "type": "string", "jsonPath": ".status.binding.name"},
    {"name": "Principal", "type": "string", "jsonPath": ".status.principal", "priority": 1},
    BUS,
    MESSAGE,
    AGE,
)
Period = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}(m|h|d|w)$")]
Grace = Annotated[str, Field(pattern=r"^[0-9]{1,4}(s|m|h|d|w)$")]
SecretName = Annotated[str, Field(pattern=r"^[a-z0-9]+([-.]+[a-z0-9]+)*$", max_length=253)]


class TopicRef(ApiModel):
    """An EventTopic of the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the EventTopic."""


class Credentials(ApiModel):
    """How long credentials last, or where those are that somebody else issues."""

    rotate_every: Period | None = None
    """How old a password gets, such as 90d, before another user with another password takes its user's place in the
    Secret; default: as old as it likes. The annotation events.sindhan.ai/rotate asks for the same at once, each time
    that it gets another text."""
    grace: Grace = "1h"
    """For how long the user that was replaced is let in, so that clients can move over; with 0s it is not. The next
    rotation waits until it is over."""
    certificate_secret_ref: SecretRef | None = None
    """On buses that know their users by certificates: a Secret of type kubernetes.io/tls with that of this resource's
    principal, which pods that the operator runs have at `/bindings/certificate`. The operator never reads it."""
    oauth_secret_ref: SecretRef | None = None
    """On buses that know their users by tokens: a Secret with the keys clientId and clientSecret, by which the identity
    provider gives tokens for this resource's principal. Pods that the operator runs have it at `/bindings/oauth`. The
    operator never reads it."""


class AccessSpec(ManagedSpec):
    """What an application asks for, whichever way its events go."""

    topics: tuple[TopicRef, ...] = Field(min_length=1, max_length=100, json_schema_extra={"x-list-map-keys": ["name"]})
    """The topics; each is granted as soon as its EventTopic has been made, and as long as it exists."""
    secret_name: SecretName | None = None
    """The Secret with the credentials, which must not exist; default: the name of this resource, a hyphen, and its
    kind in lower case. Immutable."""
    credentials: Credentials = Credentials()
    """How long the credentials last; rotating them disturbs no client. On buses whose users come with credentials
    of their own: where those of this one are."""
    gateway: GatewayCallers | None = None
    """Who may do the same by HTTP, without these credentials; not in the modes Plan and Observe. Default: nobody."""


class CredentialsStatus(ApiModel):
    """The life of the credentials; these times change only when something happens."""

    issued_at: str = Field(json_schema_extra={"format": "date-time"})
    """When the password in the Secret was issued, RFC 3339."""
    rotates_at: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When it will have the age of rotateEvery, RFC 3339."""
    retiring: str | None = None
    """The user that was replaced and is still let in."""
    retires_at: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When that user is let in no more, at the latest, RFC 3339."""


class Binding(ApiModel):
    """The Secret to be mounted, as servicebinding.io calls it."""

    name: str
    """Name of the Secret."""


class AccessStatus(ManagedStatus):
    """What is the case."""

    principal: str | None = None
    """The user in the Secret, or the one that is mapped to this resource, by its name in Kafka, without the `User:`
    that principals begin with; none where the bus asks for no credentials."""
    binding: Binding | None = None
    """The Secret with everything that a client needs."""
    credentials: CredentialsStatus | None = None
    """Since when they hold, and what becomes of those before; none where the bus asks for none."""
    grants: tuple[str, ...] = ()
    """What the user may do, one line each."""
    workload: WorkloadStatus | None = None
    """The Deployment, where one is asked for."""
    objects: tuple[OwnedObject, ...] = ()
    """What the resource has become in its namespace, beside its Secret."""


class Access(Managed):
    """A resource that becomes a user of Kafka, its Secret, and what it may do."""

    spec: AccessSpec
    status: AccessStatus = AccessStatus()

    @property
    def secret_name(self) -> str:
        """Name of the Secret with the credentials, in the namespace of the resource."""
        return self.spec.secret_name or f"{self.metadata.name}-{self.kind.lower()}"
