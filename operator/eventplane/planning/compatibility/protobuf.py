"""What breaks between two PROTOBUF files: certain where the bytes no longer fit, probable where some registries mind.

Confluent's registry asks whether the bytes can be read. Apicurio's asks, as protolock does, whether names and numbers
are kept or reserved. What both refuse is certain, the rest is said once the registry has refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from eventplane.planning.compatibility.finding import Direction, Finding
from eventplane.planning.definitions.protobuf_model import SCALARS, ProtoField, ProtoFile, ProtoMessage

_WIRE_GROUPS: Final = (
    frozenset({"int32", "int64", "uint32", "uint64", "bool"}),
    frozenset({"sint32", "sint64"}),
    frozenset({"fixed32", "sfixed32"}),
    frozenset({"fixed64", "sfixed64"}),
    frozenset({"string", "bytes"}),
)
"""Scalars that are read from each other's bytes. https://protobuf.dev/programming-guides/proto3/#updating"""

_PACKED: Final = SCALARS - {"string", "bytes"}


def protobuf_findings(reader: ProtoFile, writer: ProtoFile, direction: Direction) -> tuple[Finding, ...]:
    """Say what of the writer's data the reader cannot read, or might misread.

    | change from writer to reader                     | certain                                            |
    |--------------------------------------------------|----------------------------------------------------|
    | message with fields is gone                      | yes                                                |
    | type of a field                                  | where its bytes differ                             |
    | one becomes many, or many one                    | for numbers, bools and enums                       |
    | required field is new                            | in proto2                                          |
    | field is gone, not reserved; renamed; renumbered | no: the bytes still fit                            |
    | several fields moved into a oneof                | no                                                 |
    | reserved name or number used, or no longer so    | no                                                 |
    | constant or method is gone or changed            | no                                                 |
    """
    return tuple(_Comparison(reader, writer, direction).findings())


