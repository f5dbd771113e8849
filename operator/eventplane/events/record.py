"""A record of Kafka as everything here sees it: the methods of confluent-kafka's Message, so that none is copied."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Header: TypeAlias = "tuple[str, bytes | None]"
Place: TypeAlias = "tuple[str, int]"
"""A partition: its topic, its number."""


class Record(Protocol):
    """What was read from a partition."""

    def topic(self) -> str | None:
        """Tell the topic."""
        ...

    def partition(self) -> int | None:
        """Tell the partition."""
        ...

    def offset(self) -> int | None:
        """Tell the place within the partition; there may be gaps between two records."""
        ...

    def key(self) -> bytes | None:
        """Return the key as it was written."""
        ...

    def value(self) -> bytes | None:
        """Return the value as it was written; None is a tombstone."""
        ...

    def headers(self) -> Sequence[Header] | None:
        """Return the headers in order; names may repeat."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Return the kind of timestamp and milliseconds since 1970; kind 0 is none."""
        ...


def place_of_record(record: Record) -> Place:
    """Name the partition that a record was read from."""
    return record.topic() or "", record.partition() or 0


@dataclass(frozen=True, slots=True)
class PlainRecord:
    """A record that comes from no client: of the memory transport, of tests."""

    place: Place = ("topic", 0)
    at: int = 0
    body: bytes | None = None
    name: bytes | None = None
    notes: tuple[Header, ...] = ()
    written_ms: int = 0

    def topic(self) -> str:
        """Tell the topic."""
        return self.place[0]

    def partition(self) -> int:
        """Tell the partition."""
        return self.place[1]

    def offset(self) -> int:
        """Tell the place within the partition."""
        return self.at

    def key(self) -> bytes | None:
        """Return the key."""
        return self.name

    def value(self) -> bytes | None:
        """Return the value."""
        return self.body

    def headers(self) -> tuple[Header, ...] | None:
        """Return the headers; none at all are None, as with the client."""
        return self.notes or None

    def timestamp(self) -> tuple[int, int]:
        """Return a time of creation."""
        return 1, self.written_ms
