"""Outcomes to status: the rows of `_verdict`, what is shown and kept, and what is worth an Event."""

from typing import Any

import pytest
from builders import (
    condition_of,
    definition,
    event_bus,
    migration,
    observed_subject,
    registered,
    schema,
    schema_case,
    settled_schema,
)

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.resource import DriftEntry
from eventplane.api.schema import Schema, SchemaStatus
from eventplane.events.majors import Majors, MajorStep
from eventplane.planning import schemas
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Plan
from eventplane.planning.schema_changes import RegisterVersion
from eventplane.planning.schema_decisions import SchemaCase, decide_schema
from eventplane.planning.schema_readiness import SchemaOutcome, schema_occurrences, schema_status
from eventplane.planning.schema_state import ObservedSubject
from eventplane.planning.verdicts import condition

V1, V2, BROKEN = definition(), definition("id", "note?"), definition("id:int")
ONE, TWO = registered(1, V1), registered(2, V2)
THERE = observed_subject(ONE)
AWAY = Unavailable("the registry did not answer", Reason.REGISTRY_UNAVAILABLE)
NO = Rejected(Reason.REJECTED, "the registry says no")
STANDS = "version 1 of subject orders is registered with id 101"
REFUSED = f"{STANDS}; the new definition is refused"
STEP = MajorStep(1, 1, "event", "event")


def ours(**fields: Any) -> Schema:
    return settled_schema(schema(**fields))


def changed(resource: Schema, **fields: Any) -> Schema:
    """Ask for something else than what stands."""
    return schema(**fields).model_copy(update={"status": resource.status})


def outcomes(of: SchemaCase, *errors: BackendError | None, state: ObservedSubject | None = None) -> list[SchemaOutcome]:
    decision = decide_schema(of)
    given = (*errors, *[None] * len(decision.changes))
    pairs = zip(decision.changes, given, strict=False)
    return [Outcome(change, error, None if error else state) for change, error in pairs]


def judged(of: SchemaCase, *errors: BackendError | None, state: ObservedSubject | None = None) -> SchemaStatus:
    """Decide, let the changes end with the errors given (the rest well), and say what is the case."""
    return schema_status(of, decide_schema(of), outcomes(of, *errors, state=state))


