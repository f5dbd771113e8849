"""Expressions over events: CEL (https://cel.dev), compiled once, with errors that say where.

The only place that knows the library.

What an expression cannot do: see the time, loop without end, change anything, reach a network.

| in an event | in an expression | as a result |
|---|---|---|
| None, bool, str, bytes, float | null, bool, string, bytes, double | the same |
| int of 64 bits | int, above 2^63-1 uint | int |
| aware datetime, date, timedelta | timestamp, date at midnight UTC, duration | aware datetime, timedelta |
| Decimal, UUID, time, local datetime | string (there is no such type) | str |
| mapping, list, tuple | map, list | dict with sorted keys, list |
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from eventplane.events.expression_input import UnusableValueError, read_paths, to_cel
from eventplane.events.expression_tree import Position, Syntax, read_syntax

__all__ = ["AbsentKeyError", "Expression", "ExpressionError", "compile_expression"]

_COMPLAINT: Final = re.compile(r"<input>:(\d+):(\d+): (.*)")
_NO_KEY: Final = re.compile(r'Key not found in map : "?(.*?)"?$')
_NO_OVERLOAD: Final = re.compile(r"No matching overloads found : ([^(]+)(\(.*\))?$")
_CODE: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_EXPECTED: Final = re.compile(r" expecting \{.{80,}\}$")  # all that there is helps nobody


class ExpressionError(ValueError):
    """An expression that cannot be compiled, or not be evaluated over this event."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        """Keep the place, counted from 1; None where the library does not tell and it cannot be found out."""
        super().__init__(message if line is None else f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


class AbsentKeyError(ExpressionError):
    """An expression that reads a key which is not there."""


class Expression:
    """A compiled expression; may be used by several threads."""

    def __init__(self, source: str, compiled: cel.Expression, syntax: Syntax) -> None:
        self.source = source
        self._compiled = compiled
        self._syntax = syntax
        self._paths = read_paths(syntax)

    @property
    def paths(self) -> tuple[str, ...]:
        """What it reads: `event.data.amount`; only that part of an event costs anything."""
        return tuple(sorted({".".join(each.steps) for each in self._syntax.reads}))

    @property
    def result(self) -> str:
        """CEL's name of the type that it makes, as far as that is known beforehand: `bool`, `map`, `dyn` for any."""
        return str(self._compiled.return_type()).partition("<")[0].lower()

    def check_fields(self, variable: str, known: Collection[str], complaint: str) -> None:
        """Check that it reads of a variable only what is there.

        Args:
            variable: which.
            known: the names of what it has.
            complaint: says of what has another name that it is not there: `an event has no field`.

        Raises:
            ExpressionError: it reads another one; with its place.
        """
        for read in self._syntax.reads:
            if read.steps[0] == variable and read.steps[1:] and read.steps[1] not in known:
                raise _at(read.places[0], f"{complaint} {read.steps[1]}; it has {', '.join(known)}")

    def evaluate(self, event: Mapping[str, Any]) -> Any:
        """Return what it makes of an event, as plain Python values.

        Raises:
            ExpressionError: an absent key, an operand of the wrong type, a result that is no data, too many iterations.
        """
        return self.evaluate_with({"event": event})

    def evaluate_with(self, variables: Mapping[str, Any]) -> Any:
        """Return what it makes of its variables; raises as `evaluate` does."""
        try:
            result = self._compiled.eval(data=to_cel(variables, self._paths))
        except UnusableValueError as error:
            raise ExpressionError(str(error)) from error
        except (RuntimeError, RecursionError) as error:  # what the library raises rather than returns, untyped
            raise ExpressionError(_CODE.sub("", _CODE.sub("", str(error))).lower()) from error
        if result.type() == cel.Type.ERROR:  # its value would be a text, and true
            raise self._explained(str(result.value()), variables)
        return _plain(result.plain_value())

    def _explained(self, problem: str, variables: Mapping[str, Any]) -> ExpressionError:
        if found := _NO_KEY.search(problem):
            place = self._syntax.place_of_absent(found[1], variables)
            return _at(place, f"no such key: {found[1]}", AbsentKeyError)
        if found := _NO_OVERLOAD.search(problem):
            return _at(
                self._syntax.place_of_call("_?_:_" if "condition" in found[1] else found[1]),
                _misuse(found[1], found[2]),
            )
        if "SELECT" in problem:
            return _at(self._syntax.place_of_misread(variables), "a field is read of something that is no map")
        return ExpressionError(_CODE.sub("", problem))


def compile_expression(source: str, *, variables: tuple[str, ...] = ("event",)) -> Expression:
    """Compile an expression over variables of any type.

    Raises:
        ExpressionError: its syntax, an unknown name, operands whose types cannot fit.
    """
    try:
        compiled = _environment(variables).compile(source)
    except TypeError as error:  # half of a surrogate pair
        raise ExpressionError("it is not valid Unicode") from error
    except RuntimeError as error:  # the library has no class of its own
        raise _refusal(str(error), variables) from error
    return Expression(source, compiled, read_syntax(compiled.serialize(), source, variables))


@lru_cache(maxsize=16)
def _environment(variables: tuple[str, ...]) -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN))


def _refusal(complaint: str, variables: tuple[str, ...]) -> ExpressionError:
    found = _COMPLAINT.search(complaint)
    if found is None:
        return ExpressionError(_CODE.sub("", _CODE.sub("", complaint)))
    message = _CODE.sub("", found[3]).replace(" (in container '')", "")
    message = _EXPECTED.sub("", message)
    if message.startswith("undeclared reference"):
        message += f"; what an expression knows is {', '.join(variables)}, and CEL's functions"
    return ExpressionError(message, int(found[1]), int(found[2]))


def _at(place: Position | None, message: str, kind: type[ExpressionError] = ExpressionError) -> ExpressionError:
    return kind(message) if place is None else kind(message, place.line, place.column)


def _misuse(function: str, operands: str | None) -> str:
    if "condition" in function:
        return "the condition is neither true nor false"
    return f"{function.strip('_@')} cannot be applied to {operands or 'what it is given'}"


def _plain(value: Any) -> Any:
    """Take Python's own types only, and an order that does not depend on the library's hashes."""
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value, key=lambda key: (str(type(key)), key))}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, cel.Type):
        raise ExpressionError("the result is a type and no data: compare types with ==")
    return value
