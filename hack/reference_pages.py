"""The reference pages: the fields and rules of each kind, and the conditions with their reasons."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eventplane.api import API_VERSION, conditions
from eventplane.api.crd import KINDS, Kind, crd

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER: Final = "<!-- Generated from operator/eventplane/api by `make generate`; do not edit. -->\n"
# said once, on the conditions' own page
_ELSEWHERE: Final = "conditions[]."


@dataclass(frozen=True, slots=True)
class _Node:
    """One place in a schema: its path, its schema, and whether its parent requires it."""

    path: str
    schema: dict[str, Any]
    required: bool


def reference_pages() -> dict[str, str]:
    """Return the text of each page by its path."""
    pages = {f"docs/reference/{kind.kind.lower()}.md": _kind_page(kind) for kind in KINDS}
    return pages | {"docs/reference/conditions.md": _conditions_page()}


def _kind_page(kind: type[Kind]) -> str:
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    names = f"`apiVersion: {API_VERSION}` · `kubectl get {kind.plural}` or `{kind.short_names[0]}` · namespaced"
    parts = [f"{_HEADER}# {kind.kind}\n", f"{schema['description']}\n", f"{names}\n"]
    for section in ("spec", "status"):
        parts += [f"## {section.capitalize()}\n", _field_table(schema["properties"][section])]
        if section == "spec":
            parts += ["## Rules\n", "The API server refuses what breaks them, with these words.\n", _rule_table(schema)]
    parts.append("Conditions and their reasons: [conditions.md](conditions.md).\n")
    return "\n".join(parts)


def _field_table(schema: dict[str, Any]) -> str:
    nodes = (node for node in _nodes(schema, "") if node.path and not node.path.startswith(_ELSEWHERE))
    rows = (f"| `{n.path}` | {_type(n.schema)} | {_presence(n)} | {_meaning(n.schema)} |\n" for n in nodes)
    return "| field | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _rule_table(schema: dict[str, Any]) -> str:
    rows = (
        f"| `{node.path or 'the resource'}` | {_cell(rule['message'])} |\n"
        for node in _nodes(schema, "")
        for rule in node.schema.get("x-kubernetes-validations", ())
    )
    return "| where | rule |\n|---|---|\n" + "".join(rows)


def _nodes(schema: dict[str, Any], path: str, *, required: bool = False) -> Iterator[_Node]:
    """Walk a schema in its order, parents first."""
    yield _Node(path, schema, required)
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}" if path else name, required=name in schema.get("required", ()))
    if "items" in schema:
        yield from _nodes(schema["items"], f"{path}[]")


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    words: list[str] = [schema["type"]]
    if "additionalProperties" in schema:
        value = schema["additionalProperties"]
        words = [f"map of {value['type']}{' or null' if value.get('nullable') else ''}"]
    if "minimum" in schema:
        words.append(f">= {schema['minimum']}")
    if "maximum" in schema:
        words.append(f"<= {schema['maximum']}")
    if "pattern" in schema:
        words.append(f"`{_cell(schema['pattern'])}`")
    return " ".join(words)


def _presence(node: _Node) -> str:
    if "default" in node.schema:
        return f"`{node.schema['default']}`"
    return "*required*" if node.required else ""


def _meaning(schema: dict[str, Any]) -> str:
    # the default has a column of its own; the sentence is for `kubectl explain`
    return _cell(schema.get("description", "").removesuffix(f" Default: {schema.get('default')}."))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _conditions_page() -> str:
    reasons = _documented(conditions.Reason)
    types = _documented(conditions.ConditionType)
    intended = (
        "Every kind has `Ready`, and `Reconciling` or `Stalled` while they hold, in the sense of kstatus:\n"
        "`kubectl wait`, Argo CD and Flux know what to make of them.\n"
    )
    return "\n".join(
        [
            f"{_HEADER}# Conditions\n",
            intended,
            "| condition | holds when |\n|---|---|\n" + "".join(f"| `{name}` | {text} |\n" for name, text in types),
            "## Reasons\n",
            "A closed set. The message beside a reason says what is the case and what to do about it.\n",
            "| reason | meaning |\n|---|---|\n" + "".join(f"| `{name}` | {text} |\n" for name, text in reasons),
        ]
    )


def _documented(enumeration: type[conditions.Reason | conditions.ConditionType]) -> list[tuple[str, str]]:
    """Pair each value with the docstring that follows it in the source, which Python itself does not keep.

    Raises:
        ValueError: a value has none.
    """
    definition = ast.parse(inspect.getsource(enumeration)).body[0]
    pairs: list[tuple[str, str]] = []
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            value = str(statement.value.value)
            pairs.append((value, _docstring(value, following)))
    return pairs


def _docstring(value: str, statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    raise ValueError(f"{value} has no docstring below it, which the reference pages show")
