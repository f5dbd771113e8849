"""What must change about one subject: the rows of the tables of `plan_subject`, `_standing` and `_breaking`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from builders import definition, migration, observed_subject, registered, schema, wanted_subject

from eventplane.api.conditions import Reason
from eventplane.api.metadata import Adoption
from eventplane.api.schema import CompatibilityLevel, Migration
from eventplane.events.majors import Majors, MajorStep
from eventplane.planning import schemas
from eventplane.planning.plan import Difference, Refusal, fingerprint
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
)
from eventplane.planning.schema_desired import DesiredSubject
from eventplane.planning.schema_gate import Judge
from eventplane.planning.schema_state import Definition, ObservedSubject, SubjectQuery
from eventplane.planning.schemas import SubjectPlan, SubjectRequest, candidate_query, opened, plan_subject

V1, V2, BROKEN = definition(), definition("id", "note?"), definition("id:int")
ONE, TWO = registered(1, V1), registered(2, V2)
STEP = MajorStep(1, 1, "event", "event")
ANY: tuple[Adoption, ...] = ("IfUnowned", "Never")
IF: tuple[Adoption, ...] = ("IfUnowned",)
NEVER: tuple[Adoption, ...] = ("Never",)


@pytest.fixture(autouse=True)
def migrations_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let samples hold unless a test says otherwise: what they are tried by has tests of its own."""
    monkeypatch.setattr(schemas, "problems_of", lambda *_: ())


def desired(of: Definition = V1, **fields: Any) -> DesiredSubject:
    return wanted_subject(schema(definition=of.text, **fields))


def register(of: Definition) -> RegisterVersion:
    return RegisterVersion("orders", of, desired(of).content)


def planned(asked: DesiredSubject, seen: ObservedSubject, **request: Any) -> SubjectPlan:
    return plan_subject(SubjectRequest(asked, **request), seen)


def reasons(of: SubjectPlan) -> list[Reason]:
    return [refusal.reason for refusal in of.plan.refusals]


def on_record(*steps: MajorStep) -> str:
    return fingerprint(Majors(steps).to_text())


BACKWARD = AlterLevel("orders", None, "BACKWARD")


@pytest.mark.parametrize(
    ("asked", "seen", "before", "adoptions", "expected"),
    [
        pytest.param(
            desired(replace(V1, text="{")), observed_subject(), False, ANY, Reason.DEFINITION_INVALID, id="no schema"
        ),
        pytest.param(
            desired(replace(V1, text="{")),
            observed_subject(ONE),
            True,
            ANY,
            Reason.DEFINITION_INVALID,
            id="... of ours",
        ),
        pytest.param(desired(), observed_subject(ONE), False, NEVER, Reason.SUBJECT_EXISTS, id="exists, not adopted"),
        pytest.param(desired(), observed_subject(ONE), True, ANY, (), id="exists, ours before"),
        pytest.param(desired(), observed_subject(), False, ANY, (register(V1),), id="absent"),
        pytest.param(desired(), observed_subject(), True, ANY, (register(V1),), id="absent, was ours"),
        pytest.param(
            desired(compatibility="BACKWARD"),
            observed_subject(),
            False,
            ANY,
            (BACKWARD, register(V1)),
            id="absent: the level first",
        ),
        pytest.param(desired(), observed_subject(ONE), False, IF, (), id="one of its versions: adopted"),
        pytest.param(desired(), observed_subject(ONE, TWO), False, IF, (), id="an older one of its versions"),
        pytest.param(
            desired(compatibility="BACKWARD"), observed_subject(ONE), False, IF, (BACKWARD,), id="the level is set"
        ),
        pytest.param(
            desired(V2, compatibility="FULL"),
            observed_subject(ONE),
            True,
            ANY,
            (AlterLevel("orders", None, "FULL"), register(V2)),
            id="new, and the level asked for is not the one that the registry judges by",
        ),
        pytest.param(
            desired(V2), observed_subject(ONE, verdicts={1: True}), True, ANY, (register(V2),), id="new, may come"
        ),
        pytest.param(
            desired(BROKEN), observed_subject(ONE, level="NONE"), True, ANY, (register(BROKEN),), id="new, NONE"
        ),
        pytest.param(
            desired(BROKEN), observed_subject(ONE, verdicts={1: False}), True, ANY, Reason.INCOMPATIBLE, id="breaks"
        ),
    ],
)
def test_subject(
    asked: DesiredSubject,
    seen: ObservedSubject,
    before: bool,  # noqa: FBT001 - a row
    adoptions: tuple[Adoption, ...],
    expected: tuple[SchemaChange, ...] | Reason,
) -> None:
    for adoption in adoptions:
        made = planned(asked, seen, adoption=adoption, applied_before=before)
        if isinstance(expected, Reason):
            assert reasons(made) == [expected]
            assert made.plan.changes == ()
        else:
            assert (made.plan.changes, made.plan.refusals) == (expected, ())


