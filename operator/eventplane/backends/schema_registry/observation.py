"""What is seen of subjects: versions, level, the record beside them, and what the registry thinks of candidates."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from eventplane.api.conditions import Reason
from eventplane.api.schema import CompatibilityLevel
from eventplane.backends.schema_registry.api import RegistryApi
from eventplane.backends.schema_registry.client import together
from eventplane.backends.schema_registry.contents import VersionReader
from eventplane.backends.schema_registry.errors import NoAnswer
from eventplane.events.majors import Majors, record_subject, recorded_majors
from eventplane.planning.outcome import BackendError, Rejected
from eventplane.planning.schema_state import CompatibilityVerdict, ObservedSubject, SubjectQuery


class SubjectObserver:
    """Looks at subjects that exist; of all others the list of subjects says enough."""

    def __init__(self, reader: VersionReader) -> None:
        """Look with a reader of versions."""
        self._reader = reader

    async def observe(
        self, api: RegistryApi, queries: Collection[SubjectQuery]
    ) -> Mapping[SubjectQuery, ObservedSubject]:
        """Look at subjects, unless they were seen a moment ago, and ask about the candidates for them.

        Raises:
            Unavailable: the registry does not answer, or stopped answering before anything was learned.
            Rejected: it does not let us ask.
        """
        looked = await self._look_at(api, {query.subject for query in queries if query.seen is None})
        seen = [query.seen or looked[query.subject] for query in queries]
        verdicts = await asyncio.gather(
            *(self._verdicts(api, query, exists=bool(each.versions)) for query, each in zip(queries, seen, strict=True))
        )
        _raise_if_nothing_answered(verdicts)
        return {query: _judged(each, judged) for query, each, judged in zip(queries, seen, verdicts, strict=True)}

    async def _look_at(self, api: RegistryApi, subjects: Collection[str]) -> Mapping[str, ObservedSubject]:
        if not subjects:
            return {}
        names, default = await api.subjects(), await api.default_level()
        there = sorted(names.intersection(subjects))
        looked = await asyncio.gather(*(self.look(api, subject, names, default) for subject in there))
        _raise_if_nothing_answered([each.error for each in looked])
        absent = {subject: ObservedSubject(subject, default_level=default) for subject in subjects}
        return absent | dict(zip(there, looked, strict=True))

    async def look(
        self,
        api: RegistryApi,
        subject: str,
        names: Collection[str],
        default: CompatibilityLevel,
        *,
        registered: bool = False,
    ) -> ObservedSubject:
        """Look at one subject that exists.

        Args:
            api: to ask with.
            subject: its name.
            names: the subjects that exist, of which one may be the record beside it.
            default: the registry's level.
            registered: one of its versions was registered just now, after the others were read.
        """
        read = self._reader.read_registered if registered else self._reader.read
        try:
            versions = await read(api, subject)
            if not versions:  # it went between two requests
                return ObservedSubject(subject, default_level=default)
            level, majors = await api.own_level(subject), await self._majors(api, subject, names)
        except BackendError as error:
            return ObservedSubject(subject, default_level=default, error=error)
        return ObservedSubject(subject, versions, level, default, majors)

    @staticmethod
    async def _majors(api: RegistryApi, subject: str, names: Collection[str]) -> Majors:
        record = record_subject(subject)
        newest = await api.newest(record) if record in names else None
        if newest is None:
            return Majors()
        try:
            return recorded_majors(newest.definition.text)
        except ValueError:
            raise Rejected(
                Reason.REJECTED,
                f"subject {record} is no record of the major versions of subject {subject}: whoever wrote to it can"
                f" delete its version {newest.version}, so that the one before counts again",
            ) from None

    @staticmethod
    async def _verdicts(
        api: RegistryApi, query: SubjectQuery, *, exists: bool
    ) -> Mapping[int, CompatibilityVerdict] | BackendError:
        if query.candidate is None or not exists:
            return {}
        candidate, against = query.candidate, dict.fromkeys(query.against)
        try:
            verdicts = await together(api.test(query.subject, candidate, version) for version in against)
        except BackendError as error:
            return error
        return {version: each for version, each in zip(against, verdicts, strict=True) if each is not None}


def _raise_if_nothing_answered(answers: Sequence[object]) -> None:
    failures = [each for each in answers if isinstance(each, NoAnswer)]
    if failures and len(failures) == len(answers):
        raise failures[0]


def _judged(seen: ObservedSubject, judged: Mapping[int, CompatibilityVerdict] | BackendError) -> ObservedSubject:
    if isinstance(judged, BackendError):
        return replace(seen, error=seen.error or judged)
    return replace(seen, verdicts=judged) if judged else seen
