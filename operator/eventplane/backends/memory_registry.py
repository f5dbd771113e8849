"""A schema registry that exists in memory only, with the rules that registries have for subjects."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeAlias

from eventplane.api.conditions import Reason
from eventplane.api.schema import CompatibilityLevel
from eventplane.backends.memory_compatibility import check_definition, unreadable
from eventplane.planning.outcome import Rejected
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, RegisteredVersion

Comparison: TypeAlias = Callable[[Definition, Definition], tuple[str, ...]]
"""Says why data written with the second definition cannot be read with the first; nothing where it can."""

_DIRECTIONS: Final = {"BACKWARD": (True, False), "FORWARD": (False, True), "FULL": (True, True), "NONE": (False, False)}
"""By level: whether the new definition must read old data, whether the old must read new data."""


@dataclass(slots=True)
class _Version:
    number: int
    identity: int
    definition: Definition
    deleted: bool = False
    author: str | None = None

    @property
    def registered(self) -> RegisteredVersion:
        return RegisteredVersion(self.number, self.identity, self.definition, self.author)


@dataclass(slots=True)
class _Subject:
    versions: list[_Version] = field(default_factory=list)
    level: CompatibilityLevel | None = None


class MemoryRegistry:
    """A registry that several backends may share, as several operators share one; tests edit it as foreigners do."""

    def __init__(self, *, default_level: CompatibilityLevel = "BACKWARD", compare: Comparison = unreadable) -> None:
        """Make an empty registry.

        Args:
            default_level: what it demands of subjects without a level of their own.
            compare: says what cannot read what.
        """
        self.default_level = default_level
        self.available = True
        self._compare = compare
        self._subjects: dict[str, _Subject] = {}
        self._ids = count(1)
        self._identities: dict[str, int] = {}

    def register(self, subject: str, definition: Definition, *, author: str | None = None) -> RegisteredVersion:
        """Register a definition as a foreigner; what is registered already stays as it is.

        Raises:
            Rejected: as a registry would.
        """
        check_definition(definition)
        for reference in definition.references:
            if self._version(reference.subject, reference.version) is None:
                raise Rejected(Reason.DEFINITION_INVALID, f"Unresolved reference {reference.name}")
        entry = self._subjects.setdefault(subject, _Subject())
        identity = self._identities.setdefault(_content(definition), next(self._ids))
        for version in entry.versions:
            if version.identity == identity and not version.deleted:
                return version.registered
        self._refuse_incompatible(subject, definition)
        number = entry.versions[-1].number + 1 if entry.versions else 1
        entry.versions.append(_Version(number, identity, definition, author=author))
        return entry.versions[-1].registered

    def versions(self, subject: str) -> tuple[RegisteredVersion, ...]:
        """Return the versions of a subject that are not deleted."""
        return tuple(each.registered for each in self._subjects.get(subject, _Subject()).versions if not each.deleted)

    def version(self, subject: str, number: int) -> RegisteredVersion | None:
        """Return one version, also one that is softly deleted."""
        found = self._version(subject, number)
        return found.registered if found else None

    def level(self, subject: str) -> CompatibilityLevel | None:
        """Return the level that a subject has of its own."""
        return self._subjects.get(subject, _Subject()).level

    def set_level(self, subject: str, level: CompatibilityLevel) -> None:
        """Give a subject a level of its own."""
        self._subjects.setdefault(subject, _Subject()).level = level

    def test(self, subject: str, definition: Definition, number: int) -> CompatibilityVerdict | None:
        """Judge a candidate beside a version; None where there is no such version.

        Raises:
            Rejected: the candidate is no schema.
        """
        check_definition(definition)
        version = self._version(subject, number)
        if version is None or version.deleted:
            return None
        level = self.level(subject) or self.default_level
        messages = self._breaks(level, definition, version.definition)
        return CompatibilityVerdict(not messages, messages)

    def delete_version(self, subject: str, number: int) -> None:
        """Hide a version; that it is not there is no error."""
        version = self._version(subject, number)
        if version is not None:
            version.deleted = True

    def delete(self, subject: str, *, hard: bool = False) -> None:
        """Hide a subject, or take it away for good; that it is not there is no error.

        Raises:
            Rejected: another subject refers to it.
        """
        for name, entry in self._subjects.items():
            for version in entry.versions:
                if any(each.subject == subject for each in version.definition.references) and not version.deleted:
                    raise Rejected(Reason.IN_USE, f"subject {name} refers to subject {subject}")
        for version in self._subjects.get(subject, _Subject()).versions:
            version.deleted = True
        if hard:
            self._subjects.pop(subject, None)

    def _version(self, subject: str, number: int) -> _Version | None:
        versions = self._subjects.get(subject, _Subject()).versions
        return next((each for each in versions if each.number == number), None)

    def _refuse_incompatible(self, subject: str, definition: Definition) -> None:
        level = self.level(subject) or self.default_level
        versions = self.versions(subject)
        for version in versions if level.endswith("_TRANSITIVE") else versions[-1:]:
            messages = self._breaks(level, definition, version.definition)
            if messages:
                raise Rejected(
                    Reason.INCOMPATIBLE,
                    f"the definition breaks version {version.version} of subject {subject}: {'; '.join(messages)}",
                )

    def _breaks(self, level: CompatibilityLevel, new: Definition, old: Definition) -> tuple[str, ...]:
        backward, forward = _DIRECTIONS[level.removesuffix("_TRANSITIVE")]
        return (self._compare(new, old) if backward else ()) + (self._compare(old, new) if forward else ())


def _content(definition: Definition) -> str:
    """Return what makes two definitions the same to a registry: all but their formatting."""
    text = " ".join(definition.text.split())
    if definition.type != "PROTOBUF":
        text = json.dumps(json.loads(definition.text), sort_keys=True)
    references = sorted((each.name, each.subject, each.version) for each in definition.references)
    return f"{definition.type} {references} {text}"
