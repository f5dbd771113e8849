"""Records of events that were set aside: for a while in a retry topic, for good in a dead-letter topic.

Key, value and headers stay as they were; these headers are added, each as UTF-8 text. What is counted and what it
means is as in Spring for Apache Kafka (`kafka_dlt-*`, `retry_topic-*`); the names are ours. An event that has failed at
nothing, and waits in a retry topic for the time that its producer has set, has but the last seven.

| header | meaning |
|---|---|
| `eventplane-reason` | Undecodable, ExpressionFailed, Rejected, Unavailable, TimedOut, Unrouted, TooFarAhead |
| `eventplane-exception` | what was wrong, for people |
| `eventplane-attempts` | attempts so far |
| `eventplane-first-failure`, `eventplane-last-failure` | when, milliseconds since 1970 |
| `eventplane-subscription` | namespace/name of the Subscription that has set it aside |
| `eventplane-topic`, `eventplane-partition`, `eventplane-offset` | where it was read at first |
| `eventplane-timestamp` | of the original record, milliseconds since 1970; absent if it had none |
| `eventplane-due` | in retry topics: when it is looked at again, milliseconds since 1970 |
| `eventplane-route` | namespace/name/route: the only route of that Subscription that it is for; absent: any |

`eventplane-not-before` is none of these: a producer writes it, and it stays (`events/scheduling.py`).

One that is sent to its topic again has of these only `eventplane-route`, where it was for one, and
`eventplane-replayed-from`: topic/partition/offset of the dead letter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias, get_args

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.events.delivery import Failure
from eventplane.events.record import Header, Place, Record, place_of_record

PREFIX: Final = "eventplane-"
REPLAYED_FROM: Final = f"{PREFIX}replayed-from"
ROUTE: Final = f"{PREFIX}route"
NOT_BEFORE: Final = f"{PREFIX}not-before"
"""Before this time, milliseconds since 1970, an event is not to be delivered."""
_LONGEST_EXCEPTION: Final = 2_000
_REASONS: Final[frozenset[str]] = frozenset(get_args(FailureReason))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record was read at first."""

    place: Place
    offset: int
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of an event that has failed at nothing and waits in a retry topic for its time."""

    subscription: str
    origin: Origin
    due_ms: int
    route: str | None = None
    """The only route that it is for; None: it is for all that take it."""
    attempts: ClassVar[int] = 0
    first_failure_ms: ClassVar[int | None] = None

    def headers(self, record: Record) -> list[Header]:
        """Return the record's own headers, with what is known of it in place of what was known before."""
        return _with_fields(record, _place_fields(self))


@dataclass(frozen=True, slots=True)
class History:
    """What has happened to an event that failed."""

    subscription: str
    origin: Origin
    failure: Failure
    attempts: int
    first_failure_ms: int
    last_failure_ms: int
    due_ms: int | None = None
    route: str | None = None
    """The only route that it is for; None: it is for all that take it."""

    def headers(self, record: Record) -> list[Header]:
        """Return the record's own headers, with this history in place of an older one."""
        fields: dict[str, str | int | None] = {
            "reason": self.failure.reason,
            "exception": self.failure.message[:_LONGEST_EXCEPTION],
            "attempts": self.attempts,
            "first-failure": self.first_failure_ms,
            "last-failure": self.last_failure_ms,
        }
        return _with_fields(record, fields | _place_fields(self))


Past: TypeAlias = History | Waiting
"""What a record of a retry topic says of itself."""


def own_headers(record: Record) -> list[Header]:
    """Return the headers that a record had before anything happened to it."""
    return [each for each in record.headers() or () if not each[0].startswith(PREFIX) or each[0] == NOT_BEFORE]


def route_of(record: Record, subscription: str) -> str | None:
    """Tell the only route that a record is for, of those of a Subscription; None: nothing was said to that.

    Args:
        record: what was read.
        subscription: namespace/name; what another has noted for itself means nothing.
    """
    found = next((value for name, value in record.headers() or () if name == ROUTE), None)
    whose, _slash, route = (found or b"").decode("utf-8", "replace").rpartition("/")
    return route if whose == subscription and route else None


def was_set_aside(record: Record) -> bool:
    """Tell whether an event comes again on purpose: from a retry topic, or out of a dead-letter topic."""
    return any(name == REPLAYED_FROM for name, _value in record.headers() or ()) or history_of(record) is not None


