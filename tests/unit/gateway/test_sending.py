"""Records to server-sent events: the table, and what a line's end in an event must not do."""

import json
from typing import Any

import pytest

from eventplane.events.expressions import ExpressionError
from eventplane.events.record import PlainRecord
from eventplane.gateway.sending import Sending


def record(offset: int, body: bytes, partition: int = 0, **attributes: str) -> PlainRecord:
    told = {"specversion": "1.0", "id": str(offset), "source": "/s", "type": "order.created", **attributes}
    notes = tuple((f"ce_{name}", value.encode()) for name, value in told.items())
    return PlainRecord(("orders", partition), offset, body, None, (*notes, ("content-type", b"application/json")))


def sent(text: bytes) -> list[dict[str, Any]]:
    """Read as a browser does."""
    found = []
    for block in text.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append({**fields, "data": json.loads(fields["data"])})
    return found


def test_an_event_is_sent_as_cloudevents_json_with_the_position_behind_it() -> None:
    chunk = Sending("orders", {0: 5, 1: 7}, None, None).chunk([record(5, b'{"n": 1}'), record(9, b"2", partition=1)])
    assert chunk is not None
    first, second = sent(chunk.text)
    assert chunk.events == 2
    assert (first["id"], second["id"]) == ("0:6,1:7", "0:6,1:10")
    assert first["data"] == {
        "specversion": "1.0",
        "id": "5",
        "source": "/s",
        "type": "order.created",
        "datacontenttype": "application/json",
        "data": {"n": 1},
    }


def test_what_the_filter_keeps_back_moves_the_position_on() -> None:
    sending = Sending("orders", {0: 0}, "event.data.n > 1", None)
    chunk = sending.chunk([record(0, b'{"n": 1}'), record(1, b'{"n": 2}'), record(2, b'{"n": 1}')])
    assert chunk is not None
    assert [each["data"]["id"] for each in sent(chunk.text)] == ["1"]
    assert sending.heartbeat() == b"id: 0:3\n\n"


@pytest.mark.parametrize(
    ("source", "made", "detail"),
    [
        ("event.data.absent == 1", record(3, b"{}"), "absent"),
        ("event.data", record(3, b"{}"), "neither true nor false"),
        (None, PlainRecord(("orders", 0), 3, b"\xff"), "nor JSON"),
        (None, record(3, b"{"), "not JSON"),
    ],
    ids=["filter fails", "filter is no condition", "no event", "no data"],
)
def test_what_cannot_be_read_or_judged_is_said(source: str | None, made: PlainRecord, detail: str) -> None:
    chunk = Sending("orders", {0: 3}, source, None).chunk([made])
    assert chunk is not None
    (problem,) = sent(chunk.text)
    assert problem["event"] == "problem"
    assert (problem["data"]["partition"], problem["data"]["offset"]) == (0, 3)
    assert detail in problem["data"]["detail"]
    assert problem["id"] == "0:4"


def test_the_end_of_a_line_in_data_ends_no_event() -> None:
    chunk = Sending("orders", {0: 0}, None, None).chunk([record(0, b'{\r\n\r\n"a":\n\n"b\\n"}')])
    assert chunk is not None
    (event,) = sent(chunk.text)
    assert event["data"]["data"] == {"a": "b\n"}


@pytest.mark.parametrize("source", ["1 +", "1", "event.nothing", "true" + " " * 5000])
def test_a_filter_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        Sending("orders", {}, source, None)
