"""A record with other headers, and the event in it."""

from __future__ import annotations

import pytest

from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.outgoing import http_request, topic_record
from eventplane.events.record import PlainRecord, RecordWithHeaders

BINARY = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"))
READ = PlainRecord(("orders", 3), 7, b'{"a": 1}', b"key", (*BINARY, ("traceparent", b"one")), 99)
OTHER = RecordWithHeaders(READ, (*BINARY, ("traceparent", b"two")))


def test_all_else_is_as_it_was_read() -> None:
    assert (OTHER.topic(), OTHER.partition(), OTHER.offset()) == ("orders", 3, 7)
    assert (OTHER.key(), OTHER.value(), OTHER.timestamp()) == (b"key", b'{"a": 1}', (1, 99))
    assert OTHER.headers()[-1] == ("traceparent", b"two")


@pytest.mark.parametrize("is_decoded", [False, True])
def test_the_event_is_the_same(is_decoded: bool) -> None:  # noqa: FBT001 - a row's
    event = decode_record(READ)
    assert isinstance(event, Event)
    if is_decoded:
        event.set_data({"b": 2})
    other = event.with_record(OTHER)
    assert other.attributes == event.attributes
    assert other.data() == event.data() == ({"b": 2} if is_decoded else {"a": 1})
    request = http_request(other, None, "Binary")
    assert (request.headers["traceparent"], request.headers["ce-id"]) == ("two", "1")
    assert ("traceparent", b"two") in topic_record(other, None)[1]
    assert http_request(event, None, "Binary").headers["traceparent"] == "one"
