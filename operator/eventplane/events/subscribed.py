"""The expressions of a Subscription: which events it wants, and what becomes of their data."""

from functools import lru_cache
from typing import Final

from eventplane.events.expressions import Expression, ExpressionError, compile_expression

ATTRIBUTES: Final = ("id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema")
"""Attributes that CloudEvents defines."""
FIELDS: Final = (*ATTRIBUTES, "data", "extensions", "headers", "key", "topic")
"""What an event has in an expression. Extension attributes are below `extensions`, so that a misspelt attribute is
none; `headers` are the record's others; `key` and `topic` are those of the record, where it has a key."""


@lru_cache(maxsize=1024)
def compile_filter(source: str) -> Expression:
    """Compile what tells whether an event is wanted.

    Raises:
        ExpressionError: it is no expression, reads what no event has, or cannot be true or false.
    """
    expression = compile_transform(source)
    if expression.result not in {"bool", "dyn"}:
        raise ExpressionError(f"a filter is true or false, and this is of type {expression.result}")
    return expression


@lru_cache(maxsize=1024)
def compile_transform(source: str) -> Expression:
    """Compile what becomes the data of an event.

    Raises:
        ExpressionError: it is no expression, or reads what no event has.
    """
    expression = compile_expression(source)
    expression.check_fields(FIELDS)
    return expression
