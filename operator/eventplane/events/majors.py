"""The major versions of a subject: where each begins, and how data moves between neighbours.

The record is kept in the registry itself, beside the subject, so that whoever reads events needs nothing else. It is
written before the first version of a new major version is registered: no event can be met whose major is not known.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

_KEYWORD: Final = "x-eventplane-majors"


@dataclass(frozen=True, slots=True)
class MajorStep:
    """Where one major version ends, and how its data becomes that of the next, and back: CEL over `event`."""

    lower: int
    """The older major version; the newer one is the next."""
    last_version: int
    """The subject's last version of the older major version; all later versions belong to newer ones."""
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Majors:
    """What is on record about a subject's major versions, oldest step first."""

    steps: tuple[MajorStep, ...] = ()

    def major_of(self, version: int) -> int:
        """Tell the major version of a version of the subject."""
        return 1 + sum(step.last_version < version for step in self.steps)

    @property
    def latest(self) -> int:
        """The newest major version."""
        return 1 + len(self.steps)

    def to_text(self) -> str:
        """Render as a JSON schema that any document satisfies and that carries the record in a keyword of its own."""
        record = {
            "steps": [
                {"lower": each.lower, "lastVersion": each.last_version, "up": each.up, "down": each.down}
                for each in self.steps
            ]
        }
        return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", _KEYWORD: record}, sort_keys=True)


def majors_from_text(text: str) -> Majors | None:
    """Read a record; None where the text is not one.

    Raises:
        ValueError: it is one, and not as `Majors.to_text` writes it.
    """
    document = json.loads(text)
    record: dict[str, Any] | None = document.get(_KEYWORD) if isinstance(document, dict) else None
    if record is None:
        return None
    try:
        return Majors(
            tuple(
                MajorStep(int(each["lower"]), int(each["lastVersion"]), str(each["up"]), str(each["down"]))
                for each in record["steps"]
            )
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record of major versions: {error}") from error


def recorded_majors(text: str) -> Majors:
    """Read what must be a record, since it stands where one is kept.

    Raises:
        ValueError: it is none.
    """
    majors = majors_from_text(text)
    if majors is None:
        raise ValueError(f"not a record of major versions: it has no {_KEYWORD}")
    return majors


def record_subject(subject: str) -> str:
    """Name the subject that holds the record of another."""
    return f"__eventplane.{subject}"
