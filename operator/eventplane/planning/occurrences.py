"""What is worth a Kubernetes Event: what happened to a topic, and what is refused now and was not before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eventplane.api.conditions import ConditionType
from eventplane.planning.outcome import Unavailable
from eventplane.planning.readiness import TopicOutcome, condition, first_error
from eventplane.planning.topic_changes import ClaimTopic, CreateTopic, ReleaseTopic
from eventplane.planning.topic_decisions import Decision, TopicCase


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened, worth a Kubernetes Event on the resource."""

    warning: bool
    reason: str
    message: str


def occurrences(case: TopicCase, decision: Decision, outcomes: Sequence[TopicOutcome]) -> Iterator[Occurrence]:
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
    known = condition(case.resource.status.conditions, ConditionType.STALLED)
    problem = first_error(outcomes) or next(iter(decision.refusals), None)
    if (
        problem is not None
        and not isinstance(problem, Unavailable)
        and (known is None or known.reason != problem.reason)
    ):
        yield Occurrence(warning=True, reason=problem.reason, message=problem.message)
