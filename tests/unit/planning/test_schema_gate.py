"""Which versions are protected, row by row, and what the registry's verdicts make of a candidate."""

import pytest

from eventplane.api.schema import CompatibilityLevel
from eventplane.planning.compatibility import protected_versions
from eventplane.planning.schema_gate import gate, same_question
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion

CANDIDATE = Definition("AVRO", '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "int"}]}')
VERSIONS = tuple(
    RegisteredVersion(number, number + 10, Definition("AVRO", '{"type": "record", "name": "A", "fields": []}'))
    for number in (1, 2, 4)
)
YES, NO = CompatibilityVerdict(compatible=True), CompatibilityVerdict(compatible=False, messages=("no",))


@pytest.mark.parametrize(
    ("level", "numbers"),
    [
        ("NONE", []),
        ("BACKWARD", [4]),
        ("FORWARD", [4]),
        ("FULL", [4]),
        ("BACKWARD_TRANSITIVE", [1, 2, 4]),
        ("FORWARD_TRANSITIVE", [1, 2, 4]),
        ("FULL_TRANSITIVE", [1, 2, 4]),
    ],
)
def test_a_level_protects(level: CompatibilityLevel, numbers: list[int]) -> None:
    assert [each.version for each in protected_versions(level, VERSIONS)] == numbers
    assert protected_versions(level, ()) == ()


def test_nobody_breaks_where_the_registry_finds_all_compatible() -> None:
    assert gate("BACKWARD_TRANSITIVE", CANDIDATE, VERSIONS, {1: YES, 2: YES, 4: YES}) == ()


def test_those_break_with_whom_the_registry_finds_it_incompatible() -> None:
    violations = gate("BACKWARD_TRANSITIVE", CANDIDATE, VERSIONS, {1: NO, 2: YES, 4: NO})
    assert [(each.version, each.path) for each in violations] == [(1, "b"), (4, "b")]


def test_a_verdict_about_what_is_not_protected_counts_for_nothing() -> None:
    assert gate("BACKWARD", CANDIDATE, VERSIONS, {1: NO, 4: YES}) == ()
    assert gate("NONE", CANDIDATE, VERSIONS, {4: NO}) == ()
    assert gate("FULL", CANDIDATE, (), {}) == ()


def test_a_protected_version_without_a_verdict_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"no verdict about versions 2, 4, which FULL_TRANSITIVE protects"):
        gate("FULL_TRANSITIVE", CANDIDATE, VERSIONS, {1: YES})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("BACKWARD", "BACKWARD", True),
        ("BACKWARD", "BACKWARD_TRANSITIVE", True),
        ("FULL_TRANSITIVE", "FULL", True),
        ("BACKWARD", "FORWARD", False),
        ("FULL", "BACKWARD", False),
        ("NONE", "FULL", False),
    ],
)
def test_two_levels_ask_the_same_of_one_version(one: CompatibilityLevel, other: CompatibilityLevel, same: bool) -> None:  # noqa: FBT001 - a table's column
    assert same_question(one, other) is same
