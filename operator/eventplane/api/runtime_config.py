"""What the consumer runtime is told: the operator writes this file with the model that the runtime reads it by.

It holds no secrets: credentials are mounted beside it. Times are milliseconds.
"""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.api.delivery import Delivery, Expression
from eventplane.api.lookups import HttpLookup, IfMissing, LookupName
from eventplane.api.model import ApiModel
from eventplane.api.quantities import milliseconds
from eventplane.api.routes import Match, RouteName, Unmatched
from eventplane.api.sink import Batching, HttpSink, PythonFunction

Credential = Literal["token", "signature", "ca", "certificate"]
_FOLDERS: Final[Mapping[Credential, str]] = {
    "token": "sink",
    "signature": "sink-signature",
    "ca": "sink-ca",
    "certificate": "sink-certificate",
}


def credential_folder(what: Credential, route: str = "") -> str:
    """Name the volume, and the folder of bindings, of a Secret that a service is spoken to with."""
    return f"route-{what}-{route}" if route else _FOLDERS[what]


def lookup_credential_folder(what: Credential, lookup: str) -> str:
    """Name the same of a service that is looked up; no name of a volume has an underscore, or ends with a dash."""
    return f"lookup-{lookup.replace('_', '-')}-{what}"


class RetryTier(ApiModel):
    """A topic in which events wait for their next attempt."""

    topic: str
    """Name in Kafka."""
    delay_ms: int = Field(ge=0)
    """For how long."""


class RetryRules(ApiModel):
    """What becomes of an event whose processing failed."""

    attempts: int = Field(ge=1)
    """Attempts in all, the first included."""
    delays_ms: tuple[int, ...] = ()
    """The wait before the second attempt, the third, and so on: one less than there are attempts."""
    jitter_percent: int = Field(default=0, ge=0, le=100)
    """By how much a wait in place may differ by chance."""
    tiers: tuple[RetryTier, ...] = ()
    """The topic for each of `delays_ms`, those of one length sharing one; none where events wait in place."""
    draining: tuple[RetryTier, ...] = ()
    """Topics of waits that are over, or that another topic stands for by now: only read, until they are empty."""
    give_up_on: tuple[FailureReason, ...] = ()
    """What is not tried again."""
    dead_letter_topic: str | None = None
    """Where the rest ends, name in Kafka; None: nothing is given up, it is tried for ever."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Those in which events wait, names in Kafka, each once."""
        return tuple(dict.fromkeys(tier.topic for tier in (*self.tiers, *self.draining)))


class TopicSink(ApiModel):
    """Another topic to deliver to."""

    topic: str
    """Name in Kafka."""


class Destination(ApiModel):
    """Where events are delivered to: one of these."""

    http: HttpSink | None = None
    """A service to deliver to."""
    python: PythonFunction | None = None
    """A function of this image to deliver to."""
    topic: TopicSink | None = None
    """A topic to deliver to."""

    @property
    def batching(self) -> Batching | None:
        """How events go together; None: each by itself."""
        if self.http is not None and self.http.content_mode == "Batched":
            return self.http.batch or Batching()
        return self.python.batch if self.python is not None else None

    @property
    def timeout_seconds(self) -> float:
        """How long an attempt may take; 0: the sink has no such limit."""
        sink = self.http or self.python
        return 0.0 if sink is None else milliseconds(sink.timeout) / 1000

    def most_under_way(self, concurrency: int) -> int:
        """Tell how many events may be on their way to a sink that is waited for, with so many requests."""
        return concurrency * (self.batching.max_events if self.batching is not None else 1)


class RuntimeRoute(Destination):
    """One way for events."""

    name: RouteName
    """What it is called."""
    filter: Expression | None = None
    """Which events it takes; None: all."""
    transform: Expression | None = None
    """What becomes the data of the event that is delivered."""


class RuntimeRoutes(ApiModel):
    """Which events go where."""

    match: Match
    """By the first route that takes an event, or by all that do."""
    unmatched: Unmatched = "DeadLetter"
    """What becomes of an event that no route takes."""
    to: tuple[RuntimeRoute, ...] = Field(min_length=1)
    """The routes, in order."""


class TableTopic(ApiModel):
    """A topic whose last value of each key is kept in memory."""

    topic: str
    """Name in Kafka."""
    max_entries: int = Field(default=100_000, ge=1)
    """How many keys, at most."""


class RuntimeLookup(ApiModel):
    """A value that is looked up by a key of the event."""

    name: LookupName
    """What it is called."""
    key: Expression
    """The key."""
    topic: TableTopic | None = None
    """A topic to look into."""
    http: HttpLookup | None = None
    """A service to ask."""
    if_missing: IfMissing = "Null"
    """What a missing value means."""


class RuntimeConfig(Destination):
    """One Subscription, as its consumer has to know it."""

    version: Literal[1] = 1
    """Of this format."""
    namespace: str
    """Namespace of the Subscription."""
    name: str
    """Name of the Subscription."""
    group: str
    """Consumer group."""
    transactional_id_prefix: str | None = None
    """Begins the transactional ids of its pods, where it delivers exactly once; None: it has no transactions."""
    topics: tuple[str, ...] = Field(min_length=1)
    """Names in Kafka."""
    majors: dict[str, int] = Field(default_factory=dict)
    """Which major version of its Schema events of a topic are to be read in, by topic; default: as written."""
    schema_registry_url: str | None = None
    """The bus's registry; without one, topics hold no data in a registry's wire format."""
    start_from: str = "Latest"
    """Earliest, Latest, or a time (RFC 3339): where a group begins that has no offsets."""
    filter: Expression | None = None
    """Which events to deliver; the others are acknowledged."""
    transform: Expression | None = None
    """What becomes the data of the event that is delivered."""
    lookups: tuple[RuntimeLookup, ...] = ()
    """What the expressions may look up."""
    delivery: Delivery = Delivery()
    """How surely and in what order."""
    retry: RetryRules
    """What becomes of failures."""
    routes: RuntimeRoutes | None = None
    """Instead of one destination: several, and which events go where."""

    @property
    def full_name(self) -> str:
        """Namespace and name of the Subscription, as headers have them."""
        return f"{self.namespace}/{self.name}"

    @property
    def destinations(self) -> Mapping[str, Destination]:
        """Where events are delivered to, by the names of routes; a sole destination has none: the empty text."""
        return {"": self} if self.routes is None else {route.name: route for route in self.routes.to}
