"""The major versions of a subject: which schema belongs to which, and how data moves between neighbours.

The record is kept in the registry itself, beside the subject, so that whoever reads events needs nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_KEYWORD: Final = "x-eventplane-majors"


@dataclass(frozen=True, slots=True)
class MajorStep:
    """How the data of one major version becomes that of the next, and back: CEL expressions over `event`."""

    lower: int
    """The older major version; the newer one is the next."""
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Majors:
    """What is on record about a subject's major versions."""

    by_version: Mapping[int, int] = field(default_factory=dict)
    """Major version by version number of the subject; what is not here is major version 1."""
    by_id: Mapping[int, int] = field(default_factory=dict)
    """Major version by schema id, for readers."""
    steps: tuple[MajorStep, ...] = ()

    def major_of(self, version: int) -> int:
        """Tell the major version of a version of the subject."""
        return self.by_version.get(version, 1)

    def to_text(self) -> str:
        """Render as a JSON schema that any document satisfies and that carries the record in a keyword of its own."""
        record = {
            "versions": {str(version): major for version, major in sorted(self.by_version.items())},
            "ids": {str(identity): major for identity, major in sorted(self.by_id.items())},
            "steps": [{"lower": each.lower, "up": each.up, "down": each.down} for each in self.steps],
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
            by_version={int(version): int(major) for version, major in record["versions"].items()},
            by_id={int(identity): int(major) for identity, major in record["ids"].items()},
            steps=tuple(MajorStep(int(each["lower"]), str(each["up"]), str(each["down"])) for each in record["steps"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record of major versions: {error}") from error


def record_subject(subject: str) -> str:
    """Name the subject that holds the record of another."""
    return f"__eventplane.{subject}"
