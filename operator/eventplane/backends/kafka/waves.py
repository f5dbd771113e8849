"""The order of changes: those of one topic one after the other, those of all topics together, kind by kind."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from eventplane.planning.outcome import BackendError, Outcome, Unavailable
from eventplane.planning.topic_changes import TopicChange
from eventplane.planning.topic_state import ObservedTopic

TopicOutcome: TypeAlias = Outcome[TopicChange, ObservedTopic]
Batch: TypeAlias = Callable[[Sequence[Any]], Awaitable[Sequence[TopicOutcome]]]
"""Makes changes of one type, at most one a topic; raises a BackendError that befell all of them."""


@dataclass(slots=True)
class _Run:
    """The outcomes so far, by the changes' places."""

    outcomes: dict[int, TopicOutcome] = field(default_factory=dict)
    answered: bool = False
    """Something came back about some change."""


async def apply_in_waves(
    changes: Sequence[TopicChange], batches: Mapping[type[TopicChange], Batch]
) -> list[TopicOutcome]:
    """Make the first change of every topic, then the second, and so on; a failure is also that of its topic's rest.

    Raises:
        Unavailable: the system did not answer about any change.
    """
    queues: dict[str, deque[int]] = {}
    for place, change in enumerate(changes):
        queues.setdefault(change.topic, deque()).append(place)
    run = _Run()
    while queues:
        await _wave(changes, [queue.popleft() for queue in queues.values()], batches, run)
        for topic in [topic for topic, queue in queues.items() if not queue]:
            del queues[topic]
        _skip_failed(changes, queues, run)
    outcomes = [run.outcomes[place] for place in range(len(changes))]
    if outcomes and not run.answered and isinstance(outcomes[0].error, Unavailable):
        raise outcomes[0].error
    return outcomes


async def _wave(
    changes: Sequence[TopicChange], places: Sequence[int], batches: Mapping[type[TopicChange], Batch], run: _Run
) -> None:
    kinds: dict[type[TopicChange], list[int]] = {}
    for place in places:
        kinds.setdefault(type(changes[place]), []).append(place)
    await asyncio.gather(*(_batch(changes, of_kind, batches[kind], run) for kind, of_kind in kinds.items()))


async def _batch(changes: Sequence[TopicChange], places: Sequence[int], make: Batch, run: _Run) -> None:
    try:
        outcomes = await make([changes[place] for place in places])
    except BackendError as error:
        run.answered |= not isinstance(error, Unavailable)
        outcomes = [Outcome(changes[place], error) for place in places]
    else:
        run.answered = True
    run.outcomes.update(zip(places, outcomes, strict=True))


def _skip_failed(changes: Sequence[TopicChange], queues: dict[str, deque[int]], run: _Run) -> None:
    errors = {changes[place].topic: outcome.error for place, outcome in run.outcomes.items() if outcome.error}
    for topic in [topic for topic in queues if topic in errors]:
        for place in queues.pop(topic):
            run.outcomes[place] = Outcome(changes[place], errors[topic])
