"""The keywords of JSON Schema that limit one value: whether the reader's are narrower than the writer's."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from eventplane.planning.compatibility.finding import Direction, Finding
from eventplane.planning.definitions.json_text import to_canonical_json

_TYPES: Final = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_Keywords = Mapping[str, Any]


def types_of(schema: _Keywords) -> frozenset[str]:
    """Return the types that a schema allows; a number may be an integer."""
    given = schema.get("type", list(_TYPES))
    types = frozenset([given] if isinstance(given, str) else given)
    return types | {"integer"} if "number" in types else types


def type_findings(read: _Keywords, written: _Keywords, path: str, direction: Direction) -> Iterator[Finding]:
    """Find types that the reader no longer takes."""
    lost = types_of(written) - types_of(read)
    if not lost:
        return
    listed = "enum" in written or "const" in written
    old, new = (written, read) if direction == "Backward" else (read, written)
    problem = f"{_place(path)} was {_type_words(old)} and is now {_type_words(new)}"
    if types_of(written) & types_of(read):
        missing = " and ".join(sorted(lost - {"integer"} or lost))
        back = f"Allow {missing} again" if direction == "Backward" else f"Do not allow {missing}: they do not know it"
        certain = "multipleOf" not in written and not listed  # either may say that the lost types never occur
        yield Finding(path, "TypeNarrowed" if direction == "Backward" else "TypeWidened", problem, back, certain)
    else:
        remedy = "Keep the type, or add another property with the new type"
        yield Finding(path, "TypeChanged", problem, remedy, not listed)


def value_findings(read: _Keywords, written: _Keywords, path: str, direction: Direction) -> Iterator[Finding]:
    """Find listed values that the reader no longer takes."""
    known, used = _values(read), _values(written)
    if known is None:
        return
    if used is None:
        limited = "is limited to" if direction == "Backward" else "is no longer limited to"
        problem = f"{_place(path)} {limited} {_list(known)}"
        yield Finding(path, "ValuesLimited", problem, "Leave it as it was", certain=True)
        return
    lost = [value for value in used if value not in known]
    if not lost:
        return
    if direction == "Backward":
        problem, remedy = f"{_place(path)} no longer takes {_list(lost)}", f"Keep {_list(lost)} among its values"
        yield Finding(path, "EnumValueRemoved", problem, remedy)
    else:
        problem = f"{_place(path)} now also takes {_list(lost)}"
        remedy = "Register a version that knows the value and move the consumers to it before it is written"
        yield Finding(path, "EnumValueAdded", problem, remedy)


def string_findings(read: _Keywords, written: _Keywords, path: str, direction: Direction) -> Iterator[Finding]:
    """Find limits of strings that are narrower."""
    yield from _bounds(read, written, path, direction, ("minLength", "maxLength"))
    for keyword in ("pattern", "format"):
        if keyword in read and read[keyword] != written.get(keyword):
            yield _changed(keyword, read, written, path, direction, certain=keyword == "pattern")


def number_findings(read: _Keywords, written: _Keywords, path: str, direction: Direction) -> Iterator[Finding]:
    """Find limits of numbers that are narrower. Bounds made exclusive by true, as in draft 4, are the registry's."""
    if not any(
        isinstance(each.get(f"exclusive{end}"), bool) for each in (read, written) for end in ("Minimum", "Maximum")
    ):
        for end, sign in (("Minimum", 1), ("Maximum", -1)):
            keywords = [keyword for keyword in (end.lower(), f"exclusive{end}") if keyword in read]
            narrower = _tightest(read, end, sign) > _tightest(written, end, sign)
            for keyword in keywords:
                if read[keyword] != written.get(keyword) and (narrower or keyword not in written):
                    yield _changed(keyword, read, written, path, direction, certain=narrower)
    step, before = read.get("multipleOf"), written.get("multipleOf")
    if step is not None and step != before:
        certain = not _is_multiple(before, step)
        yield _changed("multipleOf", read, written, path, direction, certain=certain)


def array_findings(read: _Keywords, written: _Keywords, path: str, direction: Direction) -> Iterator[Finding]:
    """Find limits of arrays that are narrower."""
    yield from _bounds(read, written, path, direction, ("minItems", "maxItems"))
    if read.get("uniqueItems") is True and written.get("uniqueItems") is not True:
        yield _changed("uniqueItems", read, written, path, direction, certain=True)


def object_findings(read: _Keywords, written: _Keywords, path: str, direction: Direction) -> Iterator[Finding]:
    """Find limits of the number of properties that are narrower."""
    yield from _bounds(read, written, path, direction, ("minProperties", "maxProperties"))


def _bounds(
    read: _Keywords, written: _Keywords, path: str, direction: Direction, keywords: tuple[str, str]
) -> Iterator[Finding]:
    least, most = keywords
    narrowed = {
        least: read.get(least, 0) > written.get(least, 0),
        most: read.get(most, math.inf) < written.get(most, math.inf),
    }
    for keyword, certain in narrowed.items():
        if certain or (keyword in read and keyword not in written):  # some registries mind a limit that limits nothing
            yield _changed(keyword, read, written, path, direction, certain=certain)


def _tightest(schema: _Keywords, end: str, sign: int) -> tuple[float, bool]:
    """Return the tighter of an end's two bounds, such that the greater is the tighter for both ends."""
    inclusive, exclusive = schema.get(end.lower()), schema.get(f"exclusive{end}")
    bounds = [(sign * bound, strict) for bound, strict in ((inclusive, False), (exclusive, True)) if bound is not None]
    return max(bounds, default=(-math.inf, False))


def _is_multiple(before: float | None, step: float) -> bool:
    return before is not None and before % step == 0


def _changed(
    keyword: str, read: _Keywords, written: _Keywords, path: str, direction: Direction, *, certain: bool
) -> Finding:
    old, new = (written, read) if direction == "Backward" else (read, written)
    was, now = (_limit(each.get(keyword)) for each in (old, new))
    rule = "LimitNarrowed" if direction == "Backward" else "LimitWidened"
    return Finding(path, rule, f"{keyword} of {_place(path)} was {was} and is now {now}", f"Keep {was}", certain)


def _limit(value: Any) -> str:
    return "not set" if value is None else to_canonical_json(value)[:60]


def _values(schema: _Keywords) -> list[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else [to_canonical_json(value) for value in values]


def _list(values: list[str]) -> str:
    shown = " and ".join(value[:60] for value in values[:5])
    return f"{shown} and others" if len(values) > 5 else shown  # noqa: PLR2004 - as many as fit a message


def _type_words(schema: _Keywords) -> str:
    given = schema.get("type")
    if given is None:
        return "of any type"
    return f"`{given}`" if isinstance(given, str) else " or ".join(f"`{each}`" for each in given)


def _place(path: str) -> str:
    return f"`{path}`" if path else "the schema"
