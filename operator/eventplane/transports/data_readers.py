"""Who decodes data that only a registry can tell."""

from collections.abc import Sequence
from typing import Protocol

from eventplane.events.delivery import Failure
from eventplane.events.event import Event


class DataReader(Protocol):
    """Decodes data with the help of a registry; takes its time."""

    def read_all(self, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
        """Give each event, with the topic that it was written to, its data; return what went wrong for each."""
        ...


def read_data(registry: DataReader, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
    """Give events their data, whatever the registry's client does."""
    try:
        return registry.read_all(events)
    except Exception as error:  # noqa: BLE001 - a codec's bug is no reason to lose the partition
        return [Failure("Undecodable", f"{type(error).__name__}: {error}")] * len(events)
