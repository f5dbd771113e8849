"""What an event looks up by its key, before an expression that reads it is asked.

| # | the key of the event | under it | in an expression |
|---|---|---|---|
| 1 | null, absent or empty | | missing |
| 2 | fails, is neither text nor number, or too long | | Failure: ExpressionFailed; Undecodable where the data are |
| 3 | any other | not known yet | none is asked: LookUp says what has to be fetched |
| 4 | any other | is a value | the value |
| 5 | any other | is nothing | missing |
| 6 | any other | is what cannot be known | that Failure, with the name of the look-up |

What is missing is null, or Failure: LookupMissing where that is what the look-up asks for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from eventplane.api.runtime_config import RuntimeLookup
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.event_expressions import EventExpression
from eventplane.events.expressions import AbsentKeyError, ExpressionError
from eventplane.events.subscribed import compile_key

LONGEST_KEY: Final = 1024
"""Characters: a key is kept with its value, and is part of a URL."""


@dataclass(frozen=True, slots=True)
class Found:
    """There is a value, which may be null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Missing:
    """There is nothing under the key, or there is no key."""


Answer: TypeAlias = Found | Missing | Failure
Find: TypeAlias = Callable[[str, str], Answer | None]
"""Tells without waiting what is under a key, by the name of the look-up; None: it has to be fetched."""
MISSING: Final = Missing()
NOTHING_KNOWN: Final[Mapping[str, Answer]] = {}
"""Of what an event looks up, by the names of look-ups."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Before more can be told of the event, this has to be looked up."""

    wanted: Mapping[str, str]
    """Keys, by the names of look-ups."""
    known: Mapping[str, Answer] = field(default_factory=dict)
    """What was looked up so far."""


class Enrichment:
    """The look-ups of one Subscription."""

    def __init__(self, declared: Sequence[RuntimeLookup], find: Find) -> None:
        """Compile their keys; raises ExpressionError."""
        self._declared = {each.name: each for each in declared}
        self._keys = {each.name: EventExpression(compile_key(each.key)) for each in declared}
        self._find = find

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return tuple(self._declared)

    def reads_data(self, names: Iterable[str]) -> bool:
        """Tell whether some of them need the data of an event."""
        return any(self._keys[name].reads_data for name in names)

    def for_event(self, event: Event, known: Mapping[str, Answer]) -> "EventLookups":
        """Begin with an event, of which some is known already."""
        return EventLookups(self, event, dict(known))

    def answer(self, name: str, event: Event) -> Answer | str:
        """Return what is known, or the key by which it has to be fetched; rows 1 to 3."""
        try:
            key = _key_text(self._keys[name].evaluate(event))
        except AbsentKeyError:
            return MISSING
        except UndecodableError as error:
            return Failure("Undecodable", str(error))
        except ExpressionError as error:
            return Failure("ExpressionFailed", f"lookups[{name}].key: {error}")
        if not key:
            return MISSING
        found = self._find(name, key)
        return key if found is None else found

    def read(self, name: str, answer: Answer) -> Any:
        """Return what an expression gets; rows 4 to 6."""
        if isinstance(answer, Found):
            return answer.value
        if isinstance(answer, Failure):
            return answer
        if self._declared[name].if_missing == "Fail":
            return Failure("LookupMissing", f"lookups.{name}: there is nothing under the event's key")
        return None


class EventLookups:
    """An event, and what it looks up: whoever asks twice is told the same."""

    def __init__(self, enrichment: Enrichment, event: Event, known: dict[str, Answer]) -> None:
        self.event = event
        self._enrichment = enrichment
        self._known = known

    def values(self, names: Sequence[str]) -> Mapping[str, Any] | LookUp | Failure:
        """Return what expressions see under these names."""
        wanted: dict[str, str] = {}
        for name in names:
            if name not in self._known:
                answer = self._enrichment.answer(name, self.event)
                if isinstance(answer, str):
                    wanted[name] = answer
                else:
                    self._known[name] = answer
        values = {name: self._enrichment.read(name, self._known[name]) for name in names if name in self._known}
        failure = next((each for each in values.values() if isinstance(each, Failure)), None)
        if failure is not None:
            return failure
        return LookUp(wanted, self._known) if wanted else values


def named(failure: Failure, name: str) -> Failure:
    """Say which look-up has failed."""
    return replace(failure, message=f"lookups.{name}: {failure.message}")


def _key_text(value: Any) -> str:
    """Write a key as text, a whole number without a point; raises ExpressionError."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ExpressionError(f"it is neither a text nor a number but a {type(value).__name__}")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > LONGEST_KEY:
        raise ExpressionError(f"it is longer than {LONGEST_KEY} characters")
    return text
