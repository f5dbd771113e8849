"""What protoc would refuse in a file that its grammar allows: names, numbers, types and imports."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from proto_schema_parser import ast

from eventplane.planning.definitions.fault import MAX_NESTING, DefinitionFault
from eventplane.planning.definitions.protobuf import parse_proto, read_proto
from eventplane.planning.definitions.protobuf_model import MOST_NUMBER, SCALARS, ProtoFile, ProtoMessage
from eventplane.planning.schema_state import Definition

_BUILT_IN: Final = ("google/protobuf/", "google/type/", "confluent/")
"""Paths of imports that registries bring along."""
_KEPT_BY_GOOGLE: Final = range(19_000, 20_000)


def check_proto(definition: Definition) -> None:
    """Check a definition's syntax, names, numbers, types and imports.

    Raises:
        DefinitionFault: it is no valid file of protocol buffers.
    """
    parsed = parse_proto(definition.text)
    file = read_proto(parsed)
    known = _Known()
    known.load(definition, parsed, file, 0)
    _check_twice("the file defines", file.defined)
    for path, message in file.messages.items():
        _check_message(path, message, file.syntax)
        for each in message.fields:
            known.check(path, each.name, each.type)
    for path, enum in file.enums.items():
        _check_enum(path, enum, file.syntax)


def _check_message(path: str, message: ProtoMessage, syntax: str) -> None:
    _check_twice(f"message {path} has field", [each.name for each in message.fields])
    _check_twice(f"message {path} has number", [str(each.number) for each in message.fields])
    for each in message.fields:
        where = f"field {each.name} of {path}"
        if not 0 < each.number <= MOST_NUMBER or each.number in _KEPT_BY_GOOGLE:
            raise DefinitionFault(f"{where} has number {each.number}: choose one from 1 to 18999, or above 19999")
        if message.reserves(each.number) or each.name in message.reserved_names:
            raise DefinitionFault(f"{where} uses what the message reserves: choose another name and number")
        if each.label == "required" and syntax == "proto3":
            raise DefinitionFault(f"{where} is required, which proto3 does not have: take the word away")


def _check_enum(path: str, enum: tuple[tuple[str, int], ...], syntax: str) -> None:
    if not enum:
        raise DefinitionFault(f"enum {path} has no constants: add one")
    if syntax == "proto3" and enum[0][1] != 0:
        raise DefinitionFault(f"enum {path} begins with {enum[0][0]} = {enum[0][1]}: in proto3 the first must be 0")
    _check_twice(f"enum {path} has constant", [name for name, _ in enum])


def _check_twice(where: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise DefinitionFault(f"{where} {name} twice: keep one")


@dataclass(slots=True)
class _Known:
    """The types that a definition can name."""

    types: set[str] = field(default_factory=set)
    """Full names, and what is left of them when scopes at their beginning are left out."""
    complete: bool = True
    """False where the text of an import is not known: any type may come from there."""
    loaded: set[int] = field(default_factory=set)

    def load(self, definition: Definition, parsed: ast.File, file: ProtoFile, depth: int) -> None:
        if depth > MAX_NESTING:
            raise DefinitionFault(f"references lead further than {MAX_NESTING} definitions: shorten the chain")
        prefix = f"{file.package}." if file.package else ""
        for path in file.defined:
            parts = f"{prefix}{path}".split(".")
            self.types.update(".".join(parts[at:]) for at in range(len(parts)))
        references = {each.name: each for each in definition.references}
        for name in _imports(parsed):
            if name in references:
                self._load_imported(name, references[name].definition, depth)
            elif not name.startswith(_BUILT_IN):
                raise DefinitionFault(f'import "{name}" is provided by no reference: add it to references')

    def _load_imported(self, name: str, imported: Definition | None, depth: int) -> None:
        if imported is None:
            self.complete = False
            return
        if id(imported) in self.loaded:
            return
        self.loaded.add(id(imported))
        try:
            parsed = parse_proto(imported.text)
            self.load(imported, parsed, read_proto(parsed), depth + 1)
        except DefinitionFault as fault:
            raise DefinitionFault(f"reference {name}: {fault}") from fault

    def check(self, path: str, name: str, type_: str) -> None:
        """Refuse a type that is nowhere to be found; what registries bring along is not looked into."""
        wanted = type_.removeprefix("map<").removesuffix(">").rpartition(", ")[2].removeprefix(".")
        brought_along = wanted in SCALARS or wanted.startswith(("google.", "confluent."))
        if self.complete and not brought_along and wanted not in self.types:
            raise DefinitionFault(
                f"field {name} of {path} has type {wanted}, which is defined neither here nor by an import"
            )


def _imports(parsed: ast.File) -> Iterator[str]:
    for each in parsed.file_elements:
        if isinstance(each, ast.Import):
            yield each.name.strip("\"'")
