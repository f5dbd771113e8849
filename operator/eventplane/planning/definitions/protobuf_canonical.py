"""The text of a PROTOBUF definition without what means nothing: comments, formatting and the order of fields."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from proto_schema_parser import ast

from eventplane.planning.definitions.json_text import to_canonical_json
from eventplane.planning.definitions.protobuf import parse_proto


def canonical_proto(text: str) -> str:
    """Write a valid definition in a form of its own.

    Messages keep their order, since records name them by it, and so do constants, the first of which is the default;
    fields are sorted by number, options and imports by name.
    """
    return to_canonical_json(_plain(parse_proto(text)))


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(each) for each in _sorted(node)]
    if isinstance(node, Enum):
        return node.value
    if is_dataclass(node):
        return [type(node).__name__, *(_plain(getattr(node, each.name)) for each in fields(node))]
    return node


def _sorted(nodes: list[Any]) -> Iterator[Any]:
    """Order what has no order of its own, and leave out comments."""
    yield from sorted((each for each in nodes if isinstance(each, ast.Package)), key=lambda each: each.name)
    yield from sorted((each for each in nodes if isinstance(each, ast.Import)), key=lambda each: each.name)
    yield from sorted((each for each in nodes if isinstance(each, ast.Option)), key=lambda each: each.name)
    numbered = (each for each in nodes if isinstance(each, ast.Field | ast.MapField | ast.Group))
    yield from sorted(numbered, key=lambda each: each.number)
    sorted_above = ast.Package | ast.Import | ast.Option | ast.Field | ast.MapField | ast.Group | ast.Comment
    yield from (each for each in nodes if not isinstance(each, sorted_above))
