"""What an event looks up: the rows of `events.lookups`, and what expressions make of it."""

from __future__ import annotations

from typing import Any

import pytest

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.delivery import Failure
from eventplane.events.envelope import decode_record
from eventplane.events.event import Event
from eventplane.events.lookups import LONGEST_KEY, MISSING, Answer, Found, LookUp, named
from eventplane.events.processing import FILTERED, UNCHANGED, NewData, Processed, Processor, Routed, RouteTaken
from eventplane.events.record import PlainRecord

GONE = Failure("Unavailable", "lookups.customer: HTTP 503")
KNOWN: dict[tuple[str, str], Answer] = {
    ("customer", "7"): Found({"tier": "gold"}),
    ("customer", "seven"): Found(None),
    ("customer", "503"): GONE,
    ("rate", "EUR"): Found(2),
    ("customer", "-1.5"): Found("negative"),
}
"""What is known without waiting; under 404 is nothing, and all other keys would have to be fetched."""


class Asked:
    """Remembers what was looked up."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, str]] = []

    def find(self, name: str, key: str) -> Answer | None:
        self.keys.append((name, key))
        return MISSING if key == "404" else KNOWN.get((name, key))


def lookup(name: str = "customer", key: str = "event.data.id", **others: Any) -> dict[str, Any]:
    return {"name": name, "key": key, "topic": {"topic": f"{name}s"}, **others}


def processor(*lookups: dict[str, Any], asked: Asked | None = None, **told: Any) -> Processor:
    config = {
        "namespace": "shop",
        "name": "emails",
        "group": "g",
        "topics": ["orders"],
        "retry": {"attempts": 1},
        "lookups": lookups or (lookup(),),
        **told,
    }
    return Processor(RuntimeConfig.model_validate(config), (asked or Asked()).find)


def event(body: bytes = b'{"id": 7}') -> Event:
    made = decode_record(PlainRecord(("orders", 0), 7, body))
    assert isinstance(made, Event)
    return made


@pytest.mark.parametrize(
    ("key", "body", "expected"),
    [
        pytest.param("event.data.id", b'{"id": null}', NewData(b"null"), id="row 1: null"),
        pytest.param("event.data.id", b"{}", NewData(b"null"), id="row 1: absent"),
        pytest.param("event.data.id", b'{"id": ""}', NewData(b"null"), id="row 1: empty"),
        pytest.param(
            "event.data.id.x",
            b'{"id": 1}',
            Failure(
                "ExpressionFailed",
                "lookups[customer].key: line 1, column 14: a field is read of something that is no map",
            ),
            id="row 2: fails, with its place",
        ),
        pytest.param(
            "event.data.id",
            b'{"id": true}',
            Failure("ExpressionFailed", "lookups[customer].key: it is neither a text nor a number but a bool"),
            id="row 2: true is no key",
        ),
        pytest.param(
            "event.data.id",
            b'{"id": [1]}',
            Failure("ExpressionFailed", "lookups[customer].key: it is neither a text nor a number but a list"),
            id="row 2: nor is a list",
        ),
        pytest.param(
            "event.data.id",
            b'{"id": "%s"}' % (b"x" * (LONGEST_KEY + 1)),
            Failure("ExpressionFailed", f"lookups[customer].key: it is longer than {LONGEST_KEY} characters"),
            id="row 2: too long",
        ),
        pytest.param("event.data.id", b'{"id": 8}', LookUp({"customer": "8"}), id="row 3: it has to be fetched"),
        pytest.param("event.data.id", b'{"id": 7}', NewData(b'{"tier":"gold"}'), id="row 4: by a whole number"),
        pytest.param("event.data.id", b'{"id": 7.0}', NewData(b'{"tier":"gold"}'), id="row 4: by one with a point"),
        pytest.param("event.data.id", b'{"id": "7"}', NewData(b'{"tier":"gold"}'), id="row 4: by a text"),
        pytest.param("event.data.id", b'{"id": -1.5}', NewData(b'"negative"'), id="row 4: by a fraction"),
        pytest.param("event.data.id", b'{"id": "seven"}', NewData(b"null"), id="row 4: the value is null"),
        pytest.param("event.data.id", b'{"id": 404}', NewData(b"null"), id="row 5: nothing is there"),
        pytest.param("event.data.id", b'{"id": 503}', GONE, id="row 6: it cannot be known"),
    ],
)
def test_what_an_expression_sees(key: str, body: bytes, expected: Processed) -> None:
    made = processor(lookup(key=key), transform="lookups.customer").process(event(body))
    assert made == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id": "seven"}', NewData(b"null")),
        *(
            (body, Failure("LookupMissing", "lookups.customer: there is nothing under the event's key"))
            for body in (b'{"id": 404}', b'{"id": null}', b"{}")
        ),
    ],
)
def test_what_must_be_there_fails_where_it_is_missing(body: bytes, expected: Processed) -> None:
    made = processor(lookup(if_missing="Fail"), transform="lookups.customer").process(event(body))
    assert made == expected


def test_data_that_are_none_have_no_key() -> None:
    broken = decode_record(PlainRecord(body=b"{", notes=BINARY))
    assert isinstance(broken, Event)
    made = processor(transform="lookups.customer").process(broken)
    assert isinstance(made, Failure)
    assert made.reason == "Undecodable"


BINARY = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"))
RATE = lookup("rate", "event.data.currency")


@pytest.mark.parametrize(
    ("told", "body", "expected", "keys"),
    [
        pytest.param(
            {"filter": "event.data.paid", "transform": "lookups.customer"},
            b'{"id": 7, "paid": false}',
            FILTERED,
            [],
            id="what a filter keeps back that reads none of them is not looked up",
        ),
        pytest.param(
            {"filter": "lookups.customer.tier == 'gold'"},
            b'{"id": 7}',
            UNCHANGED,
            [("customer", "7")],
            id="only what is read is looked up",
        ),
        pytest.param(
            {"filter": "lookups.customer.tier == 'gold'", "transform": "lookups.customer.tier"},
            b'{"id": 7}',
            NewData(b'"gold"'),
            [("customer", "7")],
            id="once, whoever asks",
        ),
        pytest.param(
            {"transform": "lookups"},
            b'{"id": 7, "currency": "EUR"}',
            NewData(b'{"customer":{"tier":"gold"},"rate":2}'),
            [("customer", "7"), ("rate", "EUR")],
            id="all of them",
        ),
        pytest.param(
            {"transform": "event.data.n * lookups['rate']"},
            b'{"n": 3, "currency": "EUR"}',
            NewData(b"6"),
            [("rate", "EUR")],
            id="beside the event",
        ),
        pytest.param(
            {"transform": "event.type + string(lookups.rate)"},
            b'{"currency": "EUR"}',
            NewData(b'"ai.sindhan.events.record2"'),
            [("rate", "EUR")],
            id="beside attributes only",
        ),
        pytest.param(
            {"filter": "lookups.customer.typo == 1"},
            b'{"id": 7}',
            Failure("ExpressionFailed", "filter: line 1, column 17: no such key: typo"),
            [("customer", "7")],
            id="a key that the value lacks",
        ),
        pytest.param(
            {"filter": "lookups.customer.tier == 'gold'"},
            b'{"id": 404}',
            Failure("ExpressionFailed", "filter: line 1, column 17: a field is read of something that is no map"),
            [("customer", "404")],
            id="a field of what is null",
        ),
        pytest.param(
            {"filter": "lookups.customer == null || lookups.rate == 3", "transform": "lookups.customer"},
            b'{"id": 1, "currency": "USD"}',
            LookUp({"customer": "1", "rate": "USD"}),
            [("customer", "1"), ("rate", "USD")],
            id="what one expression reads is fetched at once",
        ),
        pytest.param(
            {"filter": "lookups.rate == 2", "transform": "lookups.customer"},
            b'{"id": 1, "currency": "EUR"}',
            LookUp({"customer": "1"}, {"rate": Found(2)}),
            [("rate", "EUR"), ("customer", "1")],
            id="and the next one's after it",
        ),
        pytest.param(
            {"filter": "lookups.rate == 2 && lookups.customer == 1"},
            b'{"id": 503, "currency": "USD"}',
            GONE,
            [("customer", "503"), ("rate", "USD")],
            id="nothing is fetched where another has failed",
        ),
    ],
)
def test_the_order_of_questions(
    told: dict[str, Any], body: bytes, expected: Processed, keys: list[tuple[str, str]]
) -> None:
    asked = Asked()
    assert processor(lookup(), RATE, asked=asked, **told).process(event(body)) == expected
    assert asked.keys == keys


def test_what_was_fetched_is_not_asked_for_again() -> None:
    asked = Asked()
    made = processor(lookup(), RATE, asked=asked, filter="lookups.rate == 3", transform="lookups.customer")
    usd = event(b'{"id": 7, "currency": "USD"}')
    first = made.process(usd)
    assert first == LookUp({"rate": "USD"})
    assert made.process(usd, {"rate": Found(3)}) == NewData(b'{"tier":"gold"}')
    assert made.process(usd, {"rate": GONE}) == GONE
    assert asked.keys == [("rate", "USD"), ("customer", "7")]


def test_routes_look_up_only_what_the_routes_read_that_are_asked() -> None:
    to = [
        {"name": "gold", "filter": "event.data.id == 7", "topic": {"topic": "a"}, "transform": "lookups.customer.tier"},
        {"name": "rest", "filter": "lookups.rate > 1", "topic": {"topic": "b"}},
    ]
    asked = Asked()
    made = processor(lookup(), RATE, asked=asked, routes={"match": "First", "to": to})
    assert made.process(event(b'{"id": 7, "currency": "EUR"}')) == Routed((RouteTaken("gold", NewData(b'"gold"')),))
    assert made.process(event(b'{"id": 8, "currency": "EUR"}')) == Routed((RouteTaken("rest", UNCHANGED),))
    assert made.process(event(b'{"id": 8, "currency": "USD"}')) == LookUp({"rate": "USD"})
    assert asked.keys == [("customer", "7"), ("rate", "EUR"), ("rate", "USD")]


@pytest.mark.parametrize(
    ("key", "told", "reads"),
    [
        pytest.param("event.data.id", {"filter": "lookups.customer != null"}, True, id="the key is among the data"),
        pytest.param("event.key", {"filter": "lookups.customer != null"}, False, id="the key is the record's"),
        pytest.param("event.data.id", {"filter": "event.type == 'x'"}, False, id="nobody looks it up"),
    ],
)
def test_data_are_read_for_keys_too(key: str, told: dict[str, Any], reads: bool) -> None:  # noqa: FBT001
    assert processor(lookup(key=key), **told).reads_data is reads


def test_a_failure_says_which_lookup_it_is() -> None:
    failure = Failure("TimedOut", "no answer within 2 s", retry_after_ms=5)
    assert named(failure, "rate") == Failure("TimedOut", "lookups.rate: no answer within 2 s", retry_after_ms=5)
