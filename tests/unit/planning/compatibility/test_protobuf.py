"""PROTOBUF: what every registry refuses, and what is said once one has refused."""

import pytest

from eventplane.api.schema import CompatibilityLevel
from eventplane.planning.compatibility import explain, explain_with
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion

REFUSED = {3: CompatibilityVerdict(compatible=False)}
NEW_READERS = "readers on the new definition cannot read events of version 3."
OLD_CONSUMERS = "consumers still on version 3 cannot read new events."


def proto(text: str, syntax: str = "proto3") -> Definition:
    return Definition("PROTOBUF", f'syntax = "{syntax}"; {text}')


def m(fields: str) -> Definition:
    return proto(f"message M {{ {fields} }}")


def m2(fields: str) -> Definition:
    return proto(f"message M {{ {fields} }}", "proto2")


CERTAIN = [
    (
        "BACKWARD", m("string a = 1;"), m("int32 a = 1;"), "M.a", "FieldTypeChanged",
        (f"field `M.a` (1) was `string` and is now `int32`: {NEW_READERS} Keep the type, or add a field with another"
        " number and reserve 1"),
    ),
    (
        "FORWARD", m("string a = 1;"), m("map<string, string> a = 1;"), "M.a", "FieldTypeChanged",
        (f"field `M.a` (1) was `string` and is now `map<string, string>`: {OLD_CONSUMERS} Keep the type, or add a field"
        " with another number and reserve 1"),
    ),
    (
        "BACKWARD", m("int32 a = 1;"), m("repeated int32 a = 1;"), "M.a", "FieldLabelChanged",
        (f"field `M.a` (1) was singular and is now repeated: {NEW_READERS} Keep it singular, or add a field with"
        " another number and reserve 1"),
    ),
    (
        "BACKWARD", proto("message M { string a = 1; }"), proto(""), "M", "MessageRemoved",
        f"message `M` was removed: {NEW_READERS} Keep `M`",
    ),
    (
        "FORWARD", proto(""), proto("message M { string a = 1; }"), "M", "MessageAdded",
        f"message `M` was added: {OLD_CONSUMERS} Take `M` away again",
    ),
    (
        "BACKWARD", m2(""), m2("required string a = 1;"), "M.a", "RequiredFieldAdded",
        f"field `a` (1) of `M` was added as required: {NEW_READERS} Make it optional",
    ),
    (
        "FORWARD", m2("required string a = 1;"), m2(""), "M.a", "RequiredFieldAdded",
        f"field `a` (1) of `M` was required and is gone: {OLD_CONSUMERS} Keep it: who requires it cannot do without",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("level", "old", "new", "path", "rule", "message"), CERTAIN)
def test_what_every_registry_refuses_is_explained(
    level: CompatibilityLevel, old: Definition, new: Definition, path: str, rule: str, message: str
) -> None:
    found = explain(level, new, (RegisteredVersion(3, 7, old),))
    assert [(each.path, each.rule, each.message) for each in found if each.rule == rule] == [(path, rule, message)]


PROBABLE = [
    (
        m("string a = 1;"), m(""), "FieldRemoved",
        f'field `M.a` (1) of `M` was removed: {NEW_READERS} Keep it, or add `reserved 1; reserved "a";` to `M`',
    ),
    (
        m("string a = 1;"), m("string b = 1;"), "FieldNumberReused",
        (f"number 1 was `a` and is now `b`: {NEW_READERS} Keep the name, or give `b` a number that was never used and"
        " reserve 1"),
    ),
    (
        m("string a = 1;"), m("string a = 2;"), "FieldNumberChanged",
        f"field `M.a` had number 1 and now has 2: {NEW_READERS} Keep number 1",
    ),
    (
        m("int32 a = 1;"), m("int64 a = 1;"), "FieldTypeChanged",
        (f"field `M.a` (1) was `int32` and is now `int64`: {NEW_READERS} Keep the type, or add a field with another"
        " number and reserve 1"),
    ),
    (
        m("string a = 1;"), m("optional string a = 1;"), "FieldLabelChanged",
        f"field `M.a` (1) was singular and is now optional: {NEW_READERS} Keep it singular",
    ),
    (
        m('reserved 1; reserved "a";'), m("string a = 1;"), "ReservedFieldUsed",
        f"field `a` (1) of `M` takes what was reserved: {NEW_READERS} Choose a name and a number that were never used",
    ),
    (
        m('reserved 1 to 3; reserved "a";'), m("reserved 1;"), "ReservationRemoved",
        f"`M` no longer reserves a, 1: {NEW_READERS} Reserve them again",
    ),
    (
        m("string a = 1; string b = 2;"), m("oneof o { string a = 1; string b = 2; }"), "FieldsMovedToOneof",
        (f"fields `a`, `b` of `M` moved into oneof `o`: {NEW_READERS} Leave them outside: of several that were set"
        " together, only one survives in a oneof"),
    ),
    (
        proto("enum E { A = 0; B = 1; }"), proto("enum E { A = 0; }"), "EnumConstantRemoved",
        f"constant `E.B` was removed: {NEW_READERS} Keep `E.B`",
    ),
    (
        proto("enum E { A = 0; B = 1; }"), proto("enum E { A = 0; B = 2; }"), "EnumConstantRenumbered",
        f"constant `E.B` was 1 and is now 2: {NEW_READERS} Keep number 1",
    ),
    (
        proto("service S { rpc A (M) returns (M); }"), proto("service S { rpc B (M) returns (M); }"), "MethodRemoved",
        f"method `S.A` was removed: {NEW_READERS} Keep `S.A`",
    ),
    (
        proto("service S { rpc A (M) returns (M); }"), proto("service S { rpc A (M) returns (stream M); }"),
        "MethodChanged",
        f"method `S.A` has another signature: {NEW_READERS} Keep its signature, or add another method",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "message"), PROBABLE)
def test_what_some_registries_mind_is_said_once_one_refuses(
    old: Definition, new: Definition, rule: str, message: str
) -> None:
    versions = (RegisteredVersion(3, 7, old),)
    assert explain("BACKWARD", new, versions) == ()
    found = explain_with("BACKWARD", new, versions, REFUSED)
    assert [each.message for each in found if each.rule == rule] == [message]


def test_forward_a_renumbered_constant_is_told_in_the_order_of_time() -> None:
    versions = (RegisteredVersion(3, 7, proto("enum E { A = 0; B = 1; }")),)
    found = explain_with("FORWARD", proto("enum E { A = 0; B = 2; }"), versions, REFUSED)
    assert [each.message for each in found] == [
        f"constant `E.B` was 1 and is now 2: {OLD_CONSUMERS} Keep number 1"
    ]  # fmt: skip


def test_forward_a_new_field_is_to_be_taken_away_again() -> None:
    found = explain_with("FORWARD", m("string a = 1;"), (RegisteredVersion(3, 7, m("")),), REFUSED)
    assert [each.message for each in found] == [
        f"field `M.a` (1) of `M` was added: {OLD_CONSUMERS} Take `M.a` away again"
    ]  # fmt: skip


M_OF_P = proto("package p; message M { M a = 1; }")
COMPATIBLE = [
    ("equal", m("string a = 1;"), m("string a = 1;")),
    ("an enum gone", proto("enum E { A = 0; }"), proto("")),
    ("a message without fields gone", proto("message M {}"), proto("")),
    ("reserved", m("string a = 1;"), m('reserved 1; reserved "a";')),
    ("the same enum", proto("enum E { A = 0; }"), proto("enum E { A = 0; }")),
    ("the same type by its full name", M_OF_P, proto("package p; message M { .p.M a = 1; }")),
    ("one into a oneof", m("string a = 1;"), m("oneof o { string a = 1; }")),
    ("the same method", proto("service S { rpc A (M) returns (M); }"), proto("service S { rpc A (M) returns (M); }")),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [row[1:] for row in COMPATIBLE], ids=[row[0] for row in COMPATIBLE])
def test_what_breaks_nobody_has_no_words_of_ours(old: Definition, new: Definition) -> None:
    versions = (RegisteredVersion(3, 7, old),)
    assert explain("BACKWARD", new, versions) == ()
    assert [each.rule for each in explain_with("BACKWARD", new, versions, REFUSED)] == ["Incompatible"]
