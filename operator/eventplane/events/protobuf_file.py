"""The text of a .proto file as the descriptor that protobuf works with, without protoc.

Covered: proto2 and proto3 with messages, enums, maps, oneofs, optional, default, packed, json_name, and the types of
google.protobuf. Services, reserved names and other options are ignored; groups are refused; editions and extensions
are not known.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from proto_schema_parser import ast
from proto_schema_parser.parser import Parser

from eventplane.events.validation import SchemaTextError

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in (
        *("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes"),
    )
}
_LABELS: Final = {
    None: _Field.LABEL_OPTIONAL,
    ast.FieldCardinality.OPTIONAL: _Field.LABEL_OPTIONAL,
    ast.FieldCardinality.REPEATED: _Field.LABEL_REPEATED,
    ast.FieldCardinality.REQUIRED: _Field.LABEL_REQUIRED,
}
_OWN: Final = (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)


def _provided() -> Mapping[str, Any]:
    found = {}
    for module in _OWN:
        described = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(described)
        found[described.name] = described
    return found


PROVIDED: Final = _provided()
"""Files that every schema may import without a reference."""


def file_descriptor(name: str, text: str, known: Iterable[Any]) -> Any:
    """Translate a file.

    Args:
        name: what others import it by.
        text: the schema.
        known: descriptors of the files that it may import.

    Raises:
        SchemaTextError: it cannot be read, or uses something that is neither defined nor imported.
    """
    try:
        parsed = Parser().parse(text)
    except Exception as error:  # the parser raises whatever its visitor stumbles over
        raise SchemaTextError(f"not a PROTOBUF schema: {type(error).__name__} {error}") from error
    return _Translation(name, parsed, known).file


class _Translation:
    """One file on its way."""

    def __init__(self, name: str, parsed: ast.File, known: Iterable[Any]) -> None:
        self._proto3 = parsed.syntax == "proto3"
        self.file = descriptor_pb2.FileDescriptorProto(name=name, syntax="proto3" if self._proto3 else "proto2")
        elements = parsed.file_elements
        self.file.package = next((each.name for each in elements if isinstance(each, ast.Package)), "")
        self.file.dependency.extend(each.name for each in elements if isinstance(each, ast.Import))
        self._kinds = {name: kind for file in known for name, kind in _kinds_of_file(file)}
        prefix = f".{self.file.package}" if self.file.package else ""
        self._kinds.update(_kinds_of_elements(elements, prefix))
        for element in elements:
            if isinstance(element, ast.Message):
                self._message(self.file.message_type.add(name=element.name), element, f"{prefix}.{element.name}")
            elif isinstance(element, ast.Enum):
                _enum(self.file.enum_type.add(name=element.name), element)

    def _message(self, target: Any, source: ast.Message, scope: str) -> None:
        for element in source.elements:
            if isinstance(element, ast.Message):
                self._message(target.nested_type.add(name=element.name), element, f"{scope}.{element.name}")
            elif isinstance(element, ast.Enum):
                _enum(target.enum_type.add(name=element.name), element)
            elif isinstance(element, ast.Group):
                raise SchemaTextError(f"groups are not supported: {element.name}; use a message")
            else:
                self._content(target, element, scope)
        # protoc puts the oneofs that it makes up behind those that are written
        for field in target.field:
            if field.proto3_optional:
                target.oneof_decl.add(name=f"_{field.name}")
                field.oneof_index = len(target.oneof_decl) - 1

    def _content(self, target: Any, element: Any, scope: str) -> None:
        if isinstance(element, ast.Field):
            self._field(target, element, scope)
        elif isinstance(element, ast.MapField):
            self._map(target, element, scope)
        elif isinstance(element, ast.OneOf):
            target.oneof_decl.add(name=element.name)
            at = len(target.oneof_decl) - 1
            for field in element.elements:
                if isinstance(field, ast.Field):
                    self._field(target, field, scope).oneof_index = at

    def _field(self, target: Any, source: ast.Field, scope: str) -> Any:
        field = target.field.add(name=source.name, number=source.number)
        field.label = _LABELS[source.cardinality]
        self._type(field, str(source.type), scope)
        if self._proto3 and source.cardinality is ast.FieldCardinality.OPTIONAL:
            field.proto3_optional = True
        for option in source.options:
            if option.name == "json_name":
                field.json_name = str(option.value)
            elif option.name == "packed":
                field.options.packed = option.value in (True, "true")
            elif option.name == "default":
                value = option.value
                field.default_value = (
                    str(value).lower() if isinstance(value, bool) else str(getattr(value, "name", value))
                )
        return field

    def _map(self, target: Any, source: ast.MapField, scope: str) -> None:
        entry = "".join(part.capitalize() for part in source.name.split("_")) + "Entry"
        nested = target.nested_type.add(name=entry)
        nested.options.map_entry = True
        for name, number, kind in (("key", 1, source.key_type), ("value", 2, source.value_type)):
            field = nested.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
            self._type(field, str(kind), scope)
        field = target.field.add(name=source.name, number=source.number, label=_Field.LABEL_REPEATED)
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f"{scope}.{entry}"

    def _type(self, field: Any, name: str, scope: str) -> None:
        if name in _SCALARS:
            field.type = _SCALARS[name]
            return
        field.type_name = self._resolved(name, scope)
        field.type = self._kinds[field.type_name]

    def _resolved(self, name: str, scope: str) -> str:
        """Find a name from the innermost scope outwards, as protoc does."""
        if name.startswith("."):
            candidates = [name]
        else:
            parts = scope.split(".")[1:]
            candidates = [".".join(["", *parts[:size], name]) for size in range(len(parts), -1, -1)]
        for candidate in candidates:
            if candidate in self._kinds:
                return candidate
        raise SchemaTextError(f"not a PROTOBUF schema: {name} is neither defined nor imported")


def _enum(target: Any, source: ast.Enum) -> None:
    for element in source.elements:
        if isinstance(element, ast.EnumValue):
            target.value.add(name=element.name, number=element.number)
        elif isinstance(element, ast.Option) and element.name == "allow_alias":
            target.options.allow_alias = True


def _kinds_of_file(file: Any) -> Iterator[tuple[str, Any]]:
    prefix = f".{file.package}" if file.package else ""
    yield from ((f"{prefix}.{each.name}", _Field.TYPE_ENUM) for each in file.enum_type)
    for message in file.message_type:
        yield from _kinds_of_message(message, f"{prefix}.{message.name}")


def _kinds_of_message(message: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, _Field.TYPE_MESSAGE
    yield from ((f"{name}.{each.name}", _Field.TYPE_ENUM) for each in message.enum_type)
    for nested in message.nested_type:
        yield from _kinds_of_message(nested, f"{name}.{nested.name}")


def _kinds_of_elements(elements: Iterable[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for element in elements:
        if isinstance(element, ast.Enum):
            yield f"{prefix}.{element.name}", _Field.TYPE_ENUM
        elif isinstance(element, ast.Message):
            yield f"{prefix}.{element.name}", _Field.TYPE_MESSAGE
            yield from _kinds_of_elements(element.elements, f"{prefix}.{element.name}")
