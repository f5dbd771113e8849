"""Outcomes to status: what is said about a resource after a pass, in conditions that kstatus understands.

Ready is always there. Reconciling, Stalled and Drifted are there while they hold, as kstatus recommends for
conditions whose presence is the news (github.com/kubernetes-sigs/cli-utils, pkg/kstatus).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from eventplane.api import APPROVE_ANNOTATION, PAUSED_ANNOTATION
from eventplane.api.conditions import Condition, ConditionType, Reason, Status
from eventplane.api.event_bus import EventBus, EventBusStatus, Orphan
from eventplane.api.event_topic import DriftEntry, EventTopic, EventTopicStatus, PendingPlan
from eventplane.planning.outcome import BackendError, Outcome, Unavailable
from eventplane.planning.plan import Plan, Refusal
from eventplane.planning.topic_changes import AddPartitions, CreateTopic, TopicChange
from eventplane.planning.topic_decisions import Decision, Hold, TopicCase
from eventplane.planning.topic_state import ExistingTopic, ObservedTopic

TopicOutcome = Outcome[TopicChange, ObservedTopic]
_NAME_OF_ANOTHER: Final = frozenset({Reason.OWNED_BY_ANOTHER, Reason.TOPIC_EXISTS, Reason.INTERNAL_TOPIC})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a resource is ready, and why; the other conditions follow from it."""

    status: Status
    reason: Reason
    message: str
    reconciling: bool = False
    """The operator goes on by itself."""
    stalled: bool = False
    """The user must act."""


def topic_status(case: TopicCase, decision: Decision, outcomes: Sequence[TopicOutcome]) -> EventTopicStatus:
    """Say what is the case about an EventTopic after its pass."""
    error = first_error(outcomes)
    existing = _existing_after(case.observed.existing, outcomes)
    verdict = _topic_verdict(case, decision, existing, error)
    bus = "/".join(case.bus.metadata.key)
    against = {refusal.reason for refusal in decision.refusals} | ({error.reason} if error else set())
    shown = case.resource.spec.mode == "Observe" or not against & {*_NAME_OF_ANOTHER, Reason.TOPIC_REPLACED}
    ours = existing if shown else None
    # a name that is another's is not kept, so that the bus's naming can be corrected
    named = case.resource.spec.topic_name is not None or not against & _NAME_OF_ANOTHER
    return EventTopicStatus(
        observed_generation=case.resource.metadata.generation,
        bus=bus,
        topic_name=case.desired.topic if named else None,
        topic_id=ours.topic_id if ours else None,
        partitions=ours.partitions if ours else None,
        replication_factor=ours.replication_factor if ours else None,
        applied=_applied(case, decision, against, ours),
        plan=_pending(decision.held),
        drift=tuple(DriftEntry(setting=d.setting, expected=d.expected, actual=d.actual) for d in decision.drift),
        conditions=_conditions(verdict, case.resource.metadata.generation, drifted=_drift_message(decision)),
    )


def _applied(
    case: TopicCase, decision: Decision, against: Collection[Reason], topic: ExistingTopic | None
) -> str | None:
    """Fingerprint what has been applied in full, last and on this bus.

    A topic whose settings are not all declared is one that came into our hands with them: nothing was applied to it.
    Nor was anything to one that took the place of ours while no claim of ours stood.
    """
    before, claim = case.resource.status, case.observed.claim
    if decision.hold is None:
        if not against and topic is not None:
            return case.desired.fingerprint()
        if Reason.CONFIG_NOT_DECLARED in against:
            return None
    claimed = claim is not None and claim.owner == case.owner
    unproved = topic is not None and topic.topic_id != before.topic_id and not claimed
    return before.applied if before.bus == "/".join(case.bus.metadata.key) and not unproved else None


def _topic_verdict(
    case: TopicCase, decision: Decision, existing: ExistingTopic | None, error: BackendError | None
) -> Verdict:
    """Judge a pass; the first row that fits wins.

    | outcome                             | Ready               | reason of              | also        |
    |-------------------------------------|---------------------|------------------------|-------------|
    | the bus did not answer a change     | False               | the error              | Reconciling |
    | the bus rejected a change           | False               | the error              | Stalled     |
    | something is refused                | False               | the refusal            | Stalled     |
    | held, and something would be done   | False               | the hold               |             |
    | being deleted while paused          | False               | Paused                 |             |
    | being deleted                       | False               | Deleting               | Reconciling |
    | the topic does not exist            | False               | Drifted                |             |
    | else                                | True                | Ready, or Paused       |             |
    """
    if error is not None:
        return verdict_of(error)
    if decision.refusals:
        message = "; ".join(refusal.message for refusal in decision.refusals)
        return Verdict("False", decision.refusals[0].reason, message, stalled=True)
    held = decision.held
    if decision.hold is not None and held is not None and held.changes:
        return Verdict("False", Reason(decision.hold), _hold_message(decision.hold, held))
    if case.resource.metadata.deleting:
        return _verdict_of_deletion(case.desired.topic, decision.hold)
    return _verdict_of_state(case, decision, existing)


def _verdict_of_deletion(topic: str, hold: Hold | None) -> Verdict:
    if hold is not None:
        message = f"topic {topic} is left alone while paused: remove the annotation {PAUSED_ANNOTATION} to delete on"
        return Verdict("False", Reason(hold), message)
    message = f"topic {topic} is being dealt with as deletionPolicy says"
    return Verdict("False", Reason.DELETING, message, reconciling=True)


