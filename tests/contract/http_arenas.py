"""What the tests of HTTP sinks are made of: events to deliver, and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.transport_arenas import until

from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.record import PlainRecord

if TYPE_CHECKING:
    from eventplane.events.delivery import Failure
    from eventplane.transports.seams import Sink


def event(value: bytes = b'{"a": 1}', id_: str = "1") -> Event:
    """Read an event in binary mode, with JSON."""
    told = {"specversion": "1.0", "id": id_, "source": "/s", "type": "t"}
    notes = [(f"ce_{name}", text.encode()) for name, text in told.items()]
    made = decode_record(PlainRecord(body=value, notes=(*notes, ("content-type", b"application/json"))))
    assert isinstance(made, Event)
    return made


async def answer_of(sink: Sink, value: bytes = b'{"a": 1}') -> Failure | None:
    """Deliver one event and return the answer."""
    answers: list[Failure | None] = []
    sink.deliver(event(value), None, answers.append)
    await until(lambda: len(answers) == 1)
    return answers[0]
