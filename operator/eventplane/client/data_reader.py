"""Data in a schema registry's wire format, read as the major version that the Subscription asks for."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka.serialization import MessageField, SerializationContext

from eventplane.client.errors import DeserializationError, RegistryUnavailableError, UnknownMajorError
from eventplane.client.serialization import EventDeserializer
from eventplane.events.delivery import Failure
from eventplane.events.event import Event

_BOUNDS: Final[Mapping[str, object]] = {"timeout": 5, "max.retries": 1}
"""An event that cannot be read waits here and is tried again; the thread has to come back meanwhile."""


class RegistryReader:
    """Decodes data with the help of a registry, which takes time: call it on a thread."""

    def __init__(self, conf: Mapping[str, object], majors: Mapping[str, int]) -> None:
        """Prepare to ask; nothing is sent before the first call.

        Args:
            conf: where the registry is, and who asks: settings of Confluent's client.
            majors: in which major version the events of a topic are wanted.
        """
        self._conf = {**conf, **_BOUNDS}
        self._majors = majors
        self._deserializers: dict[int | None, EventDeserializer] = {}
        self._lock = threading.Lock()

    def read_all(self, events: Sequence[tuple[Event, str]]) -> list[Failure | None]:
        """Decode the data of events, each with its topic; the first that gets no answer speaks for those after it."""
        outcomes: list[Failure | None] = []
        with self._lock:
            for event, topic in events:
                failure = self._read(event, topic)
                outcomes.append(failure)
                if failure is not None and not failure.blames_event:
                    outcomes += [failure] * (len(events) - len(outcomes))
                    break
        return outcomes

    def close(self) -> None:
        """Close the connections to the registry."""
        with self._lock:
            for each in self._deserializers.values():
                each.close()
            self._deserializers.clear()

    def _read(self, event: Event, topic: str) -> Failure | None:
        context = SerializationContext(topic, MessageField.VALUE, list(event.record.headers() or ()))
        try:
            event.set_data(self._deserializer(self._majors.get(topic))(event.body, context))
        except DeserializationError as error:
            return Failure("Undecodable", str(error))
        except (RegistryUnavailableError, UnknownMajorError) as error:
            return Failure("Unavailable", str(error), blames_event=False)
        return None

    def _deserializer(self, major: int | None) -> EventDeserializer:
        if major not in self._deserializers:
            self._deserializers[major] = EventDeserializer(self._conf, major=major)
        return self._deserializers[major]
