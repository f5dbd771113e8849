"""What is done with an event before it is delivered: a filter, routes, a transform, all of it CEL and compiled once.

| # | the Subscription | the event | outcome |
|---|---|---|---|
| 1 | any | its filter is false | Filtered |
| 2 | no routes | any other | Unchanged, or NewData where there is a transform |
| 3 | routes, match First | some routes take it | Routed to the first of them |
| 4 | routes, match All | some routes take it | Routed to each of them |
| 5 | routes, unmatched DeadLetter | no route takes it | Failure: Unrouted |
| 6 | routes, unmatched Filter | no route takes it | Filtered |
| 7 | any | an expression that has to be asked fails on it | Failure: ExpressionFailed; nothing of it is delivered |
| 8 | look-ups | the next expression to be asked reads one that is not known yet | LookUp: ask again once it is |
| 9 | look-ups | the next expression to be asked reads one that failed | that Failure |

An event that was set aside for a route is asked about that one only: the others have taken it, or were told by a record
of their own. If the route is gone, none takes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from eventplane.api.runtime_config import RuntimeConfig, RuntimeRoutes
from eventplane.events.dead_letters import route_of
from eventplane.events.delivery import Failure
from eventplane.events.event import Event, UndecodableError
from eventplane.events.event_expressions import EventExpression
from eventplane.events.expressions import Expression, ExpressionError
from eventplane.events.lookups import NOTHING_KNOWN, Answer, Enrichment, EventLookups, Find, LookUp
from eventplane.events.subscribed import compile_filter, compile_transform


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


Deliverable: TypeAlias = Unchanged | NewData


class RouteTaken(NamedTuple):
    """A route that takes an event, and what it delivers."""

    route: str
    made: Deliverable


@dataclass(frozen=True, slots=True)
class Routed:
    """The event is to be delivered by these routes, of which there is one at least."""

    taken: tuple[RouteTaken, ...]


Processed: TypeAlias = Filtered | Deliverable | Routed | LookUp | Failure
FILTERED: Final = Filtered()
UNCHANGED: Final = Unchanged()


class _Clause:
    """A filter or a transform."""

    def __init__(self, expression: Expression, enrichment: Enrichment) -> None:
        self._expression = EventExpression(expression)
        self._lookups = self._expression.lookups(enrichment.names)
        self.reads_data = self._expression.reads_data or enrichment.reads_data(self._lookups)

    def evaluate(self, asked: EventLookups) -> Any:
        """Return what it makes of an event, or the LookUp or Failure that comes before; raises as EventExpression."""
        if not self._lookups:
            return self._expression.evaluate(asked.event)
        values = asked.values(self._lookups)
        if isinstance(values, LookUp | Failure):
            return values
        return self._expression.evaluate_with(asked.event, values)


class _Way:
    """A filter and a transform."""

    def __init__(self, wanted: str | None, transform: str | None, enrichment: Enrichment, route: str = "") -> None:
        """Compile them; raises ExpressionError."""
        names = enrichment.names
        self._filter = _Clause(compile_filter(wanted, names), enrichment) if wanted is not None else None
        self._transform = _Clause(compile_transform(transform, names), enrichment) if transform is not None else None
        self._of = f" of route {route}" if route else ""

    @property
    def reads_data(self) -> bool:
        return any(each is not None and each.reads_data for each in (self._filter, self._transform))

    def takes(self, asked: EventLookups) -> bool | LookUp | Failure:
        """Tell whether the filter is true."""
        if self._filter is None:
            return True
        answer = self._outcome("filter", self._filter, asked)
        if isinstance(answer, bool | LookUp | Failure):
            return answer
        return self._wrong("filter", f"it is neither true nor false but a {type(answer).__name__}")

    def make(self, asked: EventLookups) -> Deliverable | LookUp | Failure:
        """Transform."""
        if self._transform is None:
            return UNCHANGED
        made = self._outcome("transform", self._transform, asked)
        if isinstance(made, LookUp | Failure):
            return made
        try:
            return NewData(orjson.dumps(made, default=_json_default, option=orjson.OPT_NON_STR_KEYS))
        except TypeError as error:
            return self._wrong("transform", f"its result is no JSON: {error}")

    def _outcome(self, which: str, clause: _Clause, asked: EventLookups) -> Any:
        try:
            return clause.evaluate(asked)
        except UndecodableError as error:
            return Failure("Undecodable", str(error))
        except ExpressionError as error:
            return self._wrong(which, str(error))

    def _wrong(self, which: str, message: str) -> Failure:
        return Failure("ExpressionFailed", f"{which}{self._of}: {message}")


class _Router:
    """The routes of one Subscription."""

    def __init__(self, routes: RuntimeRoutes, subscription: str, enrichment: Enrichment) -> None:
        """Compile their expressions; raises ExpressionError."""
        self._ways = {each.name: _Way(each.filter, each.transform, enrichment, each.name) for each in routes.to}
        self._takes_all = routes.match == "All"
        self._filters_unmatched = routes.unmatched == "Filter"
        self._subscription = subscription

    @property
    def reads_data(self) -> bool:
        return any(way.reads_data for way in self._ways.values())

    def route(self, asked: EventLookups) -> Filtered | Routed | LookUp | Failure:
        """Decide by the table above."""
        only = route_of(asked.event.record, self._subscription)
        taken: list[RouteTaken] = []
        for outcome in self._answers(asked, only):
            if isinstance(outcome, LookUp | Failure):
                return outcome
            taken.append(outcome)
            if not self._takes_all:
                break
        if taken:
            return Routed(tuple(taken))
        if self._filters_unmatched:
            return FILTERED
        return Failure("Unrouted", "no route takes it" if only is None else f"route {only} does not take it any more")

    def _answers(self, asked: EventLookups, only: str | None) -> Iterator[RouteTaken | LookUp | Failure]:
        """Ask one after the other; what is not looked at any more is not asked."""
        for name, way in self._ways.items():
            if only is not None and name != only:
                continue
            takes = way.takes(asked)
            if takes is False:
                continue
            made = way.make(asked) if takes is True else takes
            yield made if isinstance(made, LookUp | Failure) else RouteTaken(name, made)


class Processor:
    """Filter, routes and transform of one Subscription."""

    def __init__(self, config: RuntimeConfig, find: Find) -> None:
        """Compile its expressions; raises ExpressionError."""
        self._enrichment = Enrichment(config.lookups, find)
        self._way = _Way(config.filter, config.transform, self._enrichment)
        routes = config.routes
        self._router = _Router(routes, config.full_name, self._enrichment) if routes is not None else None

    @property
    def reads_data(self) -> bool:
        """Whether it looks into the data."""
        return self._way.reads_data or (self._router is not None and self._router.reads_data)

    def process(self, event: Event, known: Mapping[str, Answer] = NOTHING_KNOWN) -> Processed:
        """Decide by the table above; `known` is what was looked up before."""
        asked = self._enrichment.for_event(event, known)
        takes = self._way.takes(asked)
        if takes is False:
            return FILTERED
        if takes is not True:
            return takes
        return self._way.make(asked) if self._router is None else self._router.route(asked)


def _json_default(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(f"{type(value).__name__} is no type of JSON")
