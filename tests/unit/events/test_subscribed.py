"""Filters and transforms are found faulty before they meet an event."""

import re

import pytest

from eventplane.api.runtime_config import RuntimeLookup
from eventplane.events.expressions import ExpressionError
from eventplane.events.subscribed import FIELDS, compile_filter, compile_key, compile_transform, expression_fault


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("event.type = 'a'", "line 1, column 12: "),
        (
            "event.type == 'a' &&\n  event.typo == 'b'",
            "line 2, column 8: an event has no field typo; it has id",
        ),
        ("evnt.type == 'a'", "line 1, column 5: undeclared reference to 'evnt.type'"),
        ("event['typo'] == 'b'", "line 1, column 6: an event has no field typo"),
        ("has(event.datum)", "an event has no field datum"),
        ("'a'", "a filter is true or false, and this is of type string"),
        ("{'a': 1}", "a filter is true or false, and this is of type map"),
    ],
)
def test_a_faulty_filter_is_refused_with_its_place(source: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(problem)):
        compile_filter(source)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("lookups.typo.a == 'b'", "line 1, column 8: lookups has no typo; it has customer, rate"),
        ("true &&\n has(lookups.typo)", "line 2, column 5: lookups has no typo"),
        ("lookup.customer == 'b'", "line 1, column 7: undeclared reference to 'lookup.customer'"),
    ],
)
def test_what_is_not_declared_cannot_be_looked_up(source: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(problem)):
        compile_filter(source, ("customer", "rate"))


def test_without_lookups_there_is_no_such_name() -> None:
    with pytest.raises(ExpressionError, match=r"undeclared reference to 'lookups.*knows is event, and"):
        compile_transform("lookups.customer")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("[event.data.id]", "a key is a text or a number, and this is of type list"),
        ("event.data.id == 1", "a key is a text or a number, and this is of type bool"),
        ("lookups.rate", "undeclared reference"),
        ("event.typo", "an event has no field typo"),
    ],
)
def test_a_faulty_key(source: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(problem)):
        compile_key(source)


def test_the_first_fault_is_told_with_its_field() -> None:
    lookups = [RuntimeLookup(name="customer", key="event.data.id"), RuntimeLookup(name="rate", key="event.typo")]
    fault = expression_fault("event.typo", None, (), lookups)
    assert fault is not None
    assert fault[0] == "lookups[rate].key"
    assert expression_fault("lookups.customer == 1", "lookups.rate", (), [*lookups[:1], lookups[0]]) is not None
    assert expression_fault("lookups.customer == 1", None, (), lookups[:1]) is None


@pytest.mark.parametrize("source", ["event.type == 'a' && event.data.typo > 1", "event.data.flag", "event == event"])
def test_what_may_be_true_is_a_filter(source: str) -> None:
    assert compile_filter(source).source == source


def test_every_field_can_be_read() -> None:
    event = {field: field for field in FIELDS}
    assert [compile_transform(f"event.{field}").evaluate(event) for field in FIELDS] == list(FIELDS)
    assert compile_transform("{'a': 1}").result == "map"
