"""The changes that can be made to subjects of a schema registry."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from eventplane.api.schema import CompatibilityLevel
from eventplane.events.majors import Majors
from eventplane.planning.schema_state import Definition


@dataclass(frozen=True, slots=True)
class AlterLevel:
    """Set the compatibility level of a subject."""

    subject: str
    current: CompatibilityLevel | None
    """None: the subject has no level of its own."""
    level: CompatibilityLevel

    def describe(self) -> str:
        """Say the change in one line."""
        return f"set compatibility of subject {self.subject} from {self.current or 'the default'} to {self.level}"


@dataclass(frozen=True, slots=True)
class RegisterVersion:
    """Register a definition as the next version of a subject; what is registered already stays as it is.

    Its outcome carries the state: the subject with the new version. Rejected with Incompatible where the registry
    refuses it, with DefinitionInvalid where it cannot be read.
    """

    subject: str
    definition: Definition
    fingerprint: str
    """Of the definition without its formatting."""
    lifted: CompatibilityLevel | None = None
    """Given where the registry cannot compare it: the level is lifted for that moment, and this one put back."""

    def describe(self) -> str:
        """Say the change in one line."""
        return f"register a version of subject {self.subject} ({self.definition.type} {self.fingerprint})"


@dataclass(frozen=True, slots=True)
class OpenMajor:
    """Register a definition that breaks compatibility on purpose: the level is lifted for that moment, and put back.

    Its outcome carries the state: the subject with the new version. Where it fails half-way the level may stay lifted.
    """

    subject: str
    definition: Definition
    fingerprint: str
    major: int
    """The major version that begins with it."""
    level: CompatibilityLevel
    """The subject's own level afterwards."""

    def describe(self) -> str:
        """Say the change in one line."""
        return (
            f"open major version {self.major} of subject {self.subject} ({self.definition.type} {self.fingerprint}),"
            f" compatibility {self.level}"
        )


@dataclass(frozen=True, slots=True)
class RecordMajors:
    """Keep on record, beside the subject, which version belongs to which major version and how data moves between."""

    subject: str
    majors: Majors

    def describe(self) -> str:
        """Say the change in one line."""
        steps = ", ".join(f"{each.lower} to {each.lower + 1}" for each in self.majors.steps)
        return f"record the major versions of subject {self.subject} (migrations {steps or 'none'})"


@dataclass(frozen=True, slots=True)
class DeleteSubject:
    """Delete a subject and the record beside it."""

    subject: str
    hard: bool
    """False hides it and keeps its ids readable; True takes it away for good."""

    def describe(self) -> str:
        """Say the change in one line."""
        return f"delete subject {self.subject} {'with all its versions' if self.hard else 'softly'}"


SchemaChange: TypeAlias = AlterLevel | RegisterVersion | OpenMajor | RecordMajors | DeleteSubject


def concerned_subjects(change: SchemaChange) -> Collection[str]:
    """Name the subject of a change first, and those that its definition refers to."""
    if isinstance(change, RegisterVersion | OpenMajor):
        return dict.fromkeys((change.subject, *(each.subject for each in change.definition.references)))
    return (change.subject,)
