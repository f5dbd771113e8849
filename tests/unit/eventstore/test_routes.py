"""Where events go, and that they are written as a publisher would write them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from eventplane.client.codec import to_record
from eventplane.eventstore import Event, EventStoreError, Position
from eventplane.eventstore.documents import event_in, new_row
from eventplane.eventstore.relay.routes import Routes
from eventplane.eventstore.stored import Row

EVENTS: list[Event[Any]] = [
    Event("order.created", "1.0", "shop", {"lines": [1, None, "ü"]}, correlation_id="c", trace_id="t"),
    Event("order.noted", "1.0", "shop", "a text", content_type="text/plain", subject="o-1", extensions={"a": "b"}),
    Event("order.scanned", "", "shop", b"\x00\x01", data_schema="https://example.com/s"),
    Event("order.left", "1.0", "shop", None),
    Event("order.left", "1.0", "shop", None, content_type="text/plain"),
    Event("order.typed", "1.0", "shop", [1.5], content_type="application/vnd.shop+json"),
]


def row_of(document: str, tenant: str = "") -> Row:
    return Row(tenant, "o-1", 7, Position(1, 1), datetime(2026, 1, 1, tzinfo=UTC), document)


@pytest.mark.parametrize("tenant", ["", "acme"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_events_are_written_as_a_publisher_would(event: Event[Any], tenant: str) -> None:
    row = row_of(new_row(event).document, tenant)
    written = Routes.parse("orders").write(row)
    assert written is not None
    value, headers = to_record(event_in(row), "Binary")
    assert (written.value, sorted(written.headers)) == (value, sorted(headers))
    assert (written.topic, written.key) == ("orders", b"acme/o-1" if tenant else b"o-1")


def test_the_first_pattern_that_fits_counts() -> None:
    routes = Routes.parse("order.*=orders, *.secret=hidden,user.*=users")
    assert routes.topics == {"orders", "hidden", "users"}
    told = [routes.topic_of(each) for each in ("order.created", "order.secret", "a.secret", "user.left", "else")]
    assert told == ["orders", "orders", "hidden", "users", None]
    assert Routes.parse("events").topic_of("anything") == "events"
    assert routes.write(row_of(new_row(Event("else", "1", "s", {})).document)) is None


@pytest.mark.parametrize("text", ["", "a=", "a=b,"])
def test_patterns_without_a_topic(text: str) -> None:
    with pytest.raises(ValueError, match="pattern=topic"):
        Routes.parse(text)


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"type": "x"}', '{"type": "x", "datacontenttype": 1}'])
def test_what_is_no_event(document: str) -> None:
    with pytest.raises(EventStoreError, match="event 7 of o-1"):
        Routes.parse("orders").write(row_of(document))
