"""How events reach a consumer: which of them, in what order, how surely, and where they go."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.access import TopicRef
from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel, rules
from eventplane.api.quantities import Duration

Guarantee = Literal["AtLeastOnce", "ExactlyOnce"]
Ordering = Literal["Key", "Partition", "None"]
ContentMode = Literal["Binary", "Structured"]
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


class HttpSink(ApiModel):
    """A service that takes events by HTTP POST, as CloudEvents' HTTP binding has it."""

    url: str = Field(pattern=r"^https?://[^\s#]+$", max_length=2048)
    """Where to. A response of 2xx acknowledges the event."""
    timeout: Duration = "10s"
    """For how long an answer is waited for."""
    content_mode: ContentMode = "Binary"
    """Binary sends the data as the body and the attributes as headers; Structured sends one JSON document."""
    bearer_token_secret_ref: SecretRef | None = None
    """A Secret with the key token, sent as `Authorization: Bearer`."""
    retry_statuses: tuple[Annotated[int, Field(ge=400, le=599)], ...] = Field(default=(), max_length=50)
    """Statuses of 4xx that are tried again, beside 408, 425, 429 and every 5xx."""


class Sink(ApiModel):
    """Where Eventplane's own runtime delivers to."""

    model_config = rules(
        ("has(self.http) != has(self.topicRef)", "name exactly one of http and topicRef"),
    )

    http: HttpSink | None = None
    """A service."""
    topic_ref: TopicRef | None = None
    """Another EventTopic of the namespace."""
