"""Expressions at work on events: given only what they read, and asked once where that is the same."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from eventplane.events.event import Event
from eventplane.events.expressions import Expression
from eventplane.events.subscribed import ATTRIBUTES, FIELDS

_MOST_REMEMBERED: Final = 4096
_COSTLY: Final = frozenset(FIELDS) - frozenset(ATTRIBUTES) | {"time"}
"""What of an event is not a text that is there anyway."""
_RAW: Final = {"datacontenttype": "content-type"}
"""Attributes that are in headers of another name."""


class EventExpression:
    """An expression over `event`, given only what it reads."""

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        paths = [path.split(".") for path in expression.paths]
        looked_up = [path for path in paths if path[0] == "lookups"]
        self._looks_up = {path[1] for path in looked_up if len(path) > 1}
        self._looks_up_all = any(len(path) == 1 for path in looked_up)
        reads = [path for path in paths if path[0] == "event"]
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

    def lookups(self, declared: Sequence[str]) -> tuple[str, ...]:
        """Name those of the look-ups that it reads."""
        return tuple(name for name in declared if self._looks_up_all or name in self._looks_up)

    def evaluate_with(self, event: Event, lookups: Mapping[str, Any]) -> Any:
        """Return what it makes of an event and of what that has looked up; raises as `evaluate` does."""
        return self._expression.evaluate_with({"event": self._view(event), "lookups": lookups})

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
