"""How events reach a consumer: which of them, in what order, how surely."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.model import ApiModel
from eventplane.api.quantities import Duration

Guarantee = Literal["AtLeastOnce", "ExactlyOnce"]
Ordering = Literal["Key", "Partition", "None"]
Expression = Annotated[str, Field(min_length=1, max_length=4096)]
"""CEL over `event`: its attributes (`event.type`), `event.headers`, `event.data`."""


class Deduplication(ApiModel):
    """Which events count as seen before: those with the source and id of another."""

    window: Duration = "1h"
    """For how long an event is remembered, by the timestamps of the records."""
    max_events: int = Field(default=200_000, ge=1_000, le=10_000_000)
    """How many events a pod remembers, each in about 200 bytes; what is older is forgotten, within the window too."""


class Delivery(ApiModel):
    """How surely and in what order events are delivered."""

    guarantee: Guarantee = "AtLeastOnce"
    """AtLeastOnce acknowledges an event after the sink has. ExactlyOnce, from topic to topic only, writes and
    acknowledges in one transaction."""
    ordering: Ordering = "Key"
    """What stays in order: the events of a key, those of a partition, or nothing."""
    concurrency: int = Field(default=16, ge=1, le=1000)
    """How many events of a pod may be on their way to the sink at a time."""
    deduplicate: Deduplication | None = None
    """Present where events that come twice in a partition are to be delivered once."""