@pytest.mark.parametrize(
    ("level", "seen", "asks"),
    [
        pytest.param(None, observed_subject(ONE, TWO), (2,), id="BACKWARD: the latest"),
        pytest.param("BACKWARD_TRANSITIVE", observed_subject(ONE, TWO), (1, 2), id="transitive: all"),
        pytest.param("NONE", observed_subject(ONE, TWO), (), id="NONE: none"),
        pytest.param(None, observed_subject(ONE, TWO, level="FULL_TRANSITIVE"), (1, 2), id="the subject's own"),
        pytest.param(None, observed_subject(ONE, TWO, default_level="NONE"), (), id="the registry's"),
        pytest.param(
            "FULL_TRANSITIVE", observed_subject(ONE, TWO, majors=Majors((STEP,))), (2,), id="within the latest major"
        ),
        pytest.param(None, observed_subject(), (), id="absent"),
    ],
)
def test_candidate_is_judged_beside_what_its_level_protects(
    level: CompatibilityLevel | None, seen: ObservedSubject, asks: tuple[int, ...]
) -> None:
    asked = desired(BROKEN, compatibility=level)
    assert candidate_query(asked, seen) == SubjectQuery("orders", BROKEN, asks)


def test_registry_is_asked_before_anything_new_is_registered() -> None:
    asked, seen = desired(V2), observed_subject(ONE)
    assert planned(asked, seen).plan.needs_usage
    assert not planned(asked, replace(seen, verdicts=observed_subject(verdicts={1: True}).verdicts)).plan.needs_usage


def test_every_protected_version_needs_a_verdict() -> None:
    asked = desired(definition("id", "x?"), compatibility="BACKWARD_TRANSITIVE")
    seen = observed_subject(ONE, TWO, level="BACKWARD_TRANSITIVE", verdicts={2: True})
    assert planned(asked, seen).plan.needs_usage


def test_a_level_that_is_yet_to_be_set_is_not_judged_by_the_registry() -> None:
    """Its verdict is by the level that it has; what every registry refuses is refused all the same."""
    asked = desired(BROKEN, compatibility="FULL")
    made = planned(asked, observed_subject(ONE, level="NONE", verdicts={1: True}))
    assert reasons(made) == [Reason.INCOMPATIBLE]
    assert made.violations


# --- what is registered already


@pytest.mark.parametrize(
    ("asked", "seen", "changes", "differences"),
    [
        pytest.param(desired(), observed_subject(ONE), (), (), id="all as asked"),
        pytest.param(
            desired(compatibility="FULL"),
            observed_subject(ONE, level="NONE"),
            (AlterLevel("orders", "NONE", "FULL"),),
            (Difference("compatibility", "FULL", "NONE"),),
            id="its level is another",
        ),
        pytest.param(
            desired(compatibility="BACKWARD"),
            observed_subject(ONE),
            (BACKWARD,),
            (Difference("compatibility", "BACKWARD", "the default"),),
            id="it has no level of its own, though the default is as asked",
        ),
        pytest.param(desired(), observed_subject(ONE, level="NONE"), (), (), id="its level is left to the registry"),
        pytest.param(
            desired(),
            observed_subject(ONE, registered(2, V2, author="ann")),
            (),
            (Difference("latest version", "1", "2, registered by ann"),),
            id="its latest version is another's",
        ),
        pytest.param(
            desired(),
            observed_subject(ONE, TWO),
            (),
            (Difference("latest version", "1", "2"),),
            id="... of nobody knows whom",
        ),
        pytest.param(
            desired(V2, evolution={"migrations": [migration(up="{}")]}),
            observed_subject(ONE, TWO, level="BACKWARD", majors=Majors((STEP,))),
            (RecordMajors("orders", Majors((replace(STEP, up="{}"),))),),
            (Difference("migrations", on_record(replace(STEP, up="{}")), on_record(STEP)),),
            id="the migrations on record are others",
        ),
        pytest.param(
            desired(V2),
            observed_subject(ONE, TWO, level="BACKWARD", majors=Majors((STEP,))),
            (),
            (),
            id="a migration on record of which the resource says nothing stays",
        ),
        pytest.param(
            desired(V2),
            observed_subject(ONE, TWO, majors=Majors((STEP,))),
            (BACKWARD,),
            (Difference("compatibility", "BACKWARD", "the default"),),
            id="with several majors the level is the subject's own",
        ),
        pytest.param(
            desired(V2, compatibility="FULL_TRANSITIVE"),
            observed_subject(ONE, TWO, level="FULL_TRANSITIVE", majors=Majors((STEP,))),
            (AlterLevel("orders", "FULL_TRANSITIVE", "FULL"),),
            (Difference("compatibility", "FULL", "FULL_TRANSITIVE"),),
            id="... and does not reach back into the older ones",
        ),
        pytest.param(
            desired(),
            observed_subject(ONE, majors=Majors((STEP,))),
            (RecordMajors("orders", Majors()),),
            (),
            id="a step on record that was never opened goes",
        ),
    ],
)
def test_standing(
    asked: DesiredSubject,
    seen: ObservedSubject,
    changes: tuple[SchemaChange, ...],
    differences: tuple[Difference, ...],
) -> None:
    plan = planned(asked, seen, applied_before=True).plan
    assert (plan.changes, plan.refusals, plan.differences) == (changes, (), differences)


