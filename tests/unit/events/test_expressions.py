"""Expressions: what they make of an event, what they read of it, and where they fail."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.expressions import ExpressionError, compile_expression

MOMENT = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "type": "order.created",
    "data": {"amount": 120, "name": "a", "nothing": None, "lines": [{"sku": "x"}], "deep": {"er": {"est": 1}}},
}


TEN = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
BOMB = f"{TEN}.all(a, {TEN}.all(b, {TEN}.all(c, {TEN}.all(d, {TEN}.all(e, {TEN}.all(f, true))))))"


class Size(IntEnum):
    """A number with a name."""

    SMALL = 1


class Colour(StrEnum):
    """A text with a name."""

    RED = "red"


class Ratio(float):
    """A float of somebody's own."""


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("event.type == 'order.created' && event.data.amount > 100", True),
        ("has(event.data.absent)", False),
        ("true || event.data.absent", True),
        ("event.data['amount'] + 1", 121),
        ("{'b': 1, 'a': [1.5, 2u, b'x', null, true]}", {"a": [1.5, 2, b"x", None, True], "b": 1}),
        ("event.data.lines.map(line, {'sku': line.sku})", [{"sku": "x"}]),
        ("[1, 2].map(event, event + 1)", [2, 3]),
        ("timestamp('2026-01-01T00:00:00.123456Z')", MOMENT),
        ("duration('90s')", timedelta(seconds=90)),
        (".event.data.amount", 120),
        ("{event.type: {1: event.data.lines[0].sku}}", {"order.created": {1: "x"}}),
    ],
)
def test_an_expression_becomes_plain_values(source: str, result: Any) -> None:
    assert compile_expression(source).evaluate(EVENT) == result


def test_keys_of_a_result_are_in_order() -> None:
    assert list(compile_expression("{'c': 1, 'a': 2, 'b': 3}").evaluate({})) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("event.data.amount > 1 &&", "line 1, column 25: Syntax error: mismatched input '<EOF>'"),
        ("1 +\n  other", "line 2, column 3: undeclared reference to 'other'; what an expression knows is event"),
        ("type == 'x'", "found no matching overload"),
        ("1 + 'a'", "line 1, column 3: found no matching overload for '_+_' applied to '(int, string)'"),
        ("(" * 40 + "1" + ")" * 40, "recursion limit exceeded"),
        ("'\ud800'", "it is not valid Unicode"),
        ("{'a': 1, 'a': 2}", "duplicate key in map"),
    ],
)
def test_what_cannot_be_compiled_says_where(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(source).evaluate({})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("event.data.absent", "line 1, column 11: no such key: absent"),
        ("true &&\n event.data['absent']", "line 2, column 12: no such key: absent"),
        ("event.data.lines.map(line, line.absent)", "no such key: absent"),
        ("has(event.data.other) || event.data.absent", "line 1, column 36: no such key: absent"),
        ("event.data.name + 1", "line 1, column 17: + cannot be applied to (string, int64)"),
        ("event.data.name + 1 + (event.data.name + 2)", "+ cannot be applied to (string, int64)"),
        ("event.data.amount ? 1 : 2", "line 1, column 19: the condition is neither true nor false"),
        ("event.data.nothing.deeper", "line 1, column 19: a field is read of something that is no map"),
        ("event.data.lines.map(line, line.sku.deeper)", "a field is read of something that is no map"),
        ("event.data.amount && true", "line 1, column 19: && cannot be applied to what it is given"),
        ("event.data.amount / 0", "divide by zero"),
        ("event.data.amount * 9223372036854775807", "integer overflow"),
        ("timestamp('soon')", "String to Timestamp conversion failed"),
        ("type(event.data)", "the result is a type and no data: compare types with =="),
        (
            BOMB,
            "iteration budget exceeded",
        ),
    ],
)
def test_what_cannot_be_evaluated_says_what_and_where(source: str, message: str) -> None:
    expression = compile_expression(source)
    with pytest.raises(ExpressionError) as raised:
        expression.evaluate(EVENT)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("event.type == 'x' && event.data.deep.er == 1", ("event.data.deep.er", "event.type")),
        ("event.data == {}", ("event.data",)),
        ("has(event.data.deep.er)", ("event.data.deep.er",)),
        ("event.data.lines.all(line, line.sku == event.type)", ("event.data.lines", "event.type")),
        ("google.protobuf.Duration{seconds: event.data.amount} == null", ("event.data.amount",)),
        ("1 == 1", ()),
    ],
)
def test_what_it_reads_is_known(source: str, paths: tuple[str, ...]) -> None:
    assert compile_expression(source).paths == paths


@pytest.mark.parametrize("source", ["[event.data.deep, event.data.deep.er]", "[event.data.deep.er, event.data.deep]"])
def test_what_is_read_as_a_whole_and_in_part_is_whole(source: str) -> None:
    assert len(compile_expression(source).evaluate(EVENT)) == 2


def test_only_what_is_read_is_looked_at() -> None:
    assert compile_expression("event.data.fine").evaluate({"data": {"fine": 1, "unusable": object()}}) == 1


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (MOMENT, MOMENT),
        (datetime(2026, 1, 1), "2026-01-01T00:00:00"),  # noqa: DTZ001 - a local timestamp has no zone
        (date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
        (time(1, 2), "01:02:00"),
        (timedelta(days=-1, microseconds=5), timedelta(days=-1, microseconds=5)),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        ((1, (2,)), [1, [2]]),
        (Size.SMALL, 1),
        (Colour.RED, "red"),
        (Ratio(0.5), 0.5),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        ({"a": {1: True}}, {"a": {1: True}}),
    ],
)
def test_values_that_cel_has_otherwise(value: Any, result: Any) -> None:
    found = compile_expression("event.value").evaluate({"value": value})
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([object()], "event.value[] is a object, which an expression cannot hold"),
        ({"a": {None: 1}}, "event.value.a has a key of type NoneType, which an expression cannot hold"),
        ({"a\0": 1}, "event.value has a key with a zero byte, which an expression cannot hold"),
        (2**64, "event.value is a number of more than 64 bits, which an expression cannot hold"),
    ],
)
def test_values_that_cel_cannot_hold_are_named_by_their_place(value: Any, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression("event.value").evaluate({"value": value})
    assert str(raised.value) == message


def test_other_variables() -> None:
    expression = compile_expression("metadata.name + suffix", variables=("metadata", "suffix"))
    assert expression.evaluate_with({"metadata": {"name": "a"}, "suffix": "b"}) == "ab"
    with pytest.raises(ExpressionError):
        expression.evaluate_with({"metadata": {}})


DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text().filter(lambda key: "\0" not in key), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(DATA)
def test_data_go_through_unchanged(data: Any) -> None:
    assert compile_expression("event.data").evaluate({"data": data}) == data
