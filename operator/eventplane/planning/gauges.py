"""Offsets to what they mean: how many events wait, exactly for metrics, coarsely and calmly for status."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.quantities import milliseconds
from eventplane.api.subscription import Subscription
from eventplane.events.waits import child_names
from eventplane.planning.access_desired import Topics, group_name, topic_to_grant
from eventplane.planning.dead_letter_topics import role_of
from eventplane.planning.dead_letters import Policy
from eventplane.planning.gauge_state import GaugeQuery, ObservedGauge, PartitionOffsets

STEADY_LOOKS: Final = 8
"""For how many looks in a row there must be fewer events before a status says so."""
AGE_CLASSES: Final = ("30d", "7d", "1d", "6h", "1h", "10m", "1m")
_STEPS: Final = (1, 2, 5, 10)

Key: TypeAlias = tuple[str, str]
"""Namespace and name of a Subscription."""
Window: TypeAlias = tuple[int, ...]
"""What the last looks showed, the newest last."""


class Role(StrEnum):
    """What a topic is to a Subscription."""

    SOURCE = "source"
    """It reads it: what counts is what its group has not read."""
    DEAD_LETTER = "dead-letter"
    """What failed ends there: what counts is all that it holds."""
    RETRY = "retry"
    """What failed waits there: what counts is what its group has not read."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One topic to be measured for one Subscription."""

    subscription: Key
    role: Role
    query: GaugeQuery
    leftover: bool = False
    """No policy asks for this topic any more: whether it is empty is worth knowing."""

    @property
    def topic(self) -> str:
        """Name in Kafka."""
        return self.query.topic


@dataclass(frozen=True, slots=True)
class Measured:
    """What a look at a topic showed."""

    gauge: Gauge
    events: Mapping[int, int] = field(default_factory=dict)
    """Events that count, by partition; without those of which nothing can be said."""
    age_ms: int | None = None
    """How old the oldest is."""
    known: bool = True
    """It could be looked at."""

    @property
    def total(self) -> int | None:
        """Events in all partitions; None where nothing can be said of any."""
        return sum(self.events.values()) if self.events else None


def gauges_of(
    subscription: Subscription, bus: EventBus, sources: Topics, children: Iterable[EventTopic], policy: Policy
) -> Iterator[Gauge]:
    """List what is to be measured for a Subscription: the topics that it reads, its retries and its dead letters.

    Args:
        subscription: whose.
        bus: where.
        sources: the EventTopics that it reads.
        children: the EventTopics that were made for it.
        policy: the policy that it names.
    """
    key, group = subscription.metadata.key, group_name(subscription.metadata)
    names = sorted({name for topic in sources.values() if (name := topic_to_grant(topic, bus)) is not None})
    for name in names:
        yield Gauge(key, Role.SOURCE, GaugeQuery(name, group))
    asked = _asked(subscription, policy)
    for child in children:
        made, role = topic_to_grant(child, bus), Role(role_of(child))
        if made is not None:
            query = GaugeQuery(made, oldest=True) if role is Role.DEAD_LETTER else GaugeQuery(made, group)
            yield Gauge(key, role, query, leftover=asked is not None and child.metadata.name not in asked)


def _asked(subscription: Subscription, policy: Policy) -> Collection[str] | None:
    """Name the EventTopics that are asked for; None where that is not known."""
    if subscription.spec.dead_letter_policy_ref is None:
        return ()
    if not isinstance(policy, DeadLetterPolicy):
        return None
    return child_names(subscription.metadata.name, policy.spec.retry)


# --- exact


def measure(gauge: Gauge, seen: ObservedGauge, start_from: str, now: datetime) -> Measured:
    """Say what offsets mean for a Subscription.

    Args:
        gauge: what was to be measured.
        seen: what was seen of it.
        start_from: where the Subscription's group begins that has not read yet.
        now: the time.
    """
    if seen.error is not None or not seen.partitions:
        return Measured(gauge, known=False)
    from_earliest = gauge.role is Role.RETRY or start_from == "Earliest"
    counted = {
        number: offsets.end - offsets.start
        if gauge.query.group is None
        else waiting(offsets, from_earliest=from_earliest)
        for number, offsets in seen.partitions.items()
    }
    age_ms = None if seen.oldest_ms is None else max(0, int(now.timestamp() * 1000) - seen.oldest_ms)
    return Measured(gauge, {number: events for number, events in counted.items() if events is not None}, age_ms)