def test_migration_on_record_is_kept_when_its_successor_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[Definition, Definition]] = []

    def problems(of: Migration, older: Definition, newer: Definition) -> tuple[str, ...]:
        tried.append((older, newer))
        return (f"sample 1 of migration {of.from_}",)

    monkeypatch.setattr(schemas, "problems_of", problems)
    asked = desired(V2, compatibility="FULL", evolution={"migrations": [migration(up="{}")]})
    plan = planned(asked, observed_subject(ONE, TWO, majors=Majors((STEP,)))).plan
    assert plan.changes == (AlterLevel("orders", None, "FULL"),), "the level is set all the same"
    assert plan.refusals == (
        Refusal(Reason.MIGRATION_FAILED, "sample 1 of migration 1: correct the migration, or its samples"),
    )
    assert tried == [(V1, V2)], "from the last version before it to the last after it"


# --- what breaks somebody

NEW_MAJOR = {"on_incompatible": "NewMajor", "migrations": [migration()]}


def opening(of: Definition = BROKEN, *, major: int = 2, level: CompatibilityLevel = "BACKWARD") -> OpenMajor:
    return OpenMajor("orders", of, desired(of).content, major, level)


def breaking(fields: dict[str, Any], seen: ObservedSubject | None = None, **more: Any) -> SubjectPlan:
    seen = seen or observed_subject(ONE, verdicts={1: False})
    return planned(desired(BROKEN, evolution=fields, **more), seen, applied_before=True)


def test_breaking_is_refused_with_who_breaks_on_what() -> None:
    made = breaking({"migrations": [migration()]})
    (refusal,) = made.plan.refusals
    said = "; ".join(each.message for each in made.violations)
    assert said
    assert refusal == Refusal(
        Reason.INCOMPATIBLE,
        f"the definition is not BACKWARD compatible with subject orders: {said}. What is registered stays. To break on"
        " purpose, set evolution.onIncompatible to NewMajor and add a migration",
    )
    assert [each.version for each in made.violations] == [1]
    assert made.plan.differences == (), "nothing would be done, so nothing is held"


def test_new_major_without_a_migration_is_refused() -> None:
    made = breaking({"on_incompatible": "NewMajor", "migrations": [migration(2)]})
    said = "; ".join(each.message for each in made.violations)
    assert made.plan.refusals == (
        Refusal(
            Reason.MIGRATION_MISSING,
            f"the definition opens major version 2 of subject orders ({said}), and evolution.migrations has none from 1"
            " to 2: add one, with samples",
        ),
    )


def test_new_major_whose_samples_fail_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "problems_of", lambda *_: tuple(f"problem {number}" for number in range(7)))
    made = breaking(NEW_MAJOR)
    words = "problem 0; problem 1; problem 2; problem 3; problem 4: correct the migration, or its samples"
    assert made.plan.refusals == (Refusal(Reason.MIGRATION_FAILED, words),)
    assert made.plan.changes == ()
    assert made.violations


