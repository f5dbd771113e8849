"""The rows of `plan_subject`, `_standing` and `_breaking`, and the words in which it refuses."""

from typing import Any

import pytest
from builders import FIRST, SUBJECT, avro, desired_subject, observed_subject, registered, schema

from eventplane.api.conditions import Reason
from eventplane.api.schema import Schema
from eventplane.events.majors import Majors, MajorStep
from eventplane.planning.plan import Difference, Refusal
from eventplane.planning.schema_changes import AlterLevel, OpenMajor, RecordMajors, RegisterVersion, SchemaChange
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, ObservedSubject
from eventplane.planning.schemas import (
    Judge,
    SubjectPlan,
    SubjectRequest,
    candidate_query,
    current_version,
    opened,
    plan_subject,
)

COMPATIBLE, BREAKING = avro("id", "note?"), avro("id", "currency")
YES, NO = CompatibilityVerdict(compatible=True), CompatibilityVerdict(compatible=False)
UP = '{"id": event.data.id, "currency": "EUR"}'
DOWN = '{"id": event.data.id}'
SAMPLE = {"data": {"id": "1"}, "expected": {"id": "1", "currency": "EUR"}}
STEP: dict[str, Any] = {"from_": 1, "to": 2, "up": UP, "down": DOWN, "samples": [SAMPLE]}
THERE = observed_subject(registered())


def evolving(definition: str = BREAKING, *steps: dict[str, Any], **spec: Any) -> Schema:
    evolution = {"on_incompatible": "NewMajor", "migrations": list(steps)}
    return schema(definition=definition, evolution=evolution, **({"compatibility": "BACKWARD"} | spec))


def plan(resource: Schema, seen: ObservedSubject, judge: Judge = "Registry", *, before: bool = False) -> SubjectPlan:
    request = SubjectRequest(desired_subject(resource), resource.spec.adoption, before, judge)
    return plan_subject(request, seen)


def changes(resource: Schema, seen: ObservedSubject, judge: Judge = "Registry") -> tuple[SchemaChange, ...]:
    made = plan(resource, seen, judge).plan
    assert (made.refusals, made.needs_usage) == ((), False)
    return made.changes


def refusal(made: SubjectPlan) -> Refusal:
    (only,) = made.plan.refusals
    assert made.plan.changes == ()
    return only


def register(text: str, **fields: Any) -> RegisterVersion:
    desired = desired_subject(schema(definition=text))
    return RegisterVersion(SUBJECT, desired.definition, desired.content, **fields)


# --- plan_subject


def test_what_is_no_schema_is_refused() -> None:
    made = refusal(plan(schema(definition='{"type": "nothing"}'), observed_subject()))
    assert made.reason is Reason.DEFINITION_INVALID


def test_a_subject_that_exists_is_refused_where_adoption_is_never() -> None:
    resource = schema(adoption="Never")
    assert refusal(plan(resource, THERE)) == Refusal(
        Reason.SUBJECT_EXISTS,
        "subject orders-value exists already and adoption is Never: set adoption to IfUnowned to take it over, or"
        " create a Schema with another subject",
    )
    assert plan(resource, THERE, before=True).plan.changes == ()
    assert changes(resource, observed_subject()) == (register(FIRST),)


@pytest.mark.parametrize(
    ("resource", "seen", "expected"),
    [
        pytest.param(schema(), observed_subject(), (register(FIRST),), id="absent: register"),
        pytest.param(
            schema(compatibility="FULL"),
            observed_subject(),
            (AlterLevel(SUBJECT, None, "FULL"), register(FIRST)),
            id="absent: the level first",
        ),
        pytest.param(schema(), THERE, (), id="registered already"),
        pytest.param(
            schema(definition=FIRST.replace(",", ", \n")), THERE, (), id="formatting is no part of a definition"
        ),
        pytest.param(
            schema(compatibility="FULL"),
            observed_subject(registered(), level="BACKWARD"),
            (AlterLevel(SUBJECT, "BACKWARD", "FULL"),),
            id="registered, another level",
        ),
        pytest.param(schema(), observed_subject(registered(), level="NONE"), (), id="a level nobody asks for stays"),
        pytest.param(
            schema(definition=COMPATIBLE),
            observed_subject(registered(), verdicts={1: YES}),
            (register(COMPATIBLE),),
            id="new, and the registry agrees",
        ),
        pytest.param(
            schema(definition=BREAKING, compatibility="NONE"),
            observed_subject(registered(), level="NONE"),
            (register(BREAKING),),
            id="NONE protects nobody",
        ),
        pytest.param(
            schema(definition=COMPATIBLE, compatibility="FULL"),
            observed_subject(registered(), level="BACKWARD"),
            (AlterLevel(SUBJECT, "BACKWARD", "FULL"), register(COMPATIBLE)),
            id="the registry would judge by another level: our words, then its own",
        ),
    ],
)
def test_plan_subject(resource: Schema, seen: ObservedSubject, expected: tuple[SchemaChange, ...]) -> None:
    assert changes(resource, seen) == expected


