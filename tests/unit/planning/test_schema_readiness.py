"""What is said about a Schema after a pass: the rows of `_verdict`, the status around it, what is worth an Event."""

from dataclasses import replace
from typing import Any

import pytest
from builders import (
    SUBJECT,
    avro,
    condition_of,
    definition,
    observed_subject,
    registered,
    schema,
    schema_case,
    settled_schema,
    wanted_subject,
)

from eventplane.api import PAUSED_ANNOTATION
from eventplane.api.conditions import Reason
from eventplane.api.schema import Schema, SchemaStatus, SubjectVersion
from eventplane.events.majors import Majors, MajorStep
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.plan import Plan
from eventplane.planning.schema_changes import AlterLevel, DeleteSubject, OpenMajor, RecordMajors, RegisterVersion
from eventplane.planning.schema_decisions import SchemaCase, decide_schema
from eventplane.planning.schema_readiness import SchemaOutcome, schema_occurrences, schema_status
from eventplane.planning.schema_state import ObservedSubject

NO = False
THERE = observed_subject(registered())
BREAKING = definition("id", "currency")
READY = "version 1 of subject orders is registered with id 101"


def outcomes_of(case: SchemaCase, error: BackendError | None = None) -> list[SchemaOutcome]:
    """Make the changes of a case, or fail the last of them."""
    made: list[SchemaOutcome] = []
    changes = decide_schema(case).changes
    for change in changes:
        failed = error if change is changes[-1] else None
        after = observed_subject(*case.observed.versions, registered(len(case.observed.versions) + 1))
        state = after if isinstance(change, RegisterVersion | OpenMajor) and failed is None else None
        made.append(Outcome(change, failed, state))
    return made


def status(case: SchemaCase, error: BackendError | None = None) -> SchemaStatus:
    return schema_status(case, decide_schema(case), outcomes_of(case, error))


def conditions(found: SchemaStatus) -> list[tuple[str, str, str]]:
    return [(each.type, each.status, each.reason) for each in found.conditions]


def message(found: SchemaStatus) -> str:
    return found.conditions[0].message


def broken(resource: Schema | None = None) -> SchemaCase:
    """A version of ours stands, and a definition is asked for that breaks its readers."""
    was = settled_schema(schema())
    resource = resource or was.model_copy(update={"spec": schema(definition=BREAKING.text).spec})
    return schema_case(resource, observed_subject(registered(), verdicts={1: NO}))


AWAY = Unavailable("no answer", Reason.REGISTRY_UNAVAILABLE)
INCOMPATIBLE = Rejected(Reason.INCOMPATIBLE, "the registry refused it")
FORBIDDEN = Rejected(Reason.AUTHORIZATION_FAILED, "no right")
NEW_FIELD = settled_schema(schema()).model_copy(
    update={"spec": schema(definition=avro("id", "a?"), compatibility="NONE").spec}
)


