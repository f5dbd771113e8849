"""The record of major versions: what belongs to which, and that it is read as it was written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventplane.events.majors import Majors, MajorStep, majors_from_text, record_subject, recorded_majors

TWO_STEPS = Majors((MajorStep(1, 2, "up", "down"), MajorStep(2, 5, "further up", "further down")))


@pytest.mark.parametrize(
    ("majors", "version", "expected"),
    [
        pytest.param(Majors(), 7, 1, id="no step: all are of the first"),
        pytest.param(TWO_STEPS, 2, 1, id="the last of the first"),
        pytest.param(TWO_STEPS, 3, 2, id="the first of the second"),
        pytest.param(TWO_STEPS, 5, 2, id="the last of the second"),
        pytest.param(TWO_STEPS, 6, 3, id="of the third, though it did not exist when that was recorded"),
    ],
)
def test_major_of_a_version(majors: Majors, version: int, expected: int) -> None:
    assert majors.major_of(version) == expected


def test_latest() -> None:
    assert (Majors().latest, TWO_STEPS.latest) == (1, 3)


@given(st.lists(st.builds(MajorStep, st.integers(1, 9), st.integers(1, 99), st.text(), st.text()), max_size=3))
def test_record_is_read_as_written(steps: list[MajorStep]) -> None:
    assert majors_from_text(Majors(tuple(steps)).to_text()) == Majors(tuple(steps))
    assert recorded_majors(Majors(tuple(steps)).to_text()) == Majors(tuple(steps))


def test_record_is_a_json_schema_that_any_document_satisfies() -> None:
    document = json.loads(TWO_STEPS.to_text())
    assert document == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-eventplane-majors": {
            "steps": [
                {"lower": 1, "lastVersion": 2, "up": "up", "down": "down"},
                {"lower": 2, "lastVersion": 5, "up": "further up", "down": "further down"},
            ]
        },
    }


@pytest.mark.parametrize("text", ['{"type": "object"}', '"string"', "[]"])
def test_another_schema_is_no_record(text: str) -> None:
    assert majors_from_text(text) is None
    with pytest.raises(ValueError, match="it has no x-eventplane-majors"):
        recorded_majors(text)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({}, id="no steps"),
        pytest.param({"steps": [{"lower": 1}]}, id="a step without its end"),
        pytest.param({"steps": [1]}, id="a step that is none"),
        pytest.param({"steps": [{"lower": 1, "lastVersion": "x", "up": "", "down": ""}]}, id="no number"),
        pytest.param([], id="no object"),
    ],
)
def test_damaged_record_is_an_error(record: object) -> None:
    with pytest.raises(ValueError, match=r"not a record of major versions|invalid literal"):
        majors_from_text(json.dumps({"x-eventplane-majors": record}))


def test_record_has_a_subject_of_its_own() -> None:
    assert record_subject("orders") == "__eventplane.orders"