def test_the_registry_is_asked_about_each_version_that_the_level_protects() -> None:
    two = observed_subject(registered(), registered(2, COMPATIBLE), level="BACKWARD_TRANSITIVE")
    resource = schema(definition=avro("id", "note?", "more?"), compatibility="BACKWARD_TRANSITIVE")
    assert plan(resource, two).plan.needs_usage
    query = candidate_query(desired_subject(resource), two)
    assert (query.subject, query.candidate, query.against) == (SUBJECT, desired_subject(resource).definition, (1, 2))
    assert candidate_query(desired_subject(schema()), two).against == (1, 2)


def test_a_difference_says_what_is_there() -> None:
    content = desired_subject(schema()).content
    assert plan(schema(), observed_subject()).plan.differences == (Difference("definition", content, "absent"),)
    new = desired_subject(schema(definition=COMPATIBLE)).content
    seen = observed_subject(registered(), verdicts={1: YES})
    assert plan(schema(definition=COMPATIBLE), seen).plan.differences == (Difference("definition", new, content),)


@pytest.mark.parametrize(("judge", "lifted"), [("Registration", None), ("Ourselves", "FULL")])
def test_where_the_registry_cannot_judge_beforehand_we_do(judge: Judge, lifted: str | None) -> None:
    seen = observed_subject(registered(), level="FULL")
    assert changes(schema(definition=COMPATIBLE, compatibility="FULL"), seen, judge) == (
        register(COMPATIBLE, lifted=lifted),
    )
    assert refusal(plan(schema(definition=BREAKING, compatibility="FULL"), seen, judge)).reason is Reason.INCOMPATIBLE


# --- what is registered


def test_a_version_that_somebody_registered_later_is_shown_and_left() -> None:
    later = registered(2, COMPATIBLE, author="somebody")
    made = plan(schema(), observed_subject(registered(), later), before=True).plan
    assert made.changes == ()
    assert made.differences == (Difference("latest version", "1", "2, registered by somebody"),)
    unsigned = plan(schema(), observed_subject(registered(), registered(2, COMPATIBLE)), before=True).plan
    assert unsigned.differences == (Difference("latest version", "1", "2"),)


def test_the_latest_of_equal_versions_counts() -> None:
    twice = observed_subject(registered(), registered(2, COMPATIBLE), registered(3))
    found = current_version(desired_subject(schema()), twice)
    assert found is not None
    assert found.version == 3


def test_a_level_that_differs_is_a_difference() -> None:
    made = plan(schema(compatibility="FULL"), observed_subject(registered())).plan
    assert made.differences == (Difference("compatibility", "FULL", "the default"),)


# --- what breaks somebody


def test_a_breaking_change_is_refused_in_words() -> None:
    made = plan(schema(definition=BREAKING), observed_subject(registered(), verdicts={1: NO}))
    (violation,) = made.violations
    assert refusal(made) == Refusal(
        Reason.INCOMPATIBLE,
        f"the definition is not BACKWARD compatible with subject orders-value: {violation.message}. What is registered"
        " stays. To break on purpose, set evolution.onIncompatible to NewMajor and add a migration",
    )
    assert (violation.version, violation.path, violation.rule) == (1, "currency", "FieldAddedWithoutDefault")


def test_a_long_list_is_cut_in_the_message_and_whole_in_the_status() -> None:
    made = plan(schema(definition=avro("id", *"abcde")), observed_subject(registered(), verdicts={1: NO}))
    assert len(made.violations) == 5
    assert "; and 2 more in status.violations. What is registered" in refusal(made).message


def test_a_new_major_version_needs_a_migration() -> None:
    made = plan(evolving(), observed_subject(registered(), level="BACKWARD", verdicts={1: NO}))
    (violation,) = made.violations
    assert refusal(made) == Refusal(
        Reason.MIGRATION_MISSING,
        f"the definition opens major version 2 of subject orders-value ({violation.message}), and evolution.migrations"
        " has none from 1 to 2: add one, with samples",
    )


def test_a_migration_that_does_not_hold_is_refused() -> None:
    wrong = STEP | {"up": '{"id": event.data.id}'}
    made = refusal(plan(evolving(BREAKING, wrong), observed_subject(registered(), level="BACKWARD", verdicts={1: NO})))
    assert made.reason is Reason.MIGRATION_FAILED
    assert made.message.startswith("sample 1 of migration 1 to 2, up: the result is")
    assert made.message.endswith(": correct the migration, or its samples")


