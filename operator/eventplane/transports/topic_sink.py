"""Delivers events to a topic."""

from eventplane.events.event import Event
from eventplane.events.outgoing import topic_record
from eventplane.transports.seams import Answered, Writer


class TopicSink:
    """A Sink that writes records; they keep key and headers, and the form in which they came."""

    keeps_order = True

    def __init__(self, topic: str, writer: Writer) -> None:
        self._topic = topic
        self._writer = writer

    def deliver(self, event: Event, new_data: bytes | None, answered: Answered) -> None:
        """Write an event."""
        value, headers = topic_record(event, new_data)
        self._writer.write(self._topic, event.record.key(), value, headers, answered)

    async def close(self) -> None:
        """Leave the writer to who opened it."""
