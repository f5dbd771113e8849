"""Contents of versions, read once: a version never changes, but its number may come to mean another one."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from eventplane.backends.schema_registry.api import RegistryApi
from eventplane.backends.schema_registry.client import together
from eventplane.planning.schema_state import Definition, Reference, RegisteredVersion

_MAX_CHARACTERS: Final = 32 * 1024 * 1024
_Key = tuple[str, int]


class VersionCache:
    """Versions by subject and number; those that were not used for longest go first."""

    def __init__(self, max_characters: int = _MAX_CHARACTERS) -> None:
        """Make an empty one that holds definitions of so many characters in all."""
        self._left = max_characters
        self._subjects: OrderedDict[str, dict[int, RegisteredVersion]] = OrderedDict()

    def known(self, subject: str) -> dict[int, RegisteredVersion]:
        """Return what is known of a subject, by number."""
        if subject in self._subjects:
            self._subjects.move_to_end(subject)
        return dict(self._subjects.get(subject, {}))

    def get(self, subject: str, number: int) -> RegisteredVersion | None:
        """Return one version, if it is known."""
        return self._subjects.get(subject, {}).get(number)

    def keep(self, subject: str, versions: Iterable[RegisteredVersion]) -> None:
        """Know these versions of a subject, and no others."""
        self.forget(subject)
        self._subjects[subject] = {each.version: each for each in versions}
        self._left -= _size(self._subjects[subject])
        while self._left < 0:
            self.forget(next(iter(self._subjects)))

    def forget(self, subject: str) -> None:
        """Know nothing of a subject."""
        self._left += _size(self._subjects.pop(subject, {}))


def _size(versions: Mapping[int, RegisteredVersion]) -> int:
    return sum(len(each.definition.text) for each in versions.values())


class VersionReader:
    """Reads the versions of subjects, as few of them as will do.

    Numbers are used again after a hard deletion: all of them when a subject went, the highest when a version went. So
    what is known is trusted only if the highest version known, read again, still has its id; and one of the older ones
    is read again each time, in turn, so that even a subject made anew with the same end is found out. A difference
    makes everything known of that subject be read again. The latest version is always read: where it is the first,
    that is all there is to ask.
    """

    def __init__(self, cache: VersionCache) -> None:
        """Read with a cache."""
        self._cache = cache
        self._references = VersionCache()
        self._turn = 0

    async def read(self, api: RegistryApi, subject: str) -> tuple[RegisteredVersion, ...]:
        """Read all versions of a subject that are not deleted, oldest first, with all that they refer to."""
        return await self._read(api, subject, await api.newest(subject))

    async def read_registered(self, api: RegistryApi, subject: str) -> tuple[RegisteredVersion, ...]:
        """Read all versions of a subject, one of which was registered just now, after the others were read.

        Only that one is read if it is the next after those that are known.
        """
        newest, known = await api.newest(subject), self._cache.known(subject)
        if newest is None or not known or newest.version != max(known) + 1:
            return await self._read(api, subject, newest)
        versions = (*(each for _, each in sorted(known.items())), *await self.complete(api, (newest,)))
        self._cache.keep(subject, versions)
        return versions

    async def _read(
        self, api: RegistryApi, subject: str, newest: RegisteredVersion | None
    ) -> tuple[RegisteredVersion, ...]:
        if newest is None:
            self._cache.forget(subject)
            return ()
        numbers = (1,) if newest.version == 1 else await api.version_numbers(subject)
        known = {number: each for number, each in self._cache.known(subject).items() if number in numbers}
        fresh = {newest.version: newest}
        await self._fetch(api, subject, (set(numbers) - known.keys()) | self._checks(known), fresh)
        if any(number in fresh and fresh[number].schema_id != each.schema_id for number, each in known.items()):
            known = {}
            await self._fetch(api, subject, numbers, fresh)
        new = {number: each for number, each in fresh.items() if number not in known}
        completed = await self.complete(api, tuple(new.values()))
        versions = tuple(each for _, each in sorted((known | {each.version: each for each in completed}).items()))
        self._cache.keep(subject, versions)
        return versions

    def forget(self, subject: str) -> None:
        """Know nothing of a subject any more, since it was deleted."""
        self._cache.forget(subject)
        self._references.forget(subject)

    def _checks(self, known: Mapping[int, RegisteredVersion]) -> set[int]:
        if not known:
            return set()
        *older, highest = sorted(known)
        self._turn += 1
        return {highest, older[self._turn % len(older)]} if older else {highest}

    @staticmethod
    async def _fetch(
        api: RegistryApi, subject: str, numbers: Collection[int], fresh: dict[int, RegisteredVersion]
    ) -> None:
        wanted = [number for number in numbers if number not in fresh]
        for version in await together(api.version(subject, number) for number in wanted):
            if version is not None:  # it was deleted meanwhile
                fresh[version.version] = version

    async def complete(
        self, api: RegistryApi, versions: tuple[RegisteredVersion, ...]
    ) -> tuple[RegisteredVersion, ...]:
        """Put the texts into everything that versions refer to, however indirectly."""
        found: dict[_Key, RegisteredVersion | None] = {}
        wanted = _referred(each.definition for each in versions)
        while wanted := wanted - found.keys():
            read = await together(self._referenced(api, *key) for key in wanted)
            found.update(zip(wanted, read, strict=True))
            wanted = _referred(each.definition for each in read if each is not None)
        return tuple(replace(each, definition=_filled(each.definition, found, ())) for each in versions)

    async def _referenced(self, api: RegistryApi, subject: str, number: int) -> RegisteredVersion | None:
        known = self._references.get(subject, number)
        if known is not None:
            return known
        version = await api.version(subject, number, deleted=True)
        if version is not None:
            self._references.keep(subject, (self._references.known(subject) | {number: version}).values())
        return version


def _referred(definitions: Iterable[Definition]) -> set[_Key]:
    return {(each.subject, each.version) for definition in definitions for each in definition.references}


def _filled(
    definition: Definition, found: Mapping[_Key, RegisteredVersion | None], path: tuple[_Key, ...]
) -> Definition:
    def fill(reference: Reference) -> Reference:
        key = (reference.subject, reference.version)
        version = found.get(key)
        if version is None or key in path:
            return reference
        return replace(reference, definition=_filled(version.definition, found, (*path, key)))

    return replace(definition, references=tuple(fill(each) for each in definition.references))
