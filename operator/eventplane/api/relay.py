"""The relay of a Publication: from an event store's database to its topics."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.access import TopicRef
from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel
from eventplane.api.workload import Resources

TypePattern = Annotated[str, Field(pattern=r"^[^\s,=]+$", max_length=253)]


class Route(ApiModel):
    """Where events of some types go."""

    types: TypePattern
    """A pattern of event types: order.*, or * for all that no route before this one has."""
    topic: str = Field(min_length=1, max_length=253)
    """Name of one of the EventTopics of the Publication."""


class Relay(ApiModel):
    """Publishes what is appended to an event store: each event once, in the order of its aggregate."""

    store_secret_ref: SecretRef
    """A Secret that says where the database is and who reads it, as servicebinding.io has it: uri, or host, port,
    database, username and password. The operator never reads it."""
    positions: TopicRef
    """An EventTopic with cleanup [compact], in which the relay notes how far it is; several relays may share one."""
    routes: tuple[Route, ...] = Field(default=(), max_length=50)
    """Which events go where: the first that fits counts, and events that none fits stay in the store. Default: all go
    to the first of topics."""
    start: Literal["Position", "Beginning"] = "Position"
    """Beginning has a relay that finds no position publish everything, though there are events in its topics already;
    Position has it stop then, and say so."""
    replicas: int = Field(default=2, ge=1, le=10)
    """How many pods there are; one works, the others take over when it ends."""
    resources: Resources = Resources()
    """What each pod asks for."""
