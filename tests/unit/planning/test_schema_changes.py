"""Each change says itself in one line, which is the event text, the dry-run line and the log line."""

import pytest
from builders import definition

from eventplane.events.majors import Majors, MajorStep
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
)

STEPS = (MajorStep(1, 1, "a", "b"), MajorStep(2, 4, "c", "d"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (AlterLevel("s", None, "FULL"), "set compatibility of subject s from the default to FULL"),
        (AlterLevel("s", "NONE", "FULL"), "set compatibility of subject s from NONE to FULL"),
        (RegisterVersion("s", definition(), "f00"), "register a version of subject s (AVRO f00)"),
        (
            OpenMajor("s", definition(), "f00", 2, "FULL"),
            "open major version 2 of subject s (AVRO f00), compatibility FULL",
        ),
        (RecordMajors("s", Majors()), "record the major versions of subject s (migrations none)"),
        (RecordMajors("s", Majors(STEPS)), "record the major versions of subject s (migrations 1 to 2, 2 to 3)"),
        (DeleteSubject("s", hard=False), "delete subject s softly"),
        (DeleteSubject("s", hard=True), "delete subject s with all its versions"),
    ],
)
def test_change_describes_itself(change: SchemaChange, line: str) -> None:
    assert change.describe() == line
