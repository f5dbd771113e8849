"""Subscription: the right to read events from topics, and where they go."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from eventplane.api.access import COLUMNS, Access, AccessSpec, AccessStatus, TopicRef
from eventplane.api.delivery import Delivery, Expression
from eventplane.api.event_bus import LabelSelector
from eventplane.api.lookups import Lookup
from eventplane.api.model import ApiModel, immutable, rules
from eventplane.api.printing import Column
from eventplane.api.routes import Routes
from eventplane.api.sink import Sink
from eventplane.api.workload import Scaling, Workload

START_PATTERN = (
    r"^(Earliest|Latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))$"
)


class DeadLetterPolicyRef(ApiModel):
    """A DeadLetterPolicy of the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the DeadLetterPolicy."""


class SubscribedTopic(TopicRef):
    """An EventTopic of the same namespace that is read."""

    major: int | None = Field(default=None, ge=1)
    """In which major version of the topic's Schema the sink gets events, whichever they were written in; default: as
    they were written."""


class SubscriptionSpec(AccessSpec):
    """What a consuming application asks for."""

    model_config = rules(
        immutable("busRef", "Subscription"),
        immutable("secretName", "Subscription"),
        ("has(self.topics) != has(self.topicSelector)", "name the topics either by topics or by topicSelector"),
        (
            "[has(self.sink), has(self.routes), has(self.workload)].filter(given, given).size() <= 1",
            "name one of sink, routes and workload, or none of them",
        ),
        (
            "!has(self.filter) || has(self.sink) || has(self.routes)",
            "filter is for sink and routes: a container of your own filters by itself",
        ),
        (
            "!has(self.transform) || has(self.sink)",
            "transform is for sink: routes have their own, and a container of your own transforms by itself",
        ),
        (
            (
                "!has(self.routes) || self.routes.unmatched == 'Filter' || has(self.deadLetterPolicyRef)"
                " || self.routes.to.exists(route, !has(route.filter))"
            ),
            "what no route takes is a dead letter: name a deadLetterPolicyRef, or set routes.unmatched to Filter",
        ),
        (
            "!has(self.lookups) || has(self.sink) || has(self.routes)",
            "lookups is for sink and routes: a container of your own looks up by itself",
        ),
        (
            (
                "!has(self.lookups) || !has(self.delivery) || !has(self.delivery.guarantee)"
                " || self.delivery.guarantee != 'ExactlyOnce'"
                " || !self.lookups.exists(lookup, has(lookup.http))"
            ),
            "a transaction waits for no service: with ExactlyOnce name a topicRef in lookups instead of http",
        ),
        (
            "!has(self.scaling) || has(self.sink) || has(self.routes) || has(self.workload)",
            "scaling is for sink, routes and workload",
        ),
    )

    topics: tuple[SubscribedTopic, ...] = Field(
        default=(), min_length=1, max_length=100, json_schema_extra={"x-list-map-keys": ["name"]}
    )
    """The topics; each is granted as soon as its EventTopic has been made, and as long as it exists."""
    topic_selector: LabelSelector | None = None
    """Instead of naming topics: those whose EventTopics in this namespace have these labels, as they come and go."""
    filter: Expression | None = None
    """Which events to deliver, CEL: `event.type == "order.created" && event.data.amount > 100`."""
    transform: Expression | None = None
    """What becomes the data of the delivered event, CEL: `{"id": event.data.id}`."""
    lookups: tuple[Lookup, ...] = Field(default=(), max_length=10, json_schema_extra={"x-list-map-keys": ["name"]})
    """What the expressions of filter, transform and routes may look up: `lookups.customer.tier`. What a filter that
    reads none of them keeps back is never looked up."""
    delivery: Delivery = Delivery()
    """How surely and in what order the sink gets events."""
    dead_letter_policy_ref: DeadLetterPolicyRef | None = None
    """What is done about events that cannot be processed; default: they are tried for ever, in place."""
    sink: Sink | None = None
    """Where Eventplane's own consumer delivers to."""
    routes: Routes | None = None
    """Instead of one sink: several, and which events go where."""
    workload: Workload | None = None
    """A container of your own that consumes."""
    start_from: Annotated[str, Field(pattern=START_PATTERN)] = "Latest"
    """Where a group begins that has not read yet: Earliest, Latest, or a time, RFC 3339."""
    scaling: Scaling | None = None
    """How many pods consume; default: one."""

    @property
    def sinks(self) -> Mapping[str, Sink]:
        """Where Eventplane's own consumer delivers to, by the names of routes; a sole sink has none: the empty text."""
        if self.routes is not None:
            return {route.name: route.sink for route in self.routes.to}
        return {} if self.sink is None else {"": self.sink}

    @property
    def sink_topics(self) -> tuple[str, ...]:
        """The EventTopics that Eventplane's own consumer delivers to, each once."""
        refs = (sink.topic_ref for sink in self.sinks.values())
        return tuple(dict.fromkeys(ref.name for ref in refs if ref is not None))

    @property
    def lookup_topics(self) -> tuple[str, ...]:
        """The EventTopics that Eventplane's own consumer looks into, each once."""
        refs = (lookup.topic_ref for lookup in self.lookups)
        return tuple(dict.fromkeys(ref.name for ref in refs if ref is not None))


class SubscriptionStatus(AccessStatus):
    """What is the case."""

    group: str | None = None
    """The consumer group, which no other user may join."""
    lag: int | None = None
    """Events that wait, in all partitions, rounded up to 1, 2 or 5 times a power of ten; metrics are exact."""


class Subscription(Access):
    """A consumer's side of topics: a user of its own, its Secret, its consumer group, and the right to read."""

    kind: ClassVar[str] = "Subscription"
    plural: ClassVar[str] = "subscriptions"
    short_names: ClassVar[tuple[str, ...]] = ("esub",)
    printer_columns: ClassVar[tuple[Column, ...]] = (
        {"name": "Group", "type": "string", "jsonPath": ".status.group"},
        {"name": "Lag", "type": "integer", "jsonPath": ".status.lag"},
        {"name": "Pods", "type": "integer", "jsonPath": ".status.workload.available"},
        *COLUMNS,
    )

    spec: SubscriptionSpec
    status: SubscriptionStatus = SubscriptionStatus()
