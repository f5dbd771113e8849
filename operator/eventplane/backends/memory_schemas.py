"""Subjects without a registry: the backend that tests run on, held to the same contract as the real one."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from eventplane.api.conditions import Reason
from eventplane.api.schema import CompatibilityLevel
from eventplane.backends.memory_registry import MemoryRegistry
from eventplane.backends.schemas import RegistryState
from eventplane.events.majors import Majors, majors_from_text, record_subject
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
)
from eventplane.planning.schema_state import Definition, ObservedSubject, RegisteredVersion, SubjectQuery

__all__ = ["MemoryRegistry", "MemorySchemaBackend"]

SchemaOutcome: TypeAlias = Outcome[SchemaChange, ObservedSubject]
Match: TypeAlias = type[SchemaChange] | Callable[[SchemaChange], bool]


class MemorySchemaBackend:
    """A SchemaBackend on a MemoryRegistry, which can be told to fail."""

    def __init__(self, registry: MemoryRegistry | None = None) -> None:
        """Open a backend on a registry of its own, or on one that is shared."""
        self.registry = registry or MemoryRegistry()
        self.calls: Counter[str] = Counter()
        """How often each method of the seam was called, and each type of change attempted."""
        self._failures: list[tuple[Match, BackendError, bool]] = []

    def fail_next(self, match: Match, error: BackendError, *, applied: bool = False) -> None:
        """Let the next change that matches end with an error, once.

        Args:
            match: a type of change, or a predicate on changes.
            error: what the change ends with.
            applied: the change is made all the same: only its answer was lost.
        """
        self._failures.append((match, error, applied))

    async def probe(self) -> RegistryState:
        """Tell the default level."""
        self._called("probe")
        return RegistryState(self.registry.default_level)

    async def observe(self, keys: Collection[SubjectQuery]) -> Mapping[SubjectQuery, ObservedSubject]:
        """Look at subjects."""
        self._called("observe")
        return {key: _judge(self.registry, key, key.seen or _look(self.registry, key.subject)) for key in keys}

    async def apply(self, changes: Sequence[SchemaChange]) -> Sequence[SchemaOutcome]:
        """Make changes, one after the other."""
        self._called("apply")
        outcomes: list[SchemaOutcome] = []
        failed: dict[str, BackendError] = {}
        for change in changes:
            before = next((failed[each] for each in _concerned(change) if each in failed), None)
            outcome = Outcome(change, before) if before is not None else self._attempt(change)
            if outcome.error is not None:
                failed[change.subject] = outcome.error
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None:
        """Hold nothing, so release nothing."""

    def _called(self, method: str) -> None:
        self.calls[method] += 1
        if not self.registry.available:
            raise Unavailable("the schema registry does not answer", Reason.REGISTRY_UNAVAILABLE)

    def _attempt(self, change: SchemaChange) -> SchemaOutcome:
        self.calls[type(change).__name__] += 1
        planted = self._take_failure(change)
        if planted is not None and not planted[1]:
            return Outcome(change, planted[0])
        try:
            state = _make(self.registry, change)
        except BackendError as error:
            return Outcome(change, error)
        return Outcome(change, planted[0]) if planted is not None else Outcome(change, state=state)

    def _take_failure(self, change: SchemaChange) -> tuple[BackendError, bool] | None:
        for index, (match, error, applied) in enumerate(self._failures):
            if isinstance(change, match) if isinstance(match, type) else match(change):
                del self._failures[index]
                return error, applied
        return None


def _concerned(change: SchemaChange) -> Collection[str]:
    """Name the subject of a change first, and those that its definition refers to."""
    if isinstance(change, RegisterVersion | OpenMajor):
        return dict.fromkeys((change.subject, *(each.subject for each in change.definition.references)))
    return (change.subject,)


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
        majors = majors_from_text(record[-1].definition.text)
    except ValueError:
        majors = None
    if majors is None:
        raise Rejected(
            Reason.REJECTED,
            f"subject {record_subject(subject)} is no record of the major versions of subject {subject}",
        )
    return majors


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
