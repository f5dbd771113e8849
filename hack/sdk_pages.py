"""The reference pages of the SDK: what its packages export, by their source alone, which is read and not run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SOURCE: Final = Path(__file__).resolve().parent.parent / "operator"
_HEADER: Final = "<!-- Generated from operator/eventplane by `make generate`; do not edit. -->\n"
_PACKAGES: Final = {
    "eventplane.client": "../guide/sdk.md",
    "eventplane.eventstore": "../guide/eventstore.md",
    "eventplane.testing": "../guide/sdk.md",
}
"""Those that applications import from, and the guide to each."""
_LONGEST: Final = 100
"""Characters of a signature that has a line of its own."""
_SHOWN: Final = ("__init__", "__call__", "__aenter__", "__aiter__", "__await__")
"""Methods of the language that say how a class is used."""

_QUIET: Final[griffe.GoogleOptions] = {"warnings": False}
"""Types are in signatures, and what a dataclass is made with is told of the class."""


def sdk_pages() -> dict[str, str]:
    """Return the text of each page by its path."""
    return {f"docs/reference/sdk-{name.rpartition('.')[2]}.md": _page(name, guide) for name, guide in _PACKAGES.items()}


def _page(package: str, guide: str) -> str:
    facade = _module(package)
    names = sorted(str(name) for name in facade.exports or ())
    there = [(name, _resolved(facade, name)) for name in names]
    contents = " · ".join(f"[`{name}`](#{name.lower()})" for name in names)
    head = [
        f"{_HEADER}# {package}\n",
        f"{_text_of(facade)}\n",
        f"How it is used: [the guide]({guide}).\n",
        f"{contents}\n",
    ]
    return "\n".join([*head, *(part for name, each in there for part in _entry(name, each, package))])


# --- where names lead


@cache
def _module(name: str) -> griffe.Module:
    """Read one module, and none that it imports."""
    path = _SOURCE / name.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return griffe.visit(name, file, file.read_text(), docstring_parser=griffe.Parser.google, docstring_options=_QUIET)


def _resolved(module: griffe.Module, name: str) -> griffe.Object:
    """Follow a name to where it is defined."""
    found = module.members[name]
    if not isinstance(found, griffe.Alias):
        return found
    home, _, original = found.target_path.rpartition(".")
    return _resolved(_module(home), original)


# --- what is said of a name


def _entry(name: str, found: griffe.Object, package: str) -> Iterator[str]:
    yield f"## {name}\n"
    elsewhere = next((each for each in _PACKAGES if each != package and name in (_module(each).exports or ())), None)
    if elsewhere == "eventplane.client":  # what others pass on is told where it is from
        yield f"See [eventplane.client](sdk-client.md#{name.lower()}).\n"
    elif isinstance(found, griffe.Class):
        yield from _class(name, found)
    elif isinstance(found, griffe.Function):
        yield from _function(name, found)
    else:
        assert isinstance(found, griffe.Attribute | griffe.TypeAlias)  # noqa: S101 - nothing else is exported
        yield f"```python\n{name} = {found.value}\n```\n"
        yield from _sections(found)


def _class(name: str, found: griffe.Class) -> Iterator[str]:
    maker = found.members.get("__init__")
    if isinstance(maker, griffe.Function):
        yield _code(_signature(f"class {name}", maker, returns=False))
    else:
        bases = ", ".join(text for base in found.bases if not (text := str(base)).startswith("_"))
        yield _code(f"class {name}({bases})" if bases else f"class {name}")
    yield from _sections(found)
    if isinstance(maker, griffe.Function):
        yield from _sections(maker)
    yield from _fields(found)
    for method, each in found.members.items():
        if isinstance(each, griffe.Function) and _is_shown(method) and method != "__init__":
            yield f"### {name}.{method}\n"
            yield from _function(method, each)


def _function(name: str, found: griffe.Function) -> Iterator[str]:
    word = "async def" if "async" in found.labels else "def"
    yield _code("\n".join([*(f"@{each.value}" for each in found.decorators), _signature(f"{word} {name}", found)]))
    yield from _sections(found)


def _is_shown(name: str) -> bool:
    return name in _SHOWN or not name.startswith("_")


def _fields(found: griffe.Class) -> Iterator[str]:
    """Tell of attributes that have a type and are not among what a class says that it is made with."""
    told = _told(found)
    rows = [
        f"| `{name}` | {_type(each.annotation)} | {_default(each)} | {_cell(_text_of(each))} |\n"
        for name, each in found.members.items()
        if isinstance(each, griffe.Attribute) and _is_field(name, each) and name not in told
    ]
    if rows:
        yield "| attribute | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _is_field(name: str, each: griffe.Attribute) -> bool:
    return not name.startswith("_") and each.annotation is not None


def _told(found: griffe.Class) -> set[str]:
    """Name what a class says that it is made with."""
    sections = found.docstring.parsed if found.docstring is not None else []
    those = (each.value for each in sections if isinstance(each, griffe.DocstringSectionParameters))
    return {one.name for section in those for one in section}


def _default(found: griffe.Attribute) -> str:
    """Tell the default of a field, by its dataclass's words for it."""
    value = found.value
    if value is None or "property" in found.labels:
        return ""
    if isinstance(value, griffe.ExprCall) and str(value.function) == "field":
        given = {each.name: str(each.value) for each in value.arguments if isinstance(each, griffe.ExprKeyword)}
        made = f"{given['default_factory']}()" if "default_factory" in given else None
        value = given.get("default", made)
    shown = _shown_value(found, value)
    return f"`{_cell(shown)}`" if shown is not None else ""


