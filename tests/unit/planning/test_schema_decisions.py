"""What to do about one Schema: modes, drift, seniority, and the rows of `_decide_deletion`."""

from dataclasses import replace
from typing import Any

import pytest
from builders import (
    avro,
    definition,
    event_bus,
    migration,
    observed_subject,
    orphan_subject,
    registered,
    schema,
    schema_case,
    settled_schema,
)

from eventplane.api import FINALIZER
from eventplane.api.conditions import Reason
from eventplane.api.schema import Schema
from eventplane.events.majors import Majors, MajorStep
from eventplane.planning import schemas
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.schema_changes import AlterLevel, DeleteSubject, RecordMajors, RegisterVersion, SchemaChange
from eventplane.planning.schema_decisions import SchemaCase, decide_schema, plan_orphan_subject
from eventplane.planning.schema_state import ObservedSubject, Reference

V1, V2 = definition(), definition("id", "note?")
ONE, TWO = registered(1, V1), registered(2, V2)
THERE = observed_subject(ONE)
REGISTER = RegisterVersion("orders", V1, schema_case().desired.content)  # type: ignore[union-attr]
FULL = AlterLevel("orders", "NONE", "FULL")
LEVEL = Difference("compatibility", "FULL", "NONE")
LATEST = Difference("latest version", "1", "2")
GONE = Difference("definition", REGISTER.fingerprint, "absent")