@pytest.mark.parametrize(
    ("case", "error", "expected"),
    [
        pytest.param(schema_case(), None, [("Ready", "True", "Ready")], id="registered"),
        pytest.param(
            schema_case(),
            AWAY,
            [("Ready", "False", "RegistryUnavailable"), ("Reconciling", "True", "RegistryUnavailable")],
            id="no answer to a change",
        ),
        pytest.param(
            schema_case(),
            FORBIDDEN,
            [("Ready", "False", "AuthorizationFailed"), ("Stalled", "True", "AuthorizationFailed")],
            id="a change was rejected",
        ),
        pytest.param(
            broken(), None, [("Ready", "True", "Ready"), ("Stalled", "True", "Incompatible")], id="refused, ours stands"
        ),
        pytest.param(
            schema_case(NEW_FIELD, replace(THERE, level="NONE")),
            INCOMPATIBLE,
            [("Ready", "True", "Ready"), ("Stalled", "True", "Incompatible")],
            id="the registry refuses it after all, ours stands",
        ),
        pytest.param(
            broken(schema(definition=BREAKING.text)),
            None,
            [("Ready", "False", "Incompatible"), ("Stalled", "True", "Incompatible")],
            id="refused, and nothing is ours",
        ),
        pytest.param(
            schema_case(schema(adoption="Never"), THERE),
            None,
            [("Ready", "False", "SubjectExists"), ("Stalled", "True", "SubjectExists")],
            id="another refusal",
        ),
        pytest.param(schema_case(schema(mode="Plan")), None, [("Ready", "False", "AwaitingApproval")], id="held"),
        pytest.param(
            schema_case(settled_schema(schema(paused=True)), THERE), None, [("Ready", "True", "Paused")], id="paused"
        ),
        pytest.param(
            schema_case(settled_schema(schema(drift_policy="Warn"))),
            None,
            [("Ready", "False", "Drifted"), ("Drifted", "True", "Drifted")],
            id="deleted behind our back, and left so",
        ),
        pytest.param(
            schema_case(
                settled_schema(schema()), observed_subject(registered(), registered(2, definition("id", "a?")))
            ),
            None,
            [("Ready", "True", "Ready"), ("Drifted", "True", "Drifted")],
            id="a version of somebody else",
        ),
        pytest.param(
            schema_case(settled_schema(schema(deleting=True, deletion_policy="Soft")), THERE),
            None,
            [("Ready", "False", "Deleting"), ("Reconciling", "True", "Deleting")],
            id="being deleted",
        ),
        pytest.param(
            schema_case(settled_schema(schema(deleting=True, deletion_policy="Soft", paused=True)), THERE),
            None,
            [("Ready", "False", "Paused")],
            id="being deleted while paused",
        ),
    ],
)
def test_verdict(case: SchemaCase, error: BackendError | None, expected: list[tuple[str, str, str]]) -> None:
    assert conditions(status(case, error)) == expected


def test_messages_say_what_is_the_case() -> None:
    assert message(status(schema_case())) == READY
    assert message(status(schema_case(settled_schema(schema(paused=True)), THERE))) == (
        f"{READY}; nothing is written while paused"
    )
    refused = status(broken())
    assert message(refused) == f"{READY}; the new definition is refused"
    assert "currency" in refused.conditions[1].message
    gone = status(schema_case(settled_schema(schema(drift_policy="Warn"))))
    assert message(gone) == "subject orders was deleted and driftPolicy Warn leaves it so"
    leaving = settled_schema(schema(deleting=True, deletion_policy="Soft"))
    assert message(status(schema_case(leaving, THERE))) == ("subject orders is being dealt with as deletionPolicy says")
    paused = leaving.model_copy(update={"metadata": schema(deleting=True, paused=True).metadata})
    assert message(status(schema_case(paused, THERE))) == (
        f"subject orders is left alone while paused: remove the annotation {PAUSED_ANNOTATION} to delete on"
    )


def test_a_status_says_what_is_registered() -> None:
    content = wanted_subject(schema()).content
    case = schema_case(schema(compatibility="FULL"), users=("EventTopic shop/orders",))
    assert status(case).model_copy(update={"conditions": ()}) == SchemaStatus(
        observed_generation=1,
        bus="shop/main",
        subject=SUBJECT,
        id=101,
        version=1,
        major=1,
        fingerprint=content,
        compatibility="FULL",
        versions=(SubjectVersion(version=1, id=101, major=1, fingerprint=content),),
        used_by=("EventTopic shop/orders",),
        applied=wanted_subject(schema(compatibility="FULL")).fingerprint(),
    )


def test_what_is_refused_keeps_the_version_that_works() -> None:
    was = settled_schema(schema())
    found = status(broken())
    assert (found.version, found.id, found.applied) == (1, 101, was.status.applied)
    assert [each.path for each in found.violations] == ["currency"]
    assert status(schema_case()).violations == ()


def test_nothing_is_shown_of_what_belongs_to_another() -> None:
    found = status(schema_case(schema(adoption="Never"), THERE))
    assert (found.version, found.versions, found.applied, found.compatibility) == (None, (), None, None)


def test_a_held_plan_is_shown_and_nothing_counts_as_applied() -> None:
    found = status(schema_case(schema(mode="Plan")))
    assert found.plan is not None
    assert found.plan.hash == Plan(changes=decide_schema(schema_case()).changes).hash()
    assert found.applied is None