def told(status: SchemaStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


BREAKS = schema_case(changed(ours(), definition=BROKEN.text), observed_subject(ONE, verdicts={1: False}))
GROWS = schema_case(changed(ours(), definition=V2.text), observed_subject(ONE, verdicts={1: True}))
REGISTER = RegisterVersion("orders", V1, schema_case().desired.content)  # type: ignore[union-attr]
LEAVING = {"deleting": True, "deletion_policy": "Soft"}


@pytest.mark.parametrize(
    ("status", "expected", "message"),
    [
        pytest.param(
            judged(schema_case(), AWAY),
            {"Ready": ("False", "RegistryUnavailable"), "Reconciling": ("True", "RegistryUnavailable")},
            "the registry did not answer",
            id="the registry did not answer a change",
        ),
        pytest.param(
            judged(GROWS, AWAY),
            {"Ready": ("False", "RegistryUnavailable"), "Reconciling": ("True", "RegistryUnavailable")},
            "the registry did not answer",
            id="... though a version of ours stands",
        ),
        pytest.param(
            judged(BREAKS),
            {"Ready": ("True", "Ready"), "Stalled": ("True", "Incompatible")},
            REFUSED,
            id="a new definition is refused, a version of ours stands",
        ),
        pytest.param(
            judged(GROWS, Rejected(Reason.INCOMPATIBLE, "409")),
            {"Ready": ("True", "Ready"), "Stalled": ("True", "Incompatible")},
            REFUSED,
            id="... by the registry itself",
        ),
        pytest.param(
            judged(schema_case(changed(ours(), definition="{"), THERE)),
            {"Ready": ("True", "Ready"), "Stalled": ("True", "DefinitionInvalid")},
            REFUSED,
            id="... as no schema at all",
        ),
        pytest.param(
            judged(schema_case(schema(definition=BROKEN.text), observed_subject(ONE, verdicts={1: False}))),
            {"Ready": ("False", "Incompatible"), "Stalled": ("True", "Incompatible")},
            None,
            id="a new definition is refused, and nothing of ours stands",
        ),
        pytest.param(
            judged(schema_case(), NO),
            {"Ready": ("False", "Rejected"), "Stalled": ("True", "Rejected")},
            "the registry says no",
            id="something is rejected",
        ),
        pytest.param(
            judged(schema_case(schema(adoption="Never"), THERE)),
            {"Ready": ("False", "SubjectExists"), "Stalled": ("True", "SubjectExists")},
            "subject orders exists already and adoption is Never: set adoption to IfUnowned to take it over, or create a"
            " Schema with another subject",
            id="something is refused",
        ),
        pytest.param(
            judged(schema_case(schema(mode="Plan"))),
            {"Ready": ("False", "AwaitingApproval")},
            f"annotate with events.sindhan.ai/approve={Plan((REGISTER,)).hash()} to register a version of subject orders"
            f" (AVRO {REGISTER.fingerprint})",
            id="held, and something would be done",
        ),
        pytest.param(
            judged(schema_case(schema(mode="Observe"))),
            {"Ready": ("False", "OutOfSync")},
            "mode Observe writes nothing; with Enforce the operator would register a version of subject orders (AVRO"
            f" {REGISTER.fingerprint})",
            id="only observed, not as asked",
        ),
        pytest.param(
            judged(schema_case(ours(**LEAVING, paused=True), THERE)),
            {"Ready": ("False", "Paused")},
            "subject orders is left alone while paused: remove the annotation events.sindhan.ai/paused to delete on",
            id="being deleted while paused",
        ),
        pytest.param(
            judged(schema_case(ours(**LEAVING), THERE)),
            {"Ready": ("False", "Deleting"), "Reconciling": ("True", "Deleting")},
            "subject orders is being dealt with as deletionPolicy says",
            id="being deleted",
        ),
        pytest.param(
            judged(schema_case(ours(drift_policy="Warn"))),
            {"Ready": ("False", "Drifted"), "Drifted": ("True", "Drifted")},
            "subject orders was deleted and driftPolicy Warn leaves it so",
            id="no version stands",
        ),
        pytest.param(judged(schema_case(ours(), THERE)), {"Ready": ("True", "Ready")}, STANDS, id="all well"),
        pytest.param(
            judged(schema_case(ours(mode="Observe"), THERE)),
            {"Ready": ("True", "Ready")},
            STANDS,
            id="observed, as asked",
        ),
        pytest.param(
            judged(schema_case(ours(paused=True), THERE)),
            {"Ready": ("True", "Paused")},
            f"{STANDS}; nothing is written while paused",
            id="paused, as asked",
        ),
        pytest.param(
            judged(schema_case(ours(), observed_subject(ONE, TWO))),
            {"Ready": ("True", "Ready"), "Drifted": ("True", "Drifted")},
            STANDS,
            id="somebody registered a version",
        ),
    ],
)
def test_verdict(status: SchemaStatus, expected: dict[str, tuple[str, str]], message: str | None) -> None:
    assert told(status) == expected
    ready = condition(status.conditions, ConditionType.READY)
    assert ready is not None
    assert message is None or ready.message == message
    assert all(each.observed_generation == status.observed_generation for each in status.conditions)


def test_what_did_not_answer_counts_before_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The level is set and did not come through; that a migration fails besides does not make it Ready."""
    monkeypatch.setattr(schemas, "problems_of", lambda *_: ("sample 1",))
    asked = changed(ours(), definition=V2.text, compatibility="FULL", evolution={"migrations": [migration(up="{}")]})
    of = schema_case(asked, observed_subject(ONE, TWO, level="BACKWARD", majors=Majors((STEP,))))
    assert [refusal.reason for refusal in decide_schema(of).refusals] == [Reason.MIGRATION_FAILED]
    assert told(judged(of, AWAY)) == {
        "Ready": ("False", "RegistryUnavailable"),
        "Reconciling": ("True", "RegistryUnavailable"),
    }
    assert told(judged(of)) == {"Ready": ("True", "Ready"), "Stalled": ("True", "MigrationFailed")}


# --- what is shown


def test_status_shows_the_version_that_the_registry_made() -> None:
    status = judged(schema_case(), state=observed_subject(registered(1, schema_id=7)))
    assert (status.subject, status.id, status.version, status.major) == ("orders", 7, 1, 1)
    assert status.fingerprint == status.versions[0].fingerprint == REGISTER.fingerprint
    assert (status.bus, status.compatibility, status.used_by) == ("shop/main", "BACKWARD", ())
    assert status.applied == schema_case().desired.fingerprint()  # type: ignore[union-attr]


def test_status_shows_levels_and_majors_as_the_changes_left_them() -> None:
    evolution = {"on_incompatible": "NewMajor", "migrations": [migration()]}
    of = schema_case(
        changed(ours(), definition=BROKEN.text, evolution=evolution), observed_subject(ONE, verdicts={1: False})
    )
    status = judged(of, state=observed_subject(ONE, registered(2, BROKEN)))
    assert (status.version, status.major) == (2, 2)
    assert [each.major for each in status.versions] == [1, 2]
    levelled = judged(schema_case(ours(compatibility="FULL"), observed_subject(ONE, level="NONE")))
    assert levelled.compatibility == "FULL"
    failed = judged(schema_case(schema(compatibility="FULL"), observed_subject(ONE, level="NONE")), AWAY)
    assert failed.applied is None


def test_register_without_a_state_shows_no_version() -> None:
    assert judged(schema_case()).version is None


def test_refused_definition_shows_what_stands() -> None:
    status = judged(BREAKS)
    assert (status.id, status.version) == (101, 1)
    assert status.fingerprint == REGISTER.fingerprint
    assert [each.version for each in status.violations] == [1]
    assert status.applied == ours().status.applied
    assert judged(GROWS).violations == ()


@pytest.mark.parametrize(
    ("of", "errors", "shown"),
    [
        pytest.param(schema_case(ours(), THERE), (), True, id="ours"),
        pytest.param(schema_case(schema(adoption="Never"), THERE), (), False, id="not adopted"),
        pytest.param(
            schema_case(schema(), THERE, rivals=[settled_schema(schema("orders", "a", subject="orders"))]),
            (),
            False,
            id="another's is not shown as ours",
        ),
        pytest.param(GROWS, (Rejected(Reason.OWNED_BY_ANOTHER, "faster"),), False, id="another was faster"),
    ],
)
def test_only_our_subject_is_shown(
    of: SchemaCase,
    errors: tuple[BackendError, ...],
    shown: bool,  # noqa: FBT001 - a row
) -> None:
    status = judged(of, *errors)
    assert (status.version is not None) is shown
    assert bool(status.versions) is shown


def test_latest_versions_and_first_users_are_shown() -> None:
    versions = [registered(number, definition("id", f"f{number}?")) for number in range(1, 61)]
    users = [f"Schema shop/s{number}" for number in range(60)]
    status = judged(schema_case(ours(), observed_subject(*versions, ONE), users=users))
    assert len(status.versions) == 50
    assert status.versions[0].version == 12
    assert status.used_by == tuple(users[:50])


def test_deletion_keeps_the_level_that_was_known() -> None:
    leaving = ours(**LEAVING)
    known = leaving.model_copy(update={"status": leaving.status.model_copy(update={"compatibility": "FULL"})})
    status = judged(schema_case(known, THERE, users=["EventTopic shop/orders"]))
    assert (status.compatibility, status.version, status.used_by) == ("FULL", 1, ("EventTopic shop/orders",))
    assert status.applied == leaving.status.applied


def test_drift_and_plan_are_told() -> None:
    status = judged(schema_case(ours(compatibility="FULL", mode="Plan"), observed_subject(ONE, level="NONE")))
    assert status.drift == (DriftEntry(setting="compatibility", expected="FULL", actual="NONE"),)
    assert status.plan is not None
    assert status.plan.changes == ("set compatibility of subject orders from NONE to FULL",)
    drifted = condition(status.conditions, ConditionType.DRIFTED)
    assert drifted is not None
    assert drifted.message == "changed behind our back: compatibility is NONE, asked for is FULL"


@pytest.mark.parametrize(
    ("of", "error", "kept"),
    [
        pytest.param(schema_case(ours(), observed_subject()), AWAY, True, id="an error"),
        pytest.param(schema_case(ours(paused=True), THERE), None, True, id="paused"),
        pytest.param(schema_case(schema(paused=True), THERE), None, False, id="paused, never applied"),
        pytest.param(schema_case(schema(), observed_subject()), AWAY, False, id="an error, never applied"),
        pytest.param(
            schema_case(settled_schema(schema(), event_bus("other")), observed_subject()), AWAY, False, id="elsewhere"
        ),
    ],
)
def test_applied_is_kept_while_nothing_new_is_applied(
    of: SchemaCase,
    error: BackendError | None,
    kept: bool,  # noqa: FBT001 - a row
) -> None:
    assert judged(of, error).applied == (of.resource.status.applied if kept else None)


def test_a_pass_over_what_a_pass_has_written_says_the_same() -> None:
    first = judged(schema_case(schema(), THERE))
    resource = schema().model_copy(update={"status": first})
    assert decide_schema(schema_case(resource, THERE)).changes == ()
    assert judged(schema_case(resource, THERE)) == first


# --- what is worth an Event


def happened(of: SchemaCase, *errors: BackendError | None) -> list[Occurrence]:
    return list(schema_occurrences(of, decide_schema(of), outcomes(of, *errors)))


LEVEL = "set compatibility of subject orders from NONE to FULL"


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(schema_case(ours(), THERE), [], id="nothing happened"),
        pytest.param(schema_case(), [], id="a creation is told by Ready"),
        pytest.param(
            schema_case(schema(compatibility="FULL"), observed_subject(ONE, level="NONE")),
            [Occurrence(warning=False, reason="AlterLevel", message=LEVEL)],
            id="another level",
        ),
        pytest.param(
            schema_case(ours(compatibility="FULL"), observed_subject(ONE, level="NONE")),
            [Occurrence(warning=False, reason="DriftRepaired", message=LEVEL)],
            id="drift undone",
        ),
        pytest.param(
            schema_case(ours()),
            [Occurrence(warning=False, reason="DriftRepaired", message=REGISTER.describe())],
            id="a subject that was gone",
        ),
        pytest.param(schema_case(schema(mode="Plan")), [], id="held: nothing happened"),
        pytest.param(
            schema_case(ours(**LEAVING), THERE),
            [Occurrence(warning=False, reason="DeleteSubject", message="delete subject orders softly")],
            id="deleted",
        ),
    ],
)
def test_what_happened(of: SchemaCase, expected: list[Occurrence]) -> None:
    assert happened(of) == expected


def test_what_failed_did_not_happen() -> None:
    assert happened(GROWS, AWAY) == []
    assert [(each.warning, each.reason) for each in happened(GROWS, NO)] == [(True, "Rejected")]


def test_what_is_refused_is_told_once() -> None:
    (event,) = happened(BREAKS)
    assert (event.warning, event.reason) == (True, "Incompatible")
    stalled = BREAKS.resource.status.model_copy(
        update={"conditions": (condition_of("Stalled", "True", "Incompatible"),)}
    )
    again = BREAKS.resource.model_copy(update={"status": stalled})
    assert happened(schema_case(again, BREAKS.observed)) == []