@pytest.fixture(autouse=True)
def migrations_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let samples hold unless a test says otherwise: what they are tried by has tests of its own."""
    monkeypatch.setattr(schemas, "problems_of", lambda *_: ())


def ours(**fields: Any) -> Schema:
    return settled_schema(schema(**fields))


def levelled(**fields: Any) -> SchemaCase:
    """Ours, with a level that somebody has lifted and a version that somebody has registered."""
    return schema_case(ours(compatibility="FULL", **fields), observed_subject(ONE, TWO, level="NONE"))


# --- what cannot be looked at


def test_what_did_not_answer_is_postponed() -> None:
    away = Unavailable("no answer")
    decision = decide_schema(schema_case(ours(finalizers=(FINALIZER,)), observed_subject(error=away)))
    assert decision == Decision(postponed=away, finalizer=True)


def test_what_cannot_be_looked_at_is_refused() -> None:
    error = Rejected(Reason.REJECTED, "no record")
    decision = decide_schema(schema_case(ours(), observed_subject(error=error)))
    assert decision == Decision(refusals=(Refusal(Reason.REJECTED, "no record"),))


def test_registry_is_asked_about_what_is_new() -> None:
    decision = decide_schema(schema_case(schema(definition=V2.text, deletion_policy="Soft"), THERE))
    assert decision == Decision(needs_usage=True, finalizer=True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, False, id="Retain"),
        pytest.param({"deletion_policy": "Soft"}, True, id="Soft"),
        pytest.param({"deletion_policy": "Hard"}, True, id="Hard"),
        pytest.param({"deletion_policy": "Hard", "mode": "Observe"}, False, id="Observe never deletes"),
    ],
)
def test_finalizer_goes_with_a_deletion_that_must_act(
    fields: dict[str, Any],
    expected: bool,  # noqa: FBT001 - a row
) -> None:
    assert decide_schema(schema_case(schema(**fields))).finalizer is expected


# --- modes

HELD = Plan(changes=(REGISTER,), differences=(GONE,))


@pytest.mark.parametrize(
    ("resource", "changes", "hold"),
    [
        pytest.param(schema(), (REGISTER,), None, id="Enforce"),
        pytest.param(schema(mode="Plan"), (), "AwaitingApproval", id="Plan"),
        pytest.param(schema(mode="Plan", approve=HELD.hash()), (REGISTER,), None, id="Plan, approved"),
        pytest.param(schema(mode="Plan", approve="other"), (), "AwaitingApproval", id="Plan, another one approved"),
        pytest.param(schema(mode="Observe"), (), "OutOfSync", id="Observe"),
        pytest.param(schema(paused=True), (), "Paused", id="paused"),
    ],
)
def test_modes(resource: Schema, changes: tuple[SchemaChange, ...], hold: str | None) -> None:
    decision = decide_schema(schema_case(resource))
    assert (decision.changes, decision.hold) == (changes, hold)
    assert decision.held == (HELD if hold else None)


def test_plan_that_has_nothing_to_do_waits_for_nobody() -> None:
    assert decide_schema(schema_case(ours(mode="Plan"), THERE)) == Decision()


def test_finalizer_stays_while_paused() -> None:
    assert decide_schema(schema_case(ours(paused=True, finalizers=(FINALIZER,)), THERE)).finalizer
    assert not decide_schema(schema_case(ours(paused=True, deletion_policy="Hard"), THERE)).finalizer


# --- drift


@pytest.mark.parametrize(
    ("of", "changes", "drift", "repairs"),
    [
        pytest.param(levelled(), (FULL,), (LATEST,), True, id="Enforce: the level is put back, a version never"),
        pytest.param(levelled(drift_policy="Warn"), (), (LEVEL, LATEST), False, id="Warn: both are told"),
        pytest.param(levelled(drift_policy="Ignore"), (), (), False, id="Ignore: neither"),
        pytest.param(levelled(mode="Plan"), (), (LEVEL, LATEST), False, id="Plan: both stand until approved"),
        pytest.param(levelled(mode="Observe"), (), (LEVEL, LATEST), False, id="Observe: both stand"),
        pytest.param(levelled(paused=True), (), (LEVEL, LATEST), False, id="paused: both stand"),
        pytest.param(
            schema_case(ours(), observed_subject(ONE, TWO)), (), (LATEST,), False, id="a version is told under Enforce"
        ),
        pytest.param(schema_case(ours()), (REGISTER,), (), True, id="deleted behind our back: registered again"),
        pytest.param(schema_case(ours(drift_policy="Warn")), (), (GONE,), False, id="... told under Warn"),
        pytest.param(schema_case(ours(drift_policy="Ignore")), (), (), False, id="... left under Ignore"),
        pytest.param(
            schema_case(schema(compatibility="FULL"), observed_subject(ONE, level="NONE")),
            (FULL,),
            (),
            False,
            id="never applied: no drift",
        ),
        pytest.param(
            schema_case(
                settled_schema(schema(compatibility="FULL"), event_bus("other")), observed_subject(ONE, level="NONE")
            ),
            (FULL,),
            (),
            False,
            id="applied on another bus: no drift",
        ),
    ],
)
def test_drift(
    of: SchemaCase,
    changes: tuple[SchemaChange, ...],
    drift: tuple[Difference, ...],
    repairs: bool,  # noqa: FBT001 - a row
) -> None:
    decision = decide_schema(of)
    assert (decision.changes, decision.drift, decision.repairs_drift) == (changes, drift, repairs)


def test_a_change_of_the_spec_is_no_drift() -> None:
    before = ours()
    asked = schema(definition=V2.text, drift_policy="Warn").model_copy(update={"status": before.status})
    decision = decide_schema(schema_case(asked, observed_subject(ONE, verdicts={1: True})))
    assert [type(change) for change in decision.changes] == [RegisterVersion]
    assert decision.drift == ()


@pytest.mark.parametrize("policy", ["Warn", "Ignore"])
def test_record_changed_behind_our_back_is_drift_as_well(policy: str) -> None:
    evolution = {"migrations": [migration()]}
    resource = settled_schema(schema(definition=V2.text, drift_policy=policy, evolution=evolution), version=2)
    foreign = Majors((MajorStep(1, 1, "{}", "{}"),))
    seen = observed_subject(ONE, TWO, level="BACKWARD", majors=foreign)
    decision = decide_schema(schema_case(resource, seen))
    assert decision.changes == ()
    assert [each.setting for each in decision.drift] == (["migrations"] if policy == "Warn" else [])
    enforced = resource.model_copy(update={"spec": resource.spec.model_copy(update={"drift_policy": "Enforce"})})
    decision = decide_schema(schema_case(enforced, seen))
    assert decision.changes == (RecordMajors("orders", Majors((MajorStep(1, 1, "event", "event"),))),)
    assert decision.repairs_drift


# --- whose it is

ELDER: dict[str, Any]
YOUNGER: dict[str, Any]
ELDER, YOUNGER = {"creation_timestamp": "2026-01-01T00:00:00Z"}, {"creation_timestamp": "2026-01-02T00:00:00Z"}
NAMED: dict[str, Any] = {"subject": "orders"}


@pytest.mark.parametrize(
    ("asking", "rival", "mine"),
    [
        pytest.param(schema("b", **NAMED, **ELDER), schema("a", **NAMED, **YOUNGER), True, id="the elder"),
        pytest.param(schema("b", **NAMED, **YOUNGER), schema("a", **NAMED, **ELDER), False, id="the younger"),
        pytest.param(
            settled_schema(schema("b", **NAMED, **YOUNGER)), schema("a", **NAMED, **ELDER), True, id="who has it"
        ),
        pytest.param(
            schema("b", **NAMED, **ELDER), settled_schema(schema("a", **NAMED, **YOUNGER)), False, id="another has it"
        ),
        pytest.param(
            schema("b", **NAMED, **ELDER),
            settled_schema(schema("a", **NAMED, **YOUNGER), event_bus("other")),
            True,
            id="another has it on another bus",
        ),
    ],
)
def test_subject_has_one_owner(
    asking: Schema,
    rival: Schema,
    mine: bool,  # noqa: FBT001 - a row
) -> None:
    decision = decide_schema(schema_case(asking, THERE, rivals=[rival]))
    message = "subject orders belongs to Schema shop/a: create a Schema with another subject, or delete one of the two"
    assert decision.refusals == (() if mine else (Refusal(Reason.OWNED_BY_ANOTHER, message),))
    assert decision.changes == ()


# --- deletion


def leaving(seen: ObservedSubject = THERE, *, users: tuple[str, ...] = (), **fields: Any) -> SchemaCase:
    given = {"deleting": True, "deletion_policy": "Soft", **fields}
    return schema_case(ours(**given), seen, users=users)


SOFT, HARD = DeleteSubject("orders", hard=False), DeleteSubject("orders", hard=True)
USERS = ("EventTopic shop/orders", "Schema shop/invoice")
IN_USE = Refusal(
    Reason.IN_USE,
    "subject orders is referred to by EventTopic shop/orders, Schema shop/invoice: take the reference away, or set"
    " deletionPolicy to Retain to keep the subject",
)
DELETION: Plan[SchemaChange] = Plan(changes=(SOFT,))


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(leaving(finalizers=()), Decision(), id="no finalizer: nothing"),
        pytest.param(leaving(paused=True), Decision(hold="Paused", held=Plan(), finalizer=True), id="paused: keep"),
        pytest.param(
            leaving(paused=True, deletion_policy="Retain"),
            Decision(hold="Paused", held=Plan(), finalizer=True),
            id="paused, Retain: keep",
        ),
        pytest.param(leaving(deletion_policy="Retain"), Decision(), id="Retain: let go"),
        pytest.param(leaving(deletion_policy="Retain", users=USERS), Decision(), id="Retain, used: let go"),
        pytest.param(leaving(mode="Observe"), Decision(), id="Observe: let go"),
        pytest.param(leaving(observed_subject()), Decision(), id="not there: let go"),
        pytest.param(
            schema_case(schema(deleting=True, deletion_policy="Hard"), THERE), Decision(), id="never applied: let go"
        ),
        pytest.param(
            schema_case(settled_schema(schema(deleting=True, deletion_policy="Hard"), event_bus("other")), THERE),
            Decision(),
            id="applied on another bus: let go",
        ),
        pytest.param(leaving(users=USERS), Decision(refusals=(IN_USE,), finalizer=True), id="used"),
        pytest.param(
            leaving(users=USERS, deletion_policy="Hard"), Decision(refusals=(IN_USE,), finalizer=True), id="used, Hard"
        ),
        pytest.param(leaving(), Decision((SOFT,)), id="Soft: delete"),
        pytest.param(leaving(deletion_policy="Hard"), Decision((HARD,)), id="Hard: delete"),
        pytest.param(
            leaving(mode="Plan"),
            Decision(hold="AwaitingApproval", held=DELETION, finalizer=True),
            id="Plan: a deletion waits",
        ),
        pytest.param(leaving(mode="Plan", approve=DELETION.hash()), Decision((SOFT,)), id="Plan, approved: delete"),
    ],
)
def test_deletion(of: SchemaCase, expected: Decision[SchemaChange]) -> None:
    assert decide_schema(of) == expected


@pytest.mark.parametrize("heir", [schema("a", **NAMED, **YOUNGER), settled_schema(schema("a", **NAMED, **ELDER))])
@pytest.mark.parametrize("users", [(), USERS])
def test_deletion_leaves_to_its_heir_what_another_names(heir: Schema, users: tuple[str, ...]) -> None:
    """The heir acts in the same pass: what it registers must not go with its predecessor."""
    resource = settled_schema(schema(deleting=True, deletion_policy="Hard"))
    assert decide_schema(schema_case(resource, THERE, rivals=[heir], users=users)) == Decision()


def test_many_users_are_not_all_named() -> None:
    (refusal,) = decide_schema(leaving(users=tuple(f"Schema shop/s{n}" for n in range(9)))).refusals
    assert "shop/s4:" in refusal.message


@pytest.mark.parametrize(
    ("policy", "claimed", "used", "expected"),
    [
        pytest.param("Retain", False, False, (), id="Retain"),
        pytest.param("Soft", False, False, (SOFT,), id="Soft"),
        pytest.param("Hard", False, False, (HARD,), id="Hard"),
        pytest.param("Hard", True, False, (), id="another has it now"),
        pytest.param("Hard", False, True, (), id="something refers to it, and no resource is left to hold"),
    ],
)
def test_orphan(policy: str, expected: tuple[SchemaChange, ...], *, claimed: bool, used: bool) -> None:
    assert plan_orphan_subject(orphan_subject(policy), claimed=claimed, used=used) == expected


def test_text_of_the_tests() -> None:
    assert V1.text == avro("id")


# --- what the registry cannot judge beforehand

MORE = avro("id", "more?")
INVALID = Rejected(Reason.DEFINITION_INVALID, "unknown type")
NOT_COMPARABLE = Rejected(Reason.NOT_COMPARABLE, "unknown draft")


def importing(case: SchemaCase) -> SchemaCase:
    assert case.desired is not None
    address = Reference("shop.Address", "address", 1, definition("city", name="Address"))
    text = replace(case.desired.definition, references=(address,))
    return replace(case, desired=replace(case.desired, definition=text))


@pytest.mark.parametrize(
    ("case", "lifted"),
    [
        pytest.param(
            importing(
                schema_case(schema(definition=avro("id", "more?")), observed_subject(registered(), error=INVALID))
            ),
            None,
            id="imports: it judges when it registers",
        ),
        pytest.param(
            schema_case(
                schema(definition=MORE, compatibility="BACKWARD"),
                observed_subject(registered(), error=NOT_COMPARABLE),
            ),
            "BACKWARD",
            id="a dialect: we judge",
        ),
    ],
)
def test_what_the_registry_cannot_judge_beforehand(case: SchemaCase, lifted: str | None) -> None:
    (register,) = (each for each in decide_schema(case).changes if isinstance(each, RegisterVersion))
    assert register.lifted == lifted


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        pytest.param(schema(definition=MORE), INVALID, id="invalid, without imports"),
        pytest.param(schema(definition=MORE), NOT_COMPARABLE, id="a level nobody asked for stays"),
        pytest.param(schema(deleting=True), INVALID, id="being deleted"),
    ],
)
def test_otherwise_its_error_is_told(resource: Schema, error: Rejected) -> None:
    decision = decide_schema(schema_case(resource, observed_subject(registered(), error=error)))
    assert [refusal.reason for refusal in decision.refusals] == [error.reason]
