"""Outcomes to status: what is said about an EventTopic and an EventBus after a pass."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from eventplane.api.conditions import Condition, ConditionType, Reason
from eventplane.api.event_bus import EventBus, EventBusStatus
from eventplane.api.event_topic import EventTopicStatus
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import BackendError, Outcome
from eventplane.planning.plan import Refusal
from eventplane.planning.topic_changes import AddPartitions, CreateTopic, TopicChange
from eventplane.planning.topic_decisions import TopicCase
from eventplane.planning.topic_schemas import bound_schemas, unready_schema
from eventplane.planning.topic_state import ExistingTopic, ObservedTopic
from eventplane.planning.verdicts import (
    Verdict,
    condition,
    conditions_of,
    drift_entries,
    drift_message,
    first_error,
    pending,
    verdict_of,
    verdict_of_deletion,
    verdict_of_obstacle,
)

TopicOutcome = Outcome[TopicChange, ObservedTopic]
_NAME_OF_ANOTHER: Final = frozenset({Reason.OWNED_BY_ANOTHER, Reason.TOPIC_EXISTS, Reason.INTERNAL_TOPIC})


def topic_status(
    case: TopicCase, decision: Decision[TopicChange], outcomes: Sequence[TopicOutcome]
) -> EventTopicStatus:
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
        schemas=bound_schemas(case.resource, case.schemas),
        applied=_applied(case, decision, against, ours),
        plan=pending(decision.held),
        drift=drift_entries(decision),
        conditions=conditions_of(verdict, case.resource.metadata.generation, drifted=drift_message(decision)),
    )


def _applied(
    case: TopicCase, decision: Decision[TopicChange], against: Collection[Reason], topic: ExistingTopic | None
) -> str | None:
    """Fingerprint what has been applied in full, last and on this bus.

    A topic whose settings are not all declared is one that came into our hands with them: nothing was applied to it.
    Nor was anything to one that took the place of ours while no claim of ours stood.
    """
    before = case.resource.status
    if decision.hold is None:
        if not against and topic is not None:
            return case.desired.fingerprint()
        if Reason.CONFIG_NOT_DECLARED in against:
            return None
    unproved = topic is not None and case.replaced
    return before.applied if before.bus == "/".join(case.bus.metadata.key) and not unproved else None


def _topic_verdict(
    case: TopicCase, decision: Decision[TopicChange], existing: ExistingTopic | None, error: BackendError | None
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
    | a Schema of its records is not      | False               | SchemaNotReady         | Reconciling |
    | else                                | True                | Ready, or Paused       |             |
    """
    obstacle = verdict_of_obstacle(decision, error)
    if obstacle is not None:
        return obstacle
    if case.resource.metadata.deleting:
        return verdict_of_deletion(f"topic {case.desired.topic}", decision.hold)
    return _verdict_of_state(case, decision, existing)


def _verdict_of_state(case: TopicCase, decision: Decision[TopicChange], existing: ExistingTopic | None) -> Verdict:
    topic, policy = case.desired.topic, case.resource.spec.drift_policy
    if existing is None:
        return Verdict("False", Reason.DRIFTED, f"topic {topic} was deleted and driftPolicy leaves it so")
    state = f"topic {topic} is as desired"
    if decision.drift or policy == "Ignore":
        state = f"topic {topic} was made as desired; driftPolicy {policy} leaves what was changed since"
    waits_for = unready_schema(case.resource, case.schemas)
    if waits_for is not None:
        return Verdict("False", Reason.SCHEMA_NOT_READY, f"{state}; {waits_for}", reconciling=True)
    if decision.hold == "Paused":
        return Verdict("True", Reason.PAUSED, f"{state}; nothing is written while paused")
    return Verdict("True", Reason.READY, state)


def bus_status(
    bus: EventBus, before: EventBusStatus, found: tuple[str, int] | BackendError | Refusal
) -> EventBusStatus:
    """Say what is the case about the Kafka of an EventBus.

    Args:
        bus: the resource.
        before: its status; what is on record there stays, and what is said there of its schema registry
            and its gateway.
        found: cluster id and number of live brokers, or why there are none to tell.
    """
    generation = bus.metadata.generation
    cluster_id, brokers = found if isinstance(found, tuple) else (before.cluster_id, None)
    verdict = (
        Verdict("True", Reason.READY, f"Kafka cluster {cluster_id} answers")
        if isinstance(found, tuple)
        else verdict_of(found)
    )
    registry = condition(before.conditions, ConditionType.SCHEMA_REGISTRY_READY)
    kept = [registry] if registry is not None and bus.spec.schema_registry is not None else []
    kept += [each for each in before.conditions if each.type == ConditionType.GATEWAY_READY]
    return EventBusStatus(
        observed_generation=generation,
        cluster_id=cluster_id,
        brokers=brokers,
        orphans=before.orphans,
        gateway=before.gateway,
        conditions=(*conditions_of(verdict, generation), *kept),
    )


def registry_status(bus: EventBus, before: EventBusStatus, problem: BackendError | Refusal | None) -> EventBusStatus:
    """Say what is the case about the schema registry of an EventBus, whose readiness does not hang on it."""
    others = tuple(each for each in before.conditions if each.type != ConditionType.SCHEMA_REGISTRY_READY)
    if bus.spec.schema_registry is None:
        return before.model_copy(update={"conditions": others})
    said = Condition(
        type=ConditionType.SCHEMA_REGISTRY_READY,
        status="True" if problem is None else "False",
        reason=Reason.READY if problem is None else problem.reason,
        message="the schema registry answers" if problem is None else problem.message,
        observed_generation=bus.metadata.generation,
    )
    return before.model_copy(update={"conditions": (*others, said)})


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
