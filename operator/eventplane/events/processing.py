"""What is done with an event before it is delivered: a filter, then a transform, both CEL and compiled once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson

from eventplane.api.runtime_config import RuntimeConfig
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.expressions import Expression, ExpressionError
from eventplane.events.subscribed import ATTRIBUTES, FIELDS, compile_filter, compile_transform

_MOST_REMEMBERED: Final = 4096
_COSTLY: Final = frozenset(FIELDS) - frozenset(ATTRIBUTES) | {"time"}
"""What of an event is not a text that is there anyway."""
_RAW: Final = {"datacontenttype": "content-type"}
"""Attributes that are in headers of another name."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """The event is not to be delivered."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The event is to be delivered as it is."""


@dataclass(frozen=True, slots=True)
class NewData:
    """The event is to be delivered with other data, JSON."""

    data: bytes


Processed: TypeAlias = Filtered | Unchanged | NewData | Failure
FILTERED: Final = Filtered()
UNCHANGED: Final = Unchanged()


class EventExpression:
    """An expression over `event`, given only what it reads."""

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        reads = [path.split(".") for path in expression.paths]
        names = {path[1] for path in reads if len(path) > 1}
        if any(len(path) == 1 for path in reads):
            names = set(FIELDS)
        self._costly = frozenset(names & _COSTLY)
        self._names = tuple(sorted(names - _COSTLY))
        self._raw_names = tuple(_RAW.get(name, f"ce_{name}") for name in self._names)
        self._remembered: dict[tuple[str | bytes | None, ...], Any] = {}

    @property
    def reads_data(self) -> bool:
        """Whether the data of an event have to be decoded for it."""
        return "data" in self._costly

    def evaluate(self, event: Event) -> Any:
        """Return what it makes of an event; the answer for the same few attributes is remembered.

        Raises:
            ExpressionError: it failed.
            UndecodableError: it reads attributes or data that are none.
        """
        if self._costly:
            return self._expression.evaluate(self._view(event))
        raw = event.raw
        key = tuple(map(event.attributes.get, self._names)) if raw is None else tuple(map(raw.get, self._raw_names))
        try:
            return self._remembered[key]
        except KeyError:
            pass
        result = self._expression.evaluate(event.attributes)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = result
        return result

    def _view(self, event: Event) -> Mapping[str, Any]:
        view: dict[str, Any] = {}
        if self._names:
            attributes = event.attributes
            view = {name: attributes[name] for name in self._names if name in attributes}
        for name in self._costly:
            value = _COSTLY_FIELDS[name](event)
            if value is not None:
                view[name] = value
        if "data" in self._costly:
            view["data"] = event.data()
        return view


def _moment(event: Event) -> Any:
    """Read RFC 3339; what is none stays a text."""
    text = event.attributes.get("time")
    try:
        return text and datetime.fromisoformat(text)
    except ValueError:
        return text


def _extensions(event: Event) -> Mapping[str, str]:
    return {name: value for name, value in event.attributes.items() if name not in ATTRIBUTES}


def _key(event: Event) -> str | None:
    key = event.record.key()
    return key.decode("utf-8", "replace") if key is not None else None


_COSTLY_FIELDS: Final[Mapping[str, Callable[[Event], Any]]] = {
    "time": _moment,
    "extensions": _extensions,
    "headers": Event.headers,
    "key": _key,
    "topic": lambda event: event.record.topic(),
    "data": lambda _event: None,  # null is data too
}


class Processor:
    """Filter and transform of one Subscription."""

    def __init__(self, config: RuntimeConfig) -> None:
        """Compile its expressions; raises ExpressionError."""
        self._filter = EventExpression(compile_filter(config.filter)) if config.filter is not None else None
        self._transform = EventExpression(compile_transform(config.transform)) if config.transform is not None else None

    @property
    def reads_data(self) -> bool:
        """Whether it looks into the data."""
        return any(each is not None and each.reads_data for each in (self._filter, self._transform))

    def process(self, event: Event) -> Processed:
        """Filter, then transform."""
        if self._filter is not None:
            answer = self._outcome("filter", self._filter, event)
            if answer is False:
                return FILTERED
            if isinstance(answer, Failure):
                return answer
            if answer is not True:
                return _wrong("filter", f"it is neither true nor false but a {type(answer).__name__}")
        if self._transform is None:
            return UNCHANGED
        made = self._outcome("transform", self._transform, event)
        return made if isinstance(made, Failure) else _as_json(made)

    @staticmethod
    def _outcome(which: str, expression: EventExpression, event: Event) -> Any:
        try:
            return expression.evaluate(event)
        except UndecodableError as error:
            return Failure("Undecodable", str(error))
        except ExpressionError as error:
            return _wrong(which, str(error))


def _as_json(made: Any) -> NewData | Failure:
    try:
        return NewData(orjson.dumps(made, default=_json_default, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        return _wrong("transform", f"its result is no JSON: {error}")


def _wrong(which: str, message: str) -> Failure:
    return Failure("ExpressionFailed", f"{which}: {message}")


def _json_default(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(f"{type(value).__name__} is no type of JSON")
