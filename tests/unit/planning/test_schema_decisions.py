"""What is done about a Schema now: modes, drift policies, seniority, deletion."""

from dataclasses import replace
from typing import Any

import pytest
from builders import (
    FIRST,
    SUBJECT,
    applied_schema,
    avro,
    desired_subject,
    observed_subject,
    registered,
    schema,
    schema_case,
)

from eventplane.api import FINALIZER
from eventplane.api.conditions import Reason
from eventplane.api.event_bus import Orphan
from eventplane.api.schema import Schema
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.plan import Difference, Plan, Refusal
from eventplane.planning.schema_changes import AlterLevel, DeleteSubject, RegisterVersion, SchemaChange
from eventplane.planning.schema_decisions import SchemaCase, decide_schema, plan_orphan_subject
from eventplane.planning.schema_state import CompatibilityVerdict, ObservedSubject, Reference

REGISTER = RegisterVersion(SUBJECT, desired_subject(schema()).definition, desired_subject(schema()).content)
COMPATIBLE = avro("id", "note?")
THERE = observed_subject(registered())
LATER = Difference("latest version", "1", "2")
BOTH = observed_subject(registered(), registered(2, COMPATIBLE))


def full(**fields: Any) -> Schema:
    return applied_schema(schema(compatibility="FULL", **fields))


# --- what the registry says instead of an answer


def test_a_subject_that_cannot_be_looked_at_is_looked_at_again_or_told() -> None:
    away = Unavailable("no answer", Reason.REGISTRY_UNAVAILABLE)
    assert decide_schema(schema_case(observed=observed_subject(error=away))).postponed is away
    broken = Rejected(Reason.REJECTED, "no record")
    decision = decide_schema(schema_case(schema(finalizers=(FINALIZER,)), observed_subject(error=broken)))
    assert (decision.refusals, decision.finalizer) == ((Refusal(Reason.REJECTED, "no record"),), True)


INVALID = Rejected(Reason.DEFINITION_INVALID, "unknown type")
NOT_COMPARABLE = Rejected(Reason.NOT_COMPARABLE, "unknown draft")


def importing(case: SchemaCase) -> SchemaCase:
    assert case.desired is not None
    reference = Reference("shop.Address", "address", 1, registered(text=avro("city", name="Address")).definition)
    definition = replace(case.desired.definition, references=(reference,))
    return replace(case, desired=replace(case.desired, definition=definition))


@pytest.mark.parametrize(
    ("case", "lifted"),
    [
        pytest.param(
            importing(schema_case(schema(definition=COMPATIBLE), replace(THERE, error=INVALID))), None, id="imports"
        ),
        pytest.param(
            schema_case(schema(definition=COMPATIBLE, compatibility="BACKWARD"), replace(THERE, error=NOT_COMPARABLE)),
            "BACKWARD",
            id="a dialect",
        ),
    ],
)
def test_what_the_registry_cannot_judge_beforehand(case: SchemaCase, lifted: str | None) -> None:
    register = next(each for each in decide_schema(case).changes if isinstance(each, RegisterVersion))
    assert register.lifted == lifted


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        pytest.param(schema(definition=COMPATIBLE), INVALID, id="invalid, without imports"),
        pytest.param(schema(definition=COMPATIBLE), NOT_COMPARABLE, id="a level that nobody asked for is not lifted"),
        pytest.param(schema(deleting=True), INVALID, id="being deleted"),
    ],
)
def test_otherwise_its_error_is_told(resource: Schema, error: Rejected) -> None:
    decision = decide_schema(schema_case(resource, replace(THERE, error=error)))
    assert [refusal.reason for refusal in decision.refusals] == [error.reason]


# --- modes


