"""What is known of a subject: its versions, its level, and what the registry thinks of a candidate."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eventplane.api.schema import CompatibilityLevel, SchemaType
from eventplane.events.majors import Majors
from eventplane.planning.outcome import BackendError


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a definition imports: a version of another subject."""

    name: str
    """What the importing definition calls it."""
    subject: str
    version: int
    definition: "Definition | None" = field(default=None, compare=False)
    """Its text, where it is known."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A schema as text."""

    type: SchemaType
    text: str
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a subject; it never changes."""

    version: int
    schema_id: int
    """Its id in the whole registry."""
    definition: Definition
    author: str | None = None
    """Who registered it, where the registry says so."""


@dataclass(frozen=True, slots=True)
class CompatibilityVerdict:
    """What the registry says of a candidate beside one version, by the level that it demands of the subject."""

    compatible: bool
    messages: tuple[str, ...] = ()
    """Its reasons, where it gives any."""


@dataclass(frozen=True, slots=True)
class SubjectQuery:
    """What to look at: a subject, and optionally what the registry thinks of a candidate for it."""

    subject: str
    candidate: Definition | None = None
    against: tuple[int, ...] = ()
    """Versions beside which the candidate is tested."""
    seen: "ObservedSubject | None" = field(default=None, compare=False)
    """The subject as it was seen a moment ago: then it is not looked at again, and only the candidate is judged."""


@dataclass(frozen=True, slots=True)
class ObservedSubject:
    """What was seen of one subject."""

    subject: str
    versions: tuple[RegisteredVersion, ...] = ()
    """Versions that are not deleted, oldest first; none where the subject does not exist."""
    level: CompatibilityLevel | None = None
    """The subject's own level; None where it has none and the default counts."""
    default_level: CompatibilityLevel = "BACKWARD"
    """What the registry demands of subjects without a level of their own."""
    majors: Majors = field(default_factory=Majors)
    """The record beside the subject; empty where there is none."""
    verdicts: Mapping[int, CompatibilityVerdict] = field(default_factory=dict)
    """By version, for those that the query asked about."""
    error: BackendError | None = None
    """Why this one subject cannot be looked at, or the candidate not be judged, though the registry answers."""
