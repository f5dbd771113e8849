"""Which versions are looked at, and how the registry's verdict and our words go together."""

import json
from typing import Any

import pytest

from eventplane.api.schema import CompatibilityLevel, Violation
from eventplane.planning.compatibility import explain, explain_with
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion


def record(*names: str) -> Definition:
    fields = [{"name": name, "type": "int"} for name in names]
    return Definition("AVRO", json.dumps({"type": "record", "name": "R", "fields": fields}))


VERSIONS = (RegisteredVersion(1, 1, record()), RegisteredVersion(2, 2, record()))
B, F = "FieldAddedWithoutDefault", "FieldRemovedWithoutDefault"

LEVELS: list[tuple[CompatibilityLevel, tuple[str, ...], tuple[tuple[int, str], ...]]] = [
    ("NONE", ("a",), ()),
    ("BACKWARD", ("a",), ((2, B),)),
    ("BACKWARD_TRANSITIVE", ("a",), ((1, B), (2, B))),
    ("FORWARD", ("a",), ()),
    ("FULL", ("a",), ((2, B),)),
    ("FULL_TRANSITIVE", ("a",), ((1, B), (2, B))),
]


@pytest.mark.parametrize(("level", "names", "expected"), LEVELS)
def test_the_level_says_which_versions_are_looked_at(
    level: CompatibilityLevel, names: tuple[str, ...], expected: tuple[tuple[int, str], ...]
) -> None:
    assert tuple((each.version, each.rule) for each in explain(level, record(*names), VERSIONS)) == expected


@pytest.mark.parametrize(("level", "count"), [("FORWARD", 1), ("FORWARD_TRANSITIVE", 2), ("BACKWARD", 0)])
def test_forward_a_removed_field_breaks_consumers(level: CompatibilityLevel, count: int) -> None:
    versions = tuple(RegisteredVersion(number, number, record("a")) for number in (1, 2))
    assert [each.rule for each in explain(level, record(), versions)] == [F] * count


def verdict(*messages: str, compatible: bool = False) -> CompatibilityVerdict:
    return CompatibilityVerdict(compatible, messages)


def plain(reason: str) -> Violation:
    message = (
        f"the registry finds the definition incompatible with version 2: {reason}. Undo the change since version 2, or"
        " make it in smaller steps to see which part is refused"
    )
    return Violation(version=2, rule="Incompatible", message=message)


VERDICTS: list[tuple[str, Definition, dict[int, CompatibilityVerdict], Any]] = [
    ("compatible, whatever we think", record("a"), {2: verdict(compatible=True)}, []),
    ("incompatible, and we know why", record("a"), {2: verdict("its words")}, [B]),
    ("incompatible for each", record("a"), {1: verdict(), 2: verdict()}, [B, B]),
    ("not asked", record("a"), {}, []),
    ("its words only", record(), {2: verdict("one\n  two", "three")}, [plain("the registry says: one two; three")]),
    ("no words at all", record(), {2: verdict()}, [plain("the registry gives no reason")]),
    ("another type", Definition("JSON", "{}"), {2: verdict()}, [plain("the registry gives no reason")]),
    ("not to be read", Definition("AVRO", "{"), {2: verdict()}, [plain("the registry gives no reason")]),
]


@pytest.mark.parametrize(("new", "verdicts", "expected"), [row[1:] for row in VERDICTS], ids=[r[0] for r in VERDICTS])
def test_the_verdict_counts_and_our_words_explain_it(
    new: Definition, verdicts: dict[int, CompatibilityVerdict], expected: Any
) -> None:
    found = explain_with("BACKWARD", new, VERSIONS, verdicts)
    assert [each if each.rule == "Incompatible" else each.rule for each in found] == expected
