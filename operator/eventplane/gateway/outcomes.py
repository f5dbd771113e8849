"""How the events of a request fared, and the answer that says so.

| # | request | events | status |
|---|---|---|---|
| 1 | one event | published | 200, where it is |
| 2 | one event | not published | that of its problem |
| 3 | batch | all published, or there are none | 200 |
| 4 | batch | some published | 207 |
| 5 | batch | none published, all with the same status | that status |
| 6 | batch | none published, for several reasons | 207 |

Rows 3 to 6 have an outcome for each event, in their order, with a status of its own.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

from eventplane.client.errors import PublishError
from eventplane.client.receipt import Receipt
from eventplane.gateway.exchange import Answer, json_answer, problem_answer
from eventplane.gateway.incoming import Found
from eventplane.gateway.problems import Problem, problem_of

Outcome: TypeAlias = Receipt | Problem


def merge(found: Sequence[Found], published: Sequence[Receipt | PublishError]) -> tuple[Outcome, ...]:
    """Put what was published in the places of the events that could be read."""
    rest = iter(published)
    return tuple(each if isinstance(each, Problem) else _outcome(next(rest)) for each in found)


def answer_of(outcomes: Sequence[Outcome], ids: Sequence[str | None], *, is_batch: bool) -> Answer:
    """Answer by the table above; ids: of the events, where they have one."""
    if not is_batch:
        return _single(outcomes[0], ids[0])
    members = [_member(outcome, event_id) for outcome, event_id in zip(outcomes, ids, strict=True)]
    problems = [each for each in outcomes if isinstance(each, Problem)]
    document = {"published": len(outcomes) - len(problems), "failed": len(problems), "outcomes": members}
    statuses = {each.status for each in problems}
    if not problems:
        return json_answer(HTTPStatus.OK, document)
    if len(problems) == len(outcomes) and len(statuses) == 1:
        return problem_answer(problems[0], document)
    return json_answer(HTTPStatus.MULTI_STATUS, document)


def _single(outcome: Outcome, event_id: str | None) -> Answer:
    if isinstance(outcome, Problem):
        return problem_answer(outcome)
    return json_answer(HTTPStatus.OK, _place(outcome, event_id))


def _member(outcome: Outcome, event_id: str | None) -> Mapping[str, Any]:
    if isinstance(outcome, Problem):
        return ({} if event_id is None else {"id": event_id}) | outcome.document()
    return {"status": HTTPStatus.OK.value, **_place(outcome, event_id)}


def _place(receipt: Receipt, event_id: str | None) -> dict[str, Any]:
    return {
        "id": event_id,
        "topic": receipt.topic,
        "partition": receipt.partition,
        "offset": receipt.offset,
        "timestamp": receipt.timestamp.isoformat(timespec="milliseconds"),
    }


def _outcome(published: Receipt | PublishError) -> Outcome:
    return published if isinstance(published, Receipt) else problem_of(published)