def _shown_value(found: griffe.Object, value: str | griffe.Expr | None) -> str | None:
    """Tell a default; by its value where it is a constant that nobody but the module knows."""
    text = None if value is None else str(value)
    constant = found.module.members.get(text) if text is not None and text.startswith("_") else None
    return str(constant.value) if isinstance(constant, griffe.Attribute) else text


# --- docstrings


def _text_of(found: griffe.Object) -> str:
    """Return what is said of something, its sections left out."""
    sections = found.docstring.parsed if found.docstring is not None else []
    return "\n\n".join(each.value for each in sections if isinstance(each, griffe.DocstringSectionText))


def _sections(found: griffe.Object) -> Iterator[str]:
    """Tell what a docstring says."""
    told = found.docstring.parsed if found.docstring is not None else []
    for each in told:
        match each:
            case griffe.DocstringSectionText():
                yield f"{each.value}\n"
            case griffe.DocstringSectionParameters():
                yield _parameters(_types(found), each.value)
            case griffe.DocstringSectionRaises():
                yield "Raises:\n\n" + "".join(f"- `{one.annotation}`: {_line(one.description)}\n" for one in each.value)
            case griffe.DocstringSectionReturns():
                yield "Returns:\n\n" + "".join(f"- {_line(one.description)}\n" for one in each.value)
            case _:
                raise ValueError(
                    f"{found.path}: a section of its docstring is of a kind that no page shows: {each.kind}"
                )


def _types(found: griffe.Object) -> Mapping[str, str | griffe.Expr | None]:
    """Tell the types of what a function, or a class, is called with."""
    maker = found.members.get("__init__", found) if isinstance(found, griffe.Class) else found
    if isinstance(maker, griffe.Function):
        return {each.name: each.annotation for each in maker.parameters}
    return {name: each.annotation for name, each in found.members.items() if isinstance(each, griffe.Attribute)}


def _parameters(types: Mapping[str, str | griffe.Expr | None], told: Sequence[griffe.DocstringParameter]) -> str:
    rows = (f"| `{each.name}` | {_type(types.get(each.name))} | {_cell(_line(each.description))} |\n" for each in told)
    return "| parameter | type | meaning |\n|---|---|---|\n" + "".join(rows)


# --- signatures


def _signature(name: str, function: griffe.Function, *, returns: bool = True) -> str:
    parts = list(_written(function))
    answer = f" -> {function.returns}" if returns and function.returns is not None else ""
    line = f"{name}({', '.join(parts)}){answer}"
    if len(line) <= _LONGEST:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){answer}"


def _written(function: griffe.Function) -> Iterator[str]:
    """Write parameters, with the signs between those that go by position and those that go by name."""
    keyword_only = positional_only = False
    for each in function.parameters:
        if each.name in {"self", "cls"}:
            continue
        if positional_only and each.kind is not griffe.ParameterKind.positional_only:
            yield "/"
        positional_only = each.kind is griffe.ParameterKind.positional_only
        if each.kind is griffe.ParameterKind.keyword_only and not keyword_only:
            yield "*"
        keyword_only |= each.kind in {griffe.ParameterKind.keyword_only, griffe.ParameterKind.var_positional}
        yield _parameter(function, each)
    if positional_only:
        yield "/"


def _parameter(function: griffe.Function, each: griffe.Parameter) -> str:
    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
    if each.kind in stars:
        return f"{stars[each.kind]}{each.name}: {each.annotation}"
    default = _shown_value(function, each.default)
    return f"{each.name}: {each.annotation}" + (f" = {default}" if default is not None else "")


# --- Markdown


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _type(annotation: str | griffe.Expr | None) -> str:
    return f"`{_cell(str(annotation))}`" if annotation is not None else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


# --- what is not said


def undocumented() -> list[str]:
    """Name what is exported, or is a part of that, and nothing is said of."""
    facades = [_module(package) for package in _PACKAGES]
    exported = (_resolved(facade, str(name)) for facade in facades for name in facade.exports or ())
    return sorted({path for found in exported for path in _unsaid(found)})


def _unsaid(found: griffe.Object) -> Iterator[str]:
    if found.docstring is None:
        yield found.path
    if not isinstance(found, griffe.Class):
        return
    told = _told(found)
    for name, each in found.members.items():
        is_field = isinstance(each, griffe.Attribute) and _is_field(name, each) and name not in told
        is_method = isinstance(each, griffe.Function) and not name.startswith("_")
        if (is_field or is_method) and each.docstring is None:
            yield each.path
