"""What a publisher answers: where an event is, and how those of a batch fared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from eventplane.client.errors import EventRejectedError, EventTooLargeError, PublishError, PublishUnavailableError
from eventplane.events.delivery import Failure
from eventplane.transports.seams import Written


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event is: all replicas in sync have it."""

    topic: str
    """Name in Kafka."""
    partition: int
    """Of the topic, from 0."""
    offset: int
    """Of the record in its partition."""
    timestamp: datetime
    """Of the record."""


class BatchReport(Mapping[str, int]):
    """How the events of a batch fared, each by itself; as a mapping it has the service's `success` and `failed`."""

    _NAMES: Final = ("success", "failed")

    def __init__(self, outcomes: Sequence[Receipt | PublishError]) -> None:
        self.outcomes = tuple(outcomes)
        """A receipt or an error for each event, in their order."""

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """Where those are that were published."""
        return tuple(each for each in self.outcomes if isinstance(each, Receipt))

    @property
    def errors(self) -> tuple[PublishError, ...]:
        """Why the others were not."""
        return tuple(each for each in self.outcomes if isinstance(each, PublishError))

    def __getitem__(self, name: str) -> int:
        return {"success": len(self.receipts), "failed": len(self.errors)}[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)

    def __repr__(self) -> str:
        return f"BatchReport(success={self['success']}, failed={self['failed']})"


def outcome_of(topic: str, written: Written | Failure) -> Receipt | PublishError:
    """Say how a write ended."""
    if isinstance(written, Written):
        moment = datetime.fromtimestamp(written.timestamp_ms / 1000, UTC)
        return Receipt(written.topic, written.partition, written.offset, moment)
    if written.reason == "Rejected":
        kind = EventTooLargeError if written.is_too_large else EventRejectedError
        return kind(f"{topic}: {written.message}")
    return PublishUnavailableError(written.message)
