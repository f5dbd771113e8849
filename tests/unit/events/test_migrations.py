"""Migrations: up, down, across several steps, and what samples prove."""

import pytest

from eventplane.events.majors import Majors, MajorStep, majors_from_text, record_subject
from eventplane.events.migrations import MigrationError, SampledStep, SampleEvent, compile_steps, verify_samples
from eventplane.events.validation import validator_for

FIRST = MajorStep(
    1,
    last_version=2,
    up="{'id': event.data.id, 'cents': event.data.amount * 100}",
    down="{'id': event.data.id, 'amount': event.data.cents / 100}",
)
SECOND = MajorStep(
    2,
    last_version=4,
    up="{'key': event.type + event.data.id, 'cents': event.data.cents}",
    down="{'id': event.data.key, 'cents': event.data.cents}",
)
SAMPLE = [SampleEvent({"data": {"id": "a", "amount": 5}})]
RISE, FALL = "sample 1 of migration 1 to 2, up: ", "sample 1 of migration 2 to 1, down: "
OLD, MIDDLE, NEW = {"id": "a", "amount": 5}, {"id": "a", "cents": 500}, {"key": "ta", "cents": 500}


def schema(**types: str) -> str:
    fields = ", ".join(f'{{"name": "{name}", "type": "{kind}"}}' for name, kind in types.items())
    return f'{{"type": "record", "name": "R", "fields": [{fields}]}}'


VALIDATORS = {
    1: validator_for("AVRO", schema(id="string", amount="long")),
    2: validator_for("AVRO", schema(id="string", cents="long")),
}


@pytest.mark.parametrize(
    ("data", "from_major", "to_major", "result"),
    [
        (OLD, 1, 1, OLD),
        (OLD, 1, 2, MIDDLE),
        (OLD, 1, 3, NEW),
        (NEW, 3, 2, {"id": "ta", "cents": 500}),
        (NEW, 3, 1, {"id": "ta", "amount": 5}),
    ],
)
def test_data_go_step_by_step(data: object, from_major: int, to_major: int, result: object) -> None:
    event = {"data": data, "type": "t"}
    assert compile_steps([FIRST, SECOND]).migrate(event, from_major, to_major) == result
    assert event == {"data": data, "type": "t"}


@pytest.mark.parametrize(
    ("event", "from_major", "to_major", "message"),
    [
        ({"data": {"id": "a"}}, 1, 2, "migration 1 to 2, up: line 1, column 42: no such key: amount"),
        ({"data": {"id": "a"}}, 2, 1, "migration 2 to 1, down: line 1, column 43: no such key: cents"),
        ({"data": NEW}, 4, 3, "migration 4 to 3, down: there is no such step on record"),
    ],
)
def test_a_step_that_cannot_be_taken_is_named(
    event: dict[str, object], from_major: int, to_major: int, message: str
) -> None:
    with pytest.raises(MigrationError) as raised:
        compile_steps([FIRST, SECOND]).migrate(event, from_major, to_major)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("step", "samples", "problem"),
    [
        (FIRST, [SampleEvent({"data": OLD}), SampleEvent({"data": OLD}, MIDDLE)], None),
        (FIRST, [SampleEvent({"data": MIDDLE})], RISE + "it is not valid in major version 1: cents is no field of R"),
        (
            FIRST,
            [SampleEvent({"data": OLD}, {"id": "a"})],
            RISE + "the result is {'cents': 500, 'id': 'a'}, expected is {'id': 'a'}",
        ),
        (
            MajorStep(1, 2, "{'id': 1}", "{}"),
            SAMPLE,
            RISE + "the result is not valid in major version 2: id must be string, not int",
        ),
        (
            MajorStep(1, 2, FIRST.up, "{'id': 'a'}"),
            SAMPLE,
            FALL + "the result is not valid in major version 1: amount is missing",
        ),
        (
            MajorStep(1, 2, FIRST.up, "event.data.x"),
            SAMPLE,
            FALL + "line 1, column 11: no such key: x",
        ),
        (
            MajorStep(1, 2, "1 +", "1"),
            [],
            "migration 1 to 2, up: line 1, column 4: Syntax error: mismatched input '<EOF>'",
        ),
        (SECOND, [], "migration 2 to 3: no schema of major version 3 is known"),
    ],
)
def test_samples_prove_a_step_or_say_what_is_wrong(
    step: MajorStep, samples: list[SampleEvent], problem: str | None
) -> None:
    assert verify_samples([SampledStep(step, tuple(samples))], VALIDATORS) == ((problem,) if problem else ())


def test_a_record_of_majors_is_read_as_it_was_written() -> None:
    assert record_subject("orders-value") == "__eventplane.orders-value"
    majors = Majors((FIRST, SECOND))
    assert majors_from_text(majors.to_text()) == majors
    assert [majors.major_of(version) for version in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]
    assert (majors.latest, Majors().latest, Majors().major_of(7)) == (3, 1, 1)
    assert majors_from_text('{"type": "object"}') is None
    assert majors_from_text("true") is None
    with pytest.raises(ValueError, match="not a record of major versions"):
        majors_from_text('{"x-eventplane-majors": {"steps": [7]}}')
