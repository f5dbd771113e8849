"""Which routes take an event: the rows of `events.processing`, and what a record says of its route."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.dead_letter_view import dead_letter_of
from eventplane.events.dead_letters import ROUTE, History, Origin, own_headers, route_of, set_aside
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.processing import FILTERED, UNCHANGED, NewData, Processed, Processor, Routed, RouteTaken
from eventplane.events.record import PlainRecord

TOPIC = {"topic": {"topic": "out"}}


def processed(
    to: list[dict[str, Any]],
    match: str = "All",
    unmatched: str = "DeadLetter",
    route: bytes | None = None,
    **others: Any,
) -> Processed:
    told = {
        "namespace": "shop",
        "name": "emails",
        "group": "g",
        "topics": ["orders"],
        "retry": {"attempts": 1},
        "routes": {"match": match, "unmatched": unmatched, "to": [{**TOPIC, **each} for each in to]},
        **others,
    }
    notes = () if route is None else ((ROUTE, route),)
    event = decode_record(PlainRecord(("orders", 0), 7, b'{"amount": 5}', None, notes))
    assert isinstance(event, Event)
    return Processor(RuntimeConfig.model_validate(told), lambda _name, _key: None).process(event)


ANY, NONE = {"name": "any"}, {"name": "none", "filter": "false"}
SMALL = {"name": "small", "filter": "event.data.amount < 10", "transform": "event.data.amount"}
BROKEN = {"name": "broken", "filter": "event.data.absent > 1"}
ODD = {"name": "odd", "filter": "event.data.amount"}
NO_JSON = {"name": "strange", "transform": "event.data.absent"}
TO_ANY, TO_SMALL = RouteTaken("any", UNCHANGED), RouteTaken("small", NewData(b"5"))
UNROUTED = Failure("Unrouted", "no route takes it")


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        pytest.param({"to": [ANY], "filter": "false"}, FILTERED, id="1: the filter before all routes"),
        pytest.param(
            {"to": [NONE, SMALL, ANY], "match": "First"}, Routed((TO_SMALL,)), id="3: the first that takes it"
        ),
        pytest.param({"to": [NONE, SMALL, ANY]}, Routed((TO_SMALL, TO_ANY)), id="4: all that take it"),
        pytest.param({"to": [NONE]}, UNROUTED, id="5: none takes it"),
        pytest.param({"to": [NONE], "match": "First"}, UNROUTED, id="5: none is the first"),
        pytest.param({"to": [NONE], "unmatched": "Filter"}, FILTERED, id="6: none takes it, and it may go"),
        pytest.param({"to": [SMALL, ANY], "route": b"shop/emails/any"}, Routed((TO_ANY,)), id="only its route"),
        pytest.param(
            {"to": [SMALL, ANY], "route": b"shop/emails/any", "match": "First"},
            Routed((TO_ANY,)),
            id="only its route, although another would be the first",
        ),
        pytest.param({"to": [SMALL, ANY], "route": b"shop/bills/any"}, Routed((TO_SMALL, TO_ANY)), id="of another"),
        pytest.param({"to": [ANY], "route": b"nonsense"}, Routed((TO_ANY,)), id="nonsense"),
        pytest.param({"to": [ANY], "route": b"shop/emails/"}, Routed((TO_ANY,)), id="no name"),
        pytest.param(
            {"to": [ANY], "route": b"shop/emails/gone"},
            Failure("Unrouted", "route gone does not take it any more"),
            id="its route is gone",
        ),
        pytest.param({"to": [SMALL, BROKEN], "match": "First"}, Routed((TO_SMALL,)), id="who is not asked cannot fail"),
    ],
)
def test_who_takes_it(told: dict[str, Any], outcome: Processed) -> None:
    assert processed(**told) == outcome


@pytest.mark.parametrize(
    ("to", "message"),
    [
        pytest.param([SMALL, BROKEN], "filter of route broken: line 1, column 11: no such key: absent", id="a filter"),
        pytest.param([ODD], "filter of route odd: it is neither true nor false but a int", id="no filter"),
        pytest.param([ANY, NO_JSON], "transform of route strange: line 1, column 11: no such key: absent", id="other"),
    ],
)
def test_an_expression_that_fails_names_its_route_and_nothing_is_delivered(
    to: list[dict[str, Any]], message: str
) -> None:
    assert processed(to) == Failure("ExpressionFailed", message)


def test_expressions_of_routes_read_data() -> None:
    config = {"namespace": "n", "name": "s", "group": "g", "topics": ["t"], "retry": {"attempts": 1}}
    for to, reads in ((ANY, False), (SMALL, True)):
        routes = {"match": "All", "to": [{**TOPIC, **to}]}
        assert (
            Processor(RuntimeConfig.model_validate({**config, "routes": routes}), lambda _name, _key: None).reads_data
            is reads
        )


@given(
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.sampled_from(["First", "All"]),
    st.sampled_from(["Filter", "DeadLetter"]),
)
def test_every_event_goes_somewhere_or_is_said_to_go_nowhere(takes: list[bool], match: str, unmatched: str) -> None:
    to = [{"name": f"r{number}", "filter": str(take).lower()} for number, take in enumerate(takes)]
    outcome = processed(to, match, unmatched)
    expected = [f"r{number}" for number, take in enumerate(takes) if take][: 1 if match == "First" else None]
    if expected:
        assert isinstance(outcome, Routed)
        assert [each.route for each in outcome.taken] == expected
    else:
        assert outcome == (FILTERED if unmatched == "Filter" else UNROUTED)


def test_what_was_for_one_route_stays_so_and_says_so_when_it_is_sent_again() -> None:
    record = PlainRecord(("orders", 0), 3, b"{}", b"k", (("mine", b"1"), (ROUTE, b"shop/emails/any")))
    history = set_aside(
        record,
        None,
        Failure("ExpressionFailed", "x"),
        subscription="shop/emails",
        attempts=1,
        first_failure_ms=None,
        now_ms=1,
        delay_ms=None,
    )
    assert history.route == "any"
    letter = dead_letter_of(PlainRecord(("dlq", 0), 0, b"{}", b"k", tuple(history.headers(record))))
    assert letter is not None
    assert (letter.route, letter.to_dict()["route"]) == ("any", "any")
    again = PlainRecord(notes=tuple(letter.headers_of_replay()))
    assert own_headers(again) == [("mine", b"1")]
    assert (route_of(again, "shop/emails"), route_of(again, "shop/bills")) == ("any", None)


def test_what_was_for_all_says_nothing_of_routes() -> None:
    history = History("shop/emails", Origin(("orders", 0), 1), Failure("Unrouted", "x"), 1, 1, 1)
    letter = dead_letter_of(PlainRecord(notes=tuple(history.headers(PlainRecord()))))
    assert letter is not None
    assert [name for name, _value in letter.headers_of_replay()] == ["eventplane-replayed-from"]
