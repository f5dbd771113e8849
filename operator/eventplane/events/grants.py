"""Who may publish to a topic of the gateway and who may read one: nobody, unless a grant says so.

| # | grants of the identity | a pattern | the right |
|---|---|---|---|
| 1 | none | | no |
| 2 | some | is the topic's name | yes |
| 3 | some | ends with `*`, and the topic's name begins with what stands before | yes |
| 4 | some | none of these | no |

Publishing and subscribing are apart: neither implies the other.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from eventplane.api.gateway_config import Grants

Right: TypeAlias = Literal["publish", "subscribe"]


class Rights:
    """Grants at work."""

    def __init__(self, grants: Grants) -> None:
        self._patterns: dict[tuple[str, Right], tuple[str, ...]] = {}
        self._rates: dict[str, float] = {}
        for grant in grants.grants:
            self._add(grant.identity, "publish", grant.publish)
            self._add(grant.identity, "subscribe", grant.subscribe)
            if grant.events_per_second is not None:
                known = self._rates.get(grant.identity, 0.0)
                self._rates[grant.identity] = max(known, grant.events_per_second)

    def allow(self, identity: str, right: Right, topic: str) -> bool:
        """Decide by the table above; topic: name in Kafka."""
        return any(_fits(pattern, topic) for pattern in self._patterns.get((identity, right), ()))

    def events_per_second(self, identity: str, otherwise: float) -> float:
        """Tell how many events an identity may publish, on average."""
        return self._rates.get(identity, otherwise)

    def _add(self, identity: str, right: Right, patterns: Iterable[str]) -> None:
        self._patterns[identity, right] = (*self._patterns.get((identity, right), ()), *patterns)


def _fits(pattern: str, topic: str) -> bool:
    return topic.startswith(pattern[:-1]) if pattern.endswith("*") else topic == pattern