@pytest.mark.parametrize(
    ("resource", "hold", "changes"),
    [
        pytest.param(schema(), None, (REGISTER,), id="Enforce"),
        pytest.param(schema(mode="Plan"), "AwaitingApproval", (), id="Plan"),
        pytest.param(schema(mode="Plan", approve=Plan(changes=(REGISTER,)).hash()), None, (REGISTER,), id="approved"),
        pytest.param(schema(mode="Plan", approve="another"), "AwaitingApproval", (), id="another plan was approved"),
        pytest.param(schema(mode="Observe"), "OutOfSync", (), id="Observe"),
        pytest.param(schema(paused=True), "Paused", (), id="paused"),
    ],
)
def test_modes(resource: Schema, hold: str | None, changes: tuple[SchemaChange, ...]) -> None:
    decision = decide_schema(schema_case(resource))
    assert (decision.hold, decision.changes) == (hold, changes)
    assert hold is None or (decision.held is not None and decision.held.changes == (REGISTER,))


def test_a_verdict_is_asked_for_before_anything_is_decided() -> None:
    decision = decide_schema(schema_case(schema(definition=COMPATIBLE, deletion_policy="Soft"), THERE))
    assert decision == Decision(needs_usage=True, finalizer=True)


def test_a_finalizer_is_there_where_deletion_must_act() -> None:
    assert not decide_schema(schema_case()).finalizer
    assert decide_schema(schema_case(schema(deletion_policy="Hard"))).finalizer
    assert not decide_schema(schema_case(schema(deletion_policy="Hard", mode="Observe"))).finalizer
    assert decide_schema(schema_case(schema(paused=True, finalizers=(FINALIZER,)))).finalizer
    assert not decide_schema(schema_case(schema(paused=True, deletion_policy="Soft"))).finalizer


# --- drift


@pytest.mark.parametrize(
    ("policy", "seen", "changes", "drift", "repairs"),
    [
        pytest.param("Enforce", THERE, (AlterLevel(SUBJECT, None, "FULL"),), (), True, id="the level is put back"),
        pytest.param("Warn", THERE, (), ("compatibility",), False, id="Warn reports it"),
        pytest.param("Ignore", THERE, (), (), False, id="Ignore does neither"),
        pytest.param(
            "Enforce", replace(BOTH, level="FULL"), (), ("latest version",), False, id="a version is never taken away"
        ),
        pytest.param("Ignore", replace(BOTH, level="FULL"), (), (), False, id="nor reported, under Ignore"),
        pytest.param(
            "Enforce",
            BOTH,
            (AlterLevel(SUBJECT, None, "FULL"),),
            ("latest version",),
            True,
            id="what stands is reported",
        ),
        pytest.param(
            "Enforce",
            observed_subject(level="FULL"),
            (REGISTER,),
            (),
            True,
            id="a subject that was deleted is made again",
        ),
        pytest.param("Warn", observed_subject(level="FULL"), (), ("definition",), False, id="or reported"),
    ],
)
def test_drift(
    policy: str,
    seen: ObservedSubject,
    changes: tuple[SchemaChange, ...],
    drift: tuple[str, ...],
    repairs: bool,  # noqa: FBT001 - a row
) -> None:
    decision = decide_schema(schema_case(full(drift_policy=policy), seen))
    assert (decision.changes, tuple(each.setting for each in decision.drift)) == (changes, drift)
    assert (decision.repairs_drift, decision.refusals) == (repairs, ())


def test_a_change_that_was_asked_for_is_no_drift() -> None:
    was = full()
    now = was.model_copy(update={"spec": schema(compatibility="BACKWARD", drift_policy="Warn").spec})
    decision = decide_schema(schema_case(now, replace(THERE, level="FULL")))
    assert (decision.changes, decision.drift) == ((AlterLevel(SUBJECT, "FULL", "BACKWARD"),), ())


# --- seniority


ELDER = schema("elder", uid="a", creation_timestamp="2025-01-01T00:00:00Z")
YOUNGER = schema("younger", uid="z", creation_timestamp="2027-01-01T00:00:00Z")


def owned_by(name: str) -> Refusal:
    return Refusal(
        Reason.OWNED_BY_ANOTHER,
        f"subject orders-value belongs to Schema shop/{name}: create a Schema with another subject, or delete one of"
        " the two",
    )


