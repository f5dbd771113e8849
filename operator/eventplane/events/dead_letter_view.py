"""A dead letter as somebody looks at it: its fields, its document, and what it becomes where it is sent again."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from eventplane.api.dead_letter_policy import FailureReason
from eventplane.events.dead_letters import REPLAYED_FROM, ROUTE, history_of, own_headers
from eventplane.events.record import Header, Record, place_of_record


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up, as it was, and why."""

    original_message: bytes | None = field(repr=False)
    """The value as it was written; None: it had none."""
    reason: FailureReason
    """Why it was given up, in one word."""
    exception: str
    """What was wrong, for people."""
    failed_at: datetime
    """When the last attempt failed."""
    topic: str
    """Where it was read at first, as are partition and offset."""
    partition: int
    """Where it was read at first, from 0."""
    offset: int
    """Where it was read at first."""
    key: bytes | None = field(repr=False)
    """Of the record; None: it had none."""
    headers: tuple[Header, ...] = field(repr=False)
    """Those that it had; names may repeat."""
    subscription: str
    """namespace/name of who gave it up."""
    attempts: int
    """How often it was tried."""
    first_failed_at: datetime
    """When the first attempt failed."""
    dead_letter_topic: str
    """Where the dead letter lies, as are partition and offset."""
    dead_letter_partition: int
    """Where the dead letter lies, from 0."""
    dead_letter_offset: int
    """Where the dead letter lies."""
    route: str | None = None
    """The only route of the Subscription that it is for; None: it is for all that take it."""

    @property
    def error_reason(self) -> str:
        """The reason, and what was wrong."""
        return f"{self.reason}: {self.exception}"

    @property
    def lies_at(self) -> str:
        """Where the dead letter lies: topic/partition/offset."""
        return f"{self.dead_letter_topic}/{self.dead_letter_partition}/{self.dead_letter_offset}"

    def to_dict(self) -> dict[str, Any]:
        """Return a document for JSON: the messaging service's own six fields, then the rest; nothing is lost in it.

        `original_message`, `key` and values of headers are text. Bytes that are no UTF-8 are in a field of the same
        name with `_base64` behind it instead, and the field itself is null.
        """
        return {
            **_texts("original_message", self.original_message),
            "error_reason": self.error_reason,
            "failed_at": _moment(self.failed_at),
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            **_texts("key", self.key),
            "headers": [{"name": name, **_texts("value", value)} for name, value in self.headers],
            "subscription": self.subscription,
            "reason": self.reason,
            "exception": self.exception,
            "attempts": self.attempts,
            "first_failed_at": _moment(self.first_failed_at),
            "dead_letter_topic": self.dead_letter_topic,
            "dead_letter_partition": self.dead_letter_partition,
            "dead_letter_offset": self.dead_letter_offset,
            "route": self.route,
        }

    def headers_of_replay(self) -> Sequence[Header]:
        """Return the headers with which it is sent again: those that it had, where it comes from, and its route."""
        told = [(REPLAYED_FROM, self.lies_at.encode())]
        if self.route is not None:
            told.append((ROUTE, f"{self.subscription}/{self.route}".encode()))
        return [*self.headers, *told]


def dead_letter_of(record: Record) -> DeadLetter | None:
    """Read a record of a dead-letter topic, or of a retry topic; None: it was not set aside by a consumer of ours."""
    history = history_of(record)
    if history is None:
        return None
    lies_in, (origin_topic, origin_partition) = place_of_record(record), history.origin.place
    try:
        failed_at, first_failed_at = _time(history.last_failure_ms), _time(history.first_failure_ms)
    except (OverflowError, ValueError):
        return None
    return DeadLetter(
        original_message=record.value(),
        reason=history.failure.reason,
        exception=history.failure.message,
        failed_at=failed_at,
        topic=origin_topic,
        partition=origin_partition,
        offset=history.origin.offset,
        key=record.key(),
        headers=tuple(own_headers(record)),
        subscription=history.subscription,
        attempts=history.attempts,
        first_failed_at=first_failed_at,
        dead_letter_topic=lies_in[0],
        dead_letter_partition=lies_in[1],
        dead_letter_offset=record.offset() or 0,
        route=history.route,
    )


def _texts(name: str, value: bytes | None) -> dict[str, str | None]:
    if value is None:
        return {name: None}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {name: None, f"{name}_base64": base64.b64encode(value).decode()}


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
