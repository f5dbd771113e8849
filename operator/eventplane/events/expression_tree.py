"""What a checked CEL expression reads and where: the syntax tree, from the form in which the library serialises it.

The messages are those of cel/expr/syntax.proto and checked.proto (https://github.com/google/cel-spec), cut down to
what is looked at here; they live in a pool of their own, so that an application's own copy is not in the way.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_NUMBER, _TEXT, _FLAG, _MESSAGE = (
    descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
)
_MESSAGES: Final[Mapping[str, tuple[tuple[str, int, str], ...]]] = {
    "Checked": (("source_info", 5, "Source"), ("expr", 4, "Expr")),
    "Source": (("line_offsets", 3, "int*"), ("positions", 4, "Place*")),
    "Place": (("key", 1, "int"), ("value", 2, "int")),
    "Expr": (
        ("id", 2, "int"),
        ("const", 3, "Const"),
        ("ident", 4, "Ident"),
        ("select", 5, "Select"),
        ("call", 6, "Call"),
        ("list", 7, "List"),
        ("struct", 8, "Struct"),
        ("comprehension", 9, "Comprehension"),
    ),
    "Const": (("text", 6, "str"),),
    "Ident": (("name", 1, "str"),),
    "Select": (("operand", 1, "Expr"), ("field", 2, "str"), ("test_only", 3, "bool")),
    "Call": (("target", 1, "Expr"), ("function", 2, "str"), ("args", 3, "Expr*")),
    "List": (("elements", 1, "Expr*"),),
    "Struct": (("entries", 2, "Entry*"),),
    "Entry": (("map_key", 3, "Expr"), ("value", 4, "Expr")),
    "Comprehension": (
        ("iter_var", 1, "str"),
        ("iter_var2", 8, "str"),
        ("accu_var", 3, "str"),
        ("iter_range", 2, "Expr"),
        ("accu_init", 4, "Expr"),
        ("loop_condition", 5, "Expr"),
        ("loop_step", 6, "Expr"),
        ("result", 7, "Expr"),
    ),
}
_SCALARS: Final = {"int": _NUMBER, "str": _TEXT, "bool": _FLAG}


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the source, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Read:
    """One thing that is read: a variable and the keys below it, as far as they are known beforehand."""

    steps: tuple[str, ...]
    places: tuple[Position, ...]
    """Where each key after the variable is named."""
    is_test: bool = False
    """It is only asked whether the last key is there."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """What is known of an expression before it meets an event."""

    reads: tuple[Read, ...]
    calls: tuple[tuple[str, Position], ...]

    def place_of_absent(self, key: str, variables: Mapping[str, Any]) -> Position | None:
        """Find where a key is read that these variables lack; None where no read by a known path lacks it."""
        return self._first_place(variables, lambda holder, step: step == key and isinstance(holder, Mapping))

    def place_of_misread(self, variables: Mapping[str, Any]) -> Position | None:
        """Find where a key is read of something that is no map."""
        return self._first_place(variables, lambda holder, _step: not isinstance(holder, Mapping))

    def place_of_call(self, function: str) -> Position | None:
        """Find an operator or function; None where it stands in several places."""
        found = [place for name, place in self.calls if name == function]
        return found[0] if len(found) == 1 else None

    def _first_place(self, variables: Mapping[str, Any], matches: Any) -> Position | None:
        for read in self.reads:
            holder: Any = variables[read.steps[0]]
            for step, place in zip(read.steps[1:], read.places, strict=True):
                if isinstance(holder, Mapping) and step in holder:
                    holder = holder[step]
                    continue
                if matches(holder, step):
                    return place
                break
        return None


def read_syntax(serialized: bytes, source: str, variables: tuple[str, ...]) -> Syntax:
    """Read the tree of a compiled expression.

    Args:
        serialized: what the library's `serialize` returned.
        source: the text that was compiled.
        variables: the names of what it may read.
    """
    checked = _checked_expression()()
    checked.ParseFromString(any_pb2.Any.FromString(serialized).value)
    return _Reader(checked, source, variables).read()


class _Reader:
    """One walk over a tree."""

    def __init__(self, checked: Any, source: str, variables: tuple[str, ...]) -> None:
        self._root = checked.expr
        self._offsets = {each.key: each.value for each in checked.source_info.positions}
        self._lines = [0, *(at + 1 for at, character in enumerate(source) if character == "\n")]
        self._variables = variables
        self._reads: list[Read] = []
        self._calls: list[tuple[str, Position]] = []

    def read(self) -> Syntax:
        self._visit(self._root)
        return Syntax(tuple(self._reads), tuple(self._calls))

    def _visit(self, root: Any) -> None:
        waiting = [root]  # no recursion: the source, not the caller's stack, bounds the depth
        while waiting:
            expr = waiting.pop()
            chain = self._chain(expr)
            if chain is not None:
                self._reads.append(chain)
                continue
            if expr.HasField("call"):
                self._calls.append((expr.call.function, self._place(expr.id)))
            waiting.extend(reversed(list(_parts(expr))))

    def _chain(self, expr: Any) -> Read | None:
        """Tell the variable and keys of `event.data["amount"]`; None where it is something else."""
        steps: list[str] = []
        places: list[Position] = []
        is_test = expr.HasField("select") and expr.select.test_only
        while not expr.HasField("ident"):
            step = _step(expr)
            if step is None:
                return None
            steps.append(step[1])
            places.append(self._place(expr.id))
            expr = step[0]
        name = expr.ident.name.lstrip(".")  # `.event` is the same as `event`
        if name not in self._variables:
            return None
        return Read((name, *reversed(steps)), tuple(reversed(places)), is_test)

    def _place(self, identity: int) -> Position:
        offset = self._offsets.get(identity, 0)
        line = bisect_right(self._lines, offset)
        return Position(line, offset - self._lines[line - 1] + 1)


def _step(expr: Any) -> tuple[Any, str] | None:
    """Tell the operand and the key of a selection or of an index by a literal."""
    if expr.HasField("select"):
        return expr.select.operand, expr.select.field
    if expr.HasField("call") and expr.call.function == "_[_]" and expr.call.args[1].const.HasField("text"):
        return expr.call.args[0], expr.call.args[1].const.text
    return None


def _parts(expr: Any) -> Iterator[Any]:
    """Iterate over the expressions right below one, in the order of the source as far as the tree keeps it."""
    kind = next((field.name for field, _ in expr.ListFields() if field.name != "id"), "")
    node: Any = getattr(expr, kind, None)
    if kind == "struct":
        for entry in node.entries:
            yield from (entry.map_key, entry.value)
    elif node is not None:
        for field, value in node.ListFields():
            if field.message_type is not None and field.message_type.name == "Expr":
                yield from value if field.is_repeated else (value,)


@cache
def _checked_expression() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="cel_checked.proto", package="c", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            described = message.field.add(name=field, number=number)
            described.label = described.LABEL_REPEATED if kind.endswith("*") else described.LABEL_OPTIONAL
            described.type = _SCALARS.get(kind.rstrip("*"), _MESSAGE)
            if described.type == _MESSAGE:
                described.type_name = f".c.{kind.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("c.Checked"))