@dataclass(frozen=True, slots=True)
class _Comparison:
    reader: ProtoFile
    writer: ProtoFile
    direction: Direction

    def findings(self) -> Iterator[Finding]:
        for path, written in self.writer.messages.items():
            read = self.reader.messages.get(path)
            if read is not None:
                yield from self._message(path, written, read)
            elif written.fields:
                yield self._gone("message", path, path, "MessageRemoved", certain=True)
        for path, constants in self.writer.enums.items():
            if path in self.reader.enums:
                yield from self._enum(path, dict(constants), dict(self.reader.enums[path]))
        yield from self._methods()

    def _message(self, path: str, written: ProtoMessage, read: ProtoMessage) -> Iterator[Finding]:
        by_name = {each.name: each for each in read.fields}
        by_number = {each.number: each for each in read.fields}
        for each in written.fields:
            where = f"{path}.{each.name}"
            named, numbered = by_name.get(each.name), by_number.get(each.number)
            if named is not None and named.number != each.number:
                yield self._renumbered(where, each, named)
            if numbered is None and named is None:
                yield from self._removed(where, path, each, read)
            if numbered is not None and numbered.name != each.name:
                yield self._renamed(where, each, numbered)
            if numbered is not None:
                yield from self._retyped(where, each, numbered)
        yield from self._required(path, written, read)
        yield from self._reserved(path, written, read)
        yield from self._oneofs(path, written, read)

    def _retyped(self, where: str, written: ProtoField, read: ProtoField) -> Iterator[Finding]:
        old, new = self._in_time(written, read)
        same_name = written.name == read.name
        if old.type != new.type:
            problem = f"field `{where}` ({old.number}) was `{old.type.lstrip('.')}` and is now `{new.type.lstrip('.')}`"
            remedy = f"Keep the type, or add a field with another number and reserve {old.number}"
            certain = same_name and _bytes_differ(written.type, read.type)
            yield Finding(where, "FieldTypeChanged", problem, remedy, certain)
        if (old.label == "repeated") != (new.label == "repeated"):
            problem = f"field `{where}` ({old.number}) was {_label(old)} and is now {_label(new)}"
            remedy = f"Keep it {_label(old)}, or add a field with another number and reserve {old.number}"
            certain = same_name and {written.type, read.type} <= _PACKED
            yield Finding(where, "FieldLabelChanged", problem, remedy, certain)
        elif old.label != new.label:
            problem = f"field `{where}` ({old.number}) was {_label(old)} and is now {_label(new)}"
            yield Finding(where, "FieldLabelChanged", problem, f"Keep it {_label(old)}", certain=False)

    def _removed(self, where: str, path: str, field: ProtoField, read: ProtoMessage) -> Iterator[Finding]:
        if not (read.reserves(field.number) and field.name in read.reserved_names):
            name = f"{where}` ({field.number}) of `{path}"
            keep = f'Keep it, or add `reserved {field.number}; reserved "{field.name}";` to `{path}`'
            yield self._gone("field", name, where, "FieldRemoved", keep, certain=False)

    def _renamed(self, where: str, written: ProtoField, read: ProtoField) -> Finding:
        old, new = self._in_time(written, read)
        problem = f"number {old.number} was `{old.name}` and is now `{new.name}`"
        remedy = f"Keep the name, or give `{new.name}` a number that was never used and reserve {old.number}"
        return Finding(where, "FieldNumberReused", problem, remedy, certain=False)

    def _renumbered(self, where: str, written: ProtoField, read: ProtoField) -> Finding:
        old, new = self._in_time(written, read)
        problem = f"field `{where}` had number {old.number} and now has {new.number}"
        return Finding(where, "FieldNumberChanged", problem, f"Keep number {old.number}", certain=False)

    def _required(self, path: str, written: ProtoMessage, read: ProtoMessage) -> Iterator[Finding]:
        names = {each.name for each in written.fields}
        numbers = {each.number for each in written.fields}
        for each in read.fields:
            if each.label == "required" and each.name not in names and each.number not in numbers:
                verb = "was added as required" if self.direction == "Backward" else "was required and is gone"
                certain = self.writer.syntax == "proto2"
                remedy = (
                    "Make it optional" if self.direction == "Backward" else "Keep it: who requires it cannot do without"
                )
                problem = f"field `{each.name}` ({each.number}) of `{path}` {verb}"
                yield Finding(f"{path}.{each.name}", "RequiredFieldAdded", problem, remedy, certain)

    def _reserved(self, path: str, written: ProtoMessage, read: ProtoMessage) -> Iterator[Finding]:
        for each in read.fields:
            if written.reserves(each.number) or each.name in written.reserved_names:
                problem = f"field `{each.name}` ({each.number}) of `{path}` takes what was reserved"
                remedy = "Choose a name and a number that were never used"
                yield Finding(f"{path}.{each.name}", "ReservedFieldUsed", problem, remedy, certain=False)
        lost = [*sorted(written.reserved_names - read.reserved_names)]
        lost += [str(each.start) for each in written.reserved_numbers if not _covered(each, read)]
        if lost:
            problem = f"`{path}` no longer reserves {', '.join(lost)}"
            yield Finding(path, "ReservationRemoved", problem, "Reserve them again", certain=False)

    def _oneofs(self, path: str, written: ProtoMessage, read: ProtoMessage) -> Iterator[Finding]:
        before = {each.number: each.oneof for each in written.fields}
        moved: dict[str, list[str]] = {}
        for each in read.fields:
            if each.oneof is not None and each.number in before and before[each.number] != each.oneof:
                moved.setdefault(each.oneof, []).append(each.name)
        for oneof, names in moved.items():
            if len(names) > 1:
                problem = f"fields {', '.join(f'`{name}`' for name in names)} of `{path}` moved into oneof `{oneof}`"
                remedy = "Leave them outside: of several that were set together, only one survives in a oneof"
                yield Finding(f"{path}.{oneof}", "FieldsMovedToOneof", problem, remedy, certain=False)

    def _enum(self, path: str, written: Mapping[str, int], read: Mapping[str, int]) -> Iterator[Finding]:
        for name, number in written.items():
            where = f"{path}.{name}"
            if name not in read:
                yield self._gone("constant", where, where, "EnumConstantRemoved", certain=False)
            elif read[name] != number:
                old, new = (number, read[name]) if self.direction == "Backward" else (read[name], number)
                problem = f"constant `{where}` was {old} and is now {new}"
                yield Finding(where, "EnumConstantRenumbered", problem, f"Keep number {old}", certain=False)

    def _methods(self) -> Iterator[Finding]:
        for name, signature in self.writer.methods.items():
            if name not in self.reader.methods:
                yield self._gone("method", name, name, "MethodRemoved", certain=False)
            elif self.reader.methods[name] != signature:
                remedy = "Keep its signature, or add another method"
                yield Finding(name, "MethodChanged", f"method `{name}` has another signature", remedy, certain=False)

    def _gone(self, what: str, name: str, path: str, rule: str, keep: str | None = None, *, certain: bool) -> Finding:
        """Say that something is missing on the reader's side."""
        if self.direction == "Backward":
            return Finding(path, rule, f"{what} `{name}` was removed", keep or f"Keep `{path}`", certain)
        rule = rule.replace("Removed", "Added")
        return Finding(path, rule, f"{what} `{name}` was added", f"Take `{path}` away again", certain)

    def _in_time(self, written: ProtoField, read: ProtoField) -> tuple[ProtoField, ProtoField]:
        return (written, read) if self.direction == "Backward" else (read, written)


def _bytes_differ(one: str, other: str) -> bool:
    """Tell whether every registry takes two types for different; enums and unknown names may be each other's."""
    if any({one, other} <= group for group in _WIRE_GROUPS):
        return False
    return one in SCALARS or other in SCALARS or one.startswith("map<") or other.startswith("map<")


def _covered(wanted: range, read: ProtoMessage) -> bool:
    return any(wanted.start in each and wanted.stop - 1 in each for each in read.reserved_numbers)


def _label(field: ProtoField) -> str:
    return field.label or "singular"
