"""Where Eventplane's own consumer delivers to by content: to the first route that wants an event, or to all of them."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.delivery import Expression
from eventplane.api.model import ApiModel
from eventplane.api.sink import Sink

Match = Literal["First", "All"]
Unmatched = Literal["DeadLetter", "Filter"]
RouteName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""Part of names of volumes, which have 63 characters."""


class Route(ApiModel):
    """One way for events."""

    name: RouteName
    """What it is called in metrics, refusals and headers; what waits for its next attempt finds its route by it."""
    filter: Expression | None = None
    """Which events it takes, CEL as in `spec.filter`; default: all."""
    transform: Expression | None = None
    """What becomes the data of the delivered event, CEL as in `spec.transform`."""
    sink: Sink
    """Where to."""


class Routes(ApiModel):
    """Several sinks, and which of them gets an event."""

    match: Match
    """First delivers an event by the first route that takes it, All by each that does."""
    unmatched: Unmatched = "DeadLetter"
    """What becomes of an event that no route takes: DeadLetter sets it aside, Filter acknowledges and counts it."""
    to: tuple[Route, ...] = Field(min_length=1, max_length=20, json_schema_extra={"x-list-map-keys": ["name"]})
    """The routes, in the order in which they are asked."""
