"""Whether a default is a value of its AVRO type, by the table of the specification."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from eventplane.planning.definitions.avro_types import AvroType

_INT: Final = 2**31
_LONG: Final = 2**63


class _WithinItselfError(ValueError):
    """A default of a record within the definition of that record."""


def default_fault(type_: AvroType, value: Any) -> str | None:
    """Say what is wrong with a default; None where nothing is.

    A union takes what one of its types takes, in order: Java's Avro, and so the registries, give up at a record that is
    still being defined, whatever the types behind it would take.
    """
    try:
        return _fault(type_, value)
    except _WithinItselfError as error:
        return str(error)


def _fault(type_: AvroType, value: Any) -> str | None:
    if type_.kind == "union":
        return _union_fault(type_, value)
    fits = _FITS[type_.kind]
    if not fits(type_, value):
        return f"{_written(value)} is no {type_.label}"
    return _part_fault(type_, value)


def _union_fault(union: AvroType, value: Any) -> str | None:
    if any(_fault(branch, value) is None for branch in union.branches):
        return None
    return f"{_written(value)} is none of {', '.join(branch.label for branch in union.branches)}"


def _part_fault(type_: AvroType, value: Any) -> str | None:
    if type_.kind == "record":
        return _record_fault(type_, value)
    if type_.item is None:
        return None
    parts = value if isinstance(value, list) else value.values()
    return next((fault for part in parts if (fault := _fault(type_.item, part))), None)


def _record_fault(record: AvroType, value: Mapping[str, Any]) -> str | None:
    if not record.complete:
        raise _WithinItselfError(f"{record.name} cannot have a default within its own definition")
    for field in record.fields.values():
        if field.name in value:
            fault = _fault(field.type, value[field.name])
            if fault:
                return f"{field.name}: {fault}"
        elif not field.has_default:
            return f"it lacks {field.name} of {record.name}"
    return None


def _whole(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit


def _number(_: AvroType, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(_: AvroType, value: Any) -> bool:
    return isinstance(value, str)


_FITS: Final[Mapping[str, Callable[[AvroType, Any], bool]]] = {
    "null": lambda _, value: value is None,
    "boolean": lambda _, value: isinstance(value, bool),
    "int": lambda _, value: _whole(value, _INT),
    "long": lambda _, value: _whole(value, _LONG),
    "float": _number,
    "double": _number,
    "bytes": _text,
    "string": _text,
    "fixed": lambda type_, value: isinstance(value, str) and len(value) == type_.size,
    "enum": lambda type_, value: value in type_.symbols,
    "array": lambda _, value: isinstance(value, list),
    "map": lambda _, value: isinstance(value, dict),
    "record": lambda _, value: isinstance(value, dict),
}


def _written(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value[:60]}"'
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return str(value)