@pytest.mark.parametrize(
    ("seen", "level", "changes"),
    [
        pytest.param(
            observed_subject(ONE, verdicts={1: False}),
            None,
            (RecordMajors("orders", Majors((STEP,))), opening()),
            id="recorded first, then opened",
        ),
        pytest.param(
            observed_subject(ONE, majors=Majors((STEP,)), verdicts={1: False}),
            None,
            (opening(),),
            id="recorded already: the opening was cut short",
        ),
        pytest.param(
            observed_subject(ONE, level="FULL_TRANSITIVE", verdicts={1: False}),
            "FULL_TRANSITIVE",
            (RecordMajors("orders", Majors((STEP,))), opening(level="FULL")),
            id="the level does not reach back into the older one",
        ),
    ],
)
def test_new_major_is_opened(
    seen: ObservedSubject, level: CompatibilityLevel | None, changes: Sequence[SchemaChange]
) -> None:
    made = breaking(NEW_MAJOR, seen, compatibility=level)
    assert made.plan.changes == changes
    assert made.violations == (), "nobody is broken any more"
    assert [each.setting for each in made.plan.differences] == ["definition"]


def test_third_major_needs_its_own_migration() -> None:
    seen = observed_subject(ONE, TWO, level="BACKWARD", majors=Majors((STEP,)), verdicts={2: False})
    assert reasons(breaking(NEW_MAJOR, seen)) == [Reason.MIGRATION_MISSING]
    made = breaking({"on_incompatible": "NewMajor", "migrations": [migration(), migration(2)]}, seen)
    steps = (STEP, MajorStep(2, 2, "event", "event"))
    assert made.plan.changes == (RecordMajors("orders", Majors(steps)), opening(major=3))


def test_migration_from_what_nobody_can_meet_any_more_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "problems_of", lambda *_: ("tried",))
    seen = observed_subject(TWO, level="BACKWARD", majors=Majors((STEP,)))
    made = planned(desired(V2, evolution={"migrations": [migration(up="{}")]}), seen)
    assert (made.plan.changes, made.plan.refusals) == (
        (RecordMajors("orders", Majors((replace(STEP, up="{}"),))),),
        (),
    )


def test_many_violations_are_counted() -> None:
    many = [f"f{number}:int" for number in range(5)]
    made = planned(desired(definition("id", *many)), observed_subject(ONE, verdicts={1: False}))
    assert len(made.violations) == 5
    (refusal,) = made.plan.refusals
    assert "; and 2 more in status.violations. What is registered stays" in refusal.message


def test_opened_leaves_out_what_has_no_version() -> None:
    steps = (STEP, MajorStep(2, 2, "a", "b"))
    assert opened(observed_subject(ONE, TWO, majors=Majors(steps))) == Majors((STEP,))
    assert opened(observed_subject(majors=Majors(steps))) == Majors()


# --- who judges


@pytest.mark.parametrize(("judge", "lifted"), [("Registration", None), ("Ourselves", "FULL")])
def test_where_the_registry_cannot_judge_beforehand_we_do(judge: Judge, lifted: CompatibilityLevel | None) -> None:
    seen = observed_subject(ONE, level="FULL")
    asked = desired(V2, compatibility="FULL")
    made = plan_subject(SubjectRequest(asked, judge=judge), seen).plan
    assert made.changes == (RegisterVersion("orders", V2, asked.content, lifted=lifted),)
    broken = plan_subject(SubjectRequest(desired(BROKEN, compatibility="FULL"), judge=judge), seen).plan
    assert [refusal.reason for refusal in broken.refusals] == [Reason.INCOMPATIBLE]


def test_changes_describe_themselves() -> None:
    described: dict[SchemaChange, str] = {
        AlterLevel("orders", None, "FULL"): "set compatibility of subject orders from the default to FULL",
        RegisterVersion("orders", V1, "f"): "register a version of subject orders (AVRO f)",
        OpenMajor("orders", V1, "f", 2, "FULL"): "open major version 2 of subject orders (AVRO f), compatibility FULL",
        RecordMajors("orders", Majors((STEP,))): "record the major versions of subject orders (migrations 1 to 2)",
        RecordMajors("orders", Majors()): "record the major versions of subject orders (migrations none)",
        DeleteSubject("orders", hard=False): "delete subject orders softly",
        DeleteSubject("orders", hard=True): "delete subject orders with all its versions",
    }
    assert {change: change.describe() for change in described} == described