MAJORS = Majors((MajorStep(1, last_version=1, up=UP, down=DOWN),))


def test_a_migration_that_holds_is_recorded_before_the_major_version_is_opened() -> None:
    resource = evolving(BREAKING, STEP, compatibility="BACKWARD_TRANSITIVE")
    desired = desired_subject(resource)
    seen = observed_subject(registered(), level="BACKWARD_TRANSITIVE", verdicts={1: NO})
    assert changes(resource, seen) == (
        RecordMajors(SUBJECT, MAJORS),
        OpenMajor(SUBJECT, desired.definition, desired.content, 2, "BACKWARD"),
    )
    recorded = observed_subject(registered(), level="BACKWARD_TRANSITIVE", majors=MAJORS, verdicts={1: NO})
    assert changes(resource, recorded) == (OpenMajor(SUBJECT, desired.definition, desired.content, 2, "BACKWARD"),)


# --- several major versions

TWO = observed_subject(registered(), registered(2, BREAKING), level="BACKWARD", majors=MAJORS)


def test_a_step_whose_version_never_came_counts_for_nothing_and_is_taken_back() -> None:
    cut_short = observed_subject(registered(), majors=MAJORS, verdicts={1: YES})
    assert opened(cut_short) == Majors()
    assert changes(schema(definition=COMPATIBLE), cut_short) == (RecordMajors(SUBJECT, Majors()), register(COMPATIBLE))
    assert changes(schema(), cut_short) == (RecordMajors(SUBJECT, Majors()),)
    assert opened(observed_subject(majors=MAJORS)) == Majors()


def test_only_the_latest_major_version_is_protected() -> None:
    resource = evolving(avro("id", "currency", "note?"), STEP, compatibility="BACKWARD_TRANSITIVE")
    assert candidate_query(desired_subject(resource), TWO).against == (2,)
    judged = observed_subject(*TWO.versions, level="BACKWARD", majors=MAJORS, verdicts={2: YES})
    assert changes(resource, judged) == (register(avro("id", "currency", "note?")),)


def test_the_plain_level_is_what_the_registry_is_told() -> None:
    transitive = observed_subject(*TWO.versions, level="BACKWARD_TRANSITIVE", majors=MAJORS)
    resource = evolving(BREAKING, STEP, compatibility="BACKWARD_TRANSITIVE")
    assert changes(resource, transitive) == (AlterLevel(SUBJECT, "BACKWARD_TRANSITIVE", "BACKWARD"),)
    unset = observed_subject(*TWO.versions, majors=MAJORS)
    assert changes(schema(definition=BREAKING), unset) == (AlterLevel(SUBJECT, None, "BACKWARD"),)


def test_expressions_may_be_corrected_if_the_samples_hold() -> None:
    better = STEP | {"up": '{"id": event.data.id, "currency": "USD"}', "samples": [{"data": {"id": "1"}}]}
    (change,) = changes(evolving(BREAKING, better), TWO)
    assert change == RecordMajors(SUBJECT, Majors((MajorStep(1, 1, better["up"], DOWN),)))
    worse = STEP | {"up": "event.data.nothing"}
    assert refusal(plan(evolving(BREAKING, worse), TWO)).reason is Reason.MIGRATION_FAILED
    assert changes(evolving(BREAKING), TWO) == (), "a step that is not mentioned stays as it is on record"


def test_what_nobody_can_meet_any_more_needs_no_sample() -> None:
    gone = observed_subject(registered(2, BREAKING), level="BACKWARD", majors=MAJORS)
    other = STEP | {"down": '{"id": "0"}'}
    (change,) = changes(evolving(BREAKING, other), gone)
    assert isinstance(change, RecordMajors)


def test_changes_describe_themselves() -> None:
    definition = Definition("AVRO", FIRST)
    described: dict[SchemaChange, str] = {
        AlterLevel(SUBJECT, None, "FULL"): "set compatibility of subject orders-value from the default to FULL",
        RegisterVersion(SUBJECT, definition, "f"): "register a version of subject orders-value (AVRO f)",
        OpenMajor(SUBJECT, definition, "f", 2, "FULL"): (
            "open major version 2 of subject orders-value (AVRO f), compatibility FULL"
        ),
        RecordMajors(SUBJECT, MAJORS): "record the major versions of subject orders-value (migrations 1 to 2)",
        RecordMajors(SUBJECT, Majors()): "record the major versions of subject orders-value (migrations none)",
    }
    assert {change: change.describe() for change in described} == described