def origin_of(record: Record) -> Origin:
    """Tell where a record is, as the first place that it was read from."""
    kind, timestamp_ms = record.timestamp()
    place = place_of_record(record)
    return Origin(place, record.offset() or 0, timestamp_ms if kind else None)


def set_aside(
    record: Record,
    before: Past | None,
    failure: Failure,
    *,
    subscription: str,
    attempts: int,
    first_failure_ms: int | None,
    now_ms: int,
    delay_ms: int | None,
) -> History:
    """Tell the history of an event that is set aside now.

    Args:
        record: what was read.
        before: what has happened to it before; None: it comes from where it was at first.
        failure: of the last attempt.
        subscription: namespace/name.
        attempts: so far.
        first_failure_ms: when it failed at first; None: now.
        now_ms: milliseconds since 1970.
        delay_ms: until its next attempt; None: there is none.
    """
    return History(
        subscription=subscription,
        origin=before.origin if before is not None else origin_of(record),
        failure=failure,
        attempts=attempts,
        first_failure_ms=first_failure_ms or now_ms,
        last_failure_ms=now_ms,
        due_ms=None if delay_ms is None else now_ms + delay_ms,
        route=route_of(record, subscription),
    )


def postponed(record: Record, before: Past | None, *, subscription: str, due_ms: int) -> Waiting:
    """Tell what is known of an event that waits for its time from now on; arguments as with `set_aside`.

    Args:
        record: what was read.
        before: what is known of it, where it has waited before.
        subscription: namespace/name.
        due_ms: when it is looked at again, milliseconds since 1970.
    """
    origin = before.origin if before is not None else origin_of(record)
    return Waiting(subscription, origin, due_ms, route_of(record, subscription))


def first_topic(past: Past | None, place: Place) -> str:
    """Tell the topic that an event was written to at first, whose subject its data belong to.

    Args:
        past: what is known of it, where it was set aside before.
        place: where it is read now.
    """
    return past.origin.place[0] if past is not None else place[0]


def past_of(record: Record) -> Past | None:
    """Read what a record of a retry topic says of itself; None where somebody wrote nonsense."""
    found = _fields_of(record)
    return _history(record, found) or _waiting(record, found)


def history_of(record: Record) -> History | None:
    """Read what is known of an event that failed; None where it never has, or somebody wrote nonsense."""
    return _history(record, _fields_of(record))


def _history(record: Record, found: Mapping[str, str]) -> History | None:
    reason = found.get("reason")
    if reason not in _REASONS:
        return None
    try:
        return History(
            subscription=found["subscription"],
            origin=_origin(found),
            failure=Failure(reason, found["exception"]),  # type: ignore[arg-type]  # it is one of them, see above
            attempts=int(found["attempts"]),
            first_failure_ms=int(found["first-failure"]),
            last_failure_ms=int(found["last-failure"]),
            due_ms=_whole(found.get("due")),
            route=route_of(record, found["subscription"]),
        )
    except (KeyError, ValueError):
        return None


def _waiting(record: Record, found: Mapping[str, str]) -> Waiting | None:
    try:
        subscription = found["subscription"]
        return Waiting(subscription, _origin(found), int(found["due"]), route_of(record, subscription))
    except (KeyError, ValueError):
        return None


def _fields_of(record: Record) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers() or ()
        if name.startswith(PREFIX)
    }


def _with_fields(record: Record, fields: Mapping[str, str | int | None]) -> list[Header]:
    return own_headers(record) + [
        (PREFIX + name, str(value).encode("utf-8", "replace")) for name, value in fields.items() if value is not None
    ]


def _place_fields(past: Past) -> dict[str, str | int | None]:
    return {
        "subscription": past.subscription,
        "topic": past.origin.place[0],
        "partition": past.origin.place[1],
        "offset": past.origin.offset,
        "timestamp": past.origin.timestamp_ms,
        "due": past.due_ms,
        "route": f"{past.subscription}/{past.route}" if past.route is not None else None,
    }


def _origin(found: Mapping[str, str]) -> Origin:
    place = (found["topic"], int(found["partition"]))
    return Origin(place, int(found["offset"]), _whole(found.get("timestamp")))


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)
