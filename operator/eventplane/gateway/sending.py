"""Records of a topic to server-sent events; what cannot be read or judged is said, not left out.

| the record | sent |
|---|---|
| an event that the filter lets through | `data`: the event as CloudEvents' JSON |
| one that it does not | nothing |
| no event, or one over which the filter fails | an event `problem`: partition, offset and what is wrong |

The `id` of each is the position behind it, which a client that comes again sends as Last-Event-ID.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventplane.client.data_reader import RegistryReader
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event, UndecodableError
from eventplane.events.event_expressions import EventExpression
from eventplane.events.expressions import ExpressionError
from eventplane.events.outgoing import http_request
from eventplane.events.positions import format_positions
from eventplane.events.record import Record
from eventplane.events.subscribed import compile_filter

_LONGEST_FILTER: Final = 4096


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is to be sent of some records."""

    text: bytes
    events: int


class Sending:
    """One subscriber's view of a topic. Not for several threads at a time."""

    def __init__(
        self, topic: str, positions: Mapping[int, int], source: str | None, reader: RegistryReader | None
    ) -> None:
        """Begin at positions.

        Args:
            topic: name in Kafka.
            positions: next offsets by partition.
            source: the filter, CEL.
            reader: of data in a registry's wire format.

        Raises:
            ExpressionError: the filter is none.
        """
        if source is not None and len(source) > _LONGEST_FILTER:
            raise ExpressionError(f"a filter has at most {_LONGEST_FILTER} characters")
        self._topic = topic
        self._filter = None if source is None else EventExpression(compile_filter(source))
        self._reader = reader
        self._positions = dict(positions)

    def chunk(self, records: Sequence[Record]) -> Chunk | None:
        """Write records; None: the registry does not answer, so give them again later. May take its time."""
        read = [decode_record(record, has_registry=self._reader is not None) for record in records]
        failures = self._data_failures([each for each in read if isinstance(each, Event) and each.is_framed])
        if any(not failure.blames_event for failure in failures.values()):
            return None
        parts: list[bytes] = []
        for record, event in zip(records, read, strict=True):
            self._positions[record.partition() or 0] = (record.offset() or 0) + 1
            part = self._part(record, failures.get(id(event), event))
            if part is not None:
                parts.append(part)
        return Chunk(b"".join(parts), len(parts))

    def heartbeat(self) -> bytes:
        """Say where we are: a client takes the id and has no event, which the filter may have kept back for long."""
        return b"id: %s\n\n" % format_positions(self._positions).encode()

    def _data_failures(self, framed: Sequence[Event]) -> Mapping[int, Failure]:
        if not framed or self._reader is None:
            return {}
        outcomes = self._reader.read_all([(each, self._topic) for each in framed])
        return {id(event): failure for event, failure in zip(framed, outcomes, strict=True) if failure is not None}

    def _part(self, record: Record, event: Event | Failure) -> bytes | None:
        if isinstance(event, Failure):
            return self._problem(record, event.message)
        try:
            if self._filter is not None:
                wanted = self._filter.evaluate(event)
                if wanted is False:
                    return None
                if wanted is not True:
                    return self._problem(record, "the filter is neither true nor false")
            document = http_request(event, None, "Structured").body
        except (ExpressionError, UndecodableError) as error:
            return self._problem(record, str(error))
        # between the tokens of JSON a line's end is but a space, in a field of this format it would end it
        return b"%sdata: %s\n\n" % (self._id(), document.replace(b"\r", b" ").replace(b"\n", b" "))

    def _problem(self, record: Record, detail: str) -> bytes:
        document = orjson.dumps({"partition": record.partition(), "offset": record.offset(), "detail": detail})
        return b"%sevent: problem\ndata: %s\n\n" % (self._id(), document)

    def _id(self) -> bytes:
        return b"id: %s\n" % format_positions(self._positions).encode()