def _verdict_of_state(case: TopicCase, decision: Decision, existing: ExistingTopic | None) -> Verdict:
    topic, policy = case.desired.topic, case.resource.spec.drift_policy
    if existing is None:
        return Verdict("False", Reason.DRIFTED, f"topic {topic} was deleted and driftPolicy leaves it so")
    state = f"topic {topic} is as desired"
    if decision.drift or policy == "Ignore":
        state = f"topic {topic} was made as desired; driftPolicy {policy} leaves what was changed since"
    if decision.hold == "Paused":
        return Verdict("True", Reason.PAUSED, f"{state}; nothing is written while paused")
    return Verdict("True", Reason.READY, state)


def _hold_message(hold: Hold, held: Plan[TopicChange]) -> str:
    intents: dict[Hold, str] = {
        "AwaitingApproval": f"annotate with {APPROVE_ANNOTATION}={held.hash()} to",
        "Paused": "nothing is written while paused; without the annotation the operator would",
        "OutOfSync": "mode Observe writes nothing; with Enforce the operator would",
    }
    return f"{intents[hold]} {'; '.join(held.lines())}"


def verdict_of(problem: BackendError | Refusal) -> Verdict:
    """Judge by an error or a refusal alone: what did not answer is tried again, everything else waits for the user."""
    waiting = isinstance(problem, Unavailable)
    return Verdict("False", problem.reason, problem.message, reconciling=waiting, stalled=not waiting)


def topic_status_without_pass(resource: EventTopic, problem: BackendError | Refusal) -> EventTopicStatus:
    """Say why an EventTopic could not even be looked at; what was known of it stays.

    A resource that was ready and whose bus is out of reach is not known to be unready: Ready turns Unknown.
    """
    generation = resource.metadata.generation
    verdict = verdict_of(problem)
    ready = condition(resource.status.conditions, ConditionType.READY)
    unchanged = ready is not None and ready.status != "False" and ready.observed_generation == generation
    if unchanged and isinstance(problem, Unavailable):
        verdict = replace(verdict, status="Unknown")
    return resource.status.model_copy(
        update={"observed_generation": generation, "conditions": _conditions(verdict, generation)}
    )


def bus_status(
    bus: EventBus, found: tuple[str, int] | BackendError | Refusal, orphans: Sequence[Orphan]
) -> EventBusStatus:
    """Say what is the case about an EventBus.

    Args:
        bus: the resource.
        found: cluster id and number of live brokers, or why there are none to tell.
        orphans: what waits to be dealt with.
    """
    generation = bus.metadata.generation
    cluster_id, brokers = found if isinstance(found, tuple) else (bus.status.cluster_id, None)
    verdict = (
        Verdict("True", Reason.READY, f"Kafka cluster {cluster_id} answers")
        if isinstance(found, tuple)
        else verdict_of(found)
    )
    return EventBusStatus(
        observed_generation=generation,
        cluster_id=cluster_id,
        brokers=brokers,
        orphans=tuple(orphans),
        conditions=_conditions(verdict, generation),
    )


def condition(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """Find a condition by its type."""
    return next((each for each in conditions if each.type == kind), None)


def with_transition_times(
    conditions: Sequence[Condition], before: Sequence[Condition], now: str
) -> tuple[Condition, ...]:
    """Date conditions: one whose status is as before keeps its time, the others changed now (RFC 3339)."""
    known = {each.type: each for each in before}
    return tuple(_dated(each, known.get(each.type), now) for each in conditions)


def _dated(new: Condition, old: Condition | None, now: str) -> Condition:
    since = old.last_transition_time if old is not None and old.status == new.status else None
    return new.model_copy(update={"last_transition_time": since or now})


def _conditions(verdict: Verdict, generation: int, *, drifted: str | None = None) -> tuple[Condition, ...]:
    held = {
        ConditionType.RECONCILING: verdict.message if verdict.reconciling else None,
        ConditionType.STALLED: verdict.message if verdict.stalled else None,
        ConditionType.DRIFTED: drifted,
    }
    ready = Condition(
        type=ConditionType.READY,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        observed_generation=generation,
    )
    others = (
        Condition(
            type=kind,
            status="True",
            reason=Reason.DRIFTED if kind is ConditionType.DRIFTED else verdict.reason,
            message=message,
            observed_generation=generation,
        )
        for kind, message in held.items()
        if message is not None
    )
    return (ready, *others)


def _drift_message(decision: Decision) -> str | None:
    if not decision.drift:
        return None
    entries = "; ".join(f"{d.setting} is {d.actual}, asked for is {d.expected}" for d in decision.drift)
    return f"changed behind our back: {entries}"


def _pending(held: Plan[TopicChange] | None) -> PendingPlan | None:
    if held is None or not held.changes:
        return None
    return PendingPlan(hash=held.hash(), changes=held.lines())


def _existing_after(existing: ExistingTopic | None, outcomes: Sequence[TopicOutcome]) -> ExistingTopic | None:
    """Compute the topic as the changes left it."""
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        if isinstance(outcome.change, CreateTopic) and outcome.state is not None:
            existing = outcome.state.existing
        elif isinstance(outcome.change, AddPartitions) and existing is not None:
            existing = replace(existing, partitions=outcome.change.total)
    return existing


def first_error(outcomes: Sequence[TopicOutcome]) -> BackendError | None:
    """Return the first error among outcomes, or None when all is done."""
    return next((outcome.error for outcome in outcomes if outcome.error is not None), None)
