"""What is said about a DeadLetterPolicy."""

from typing import Any

import pytest
from builders import condition_of, dead_letter_policy
from unit.planning.test_gauges import KEY, LETTERS, RETRY

from eventplane.api.conditions import ConditionType, Reason
from eventplane.api.dead_letter_policy import DeadLetterDepth, DeadLetterPolicy, DeadLetterPolicyStatus
from eventplane.planning.dead_letter_readiness import MOST_TOPICS, policy_status
from eventplane.planning.gauge_state import GaugeQuery
from eventplane.planning.gauges import Account, Gauge, Measured, Role, account
from eventplane.planning.plan import Refusal
from eventplane.planning.verdicts import condition

HOUR = 3_600_000


def holds(events: int, age_ms: int | None = None, gauge: Gauge = LETTERS) -> Account:
    return account(Account(), [Measured(gauge, {0: events}, age_ms)])


def status(users: dict[str, Account | None], policy: DeadLetterPolicy | None = None) -> DeadLetterPolicyStatus:
    return policy_status(policy or dead_letter_policy(), None, users)


def said(of: DeadLetterPolicyStatus, kind: ConditionType = ConditionType.DEAD_LETTERS_PRESENT) -> tuple[str, str]:
    found = condition(of.conditions, kind)
    return (found.status, found.reason) if found else ("-", "-")


def message(of: DeadLetterPolicyStatus) -> str:
    found = condition(of.conditions, ConditionType.DEAD_LETTERS_PRESENT)
    return found.message if found else ""


PRESENT, ABSENT = ("True", "AboveThreshold"), ("False", "BelowThreshold")


@pytest.mark.parametrize(
    ("alert", "known", "expected", "why"),
    [
        ({"depth": 3}, holds(2), ABSENT, "too few"),
        ({"depth": 3}, holds(3), PRESENT, "as many"),
        ({"age": "1h"}, holds(1, HOUR - 1), ABSENT, "too young"),
        ({"age": "1h"}, holds(1, HOUR), PRESENT, "as old"),
        ({"age": "1h", "depth": 9}, holds(1, HOUR), PRESENT, "one threshold is enough"),
        ({"depth": 9, "age": "1h"}, holds(9), PRESENT, "one threshold is enough"),
        ({"age": "0s"}, holds(0), ABSENT, "nothing is no dead letter"),
        ({}, holds(99, HOUR), ABSENT, "nobody is to be told"),
        (None, holds(1), PRESENT, "the first dead letter, unless said otherwise"),
        (None, holds(0), ABSENT, "none"),
        (None, holds(99, gauge=RETRY), ABSENT, "what is tried again is no dead letter"),
        (None, account(Account(), [Measured(LETTERS, known=False)]), ABSENT, "nothing is known of it"),
    ],
)
def test_the_thresholds(alert: dict[str, Any] | None, known: Account, expected: tuple[str, str], why: str) -> None:
    del why
    policy = dead_letter_policy() if alert is None else dead_letter_policy(alert=alert)
    found = status({"billing": known}, policy)
    assert said(found) == expected
    assert said(found, ConditionType.READY) == ("True", "Ready")  # health is not depth


def test_the_message_names_topics_with_numbers_that_stay() -> None:
    assert message(status({"billing": holds(37, 2 * HOUR)})) == (
        "topic shop.billing.dlq holds up to 50 dead letters (the oldest for 1h or longer): look into them, then move"
        " their events back or delete them"
    )
    assert message(status({"billing": holds(37, 5)})) == message(status({"billing": holds(49, 59_000)}))


def named(number: int) -> Gauge:
    return Gauge((KEY[0], f"s{number:03}"), Role.DEAD_LETTER, GaugeQuery(f"t{number:03}", oldest=True))


def test_of_many_topics_a_few_are_named() -> None:
    found = status({f"s{number:03}": holds(1, gauge=named(number)) for number in range(150)})
    assert message(found).startswith("topic t000 holds up to 1 dead letters, topic t001")
    assert ", and 145 more topics hold some: look" in message(found)
    assert (len(found.topics), found.used_by) == (MOST_TOPICS, 150)


def test_topics_that_hold_something_are_shown_those_of_the_alert_first() -> None:
    known = account(Account(), [Measured(LETTERS, {0: 3}, HOUR), Measured(RETRY, {0: 11})])
    empty = holds(0, gauge=named(1))
    unseen = account(Account(), [Measured(named(2), known=False)])
    found = status({"a": empty, "billing": known, "z": unseen}, dead_letter_policy(alert={"depth": 2}))
    assert found.topics == (
        DeadLetterDepth(name="shop.billing.dlq", subscription="billing", depth=5, oldest_age="1h"),
        DeadLetterDepth(name="shop.billing.retry-1s", subscription="billing", depth=20),
        DeadLetterDepth(name="t002", subscription="s002"),
    )


def test_before_the_first_look_nothing_is_known() -> None:
    assert said(status({"billing": None})) == ("Unknown", Reason.NOT_MEASURED)
    assert said(status({})) == ABSENT


def test_a_restart_changes_nothing_before_the_first_look() -> None:
    before = status({"billing": holds(3), "audit": holds(4, gauge=named(1))})
    policy = dead_letter_policy(status=before)
    after = status({"billing": None, "audit": None}, policy)
    assert said(after) == PRESENT
    assert after.topics == tuple(each for each in before.topics if each.subscription in {"billing", "audit"})
    assert said(status({"billing": None, "audit": holds(0, gauge=named(1))}, policy)) == PRESENT


def test_what_is_kept_is_said_of_this_generation() -> None:
    before = DeadLetterPolicyStatus(conditions=(condition_of("DeadLettersPresent", "False", "BelowThreshold"),))
    found = status({"billing": None}, dead_letter_policy(status=before, generation=7))
    assert [each.observed_generation for each in found.conditions] == [7, 7]


@pytest.mark.parametrize(
    ("policy", "invalid"),
    [
        (dead_letter_policy(retry={"backoff": {"initial": "2d", "max": "1d"}}), None),
        (dead_letter_policy(), Refusal(Reason.INVALID_SPEC, "not understood")),
    ],
)
def test_a_policy_that_cannot_be_used_says_why(policy: DeadLetterPolicy, invalid: Refusal | None) -> None:
    found = policy_status(policy, invalid, {"billing": holds(1)})
    assert said(found, ConditionType.READY) == ("False", "InvalidSpec")
    assert said(found, ConditionType.STALLED) == ("True", "InvalidSpec")
    assert (said(found), found.used_by) == (PRESENT, 1)
