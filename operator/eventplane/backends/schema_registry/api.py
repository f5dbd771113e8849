"""Confluent's API, as far as Apicurio, Karapace and Redpanda share it, as typed calls that decide nothing."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args
from urllib.parse import quote

from eventplane.api.conditions import Reason
from eventplane.api.schema import CompatibilityLevel, SchemaType
from eventplane.backends.schema_registry.client import Call, RegistryClient
from eventplane.backends.schema_registry.errors import not_a_registry
from eventplane.planning.outcome import Rejected
from eventplane.planning.schema_state import CompatibilityVerdict, Definition, Reference, RegisteredVersion

Registered: TypeAlias = tuple[int, int | None]
"""Id of a schema and number of the version, where the registry tells it."""

_ALL: Final = "the list of subjects"
_PAGE: Final = 10_000
_SHORT: Final = 1000
"""A list that is shorter is whole: no registry is known that gives less at once."""
_DEFAULT: Final = "the default compatibility level"


class RegistryApi:
    """The calls that belong together, in one span of time.

    Whatever it names, a call raises NoAnswer, Unavailable or Rejected; see RegistryClient.ask.
    """

    def __init__(self, client: RegistryClient, deadline: float, *, urgent: bool = False) -> None:
        """Ask with a client until a deadline, which is in the event loop's time; see RegistryClient.ask."""
        self._client = client
        self._deadline = deadline
        self._urgent = urgent

    async def default_level(self) -> CompatibilityLevel:
        """Ask what is demanded of subjects without a level of their own."""
        answer = await self._ask(Call("GetDefaultLevel", "GET", "/config", _DEFAULT))
        if answer is None:
            raise not_a_registry(_DEFAULT)
        return _level(answer, _DEFAULT)

    async def subjects(self, *, deleted: bool = False) -> frozenset[str]:
        """List the subjects, with those that are softly deleted if asked to.

        Apicurio lists 1,000 where no limit is named, Confluent's at most 20,000; Karapace and Redpanda list all and
        know no pages. So a long list is asked for its next page until that brings nothing new.
        """
        names: set[str] = set()
        while True:
            page = await self._subjects(len(names), deleted=deleted)
            new = page - names
            names |= page
            if len(page) < _SHORT or not new:
                return frozenset(names)

    async def _subjects(self, offset: int, *, deleted: bool) -> set[str]:
        path = f"/subjects?offset={offset}&limit={_PAGE}" + ("&deleted=true" if deleted else "")
        answer = await self._ask(Call("ListSubjects", "GET", path, _ALL))
        if not isinstance(answer, list):
            raise not_a_registry(_ALL)
        return {str(subject) for subject in answer}

    async def own_level(self, subject: str) -> CompatibilityLevel | None:
        """Ask for the level that a subject has of its own.

        Confluent's answers 404 where there is none, Apicurio NONE. Which NONE it is shows in the level in force: where
        that is another, it is the default. Where the default is NONE too, both mean the same, and NONE is what we say.
        """
        about = f"the compatibility level of subject {subject}"
        answer = await self._ask(Call("GetLevel", "GET", _path("config", subject), about))
        if answer is None or (own := _level(answer, about)) != "NONE":
            return None if answer is None else own
        path = f"{_path('config', subject)}?defaultToGlobal=true"
        in_force = await self._ask(Call("GetLevel", "GET", path, about))
        return "NONE" if in_force is not None and _level(in_force, about) == "NONE" else None

    async def set_level(self, subject: str, level: CompatibilityLevel) -> None:
        """Give a subject a level of its own, also one that has no version yet."""
        about = f"the compatibility level of subject {subject}"
        answer = await self._ask(Call("SetLevel", "PUT", _path("config", subject), about, {"compatibility": level}))
        if answer is None:
            raise Rejected(Reason.REJECTED, f"the schema registry knows no subject {subject} to set the level of")

    async def newest(self, subject: str) -> RegisteredVersion | None:
        """Read the latest version that is not deleted."""
        return await self._version(subject, "latest")

    async def version(self, subject: str, number: int, *, deleted: bool = False) -> RegisteredVersion | None:
        """Read a version, also one that is softly deleted if asked to."""
        return await self._version(subject, f"{number}?deleted=true" if deleted else str(number))

    async def version_numbers(self, subject: str) -> tuple[int, ...]:
        """List the numbers of the versions that are not deleted, in order."""
        answer = await self._ask(
            Call("ListVersions", "GET", _path("subjects", subject, "versions"), f"subject {subject}")
        )
        return tuple(sorted(answer or ()))

    async def find(self, subject: str, definition: Definition) -> tuple[int, int] | None:
        """Look for a version by its definition; return its number and id."""
        call = Call("FindVersion", "POST", _path("subjects", subject), f"subject {subject}", _body(definition))
        answer = await self._ask(call)
        return None if answer is None else _numbers(answer, call.about)

    async def register(self, subject: str, definition: Definition) -> Registered:
        """Register a definition as the next version, unless it is one already."""
        about = f"a version of subject {subject}"
        path = _path("subjects", subject, "versions")
        answer = await self._ask(Call("RegisterVersion", "POST", path, about, _body(definition)))
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
            raise not_a_registry(about)
        version = answer.get("version")
        return answer["id"], version if isinstance(version, int) else None

    async def test(self, subject: str, definition: Definition, version: int) -> CompatibilityVerdict | None:
        """Ask what the registry thinks of a candidate beside a version; None where there is no such version."""
        path = f"{_path('compatibility', 'subjects', subject, 'versions', str(version))}?verbose=true"
        about = f"a candidate for subject {subject}"
        answer = await self._ask(Call("TestCompatibility", "POST", path, about, _body(definition)))
        if answer is None:
            return None
        return CompatibilityVerdict(bool(answer.get("is_compatible")), tuple(map(str, answer.get("messages") or ())))

    async def delete_subject(self, subject: str, *, permanent: bool) -> None:
        """Hide a subject, or take away for good one that is hidden; what is not there is no error."""
        path = _path("subjects", subject) + ("?permanent=true" if permanent else "")
        await self._ask(Call("DeleteSubject", "DELETE", path, f"subject {subject}"))

    async def delete_version(self, subject: str, number: int) -> None:
        """Hide a version; what is not there is no error."""
        path = _path("subjects", subject, "versions", str(number))
        await self._ask(Call("DeleteVersion", "DELETE", path, f"version {number} of subject {subject}"))

    async def _version(self, subject: str, which: str) -> RegisteredVersion | None:
        path = f"{_path('subjects', subject, 'versions')}/{which}"
        answer = await self._ask(Call("GetVersion", "GET", path, f"subject {subject}"))
        return None if answer is None else _registered(answer, f"subject {subject}")

    async def _ask(self, call: Call) -> Any:
        return await self._client.ask(call, self._deadline, urgent=self._urgent)


