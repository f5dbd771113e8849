"""The expressions of a Subscription: which events it wants, and what becomes of their data."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol

from eventplane.events.expressions import Expression, ExpressionError, compile_expression

ATTRIBUTES: Final = ("id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema")
"""Attributes that CloudEvents defines."""
FIELDS: Final = (*ATTRIBUTES, "data", "extensions", "headers", "key", "topic")
"""What an event has in an expression. Extension attributes are below `extensions`, so that a misspelt attribute is
none; `headers` are the record's others; `key` and `topic` are those of the record, where it has a key."""


class Expressive(Protocol):
    """A route, as users write it or as a consumer is told it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def filter(self) -> str | None:
        """Which events it takes."""
        ...

    @property
    def transform(self) -> str | None:
        """What becomes of their data."""
        ...


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


def expression_fault(
    wanted: str | None, transform: str | None, routes: Sequence[Expressive] = ()
) -> tuple[str, ExpressionError] | None:
    """Find the first expression of a Subscription that cannot be compiled: its field, and what is wrong with it."""
    for field, source, compile_it in _expressions(wanted, transform, routes):
        try:
            if source is not None:
                compile_it(source)
        except ExpressionError as error:
            return field, error
    return None


def _expressions(
    wanted: str | None, transform: str | None, routes: Sequence[Expressive]
) -> Iterator[tuple[str, str | None, Callable[[str], Expression]]]:
    yield "filter", wanted, compile_filter
    yield "transform", transform, compile_transform
    for route in routes:
        yield f"routes.to[{route.name}].filter", route.filter, compile_filter
        yield f"routes.to[{route.name}].transform", route.transform, compile_transform
