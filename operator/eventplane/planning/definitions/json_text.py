"""JSON as AVRO and JSON Schema are written in: parsed with bounds, and faults placed by line and column."""

import json
from typing import Any, Final

from eventplane.planning.definitions.fault import DefinitionFault

MAX_JSON_NESTING: Final = 128
"""Levels of objects and arrays within each other: one level of AVRO types takes up to three."""


def parse_json(text: str) -> Any:
    """Parse JSON as RFC 8259 has it, without NaN and Infinity.

    Raises:
        DefinitionFault: it is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DefinitionFault(f"it is not JSON: {where}: {error.msg}") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # a number of thousands of digits
        raise DefinitionFault(f"it is not JSON that can be read: {error}") from error
    _measure(value)
    return value


def to_canonical_json(value: Any) -> str:
    """Write JSON so that formatting and the order of keys leave no trace."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _refuse_constant(name: str) -> float:
    raise DefinitionFault(f"it is not JSON: {name} is no number of JSON")


def _measure(value: Any) -> None:
    level = [value]
    for _ in range(MAX_JSON_NESTING):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> DefinitionFault:
    return DefinitionFault(f"it is nested deeper than {MAX_JSON_NESTING} levels: flatten it")
