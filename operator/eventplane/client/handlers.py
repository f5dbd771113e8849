"""What an application does with events: functions by the type of event, and what they want to be given."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Self, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from eventplane.client.errors import ConfigurationError
from eventplane.client.event import Event

HandlerFunction: TypeAlias = Callable[[Any], Awaitable[Any] | Any]
_LISTS: Final = (list, Sequence)


@dataclass(frozen=True, slots=True)
class Handler:
    """One function."""

    call: HandlerFunction
    wants: type[Event[Any]]
    """`Event`, or the class of events with a model."""
    is_async: bool

    @property
    def name(self) -> str:
        """How it is called in logs and dead letters."""
        return getattr(self.call, "__qualname__", type(self.call).__name__)


class Handlers:
    """Those of one subscriber."""

    def __init__(self) -> None:
        self._registered: list[tuple[str, Handler]] = []
        self._found: dict[str, tuple[Handler, ...]] = {}

    @classmethod
    def of_one(cls, handler: Handler) -> Self:
        """Return those of one function, for events of every type."""
        handlers = cls()
        handlers._registered.append(("*", handler))
        return handlers

    def add(self, event_type: str, function: HandlerFunction, data_type: type[BaseModel] | None) -> None:
        """Call a function for a type of event, or for all whose type fits a pattern with `*`.

        Raises:
            ConfigurationError: nobody can tell what its event is.
        """
        if not callable(function):
            raise ConfigurationError(f"handler of {event_type}: it cannot be called")
        self._registered.append((event_type, handler_of(function, data_type)))
        self._found.clear()

    def of(self, event_type: str) -> tuple[Handler, ...]:
        """Return those for a type of event, in the order of registration."""
        if event_type not in self._found:
            if len(self._found) > len(self._registered) + 1000:
                self._found.clear()  # types are given by whoever writes events
            self._found[event_type] = tuple(
                handler for pattern, handler in self._registered if fnmatchcase(event_type, pattern)
            )
        return self._found[event_type]

    def __bool__(self) -> bool:
        return bool(self._registered)


def handler_of(function: HandlerFunction, data_type: type[BaseModel] | None = None) -> Handler:
    """Look at a function of an event, or of a list of them.

    Raises:
        ConfigurationError: nobody can tell what its event is.
    """
    wants = Event[data_type] if data_type is not None else _wanted(function)  # type: ignore[valid-type]
    return Handler(function, wants, _is_async(function))


def _is_async(function: HandlerFunction) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - what a callable object runs


def _wanted(function: HandlerFunction) -> type[Event[Any]]:
    """Read the annotation of the first argument: an event, or a list of them."""
    told = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004 - as above
    name = next(iter(_parameters(function)), None)
    try:
        hint = get_type_hints(told).get(name or "")
    except (NameError, TypeError) as error:
        if "Event[" in str(getattr(told, "__annotations__", {}).get(name, "")):
            raise ConfigurationError(
                f"handler {getattr(function, '__qualname__', function)}: its annotation cannot be read here ({error}):"
                " give data_type="
            ) from error
        return Event
    if get_origin(hint) in _LISTS:
        hint = next(iter(get_args(hint)), None)
    return hint if isinstance(hint, type) and issubclass(hint, Event) else Event


def _parameters(function: HandlerFunction) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
