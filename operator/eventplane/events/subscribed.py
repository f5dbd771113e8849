"""The expressions of a Subscription: which events it wants, and what becomes of their data."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Final, Protocol

from eventplane.events.expressions import Expression, ExpressionError, compile_expression

ATTRIBUTES: Final = ("id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema")
"""Attributes that CloudEvents defines."""
FIELDS: Final = (*ATTRIBUTES, "data", "extensions", "headers", "key", "topic")
"""What an event has in an expression. Extension attributes are below `extensions`, so that a misspelt attribute is
none; `headers` are the record's others; `key` and `topic` are those of the record, where it has a key."""


_KEYS: Final = frozenset({"string", "int", "uint", "double", "dyn"})
"""CEL's names of what a key may be."""


class Declared(Protocol):
    """A look-up, as users write it or as a consumer is told it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def key(self) -> str:
        """What it looks up."""
        ...


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
def compile_filter(source: str, lookups: tuple[str, ...] = ()) -> Expression:
    """Compile what tells whether an event is wanted; `lookups` are the names of what it may look up.

    Raises:
        ExpressionError: it is no expression, reads what no event has, or cannot be true or false.
    """
    expression = compile_transform(source, lookups)
    if expression.result not in {"bool", "dyn"}:
        raise ExpressionError(f"a filter is true or false, and this is of type {expression.result}")
    return expression


@lru_cache(maxsize=1024)
def compile_transform(source: str, lookups: tuple[str, ...] = ()) -> Expression:
    """Compile what becomes the data of an event; `lookups` are the names of what it may look up.

    Raises:
        ExpressionError: it is no expression, or reads what no event has.
    """
    expression = compile_expression(source, variables=("event", "lookups") if lookups else ("event",))
    expression.check_fields("event", FIELDS, "an event has no field")
    expression.check_fields("lookups", lookups, "lookups has no")
    return expression


def compile_key(source: str) -> Expression:
    """Compile what a value is looked up by.

    Raises:
        ExpressionError: it is no expression, reads what no event has, or can be neither text nor number.
    """
    expression = compile_transform(source)
    if expression.result not in _KEYS:
        raise ExpressionError(f"a key is a text or a number, and this is of type {expression.result}")
    return expression


def expression_fault(
    wanted: str | None, transform: str | None, routes: Sequence[Expressive] = (), lookups: Sequence[Declared] = ()
) -> tuple[str, ExpressionError] | None:
    """Find the first expression of a Subscription that cannot be compiled: its field, and what is wrong with it."""
    for field, source, compile_it in _expressions(wanted, transform, routes, lookups):
        try:
            if source is not None:
                compile_it(source)
        except ExpressionError as error:
            return field, error
    return None


def _expressions(
    wanted: str | None, transform: str | None, routes: Sequence[Expressive], lookups: Sequence[Declared]
) -> Iterator[tuple[str, str | None, Callable[[str], Expression]]]:
    for lookup in lookups:
        yield f"lookups[{lookup.name}].key", lookup.key, compile_key
    names = tuple(lookup.name for lookup in lookups)
    as_filter, as_transform = partial(compile_filter, lookups=names), partial(compile_transform, lookups=names)
    yield "filter", wanted, as_filter
    yield "transform", transform, as_transform
    for route in routes:
        yield f"routes.to[{route.name}].filter", route.filter, as_filter
        yield f"routes.to[{route.name}].transform", route.transform, as_transform