@pytest.mark.parametrize(
    ("resource", "rival", "refused"),
    [
        pytest.param(schema(), ELDER, owned_by("elder"), id="the elder gets it"),
        pytest.param(schema(), YOUNGER, None, id="we are the elder"),
        pytest.param(schema(), applied_schema(YOUNGER), owned_by("younger"), id="who has it keeps it"),
        pytest.param(applied_schema(schema()), ELDER, None, id="we have it"),
        pytest.param(applied_schema(schema()), applied_schema(ELDER), owned_by("elder"), id="both: the elder"),
    ],
)
def test_two_that_want_one_subject(resource: Schema, rival: Schema, refused: Refusal | None) -> None:
    decision = decide_schema(schema_case(resource, rivals=(rival,)))
    assert decision.refusals == ((refused,) if refused else ())


# --- deletion


def leaving(**fields: Any) -> Schema:
    return applied_schema(schema(deleting=True, **({"deletion_policy": "Soft"} | fields)))


SOFT = DeleteSubject(SUBJECT, hard=False)
KEPT: Decision[SchemaChange] = Decision(hold="Paused", held=Plan(), finalizer=True)


@pytest.mark.parametrize(
    ("resource", "seen", "users", "expected"),
    [
        pytest.param(leaving(finalizers=()), THERE, (), Decision(), id="nothing of ours holds it"),
        pytest.param(leaving(paused=True), THERE, (), KEPT, id="paused"),
        pytest.param(leaving(deletion_policy="Retain"), THERE, (), Decision(), id="Retain"),
        pytest.param(leaving(mode="Observe"), THERE, (), Decision(), id="Observe"),
        pytest.param(leaving(), observed_subject(), (), Decision(), id="gone already"),
        pytest.param(schema(deleting=True, deletion_policy="Soft"), THERE, (), Decision(), id="never ours"),
        pytest.param(leaving(), THERE, (), Decision((SOFT,)), id="Soft"),
        pytest.param(
            leaving(deletion_policy="Hard"), THERE, (), Decision((DeleteSubject(SUBJECT, hard=True),)), id="Hard"
        ),
        pytest.param(
            leaving(mode="Plan"),
            THERE,
            (),
            Decision(hold="AwaitingApproval", held=Plan(changes=(SOFT,)), finalizer=True),
            id="Plan waits",
        ),
        pytest.param(
            leaving(mode="Plan", approve=Plan(changes=(SOFT,)).hash()), THERE, (), Decision((SOFT,)), id="approved"
        ),
        pytest.param(
            leaving(),
            THERE,
            ("EventTopic shop/orders", "Schema shop/cart"),
            Decision(
                refusals=(
                    Refusal(
                        Reason.IN_USE,
                        "subject orders-value is referred to by EventTopic shop/orders, Schema shop/cart: take the"
                        " reference away, or set deletionPolicy to Retain to keep the subject",
                    ),
                ),
                finalizer=True,
            ),
            id="in use",
        ),
    ],
)
def test_deletion(
    resource: Schema, seen: ObservedSubject, users: tuple[str, ...], expected: Decision[SchemaChange]
) -> None:
    assert decide_schema(schema_case(resource, seen, users=users)) == expected


@pytest.mark.parametrize(
    ("policy", "claimed", "expected"),
    [("Retain", False, ()), ("Soft", True, ()), ("Soft", False, (SOFT,)), ("Hard", False, (replace(SOFT, hard=True),))],
)
def test_what_was_left_behind(policy: str, claimed: bool, expected: tuple[SchemaChange, ...]) -> None:  # noqa: FBT001
    left = Orphan(kind="Schema", namespace="shop", name="order", uid="u", thing=SUBJECT, deletion_policy=policy)
    assert plan_orphan_subject(left, claimed=claimed) == expected


def test_a_deletion_describes_itself() -> None:
    assert SOFT.describe() == "delete subject orders-value softly"
    assert replace(SOFT, hard=True).describe() == "delete subject orders-value with all its versions"


def test_a_definition_that_breaks_is_refused_in_every_mode() -> None:
    seen = replace(THERE, verdicts={1: CompatibilityVerdict(compatible=False)})
    for mode in ("Enforce", "Plan", "Observe"):
        decision = decide_schema(schema_case(schema(definition=avro("id", "more"), mode=mode), seen))
        assert [refusal.reason for refusal in decision.refusals] == [Reason.INCOMPATIBLE]
    assert registered().definition.text == FIRST
