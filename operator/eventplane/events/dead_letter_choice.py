"""Which dead letters somebody means: those of some reasons, of a Subscription, of places.

| asked for | takes |
|---|---|
| nothing | all |
| reasons | those of one of them |
| a Subscription | those that it gave up |
| places | those that lie in one of them |
| several of these | those that each of them takes |
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from eventplane.events.dead_letter_view import DeadLetter

_SPAN: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})(?:(-)([0-9]{1,18})?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Some offsets of a partition, both ends included."""

    partition: int
    """Of the dead-letter topic, from 0."""
    first: int
    """Offset of the first."""
    last: int | None
    """None: to the end."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `0:17`, `0:17-40` or `0:17-`.

        Raises:
            ValueError: it is none of them.
        """
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r}: write PARTITION:OFFSET, PARTITION:FIRST-LAST or PARTITION:FIRST-")
        partition, first, is_open, last = found.groups()
        end = int(last) if last else None if is_open else int(first)
        return cls(int(partition), int(first), end)

    def __contains__(self, letter: DeadLetter) -> bool:
        """Tell whether a dead letter lies there."""
        at = letter.dead_letter_offset
        return letter.dead_letter_partition == self.partition and self.first <= at <= (
            at if self.last is None else self.last
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for."""

    reasons: Collection[str] = ()
    """Those that `DeadLetter.reason` may be; empty: any."""
    subscription: str | None = None
    """namespace/name."""
    spans: Collection[Span] = ()
    """Places in the dead-letter topic; empty: anywhere."""

    def takes(self, letter: DeadLetter) -> bool:
        """Decide by the table above."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and self.subscription in {None, letter.subscription}
            and (not self.spans or any(letter in span for span in self.spans))
        )


ALL: Final = Choice()
