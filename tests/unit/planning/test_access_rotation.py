"""Rotation: when it is due, what it does in which order, until when the user before is let in, and what is told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import (
    NEW_PASSWORD,
    NOW,
    PASSWORD,
    access_case,
    access_occurrences,
    observed_access,
    publication,
    rotated_access,
    settled_access,
    subscription,
    wanted_access,
)

from eventplane.api import ISSUED_AT_ANNOTATION, REPLACED_USER_ANNOTATION, ROTATE_ANNOTATION
from eventplane.api.access import CredentialsStatus
from eventplane.api.conditions import Reason
from eventplane.api.publication import Publication
from eventplane.planning.access import decide_access, plan_access
from eventplane.planning.access_case import AccessCase
from eventplane.planning.access_changes import (
    AccessChange,
    GrantAccess,
    RemovePassword,
    RemoveUser,
    RevokeAccess,
    SetPassword,
    WriteSecret,
    application_of,
)
from eventplane.planning.access_desired import iterations_of
from eventplane.planning.access_effects import observed_after
from eventplane.planning.access_readiness import AccessOutcome, access_status
from eventplane.planning.access_rotation import Issue, credentials_in
from eventplane.planning.access_state import (
    Grant,
    ObservedAccess,
    ObservedPrincipal,
    ObservedSecret,
    first_user,
    other_user,
)
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import Outcome, Rejected, Unavailable

FIRST = "eventplane.cluster-.shop.web.publication"
SECOND = f"{FIRST}_2"
WRITE = Grant("TOPIC", "shop.orders", "WRITE")
FOREIGN = Grant("TOPIC", "payroll", "READ")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LEFT = ObservedPrincipal(SECOND, iterations_of("left"), frozenset({WRITE}))
"""A second user that was made by a rotation that was cut short."""
TURNED = Issue(NOW, replaced=FIRST)


def web(rotate: str | None = None, **fields: Any) -> Publication:
    """Make a Publication; `rotate` is the text of its annotation."""
    return publication("web", annotations={ROTATE_ANNOTATION: rotate} if rotate is not None else {}, **fields)


def daily(rotate: str | None = None, **fields: Any) -> Publication:
    return web(rotate, credentials={"rotate_every": "1d"}, **fields)


def rotation(request: str | None = None, user: str = SECOND, now: datetime = NOW) -> tuple[AccessChange, ...]:
    """What gives a user the turn that can do nothing yet."""
    return (
        SetPassword(user, "SCRAM-SHA-512", NEW_PASSWORD, iterations_of(NEW_PASSWORD)),
        GrantAccess(user, (WRITE,)),
        turned(request, user, now),
    )


def turned(request: str | None = None, user: str = SECOND, now: datetime = NOW) -> WriteSecret:
    data, issue = wanted_access(web()).secret_data(NEW_PASSWORD, user), Issue(now, request, other_user(user))
    owner = ("Publication", "web", "uid-shop-web")
    return WriteSecret(user, "shop", "web-publication", owner, data, issue.annotations())


def issued() -> WriteSecret:
    """What writes a first password."""
    return replace(turned(user=FIRST), annotations=Issue(NOW).annotations())


RETIRED = (RemovePassword(FIRST), RevokeAccess(FIRST, (WRITE,)))
UNUSED = (RemovePassword(SECOND), RevokeAccess(SECOND, (WRITE,)))


# --- names


def test_two_users_take_turns_and_are_one_application() -> None:
    assert (other_user(FIRST), other_user(SECOND)) == (SECOND, FIRST)
    assert (first_user(FIRST), first_user(SECOND)) == (FIRST, FIRST)
    assert {application_of(RemoveUser(FIRST)), application_of(RemoveUser(SECOND)), application_of(turned())} == {FIRST}
    assert application_of(WriteSecret(None, "shop", "web", ("Publication", "web", "uid"), {})) == "shop/web"


def test_what_belongs_to_the_application_keeps_the_first_users_name() -> None:
    desired = wanted_access(publication(transactional=True))
    data = desired.secret_data("p", SECOND)
    assert data["transactionalIdPrefix"] == f"{FIRST}."
    assert (data["user"], data["username"]) == (SECOND, SECOND)
    assert f'"sasl.username": "{SECOND}"' in data["librdkafka.json"]
    assert f'username="{SECOND}"' in data["client.properties"]


# --- who has the turn


@pytest.mark.parametrize(
    ("record", "named", "user", "recorded"),
    [
        pytest.param(Issue(NOW).annotations(), FIRST, FIRST, True, id="never rotated"),
        pytest.param(Issue(NOW).annotations(), SECOND, FIRST, True, id="never rotated, and edited"),
        pytest.param(Issue(NOW, replaced=FIRST).annotations(), SECOND, SECOND, True, id="rotated once"),
        pytest.param(Issue(NOW, replaced=FIRST).annotations(), "mine", SECOND, True, id="rotated once, and edited"),
        pytest.param(Issue(NOW, replaced=SECOND).annotations(), FIRST, FIRST, True, id="rotated twice"),
        pytest.param({}, SECOND, SECOND, False, id="the record is gone"),
        pytest.param({}, "mine", FIRST, False, id="the record is gone, and the Secret names a stranger"),
        pytest.param({ISSUED_AT_ANNOTATION: "yesterday"}, SECOND, SECOND, False, id="no date"),
        pytest.param({ISSUED_AT_ANNOTATION: "2026-01-02T03:04:05"}, SECOND, SECOND, False, id="a date of no zone"),
        pytest.param({ISSUED_AT_ANNOTATION: "9999-01-01T00:00:00Z"}, SECOND, SECOND, False, id="a date to come"),
        pytest.param(Issue(NOW, replaced="mine").annotations(), SECOND, SECOND, False, id="a stranger is replaced"),
    ],
)
def test_who_has_the_turn(record: Mapping[str, str], named: str, user: str, recorded: bool) -> None:  # noqa: FBT001
    found = credentials_in(ObservedSecret({"password": "p", "username": named}, None, record), FIRST, NOW)
    assert found is not None
    assert (found.user, found.recorded) == (user, recorded)
    assert recorded or found.issue == Issue(NOW, None, other_user(user)), "nobody is cut off for want of a record"


def test_what_has_no_password_has_no_turn_and_no_password_is_shown() -> None:
    for data in (None, {}, {"password": ""}):
        assert credentials_in(ObservedSecret(data), FIRST, NOW) is None
    assert "s3cret" not in repr(credentials_in(ObservedSecret({"password": "s3cret"}), FIRST, NOW))


# --- when, and in which order


@pytest.mark.parametrize(
    ("resource", "issue", "due"),
    [
        pytest.param(web(), Issue(NOW - 900 * DAY), False, id="as old as it likes"),
        pytest.param(daily(), Issue(NOW - DAY + timedelta(seconds=1)), False, id="too young"),
        pytest.param(daily(), Issue(NOW - DAY), True, id="old enough"),
        pytest.param(web("leaked"), Issue(NOW), True, id="asked for"),
        pytest.param(web(""), Issue(NOW), True, id="asked for with an empty text"),
        pytest.param(web("leaked again"), Issue(NOW, "leaked"), True, id="asked for again"),
        pytest.param(web("leaked"), Issue(NOW, "leaked"), False, id="done as asked for"),
        pytest.param(web(), Issue(NOW, "leaked"), False, id="the annotation was taken away"),
        pytest.param(daily("leaked"), Issue(NOW - DAY, "leaked"), True, id="done as asked for, and old again"),
    ],
)
def test_when_rotation_is_due(resource: Publication, issue: Issue, due: bool) -> None:  # noqa: FBT001
    plan = plan_access(access_case(resource, observed_access(resource, issue=issue)))
    assert plan.changes == (rotation(resource.metadata.annotations.get(ROTATE_ANNOTATION)) if due else ())
    assert plan.differences == (), "that is nothing that was done behind our back"


@pytest.mark.parametrize(
    ("resource", "seen", "changes"),
    [
        pytest.param(web(), rotated_access(web(), TURNED), (), id="in its grace"),
        pytest.param(web("now"), rotated_access(web(), TURNED), (), id="in its grace: the next rotation waits"),
        pytest.param(web(), rotated_access(web(), replace(TURNED, at=NOW - HOUR)), RETIRED, id="its grace is over"),
        pytest.param(web(credentials={"grace": "0s"}), rotated_access(web(), TURNED), RETIRED, id="there is no grace"),
        pytest.param(
            web("now"),
            rotated_access(web(), replace(TURNED, at=NOW - HOUR)),
            (SetPassword(FIRST, "SCRAM-SHA-512", NEW_PASSWORD, iterations_of(NEW_PASSWORD)), turned("now", FIRST)),
            id="its grace is over, and the turn is its again",
        ),
        pytest.param(
            web(),
            rotated_access(web(), TURNED, ObservedPrincipal(FIRST, 5000)),
            (GrantAccess(FIRST, (WRITE,)),),
            id="in its grace, and somebody narrowed it",
        ),
        pytest.param(
            web(),
            rotated_access(web(), TURNED, ObservedPrincipal(FIRST, 5000, frozenset({WRITE, FOREIGN}))),
            (RevokeAccess(FIRST, (FOREIGN,)),),
            id="in its grace, and somebody widened it",
        ),
        pytest.param(
            web(),
            rotated_access(web(), TURNED, ObservedPrincipal(FIRST, None, frozenset({WRITE}))),
            RETIRED,
            id="nobody can log in as it any more",
        ),
        pytest.param(
            web(),
            replace(observed_access(web()), second=LEFT),
            UNUSED,
            id="cut short, and not due any more: what is unused goes",
        ),
        pytest.param(
            web("now"),
            replace(observed_access(web()), second=LEFT),
            (rotation()[0], turned("now")),
            id="cut short: another password, since the first was lost",
        ),
        pytest.param(
            web("now"),
            observed_access(web(), topics="mine", in_kafka="older", without=[WRITE]),
            (
                SetPassword(FIRST, "SCRAM-SHA-512", PASSWORD, iterations_of(PASSWORD)),
                GrantAccess(FIRST, (WRITE,)),
                *rotation("now"),
            ),
            id="somebody meddled: what the clients hold is put right before, and one Secret is written",
        ),
        pytest.param(
            web(),
            replace(rotated_access(web()), secret=ObservedSecret()),
            (*UNUSED, issued(), SetPassword(FIRST, "SCRAM-SHA-512", NEW_PASSWORD, iterations_of(NEW_PASSWORD))),
            id="the Secret is gone: all that knew a password are turned away",
        ),
    ],
)
def test_turns(resource: Publication, seen: ObservedAccess, changes: tuple[AccessChange, ...]) -> None:
    assert plan_access(access_case(resource, seen)).changes == changes


def test_who_is_used_by_no_client_any_more_retires_at_once() -> None:
    case = access_case(web(), rotated_access(web(), TURNED), old_clients_gone=True)
    assert plan_access(case).changes == RETIRED
    asked = access_case(web("now"), rotated_access(web(), TURNED), old_clients_gone=True)
    assert plan_access(asked).changes == (rotation(user=FIRST)[0], turned("now", FIRST))


def test_a_lost_record_is_written_again_and_nobody_is_cut_off() -> None:
    lost = rotated_access(web(), TURNED)
    lost = replace(lost, secret=replace(lost.secret, annotations={}))
    plan = plan_access(access_case(web(), lost))
    (change,) = plan.changes
    assert isinstance(change, WriteSecret)
    assert (change.user, change.data["password"]) == (SECOND, PASSWORD)
    assert change.annotations == TURNED.annotations()
    assert plan.differences == (), "the record is ours"


def test_a_bus_without_credentials_has_nothing_to_rotate_and_says_so() -> None:
    open_bus = KafkaConnection(("kafka:9092",))
    for resource, told in ((web("now"), True), (daily(), True), (web(), False)):
        desired = wanted_access(resource, connection=open_bus)
        case = access_case(resource, observed_access(resource, desired=desired), desired=desired)
        decision = decide_access(case)
        assert decision == Decision()
        status = access_status(case, decision, ())
        assert status.credentials is None
        assert ("there is no password to rotate" in status.conditions[0].message) is told


# --- the decision


@pytest.mark.parametrize(
    ("fields", "hold"),
    [
        pytest.param({}, None, id="Enforce"),
        pytest.param({"drift_policy": "Warn"}, None, id="it is no drift"),
        pytest.param({"drift_policy": "Ignore"}, None, id="nor is it ignored as such"),
        pytest.param({"mode": "Plan"}, "AwaitingApproval", id="it waits for approval"),
        pytest.param({"mode": "Observe"}, "OutOfSync", id="Observe"),
        pytest.param({"paused": True}, "Paused", id="paused"),
    ],
)
def test_modes_and_policies_keep_their_meaning(fields: dict[str, Any], hold: str | None) -> None:
    resource = settled_access(daily(**fields))
    for seen, changes in (
        (observed_access(resource, issue=Issue(NOW - DAY)), rotation()),
        (rotated_access(resource, replace(TURNED, at=NOW - HOUR)), RETIRED),
    ):
        decision = decide_access(access_case(resource, seen))
        assert decision.hold == hold
        assert decision.changes == (changes if hold is None else ())
        assert hold is None or (decision.held is not None and decision.held.changes == changes)
        assert (decision.drift, decision.repairs_drift) == ((), False)


@pytest.mark.parametrize("policy", ["Warn", "Ignore"])
def test_what_stands_behind_our_back_stands_through_a_rotation(policy: str) -> None:
    resource = settled_access(daily(drift_policy=policy))
    seen = observed_access(resource, beside=[FOREIGN], topics="mine", issue=Issue(NOW - DAY))
    decision = decide_access(access_case(resource, seen))
    password, _, secret = rotation()
    assert decision.changes == (password, GrantAccess(SECOND, (FOREIGN, WRITE)), secret)
    assert bool(decision.drift) is (policy == "Warn")
    paused = decide_access(access_case(settled_access(daily(drift_policy=policy, paused=True)), seen))
    assert (paused.changes, paused.hold) == ((), "Paused")


def test_what_stands_behind_our_back_does_not_hold_up_a_retirement_nor_a_record() -> None:
    resource = settled_access(web(drift_policy="Warn"))
    seen = rotated_access(resource, replace(TURNED, at=NOW - HOUR))
    assert seen.second is not None
    widened = replace(seen, second=replace(seen.second, grants=seen.second.grants | {FOREIGN}))
    assert decide_access(access_case(resource, widened)).changes == RETIRED
    edited = observed_access(resource, beside=[FOREIGN], topics="mine", issue=None)
    (change,) = decide_access(access_case(resource, edited)).changes
    assert isinstance(change, WriteSecret)
    assert change.data["topics"] == "mine"
    assert change.annotations == Issue(NOW, replaced=SECOND).annotations()
    gone = replace(seen, secret=ObservedSecret())
    assert decide_access(access_case(resource, gone)).changes == ()


HALF = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("resource", "seen", "seconds"),
    [
        pytest.param(web(), observed_access(web()), None, id="nothing is ahead"),
        pytest.param(daily(), observed_access(web(), issue=Issue(NOW - HALF)), 84_600, id="a rotation"),
        pytest.param(daily(), ObservedAccess(), 86_400, id="the first password is being issued"),
        pytest.param(daily(), observed_access(web(), issue=Issue(NOW - DAY)), 3_600, id="a grace begins"),
        pytest.param(web(), rotated_access(web(), replace(TURNED, at=NOW - HALF)), 1_800, id="a grace goes on"),
        pytest.param(web("now"), rotated_access(web(), replace(TURNED, at=NOW - HALF)), 1_800, id="and what waits"),
        pytest.param(
            daily(), rotated_access(web(), replace(TURNED, at=NOW - HOUR)), 82_800, id="a grace ends: a rotation"
        ),
        pytest.param(
            web("now", credentials={"grace": "0s"}), observed_access(web()), 0, id="there is no grace: at once"
        ),
        pytest.param(daily(mode="Plan"), observed_access(web(), issue=Issue(NOW - DAY)), None, id="somebody approves"),
        pytest.param(
            web(paused=True), rotated_access(web(), replace(TURNED, at=NOW - HOUR)), None, id="somebody resumes"
        ),
        pytest.param(daily(), ObservedAccess(error=Unavailable("no")), None, id="nothing is known"),
    ],
)
def test_when_to_look_again(resource: Publication, seen: ObservedAccess, seconds: float | None) -> None:
    assert decide_access(access_case(resource, seen)).again_in_seconds == seconds


# --- what is told


def told(case: AccessCase, failing: type[AccessChange] | None = None) -> tuple[CredentialsStatus | None, str | None]:
    """Say what the status says of credentials and user, where changes of a type are rejected."""
    decision, rejected = decide_access(case), Rejected(Reason.REJECTED, "no")
    outcomes: list[AccessOutcome] = [
        Outcome(change, rejected if type(change) is failing else None) for change in decision.changes
    ]
    status = access_status(case, decision, outcomes)
    return status.credentials, status.principal


def at(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def test_the_status_dates_what_happened() -> None:
    later = NOW + timedelta(seconds=1.5)
    assert told(access_case(web(), now=later)) == (CredentialsStatus(issued_at=at(NOW + timedelta(seconds=1))), FIRST)
    quiet = CredentialsStatus(issued_at=at(NOW), rotates_at=at(NOW + DAY))
    assert told(access_case(daily(), observed_access(web()), now=later)) == (quiet, FIRST)
    rotates = access_case(daily(), observed_access(web(), issue=Issue(NOW - DAY)))
    grace = CredentialsStatus(issued_at=at(NOW), rotates_at=at(NOW + DAY), retiring=FIRST, retires_at=at(NOW + HOUR))
    assert told(rotates) == (grace, SECOND)
    assert told(access_case(daily(), rotated_access(web(), TURNED), now=later)) == (grace, SECOND)
    ended = access_case(daily(), rotated_access(web(), TURNED), now=NOW + HOUR)
    assert told(ended) == (CredentialsStatus(issued_at=at(NOW), rotates_at=at(NOW + DAY)), SECOND)


def test_the_status_shows_a_rotation_only_when_the_secret_is_written() -> None:
    case = access_case(web("now"), observed_access(web()))
    assert told(case, WriteSecret) == (CredentialsStatus(issued_at=at(NOW)), FIRST)
    unrecorded = access_case(web(paused=True), observed_access(web(), issue=None))
    assert told(unrecorded) == (None, FIRST), "what would be another time with each pass is not told"
    theirs = access_case(web(), ObservedAccess(ObservedSecret({"password": "x"})))
    assert told(theirs) == (None, None)


def occurrences(case: AccessCase) -> list[tuple[str, str]]:
    decision = decide_access(case)
    outcomes: list[AccessOutcome] = [Outcome(change) for change in decision.changes]
    return [(each.reason, each.message) for each in access_occurrences(case, decision, outcomes)]


def test_a_rotation_has_a_beginning_and_an_end() -> None:
    resource = settled_access(web("now"))
    begun = occurrences(access_case(resource, observed_access(resource)))
    assert begun == [("CredentialsRotated", f"user {SECOND} takes the place of {FIRST} in Secret web-publication")]
    ended = occurrences(access_case(settled_access(web()), rotated_access(web(), replace(TURNED, at=NOW - HOUR))))
    assert ended == [("UserRetired", f"remove the password of user {FIRST}")]


def test_what_is_put_right_before_a_rotation_is_told_too() -> None:
    resource = settled_access(web("now"))
    told = occurrences(access_case(resource, observed_access(resource, beside=[FOREIGN])))
    assert [reason for reason, _ in told] == ["CredentialsRotated", "DriftRepaired"]


def test_what_changes_make_of_access() -> None:
    seen = observed_after(ObservedAccess(), (*rotation(), GrantAccess(FIRST, (WRITE,)), RemoveUser(FIRST)))
    assert seen.second == ObservedPrincipal(SECOND, iterations_of(NEW_PASSWORD), frozenset({WRITE}))
    assert seen.principal == ObservedPrincipal(FIRST)
    assert (seen.secret.owner, seen.secret.annotations) == (("Publication", "web"), TURNED.annotations())
    assert observed_after(seen, UNUSED).second == ObservedPrincipal(SECOND)


def test_a_subscription_rotates_like_a_publication() -> None:
    resource = subscription(annotations={ROTATE_ANNOTATION: "now"})
    decision = decide_access(access_case(resource, observed_access(resource)))
    assert [type(change) for change in decision.changes] == [SetPassword, GrantAccess, WriteSecret]
    status = access_status(access_case(resource), decision, ())
    assert status.to_wire()["group"] == "shop.billing"
    assert REPLACED_USER_ANNOTATION in decision.changes[2].annotations  # type: ignore[union-attr]
