"""What is said about a DeadLetterPolicy: whether it can be used, by how many it is, and what lies in their topics."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from eventplane.api.conditions import Condition, ConditionType, Reason, Status
from eventplane.api.dead_letter_policy import Alert, DeadLetterDepth, DeadLetterPolicy, DeadLetterPolicyStatus
from eventplane.api.quantities import milliseconds
from eventplane.planning.dead_letters import policy_problem
from eventplane.planning.gauges import Account, Holding, Role, age_class, coarse
from eventplane.planning.plan import Refusal
from eventplane.planning.verdicts import Verdict, condition, conditions_of, verdict_of

MOST_TOPICS: Final = 100
_NAMED: Final = 5


def policy_status(
    policy: DeadLetterPolicy, invalid: Refusal | None, users: Mapping[str, Account | None]
) -> DeadLetterPolicyStatus:
    """Say what is the case about a policy.

    Ready hangs on the policy alone: what lies in dead-letter topics is not its health.

    Args:
        policy: which.
        invalid: why it is not understood.
        users: what is known of the topics of each Subscription that names it, by name; None before the first look.
    """
    problem = invalid or policy_problem(policy)
    verdict = Verdict("True", Reason.READY, "Subscriptions can use it") if problem is None else verdict_of(problem)
    generation = policy.metadata.generation
    holdings = [each for name in sorted(users) for each in _holdings(users[name])]
    alarming = [each for each in holdings if is_alarming(each, policy.spec.alert)]
    quiet = [each for each in holdings if not is_alarming(each, policy.spec.alert)]
    unseen = {name for name, known in users.items() if known is None}
    return DeadLetterPolicyStatus(
        observed_generation=generation,
        used_by=len(users),
        topics=_depths(policy, [*alarming, *quiet], unseen),
        conditions=(*conditions_of(verdict, generation), _dead_letters_present(policy, alarming, waits=bool(unseen))),
    )


def is_alarming(holding: Holding, alert: Alert) -> bool:
    """Tell whether somebody should look at what a topic holds: there is as much of it, or it is as old, as was said."""
    if holding.gauge.role is not Role.DEAD_LETTER:
        return False
    deep = alert.depth is not None and (holding.events or 0) >= alert.depth
    return deep or (alert.age is not None and (holding.age_ms or 0) >= milliseconds(alert.age) > 0)


def _dead_letters_present(policy: DeadLetterPolicy, alarming: Sequence[Holding], *, waits: bool) -> Condition:
    """Judge what lies in dead-letter topics; the first row that fits wins.

    | what is known                                           | status      | reason         |
    |---------------------------------------------------------|-------------|----------------|
    | a topic is past a threshold                             | True        | AboveThreshold |
    | a Subscription was not looked at yet, though once it was | as it was   | as it was      |
    | a Subscription was never looked at                      | Unknown     | NotMeasured    |
    | else                                                    | False       | BelowThreshold |
    """
    before = condition(policy.status.conditions, ConditionType.DEAD_LETTERS_PRESENT)
    if alarming:
        return _condition(policy, "True", Reason.ABOVE_THRESHOLD, _message(alarming))
    if waits and before is not None:
        return before.model_copy(update={"observed_generation": policy.metadata.generation})
    if waits:
        text = "the topics of some Subscriptions could not be looked into yet: the status of their EventBus says why"
        return _condition(policy, "Unknown", Reason.NOT_MEASURED, text)
    return _condition(
        policy, "False", Reason.BELOW_THRESHOLD, "no topic holds dead letters past the thresholds of alert"
    )


def _message(alarming: Sequence[Holding]) -> str:
    """Name topics, with numbers that stay the same for a while."""
    told = [_told(each) for each in alarming[:_NAMED]]
    more = len(alarming) - len(told)
    rest = f", and {more} more topics hold some" if more else ""
    return f"{', '.join(told)}{rest}: look into them, then move their events back or delete them"


def _told(holding: Holding) -> str:
    oldest = age_class(holding.age_ms) if holding.age_ms is not None else None
    age = f" (the oldest for {oldest} or longer)" if oldest is not None else ""
    return f"topic {holding.gauge.topic} holds up to {coarse(holding.events or 0)} dead letters{age}"


def _condition(policy: DeadLetterPolicy, status: Status, reason: Reason, message: str) -> Condition:
    return Condition(
        type=ConditionType.DEAD_LETTERS_PRESENT,
        status=status,
        reason=reason,
        message=message,
        observed_generation=policy.metadata.generation,
    )


def _holdings(known: Account | None) -> Sequence[Holding]:
    return [] if known is None else sorted(known.holdings.values(), key=lambda each: each.gauge.topic)


def _depths(
    policy: DeadLetterPolicy, holdings: Iterable[Holding], unseen: Collection[str]
) -> tuple[DeadLetterDepth, ...]:
    """Show what holds something or could not be looked at; of whom was not looked at yet, what was shown stays."""
    shown = [each for each in holdings if each.events != 0][:MOST_TOPICS]
    kept = [each for each in policy.status.topics if each.subscription in unseen]
    return tuple([*(_depth(each) for each in shown), *kept][:MOST_TOPICS])


def _depth(holding: Holding) -> DeadLetterDepth:
    return DeadLetterDepth(
        name=holding.gauge.topic,
        subscription=holding.gauge.subscription[1],
        depth=None if holding.events is None else coarse(holding.events),
        oldest_age=None if holding.age_ms is None else age_class(holding.age_ms),
    )
