"""What has happened, kept for good: an append-only store of events in a database, and what is made of it.

Knows neither Kubernetes nor the operator; does IO, by a database's and Kafka's clients. Events are those of `client`.
"""

from eventplane.client.errors import ConfigurationError
from eventplane.client.event import Event
from eventplane.eventstore.aggregate import AggregateRoot
from eventplane.eventstore.backend import Backend
from eventplane.eventstore.errors import ConcurrencyError, EventStoreError, StoreUnavailableError
from eventplane.eventstore.projections import Projection, catch_up, follow, rebuild
from eventplane.eventstore.repository import EventSourcedRepository, every
from eventplane.eventstore.restoring import Restored, restore
from eventplane.eventstore.shredding import Cipher
from eventplane.eventstore.store import EventStore
from eventplane.eventstore.stored import BEGINNING, Position, Snapshot, StoredEvent
from eventplane.eventstore.upcasting import Upcasters

__all__ = [
    "BEGINNING",
    "AggregateRoot",
    "Backend",
    "Cipher",
    "ConcurrencyError",
    "ConfigurationError",
    "Event",
    "EventSourcedRepository",
    "EventStore",
    "EventStoreError",
    "Position",
    "Projection",
    "Restored",
    "Snapshot",
    "StoreUnavailableError",
    "StoredEvent",
    "Upcasters",
    "catch_up",
    "every",
    "follow",
    "rebuild",
    "restore",
]
