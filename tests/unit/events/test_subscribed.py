"""Filters and transforms are found faulty before they meet an event."""

import re

import pytest

from eventplane.events.expressions import ExpressionError
from eventplane.events.subscribed import FIELDS, compile_filter, compile_transform


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


@pytest.mark.parametrize("source", ["event.type == 'a' && event.data.typo > 1", "event.data.flag", "event == event"])
def test_what_may_be_true_is_a_filter(source: str) -> None:
    assert compile_filter(source).source == source


def test_every_field_can_be_read() -> None:
    event = {field: field for field in FIELDS}
    assert [compile_transform(f"event.{field}").evaluate(event) for field in FIELDS] == list(FIELDS)
    assert compile_transform("{'a': 1}").result == "map"
