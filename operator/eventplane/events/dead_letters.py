"""Records of events that were set aside: for a while in a retry topic, for good in a dead-letter topic.

Key, value and headers stay as they were; these headers are added, each as UTF-8 text. What is counted and what it
means is as in Spring for Apache Kafka (`kafka_dlt-*`, `retry_topic-*`); the names are ours.

| header | meaning |
|---|---|
| `eventplane-subscription` | namespace/name of the Subscription that failed |
| `eventplane-reason` | Undecodable, ExpressionFailed, Rejected, Unavailable, TimedOut |
| `eventplane-exception` | what was wrong, for people |
| `eventplane-attempts` | attempts so far |
| `eventplane-first-failure`, `eventplane-last-failure` | when, milliseconds since 1970 |
| `eventplane-topic`, `eventplane-partition`, `eventplane-offset` | where it was read at first |
| `eventplane-timestamp` | of the original record, milliseconds since 1970; absent if it had none |
| `eventplane-due` | in retry topics: when the next attempt may be made, milliseconds since 1970 |
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.events.delivery import Failure
from eventplane.events.record import Header, Place, Record, place_of_record

PREFIX: Final = "eventplane-"
_LONGEST_EXCEPTION: Final = 2_000
_REASONS: Final[frozenset[str]] = frozenset(get_args(FailureReason))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record was read at first."""

    place: Place
    offset: int
    timestamp_ms: int | None = None


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

    def headers(self, record: Record) -> list[Header]:
        """Return the record's own headers, with this history in place of an older one."""
        own = [header for header in record.headers() or () if not header[0].startswith(PREFIX)]
        fields = {
            "subscription": self.subscription,
            "reason": self.failure.reason,
            "exception": self.failure.message[:_LONGEST_EXCEPTION],
            "attempts": self.attempts,
            "first-failure": self.first_failure_ms,
            "last-failure": self.last_failure_ms,
            "topic": self.origin.place[0],
            "partition": self.origin.place[1],
            "offset": self.origin.offset,
            "timestamp": self.origin.timestamp_ms,
            "due": self.due_ms,
        }
        return own + [
            (PREFIX + name, str(value).encode("utf-8", "replace"))
            for name, value in fields.items()
            if value is not None
        ]


def origin_of(record: Record) -> Origin:
    """Tell where a record is, as the first place that it was read from."""
    kind, timestamp_ms = record.timestamp()
    place = place_of_record(record)
    return Origin(place, record.offset() or 0, timestamp_ms if kind else None)


def set_aside(
    record: Record,
    before: History | None,
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
    )


def first_topic(history: History | None, place: Place) -> str:
    """Tell the topic that an event was written to at first, whose subject its data belong to.

    Args:
        history: what is known of it, where it was set aside before.
        place: where it is read now.
    """
    return history.origin.place[0] if history is not None else place[0]


def history_of(record: Record) -> History | None:
    """Read what is known of an event that was set aside; None where it never was, or somebody wrote nonsense."""
    found = {
        name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers() or ()
        if name.startswith(PREFIX)
    }
    reason = found.get("reason")
    if reason not in _REASONS:
        return None
    try:
        return History(
            subscription=found["subscription"],
            origin=Origin(
                (found["topic"], int(found["partition"])), int(found["offset"]), _whole(found.get("timestamp"))
            ),
            failure=Failure(reason, found["exception"]),  # type: ignore[arg-type]  # it is one of them, see above
            attempts=int(found["attempts"]),
            first_failure_ms=int(found["first-failure"]),
            last_failure_ms=int(found["last-failure"]),
            due_ms=_whole(found.get("due")),
        )
    except (KeyError, ValueError):
        return None


def json_view(record: Record) -> dict[str, Any] | None:
    """Show a dead letter as a document: the messaging service's own six fields, then the rest; None: it is none.

    `original_message` is the value as text; bytes that are no UTF-8 are in `original_message_base64` instead.
    """
    history = history_of(record)
    if history is None:
        return None
    return {
        **_message(record.value()),
        "error_reason": f"{history.failure.reason}: {history.failure.message}",
        "failed_at": datetime.fromtimestamp(history.last_failure_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "topic": history.origin.place[0],
        "partition": history.origin.place[1],
        "offset": history.origin.offset,
        "key": None if (key := record.key()) is None else key.decode("utf-8", "replace"),
        "headers": _texts([each for each in record.headers() or () if not each[0].startswith(PREFIX)]),
        "subscription": history.subscription,
        "reason": history.failure.reason,
        "attempts": history.attempts,
        "first_failed_at": datetime.fromtimestamp(history.first_failure_ms / 1000, UTC).isoformat(
            timespec="milliseconds"
        ),
    }


def _message(value: bytes | None) -> dict[str, str | None]:
    if value is None:
        return {"original_message": None}
    try:
        return {"original_message": value.decode()}
    except UnicodeDecodeError:
        return {"original_message": None, "original_message_base64": base64.b64encode(value).decode()}


def _texts(headers: Sequence[Header]) -> dict[str, str | None]:
    return {name: None if value is None else value.decode("utf-8", "replace") for name, value in headers}


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)
