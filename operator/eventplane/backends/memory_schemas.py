"""Subjects without a registry: the backend that tests run on, held to the same contract as the real one."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from eventplane.api.conditions import Reason
from eventplane.api.schema import CompatibilityLevel
from eventplane.backends.memory_backend import MemoryBackend
from eventplane.backends.memory_registry import MemoryRegistry
from eventplane.backends.schemas import RegistryState
from eventplane.events.majors import Majors, record_subject, recorded_majors
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
    concerned_subjects,
)
from eventplane.planning.schema_state import Definition, ObservedSubject, RegisteredVersion, SubjectQuery

__all__ = ["MemoryRegistry", "MemorySchemaBackend"]


class MemorySchemaBackend(MemoryBackend[SchemaChange, ObservedSubject]):
    """A SchemaBackend on a MemoryRegistry, which can be told to fail."""

    def __init__(self, registry: MemoryRegistry | None = None) -> None:
        """Open a backend on a registry of its own, or on one that is shared."""
        super().__init__()
        self.registry = registry or MemoryRegistry()

    async def probe(self) -> RegistryState:
        """Tell the default level."""
        self._called("probe")
        return RegistryState(self.registry.default_level)

    async def observe(self, keys: Collection[SubjectQuery]) -> Mapping[SubjectQuery, ObservedSubject]:
        """Look at subjects."""
        self._called("observe")
        return {key: _judge(self.registry, key, key.seen or _look(self.registry, key.subject)) for key in keys}

    def _check_answers(self) -> None:
        if not self.registry.available:
            raise Unavailable("the schema registry does not answer", Reason.REGISTRY_UNAVAILABLE)

    def _make(self, change: SchemaChange) -> ObservedSubject | None:
        return _make(self.registry, change)

    def _concerned(self, change: SchemaChange) -> Collection[str]:
        return concerned_subjects(change)


def _look(registry: MemoryRegistry, subject: str) -> ObservedSubject:
    absent = ObservedSubject(subject, default_level=registry.default_level)
    versions = tuple(_completed(registry, each) for each in registry.versions(subject))
    if not versions:
        return absent
    try:
        majors = _majors(registry, subject)
    except Rejected as error:
        return replace(absent, error=error)
    return replace(absent, versions=versions, level=registry.level(subject), majors=majors)


def _completed(registry: MemoryRegistry, version: RegisteredVersion) -> RegisteredVersion:
    return replace(version, definition=_with_references(registry, version.definition))


def _with_references(registry: MemoryRegistry, definition: Definition) -> Definition:
    references = []
    for reference in definition.references:
        found = registry.version(reference.subject, reference.version)
        text = _with_references(registry, found.definition) if found else None
        references.append(replace(reference, definition=text))
    return replace(definition, references=tuple(references))


def _majors(registry: MemoryRegistry, subject: str) -> Majors:
    record = registry.versions(record_subject(subject))
    if not record:
        return Majors()
    try:
        return recorded_majors(record[-1].definition.text)
    except ValueError:
        raise Rejected(
            Reason.REJECTED,
            f"subject {record_subject(subject)} is no record of the major versions of subject {subject}",
        ) from None


def _judge(registry: MemoryRegistry, query: SubjectQuery, seen: ObservedSubject) -> ObservedSubject:
    if query.candidate is None or not registry.versions(query.subject):
        return seen
    try:
        verdicts = {version: registry.test(query.subject, query.candidate, version) for version in query.against}
    except Rejected as error:
        return replace(seen, error=seen.error or error)
    return replace(seen, verdicts={version: each for version, each in verdicts.items() if each is not None})


def _make(registry: MemoryRegistry, change: SchemaChange) -> ObservedSubject | None:
    match change:
        case AlterLevel():
            registry.set_level(change.subject, change.level)
        case RegisterVersion() if change.lifted is not None:
            return _register_lifted(registry, change.subject, change.definition, change.lifted)
        case RegisterVersion():
            registry.register(change.subject, change.definition)
            return _look_again(registry, change.subject)
        case OpenMajor():
            return _register_lifted(registry, change.subject, change.definition, change.level)
        case RecordMajors():
            _record(registry, record_subject(change.subject), change.majors.to_text())
        case DeleteSubject():
            registry.delete(change.subject, hard=change.hard)
            registry.delete(record_subject(change.subject), hard=change.hard)
    return None


def _register_lifted(
    registry: MemoryRegistry, subject: str, definition: Definition, level: CompatibilityLevel
) -> ObservedSubject:
    registry.set_level(subject, "NONE")
    try:
        registry.register(subject, definition)
    finally:
        registry.set_level(subject, level)
    return _look_again(registry, subject)


def _look_again(registry: MemoryRegistry, subject: str) -> ObservedSubject:
    seen = _look(registry, subject)
    if seen.error is not None:
        raise seen.error
    return seen


def _record(registry: MemoryRegistry, record: str, text: str) -> None:
    registry.set_level(record, "NONE")
    versions = registry.versions(record)
    if versions and versions[-1].definition.text == text:
        return
    for version in versions:
        if version.definition.text == text:  # registering it again would not make it the newest
            registry.delete_version(record, version.version)
    registry.register(record, Definition("JSON", text))