MAJORS = Majors((MajorStep(1, last_version=1, up="event.data", down="event.data"),))


def test_each_version_shows_its_major() -> None:
    seen = observed_subject(registered(1, BREAKING), registered(2), majors=MAJORS, level="BACKWARD")
    found = status(schema_case(settled_schema(schema(), version=2), seen))
    assert (found.major, [each.major for each in found.versions]) == (2, [1, 2])


def opening() -> SchemaCase:
    step = {
        "from_": 1,
        "to": 2,
        "up": '{"id": event.data.currency}',
        "down": '{"currency": event.data.id}',
        "samples": [{"data": {"currency": "EUR"}}],
    }
    evolution = {"on_incompatible": "NewMajor", "migrations": [step]}
    resource = schema(evolution=evolution, compatibility="BACKWARD")
    seen = observed_subject(registered(1, definition("currency")), level="BACKWARD", verdicts={1: NO})
    return schema_case(resource, seen)


def test_a_major_version_that_was_opened_shows_at_once() -> None:
    found = status(opening())
    assert (found.version, found.major, conditions(found)) == (2, 2, [("Ready", "True", "Ready")])


def test_one_that_could_not_be_opened_is_told() -> None:
    assert conditions(status(opening(), AWAY))[0] == ("Ready", "False", "RegistryUnavailable")


def test_a_level_that_was_put_back_shows_at_once() -> None:
    resource = settled_schema(schema(compatibility="FULL"))
    assert status(schema_case(resource, THERE)).compatibility == "FULL"
    known = settled_schema(schema(deleting=True))
    leaving = known.model_copy(update={"status": known.status.model_copy(update={"compatibility": "FULL"})})
    assert status(schema_case(leaving, THERE)).compatibility == "FULL"


# --- Events


def events(case: SchemaCase, error: BackendError | None = None) -> list[Occurrence]:
    return list(schema_occurrences(case, decide_schema(case), outcomes_of(case, error)))


def described(case: SchemaCase, reason: str) -> list[Occurrence]:
    changes = decide_schema(case).changes
    return [Occurrence(warning=False, reason=reason, message=change.describe()) for change in changes]


def test_a_new_subject_posts_no_event() -> None:
    assert events(schema_case()) == []


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        pytest.param(schema_case(NEW_FIELD, replace(THERE, level="NONE")), "RegisterVersion", id="a version"),
        pytest.param(schema_case(settled_schema(schema())), "DriftRepaired", id="made again"),
        pytest.param(
            schema_case(settled_schema(schema(compatibility="FULL")), THERE), "DriftRepaired", id="the level put back"
        ),
        pytest.param(
            schema_case(settled_schema(schema(deleting=True, deletion_policy="Hard")), THERE),
            "DeleteSubject",
            id="deleted",
        ),
    ],
)
def test_what_happened_to_one_that_existed_is_told(case: SchemaCase, reason: str) -> None:
    assert events(case) == described(case, reason)


def test_a_refusal_is_told_once() -> None:
    (told,) = events(broken())
    assert (told.warning, told.reason) == (True, "Incompatible")
    was = broken()
    stalled = was.resource.status.model_copy(update={"conditions": (condition_of("Stalled", "True", "Incompatible"),)})
    again = replace(was, resource=was.resource.model_copy(update={"status": stalled}))
    assert events(again) == []
    assert events(schema_case(), AWAY) == [], "no answer is no event"


def test_changes_that_leave_no_state_leave_the_rest_as_it_was() -> None:
    case = schema_case(settled_schema(schema(deleting=True, deletion_policy="Hard")), THERE)
    deleted: list[SchemaOutcome] = [Outcome(DeleteSubject(SUBJECT, hard=True))]
    assert schema_status(case, decide_schema(case), deleted).versions != ()
    recorded: list[Any] = [Outcome(RecordMajors(SUBJECT, MAJORS)), Outcome(AlterLevel(SUBJECT, None, "FULL"))]
    seen: ObservedSubject = observed_subject(registered(1, BREAKING), registered(2))
    case = schema_case(settled_schema(schema(), version=2), seen)
    found = schema_status(case, decide_schema(case), recorded)
    assert (found.major, found.compatibility) == (2, "FULL")
