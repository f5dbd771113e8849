"""How many resources are ready, and how many have drifted: counted as they change, since there may be many."""

from collections import Counter
from typing import TypeAlias

from eventplane.api.conditions import ConditionType
from eventplane.api.dead_letter_policy import DeadLetterPolicy
from eventplane.api.event_bus import EventBus
from eventplane.api.resource import Managed
from eventplane.planning.verdicts import condition

Counted: TypeAlias = Managed | EventBus | DeadLetterPolicy


class Tally:
    """Counts resources by what their conditions say."""

    def __init__(self) -> None:
        self._ready: Counter[str] = Counter()
        self.drifted = 0
        """So many have standing drift."""

    @property
    def ready(self) -> dict[str, int]:
        """How many there are, by the status of Ready; Unknown where nothing has been said of it."""
        return {status: count for status, count in self._ready.items() if count}

    def moved(self, before: Counted | None, after: Counted | None) -> None:
        """Take note of what a resource was and is, None where it is absent."""
        for resource, step in ((before, -1), (after, 1)):
            if resource is not None:
                conditions = resource.status.conditions
                ready = condition(conditions, ConditionType.READY)
                self._ready[ready.status if ready is not None else "Unknown"] += step
                self.drifted += step * (condition(conditions, ConditionType.DRIFTED) is not None)