def waiting(offsets: PartitionOffsets, *, from_earliest: bool) -> int | None:
    """Count the events of a partition that a group has not read; transactions' marks count as events.

    | the group has committed                        | events that wait               |
    |------------------------------------------------|--------------------------------|
    | nothing, and begins at the earliest            | all that there are             |
    | nothing, and begins elsewhere                  | unknown: it may begin anywhere |
    | an offset that has been deleted                | all that there are             |
    | an offset in between                           | those from there on            |
    | an offset beyond the end (the topic is another)| none that it would find        |
    """
    if offsets.committed is None:
        return offsets.end - offsets.start if from_earliest else None
    return max(0, offsets.end - max(offsets.committed, offsets.start))


# --- coarse


def coarse(number: int) -> int:
    """Round up to 1, 2 or 5 times a power of ten; 0 stays 0."""
    if number <= 0:
        return 0
    power = int("1" + "0" * (len(str(number)) - 1))
    return next(step * power for step in _STEPS if step * power >= number)


def age_class(age_ms: int) -> str | None:
    """Name the largest of some ages that has been reached; None where none has."""
    return next((name for name in AGE_CLASSES if age_ms >= milliseconds(name)), None)


def look(window: Window, number: int | None) -> Window:
    """Add what a look showed to what the last ones did; a look that showed nothing changes nothing."""
    return window if number is None else (*window, number)[-STEADY_LOOKS:]


def at_most(window: Window) -> int | None:
    """Return the most that the last looks showed; None before the first.

    More events are told of at once, fewer when it has been fewer for a while: what a status says of a busy consumer,
    whose lag is another at each look, stays the same.
    """
    return max(window, default=None)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a retry or dead-letter topic held in the last looks."""

    gauge: Gauge
    window: Window = ()
    age_ms: int | None = None

    @property
    def events(self) -> int | None:
        """At most so many; None where it was never looked at."""
        return at_most(self.window)

    @property
    def drained(self) -> bool:
        """Whether nothing has been in it for a while."""
        return len(self.window) == STEADY_LOOKS and self.events == 0


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of the topics of one Subscription."""

    exact: tuple[Measured, ...] = ()
    """What the last look showed."""
    waiting: Window = ()
    """Events that waited in the topics that it reads, in the last looks."""
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    """Its retry and dead-letter topics, by name in Kafka."""

    @property
    def lag(self) -> int | None:
        """What a status says of the events that wait; None where nothing is known."""
        most = at_most(self.waiting)
        return None if most is None else coarse(most)

    @property
    def drained(self) -> frozenset[str]:
        """Name the topics that nothing asks for any more and that have been empty for a while."""
        return frozenset(name for name, each in self.holdings.items() if each.gauge.leftover and each.drained)

    @property
    def outward(self) -> tuple[object, ...]:
        """Reduce to what makes another pass over the Subscription necessary."""
        return (self.lag, self.drained)


def account(before: Account, measured: Sequence[Measured]) -> Account:
    """Add a look at all topics of a Subscription to what was known; of a topic that is gone nothing stays known."""
    sources = [each for each in measured if each.gauge.role is Role.SOURCE]
    totals = [each.total for each in sources if each.total is not None]
    whole = bool(totals) and all(each.known for each in sources)
    holdings = {each.gauge.topic: each for each in measured if each.gauge.role is not Role.SOURCE}
    return Account(
        exact=tuple(measured),
        waiting=look(before.waiting, sum(totals) if whole else None) if sources else (),
        holdings={name: _held(before.holdings.get(name, Holding(each.gauge)), each) for name, each in holdings.items()},
    )


def _held(before: Holding, measured: Measured) -> Holding:
    """Add a look; what was seen before nobody asked for the topic any more says nothing of who still writes to it."""
    fresh = measured.gauge.leftover and not before.gauge.leftover
    window = () if fresh else before.window
    if not measured.known:
        return replace(before, gauge=measured.gauge, window=window)
    return Holding(measured.gauge, look(window, measured.total), measured.age_ms)
