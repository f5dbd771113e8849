"""One thing found between two definitions, in words that name who breaks on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from eventplane.api.schema import CompatibilityLevel, Violation

Direction = Literal["Backward", "Forward"]
"""Backward: the new definition reads the events of a version. Forward: a version reads the events of the new one."""

DIRECTIONS: Final[dict[CompatibilityLevel, tuple[Direction, ...]]] = {
    "NONE": (),
    "BACKWARD": ("Backward",),
    "BACKWARD_TRANSITIVE": ("Backward",),
    "FORWARD": ("Forward",),
    "FORWARD_TRANSITIVE": ("Forward",),
    "FULL": ("Backward", "Forward"),
    "FULL_TRANSITIVE": ("Backward", "Forward"),
}

MOST_VIOLATIONS: Final = 50
"""What a status can carry, and more than anybody reads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that may break readers."""

    path: str
    rule: str
    problem: str
    """What is different: the beginning of the sentence."""
    remedy: str
    """What to do about it."""
    certain: bool = True
    """Every registry minds it. What only some mind is said only once the registry has refused the definition."""


def to_violations(version: int, direction: Direction, findings: Iterable[Finding]) -> list[Violation]:
    """Put findings into words for whoever breaks."""
    who = (
        f"readers on the new definition cannot read events of version {version}"
        if direction == "Backward"
        else f"consumers still on version {version} cannot read new events"
    )
    return [
        Violation(version=version, path=each.path, rule=each.rule, message=f"{each.problem}: {who}. {each.remedy}")
        for each in findings
    ]
