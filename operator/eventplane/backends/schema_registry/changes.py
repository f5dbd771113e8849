"""How each change of a subject is made, and what it leaves behind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from eventplane.api.schema import CompatibilityLevel
from eventplane.backends.schema_registry.api import RegistryApi
from eventplane.backends.schema_registry.contents import VersionReader
from eventplane.backends.schema_registry.observation import SubjectObserver
from eventplane.events.majors import record_subject
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.schema_changes import (
    AlterLevel,
    DeleteSubject,
    OpenMajor,
    RecordMajors,
    RegisterVersion,
    SchemaChange,
)
from eventplane.planning.schema_state import Definition, ObservedSubject, RegisteredVersion


@dataclass(slots=True)
class SubjectChanger:
    """Makes the changes of one batch."""

    api: RegistryApi
    more_time: Callable[[], RegistryApi]
    """Asks past the deadline of the batch, for what must not be left undone."""
    reader: VersionReader
    observer: SubjectObserver
    default_level: CompatibilityLevel
    names: set[str]
    """Subjects that exist or did: softly deleted ones keep their numbers."""
    levels: dict[str, CompatibilityLevel] = field(default_factory=dict)
    """What the batch has set."""

    async def make(self, change: SchemaChange) -> ObservedSubject | None:
        """Make a change; return the subject as it is afterwards, where the change is one of its versions.

        Raises:
            Unavailable: no answer, or none that says it is made.
            Rejected: the registry refused it.
        """
        match change:
            case AlterLevel():
                await self.api.set_level(change.subject, change.level)
                self.levels[change.subject] = change.level
            case RegisterVersion(lifted=level) if level is not None:
                return await self._register_lifted(change.subject, change.definition, level)
            case RegisterVersion():
                return await self._register(change.subject, change.definition)
            case OpenMajor():
                return await self._register_lifted(change.subject, change.definition, change.level)
            case RecordMajors():
                await self._record(record_subject(change.subject), change)
            case DeleteSubject():
                await self._delete(change.subject, hard=change.hard)
                if record_subject(change.subject) in self.names:
                    await self._delete(record_subject(change.subject), hard=change.hard)
        return None

    async def _register(self, subject: str, definition: Definition) -> ObservedSubject:
        new = subject not in self.names
        identity, version = await self.api.register(subject, definition)
        self.names.add(subject)
        if not new:
            return await self._look(subject)
        (only,) = await self.reader.complete(self.api, (RegisteredVersion(version or 1, identity, definition),))
        return ObservedSubject(subject, (only,), self.levels.get(subject), self.default_level)

    async def _look(self, subject: str) -> ObservedSubject:
        seen = await self.observer.look(self.api, subject, self.names, self.default_level, registered=True)
        if seen.error is not None:
            raise seen.error
        return seen

    async def _register_lifted(
        self, subject: str, definition: Definition, level: CompatibilityLevel
    ) -> ObservedSubject:
        if await self.api.find(subject, definition) is None:
            await self._with_level_lifted(subject, level, lambda: self.api.register(subject, definition))
        else:
            await self.api.set_level(subject, level)
        self.names.add(subject)
        return await self._look(subject)

    async def _with_level_lifted(
        self, subject: str, level: CompatibilityLevel, work: Callable[[], Awaitable[object]]
    ) -> None:
        """Lift the level for a moment; an answer that was lost may still have lifted it."""
        try:
            await self.api.set_level(subject, "NONE")
            await work()
        except BackendError as error:
            try:
                await self.more_time().set_level(subject, level)
            except BackendError as second:
                raise _still_lifted(error, second) from None
            raise
        except BaseException:
            await self.more_time().set_level(subject, level)
            raise
        await self.more_time().set_level(subject, level)

    async def _record(self, record: str, change: RecordMajors) -> None:
        text = change.majors.to_text()
        newest = await self.api.newest(record)
        if newest is not None and newest.definition.text == text:
            return
        await self.api.set_level(record, "NONE")
        definition = Definition("JSON", text)
        earlier = await self.api.find(record, definition) if newest is not None else None
        if earlier is not None:  # registering it again would not make it the newest
            await self.api.delete_version(record, earlier[0])
        await self.api.register(record, definition)
        self.names.add(record)

    async def _delete(self, subject: str, *, hard: bool) -> None:
        await self.api.delete_subject(subject, permanent=False)
        if hard:
            await self.api.delete_subject(subject, permanent=True)
            self.names.discard(subject)
        self.levels.pop(subject, None)
        self.reader.forget(subject)


def _still_lifted(error: BackendError, second: BackendError) -> BackendError:
    message = f"{error.message}; and its compatibility may still be NONE: {second.message}"
    return Unavailable(message, error.reason) if isinstance(error, Unavailable) else Rejected(error.reason, message)
