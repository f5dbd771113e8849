"""The key of an event's record: events of one key stay in order."""

from collections.abc import Callable
from typing import Any, TypeAlias

from eventplane.client.event import Event

PartitionKey: TypeAlias = str | Callable[[Event[Any]], str | None] | None
"""One for all events, or a function that tells each one's; where there is none, it is the event's id."""


def key_of(event: Event[Any], partition_key: PartitionKey) -> bytes:
    """Return the key of an event's record."""
    told = partition_key(event) if callable(partition_key) else partition_key
    return (told or event.event_id).encode("utf-8", "surrogatepass")
