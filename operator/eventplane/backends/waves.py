"""The order of changes: those of one thing one after the other, those of all things together, kind by kind."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from eventplane.planning.outcome import BackendError, Change, Outcome, Unavailable
from eventplane.planning.topic_changes import TopicChange
from eventplane.planning.topic_state import ObservedTopic

C = TypeVar("C", bound=Change)
S = TypeVar("S")
Make: TypeAlias = Callable[[Sequence[Any]], Awaitable[Sequence[Outcome[C, S]]]]
"""Makes changes of one type, at most one a thing; raises a BackendError that befell all of them."""

TopicOutcome: TypeAlias = Outcome[TopicChange, ObservedTopic]
Batch: TypeAlias = Make[TopicChange, ObservedTopic]
"""Makes changes of topics, at most one a topic."""


@dataclass(slots=True)
class _Run(Generic[C, S]):
    """The outcomes so far, by the changes' places."""

    outcomes: dict[int, Outcome[C, S]] = field(default_factory=dict)
    answered: bool = False
    """Something came back about some change."""


async def apply_in_waves(
    changes: Sequence[C], makes: Mapping[type[C], Make[C, S]], thing: Callable[[C], str]
) -> list[Outcome[C, S]]:
    """Make the first change of every thing, then the second, and so on; a failure is also that of its thing's rest.

    Args:
        changes: what to do.
        makes: what makes changes of which type.
        thing: names what a change is made to.

    Raises:
        Unavailable: the system did not answer about any change.
    """
    queues: dict[str, deque[int]] = {}
    for place, change in enumerate(changes):
        queues.setdefault(thing(change), deque()).append(place)
    run: _Run[C, S] = _Run()
    while queues:
        await _wave(changes, [queue.popleft() for queue in queues.values()], makes, run)
        for name in [name for name, queue in queues.items() if not queue]:
            del queues[name]
        _skip_failed(changes, queues, run, thing)
    outcomes = [run.outcomes[place] for place in range(len(changes))]
    if outcomes and not run.answered and isinstance(outcomes[0].error, Unavailable):
        raise outcomes[0].error
    return outcomes


async def _wave(
    changes: Sequence[C], places: Sequence[int], makes: Mapping[type[C], Make[C, S]], run: _Run[C, S]
) -> None:
    kinds: dict[type[C], list[int]] = {}
    for place in places:
        kinds.setdefault(type(changes[place]), []).append(place)
    await asyncio.gather(*(_batch(changes, of_kind, makes[kind], run) for kind, of_kind in kinds.items()))


async def _batch(changes: Sequence[C], places: Sequence[int], make: Make[C, S], run: _Run[C, S]) -> None:
    try:
        outcomes = await make([changes[place] for place in places])
    except BackendError as error:
        run.answered |= not isinstance(error, Unavailable)
        outcomes = [Outcome(changes[place], error) for place in places]
    else:
        run.answered = True
    run.outcomes.update(zip(places, outcomes, strict=True))


def _skip_failed(
    changes: Sequence[C], queues: dict[str, deque[int]], run: _Run[C, S], thing: Callable[[C], str]
) -> None:
    errors = {thing(changes[place]): outcome.error for place, outcome in run.outcomes.items() if outcome.error}
    for name in [name for name in queues if name in errors]:
        for place in queues.pop(name):
            run.outcomes[place] = Outcome(changes[place], errors[name])
