"""An aggregate: state that is made of its events and of nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import orjson

from eventplane.client.event import Event
from eventplane.client.frozen import thaw
from eventplane.eventstore.documents import placed, version_of
from eventplane.eventstore.errors import EventStoreError

_NO_STATE: Final = frozenset({"aggregate_id", "version", "uncommitted_events"})


class AggregateRoot(ABC):
    """Decides what happens (its own methods, which raise events), and knows what has happened (`apply_event`)."""

    snapshot_schema: ClassVar[int] = 1
    """To be raised with the meaning of the state: snapshots of another number are not used."""

    def __init__(self, aggregate_id: str) -> None:
        self.aggregate_id = aggregate_id
        self.version = 0
        self.uncommitted_events: list[Event[Any]] = []
        """What has happened and is not stored yet, in order."""

    @abstractmethod
    def apply_event(self, event: Event[Any]) -> None:
        """Change the state by an event. It has happened, so nothing is refused here, and nothing else is asked."""

    def raise_event(self, event: Event[Any]) -> None:
        """Let something happen; it is kept when the aggregate is saved."""
        event = placed(event, self.aggregate_id, self.version + 1)
        self.apply_event(event)
        self.uncommitted_events.append(event)
        self.version += 1

    def mark_events_as_committed(self) -> None:
        """Forget which events are new: they are saved."""
        self.uncommitted_events.clear()

    def load_from_history(self, events: Iterable[Event[Any]]) -> None:
        """Make the state of events."""
        for event in events:
            self.apply_event(event)
            self.version = version_of(event) or self.version + 1

    def snapshot_state(self) -> dict[str, Any]:
        """Return the state as JSON; by default all attributes. Override it where they are no JSON.

        Raises:
            EventStoreError: attributes that would not be the same again.
        """
        state = {name: value for name, value in vars(self).items() if name not in _NO_STATE}
        try:
            same = orjson.loads(orjson.dumps(state, option=orjson.OPT_PASSTHROUGH_DATETIME)) == state
        except TypeError as error:
            raise EventStoreError(
                f"{type(self).__name__}: its state is no JSON, override snapshot_state: {error}"
            ) from error
        if not same:
            raise EventStoreError(f"{type(self).__name__}: its state is no JSON, override snapshot_state")
        copied: dict[str, Any] = thaw(state)
        return copied

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `snapshot_state` returned."""
        vars(self).update(state)