def _path(*parts: str) -> str:
    if not {".", ".."}.isdisjoint(parts):  # no escape keeps these two from being a way through the path
        raise Rejected(Reason.REJECTED, "a subject cannot be named . or .., which no address can hold: rename it")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _body(definition: Definition) -> Mapping[str, Any]:
    body: dict[str, Any] = {"schemaType": definition.type, "schema": definition.text}
    if definition.references:
        body["references"] = [
            {"name": each.name, "subject": each.subject, "version": each.version} for each in definition.references
        ]
    return body


def _level(answer: Any, about: str) -> CompatibilityLevel:
    level = answer.get("compatibilityLevel") if isinstance(answer, dict) else None
    for known in get_args(CompatibilityLevel):
        if level == known:
            return known  # type: ignore[no-any-return]  # one of the literals
    raise (
        not_a_registry(about)
        if level is None
        else Rejected(
            Reason.REJECTED, f"{about} is {level}, which is none that can be kept: set another in the registry"
        )
    )


def _numbers(answer: Any, about: str) -> tuple[int, int]:
    try:
        return int(answer["version"]), int(answer["id"])
    except (KeyError, TypeError, ValueError):
        raise not_a_registry(about) from None


def _registered(answer: Any, about: str) -> RegisteredVersion:
    version, identity = _numbers(answer, about)
    try:
        references = tuple(
            Reference(str(each["name"]), str(each["subject"]), int(each["version"]))
            for each in answer.get("references") or ()
        )
        definition = Definition(_type(answer.get("schemaType"), about), str(answer["schema"]), references)
    except (KeyError, TypeError, ValueError):
        raise not_a_registry(about) from None
    return RegisteredVersion(version, identity, definition, _author(answer))


def _type(name: Any, about: str) -> SchemaType:
    for known in get_args(SchemaType):
        if known == (name or "AVRO"):  # which is not said
            return known  # type: ignore[no-any-return]  # one of the literals
    raise Rejected(Reason.REJECTED, f"{about} holds a schema of type {name}, which is not AVRO, JSON or PROTOBUF")


def _author(answer: Mapping[str, Any]) -> str | None:
    metadata = answer.get("metadata")
    properties = metadata.get("properties") if isinstance(metadata, dict) else None
    if not isinstance(properties, dict):
        return None
    return next((str(properties[key]) for key in ("author", "owner") if properties.get(key)), None)
