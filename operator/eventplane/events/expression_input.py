"""What of an event goes into an expression: only what it reads, and in types that CEL has."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from google.protobuf import duration_pb2, timestamp_pb2, wrappers_pb2

from eventplane.events.expression_tree import Syntax

Paths: TypeAlias = "dict[str, Paths | None]"
"""Keys that are read, and of each what is read below it; None is all."""

_AS_IS: Final = frozenset({type(None), bool, float})
_LEAST: Final = -(2**63)
_MOST: Final = 2**64 - 1
_KEYS: Final = (str, int, bool)


class UnusableValueError(ValueError):
    """Something in an event that no expression can hold."""


def read_paths(syntax: Syntax) -> Paths:
    """Merge what an expression reads into one tree."""
    paths: Paths = {}
    for read in syntax.reads:
        _add(paths, read.steps)
    return paths


def to_cel(variables: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Return what the paths lead to, with nothing beside it; an absent key stays absent.

    Raises:
        UnusableValueError: something there has no counterpart in CEL.
    """
    return {key: _cut(variables[key], below, key) for key, below in paths.items() if key in variables}


def _add(paths: Paths, steps: tuple[str, ...]) -> None:
    holder = paths
    for step in steps[:-1]:
        below = holder.setdefault(step, {})
        if below is None:  # all of it is read anyway
            return
        holder = below
    holder[steps[-1]] = None


def _cut(value: Any, paths: "Paths | None", where: str) -> Any:
    if paths is None or not (type(value) is dict or isinstance(value, Mapping)):  # the first is the quicker question
        return _convert(value, where)
    return {key: _cut(value[key], below, f"{where}.{key}") for key, below in paths.items() if key in value}


def _convert(value: Any, where: str) -> Any:
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind is str:
        return _text(value)
    if kind is int:
        return _number(value, where)
    if isinstance(value, Mapping):
        return {_key(key, where): _convert(each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_convert(each, f"{where}[]") for each in value]
    return _converted_leaf(value, where)


def _number(value: int, where: str) -> int:
    if not _LEAST <= value <= _MOST:
        raise UnusableValueError(f"{where} is a number of more than 64 bits, which an expression cannot hold")
    return value


def _key(key: Any, where: str) -> Any:
    if not isinstance(key, _KEYS):
        raise UnusableValueError(f"{where} has a key of type {type(key).__name__}, which an expression cannot hold")
    if isinstance(key, str) and "\0" in key:
        raise UnusableValueError(f"{where} has a key with a zero byte, which an expression cannot hold")
    return key


def _converted_leaf(value: Any, where: str) -> Any:
    """Convert what is not CEL's by itself."""
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if isinstance(value, int):
        return _number(int(value), where)
    raise UnusableValueError(f"{where} is a {type(value).__name__}, which an expression cannot hold")


def _text(value: str) -> Any:
    """Wrap what has a zero byte: the library (0.1.3) would cut it off there, silently, but not in a message."""
    return wrappers_pb2.StringValue(value=value) if "\0" in value else value


def _bytes(value: Any) -> Any:
    value = bytes(value)
    return wrappers_pb2.BytesValue(value=value) if b"\0" in value else value


def _moment(value: datetime) -> Any:
    return value.isoformat() if value.tzinfo is None else _timestamp(value)


def _midnight(day: date) -> Any:
    return _timestamp(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _duration(span: timedelta) -> Any:
    message = duration_pb2.Duration()
    message.FromTimedelta(span)
    return message


def _timestamp(moment: datetime) -> Any:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (datetime, _moment),  # before date, of which it is one
    (date, _midnight),
    (timedelta, _duration),
    (time, time.isoformat),
    ((Decimal, UUID), str),
    ((bytes, bytearray, memoryview), _bytes),
    (str, lambda value: _text(str(value))),
    (float, float),
)
"""First match wins; moments and spans reach the library as messages, it refuses Python's own inside of maps."""
