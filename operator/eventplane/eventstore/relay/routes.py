"""Which topic an event goes to, by its type; and how it is written there."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from eventplane.client.codec import to_record
from eventplane.eventstore.documents import event_in
from eventplane.eventstore.stored import Row
from eventplane.transports.seams import Write


class Routes:
    """Patterns of event types and their topics; the first that fits counts."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._patterns = tuple(patterns)
        self.topics = frozenset(topic for _, topic in self._patterns)

    @classmethod
    def parse(cls, text: str) -> "Routes":
        """Read `order.*=orders,*=events`; a topic alone is that of all events.

        Raises:
            ValueError: a part without a topic.
        """
        patterns = []
        for part in text.split(","):
            pattern, _, topic = part.strip().rpartition("=")
            if not topic:
                raise ValueError(f"{text!r}: each part is pattern=topic, or a topic")
            patterns.append((pattern or "*", topic))
        return cls(patterns)

    def topic_of(self, event_type: str) -> str | None:
        """Return the topic; None: events of this type stay in the store."""
        return next((topic for pattern, topic in self._patterns if fnmatchcase(event_type, pattern)), None)

    def write(self, row: Row) -> Write | None:
        """Return the record of an event, in CloudEvents' binary mode, with its aggregate for a key.

        Raises:
            EventStoreError: the row is no event.
        """
        event = event_in(row)
        topic = self.topic_of(event.event_type)
        if topic is None:
            return None
        value, headers = to_record(event, "Binary")
        key = f"{row.tenant}/{row.stream}" if row.tenant else row.stream
        return Write(topic, key.encode(), value, headers, ("", 0), 0)
