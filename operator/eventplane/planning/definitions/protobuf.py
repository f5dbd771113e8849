"""PROTOBUF definitions: parsed, checked, and flattened to the messages, enums and services that they define."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from proto_schema_parser import Parser, ast

from eventplane.planning.definitions.fault import MAX_NESTING, DefinitionFault
from eventplane.planning.definitions.protobuf_model import MOST_NUMBER, SCALARS, ProtoField, ProtoFile, ProtoMessage

_MOST_TOKENS: Final = 40_000
"""About a second of parsing, or some 8,000 fields."""
_TOKEN: Final = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[\w.]+|[^\s\w]", re.DOTALL)


def parse_proto(text: str) -> ast.File:
    """Parse the text of a definition.

    Raises:
        DefinitionFault: it is not in the language of protocol buffers, nested too deeply or too long.
    """
    _measure(text)
    errors = _Errors()
    try:
        parsed = Parser(setup_lexer=errors.listen, setup_parser=errors.listen).parse(text)
    except Exception as error:
        # The parser builds its tree from what is left after a fault, and fails on it in many ways.
        raise errors.fault or DefinitionFault(f"it is not in the language of protocol buffers: {error}") from error
    if errors.fault is not None:
        raise errors.fault
    return parsed


def read_proto(parsed: ast.File) -> ProtoFile:
    """Flatten a parsed file."""
    package = next((each.name for each in parsed.file_elements if isinstance(each, ast.Package)), "")
    messages = tuple(_message_elements(parsed.file_elements, ""))
    elements = dict(messages)
    enums = {
        path: tuple((each.name, each.number) for each in enum.elements if isinstance(each, ast.EnumValue))
        for path, enum in _enums(parsed.file_elements, "")
    }
    names = _Names(package, frozenset((*elements, *enums)))
    return ProtoFile(
        package=package,
        syntax=parsed.syntax or ("editions" if parsed.edition else "proto2"),
        messages={path: _message(path, each, names) for path, each in elements.items()},
        enums=enums,
        defined=(*(path for path, _ in messages), *(path for path, _ in _enums(parsed.file_elements, ""))),
        methods=dict(_methods(parsed)),
    )


def proto_record_name(parsed: ast.File) -> str | None:
    """Return the full name of the first message; None where there is none."""
    file = read_proto(parsed)
    first = next(iter(file.messages), None)
    return first and (f"{file.package}.{first}" if file.package else first)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that a file defines, looked up from the innermost scope outwards as protoc does."""

    package: str
    paths: frozenset[str]

    def resolve(self, name: str, scope: str) -> str:
        if name in SCALARS or name.startswith("."):
            return name
        prefix = f".{self.package}." if self.package else "."
        inner = scope.split(".")
        for length in range(len(inner), -1, -1):
            candidate = ".".join((*inner[:length], name))
            if candidate in self.paths:
                return prefix + candidate
        return f".{name}" if "." in name and f".{name}".startswith(prefix) else name


class _Errors:
    """Listens to the parser, whose habit is to print and go on, and keeps the first thing it says."""

    def __init__(self) -> None:
        self.fault: DefinitionFault | None = None

    def listen(self, recognizer: Any) -> None:
        recognizer.removeErrorListeners()
        recognizer.addErrorListener(self)

    def syntaxError(self, _recognizer: Any, _symbol: Any, line: int, column: int, message: str, _error: Any) -> None:  # noqa: N802 - the parser's name for it
        if self.fault is None:
            self.fault = DefinitionFault(f"line {line}, column {column + 1}: {message[:200]}")

    def _ignore(self, *_: Any) -> None:
        """Ambiguities are the grammar's business."""

    reportAmbiguity = reportAttemptingFullContext = reportContextSensitivity = _ignore  # noqa: N815 - as above


def _measure(text: str) -> None:
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text)):
        if token[0] in "{[(<":
            depth += 1
        elif token[0] in "}])>":
            depth -= 1
        if depth > MAX_NESTING:
            raise DefinitionFault(
                f"{_position(text, token)}: it is nested deeper than {MAX_NESTING} levels: flatten it"
            )
        if count > _MOST_TOKENS:
            raise DefinitionFault(f"{_position(text, token)}: it is longer than {_MOST_TOKENS} words: split it")


def _position(text: str, token: re.Match[str]) -> str:
    before = text[: token.start()]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _message_elements(elements: Any, scope: str) -> Iterator[tuple[str, list[Any]]]:
    for each in elements:
        if isinstance(each, ast.Message | ast.Group):
            yield f"{scope}{each.name}", each.elements
            yield from _message_elements(each.elements, f"{scope}{each.name}.")
        elif isinstance(each, ast.OneOf):
            yield from _message_elements(each.elements, scope)


def _enums(elements: Any, scope: str) -> Iterator[tuple[str, ast.Enum]]:
    for each in elements:
        if isinstance(each, ast.Enum):
            yield f"{scope}{each.name}", each
        elif isinstance(each, ast.Message | ast.Group):
            yield from _enums(each.elements, f"{scope}{each.name}.")


def _message(path: str, elements: list[Any], names: _Names) -> ProtoMessage:
    reserved = [each for each in elements if isinstance(each, ast.Reserved)]
    return ProtoMessage(
        fields=tuple(_fields(path, elements, names, None)),
        reserved_numbers=tuple(_range(text) for each in reserved for text in each.ranges),
        reserved_names=frozenset(name.strip("\"'") for each in reserved for name in each.names),
    )


def _fields(path: str, elements: list[Any], names: _Names, oneof: str | None) -> Iterator[ProtoField]:
    for each in elements:
        match each:
            case ast.Field():
                label = each.cardinality.value.lower() if each.cardinality else ""
                yield ProtoField(each.name, each.number, names.resolve(each.type, path), label, oneof)
            case ast.MapField():
                type_ = f"map<{each.key_type}, {names.resolve(each.value_type, path)}>"
                yield ProtoField(each.name, each.number, type_, "repeated")
            case ast.Group():
                label = each.cardinality.value.lower() if each.cardinality else ""
                yield ProtoField(each.name.lower(), each.number, names.resolve(each.name, path), label, oneof)
            case ast.OneOf():
                yield from _fields(path, each.elements, names, each.name)
            case _:
                pass  # options, nested types, reservations


def _methods(parsed: ast.File) -> Iterator[tuple[str, str]]:
    for service in parsed.file_elements:
        if isinstance(service, ast.Service):
            for each in service.elements:
                if isinstance(each, ast.Method):
                    sides = (each.input_type, each.output_type)
                    texts = [f"{'stream ' if side.stream else ''}{side.type}" for side in sides]
                    yield f"{service.name}.{each.name}", " returns ".join(texts)


def _range(text: str) -> range:
    first, _, last = text.partition(" to ")
    start = int(first.strip(), 0)
    end = last.strip()
    return range(start, (MOST_NUMBER if end == "max" else int(end, 0) if end else start) + 1)
