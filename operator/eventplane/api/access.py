"""What Publication and Subscription have in common: topics, and the credentials with which to reach them."""

from typing import Annotated, Final

from pydantic import Field

from eventplane.api.model import ApiModel
from eventplane.api.printing import AGE, BUS, MESSAGE, READY, REASON, Column
from eventplane.api.resource import Managed, ManagedSpec, ManagedStatus

COLUMNS: Final[tuple[Column, ...]] = (
    READY,
    REASON,
    {"name": "Secret", "type": "string", "jsonPath": ".status.binding.name"},
    {"name": "Principal", "type": "string", "jsonPath": ".status.principal", "priority": 1},
    BUS,
    MESSAGE,
    AGE,
)
SecretName = Annotated[str, Field(pattern=r"^[a-z0-9]+([-.]+[a-z0-9]+)*$", max_length=253)]


class TopicRef(ApiModel):
    """An EventTopic of the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the EventTopic."""


class AccessSpec(ManagedSpec):
    """What an application asks for, whichever way its events go."""

    topics: tuple[TopicRef, ...] = Field(min_length=1, max_length=100, json_schema_extra={"x-list-map-keys": ["name"]})
    """The topics; each is granted as soon as its EventTopic has been made, and as long as it exists."""
    secret_name: SecretName | None = None
    """The Secret with the credentials, which must not exist; default: the name of this resource, a hyphen, and its
    kind in lower case. Immutable."""


class Binding(ApiModel):
    """The Secret to be mounted, as servicebinding.io calls it."""

    name: str
    """Name of the Secret."""


class AccessStatus(ManagedStatus):
    """What is the case."""

    principal: str | None = None
    """The user in Kafka, without the `User:` that principals begin with; none where the bus asks for no credentials."""
    binding: Binding | None = None
    """The Secret with everything that a client needs."""
    grants: tuple[str, ...] = ()
    """What the user may do, one line each."""


class Access(Managed):
    """A resource that becomes a user of Kafka, its Secret, and what it may do."""

    spec: AccessSpec
    status: AccessStatus = AccessStatus()

    @property
    def secret_name(self) -> str:
        """Name of the Secret with the credentials, in the namespace of the resource."""
        return self.spec.secret_name or f"{self.metadata.name}-{self.kind.lower()}"
