"""What is in the store: events with their places, snapshots; values without IO."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from eventplane.client.event import Event


class Position(NamedTuple):
    """A place in the order of all events; later ones are greater. To be kept as text: `str(position)`."""

    transaction: int
    """Of PostgreSQL; 0 with SQLite, whose transactions come one after the other."""
    number: int
    """Orders the events of one transaction, and with SQLite all."""

    def __str__(self) -> str:
        return f"{self.transaction}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: it is none.
        """
        transaction, dash, number = text.partition("-")
        if not (dash and transaction.isdecimal() and number.isdecimal()):
            raise ValueError(f"{text!r} is no position in an event store")
        return cls(int(transaction), int(number))


BEGINNING: Final = Position(0, 0)
"""Before all events."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """An event that is going to be a row."""

    event_id: str
    event_type: str
    document: str = field(repr=False)
    """CloudEvents' JSON format."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event as a database keeps it."""

    tenant: str
    stream: str
    version: int
    position: Position
    recorded_at: datetime
    document: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot as a database keeps it."""

    version: int
    document: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is committed behind a position."""

    events: int
    seconds: float
    """Age of the oldest of them by the database's clock; 0: there is none."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and its places."""

    event: Event[Any]
    """What has happened."""
    aggregate_id: str
    """To what."""
    version: int
    """Within its aggregate, from 1."""
    position: Position
    """Among all events of the store."""
    recorded_at: datetime
    """When it was appended, by the database's clock."""
    tenant: str = ""
    """To whom it belongs; empty: to nobody in particular."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of an aggregate after an event of it."""

    aggregate_id: str
    """Of what."""
    version: int
    """Of the last event that is in the state."""
    state: Mapping[str, Any] = field(repr=False)
    """JSON as dicts and lists."""
