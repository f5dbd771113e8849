"""What is worth a Kubernetes Event: what happened to a topic, and what is refused now and was not before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eventplane.api.conditions import ConditionType
from eventplane.api.resource import Managed
from eventplane.planning.decision import Decision
from eventplane.planning.outcome import Change, Outcome, Unavailable
from eventplane.planning.readiness import TopicOutcome
from eventplane.planning.topic_changes import ClaimTopic, CreateTopic, ReleaseTopic, TopicChange
from eventplane.planning.topic_decisions import TopicCase
from eventplane.planning.verdicts import condition, first_error


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened, worth a Kubernetes Event on the resource."""

    warning: bool
    reason: str
    message: str


def occurrences(
    case: TopicCase, decision: Decision[TopicChange], outcomes: Sequence[TopicOutcome]
) -> Iterator[Occurrence]:
    """Tell what happened to an existing topic, and what is refused now and was not before.

    The creation of a topic is no occurrence: Ready tells it, and one write per new topic is enough.
    """
    done = [outcome.change for outcome in outcomes if outcome.error is None]
    quiet = (CreateTopic, ReleaseTopic)
    reported = [c for c in done if not isinstance(c, quiet) and not (isinstance(c, ClaimTopic) and c.topic_id is None)]
    for change in reported:
        reason = "DriftRepaired" if decision.repairs_drift else type(change).__name__
        yield Occurrence(warning=False, reason=reason, message=change.describe())
    if decision.repairs_drift and any(isinstance(change, CreateTopic) for change in done):
        yield Occurrence(warning=True, reason="DriftRepaired", message=f"topic {case.desired.topic} was gone: created")
    yield from problem_occurrence(case.resource, decision, outcomes)


def problem_occurrence(
    resource: Managed, decision: Decision[Change], outcomes: Sequence[Outcome[Change, object]]
) -> Iterator[Occurrence]:
    """Tell what is refused or rejected now and was not before."""
    known = condition(resource.status.conditions, ConditionType.STALLED)
    problem = first_error(outcomes) or next(iter(decision.refusals), None)
    if (
        problem is not None
        and not isinstance(problem, Unavailable)
        and (known is None or known.reason != problem.reason)
    ):
        yield Occurrence(warning=True, reason=problem.reason, message=problem.message)
