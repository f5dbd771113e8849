"""What serializers read in the registry, and for how long they believe it.

A schema's id and a version never change their meaning, so they are kept for good; what the latest version is and what
the record of major versions says is believed for a while. Requests are repeated by Confluent's client, within bounds.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from eventplane.api.schema import SchemaType
from eventplane.client.errors import RegistryUnavailableError, UnknownMajorError
from eventplane.events.majors import Majors, record_subject, recorded_majors
from eventplane.events.validation import SchemaText

_BOUNDS: Final[Mapping[str, Any]] = {
    "timeout": 10,
    "max.retries": 4,
    "retries.wait.ms": 200,
    "retries.max.wait.ms": 2000,
}
"""Confluent's client would wait for ever for an answer."""
_ABSENT: Final = 404
T = TypeVar("T")


class AbsentError(LookupError):
    """The registry answered that it has no such thing."""


@dataclass(frozen=True, slots=True)
class RegisteredText:
    """A schema with the id that events carry."""

    schema_id: int
    schema: SchemaText


@dataclass(frozen=True, slots=True)
class SubjectMajors:
    """A subject's versions and what is on record about their major versions, as of one look."""

    record: Majors
    """Empty where there is none: then everything is of the first."""
    versions: tuple[int, ...]

    def latest_of(self, major: int) -> int | None:
        """Tell the newest version of a major version; None where there is none."""
        return max((each for each in self.versions if self.record.major_of(each) == major), default=None)


class SchemaReader:
    """A registry as serializers see it; may be used by several threads."""

    def __init__(
        self, conf: Mapping[str, Any], ttl_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = SchemaRegistryClient({**_BOUNDS, **conf})
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._texts: dict[int, SchemaText] = {}
        self._versions: dict[tuple[str, int], RegisteredText] = {}
        self._majors: dict[tuple[str, int], int] = {}
        self._fresh: dict[tuple[str, str], tuple[float, Any]] = {}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def by_id(self, schema_id: int) -> SchemaText:
        """Return the schema of an id; raises AbsentError, RegistryUnavailableError."""
        if schema_id not in self._texts:
            self._texts[schema_id] = self._text(_asked(lambda: self._client.get_schema(schema_id)))
        return self._texts[schema_id]

    def version(self, subject: str, version: int) -> RegisteredText:
        """Return a version of a subject; raises AbsentError, RegistryUnavailableError."""
        key = (subject, version)
        if key not in self._versions:
            found = _asked(lambda: self._client.get_version(subject, version))
            self._versions[key] = RegisteredText(int(found.schema_id or 0), self._text(found.schema))
        return self._versions[key]

    def latest(self, subject: str, major: int | None) -> RegisteredText:
        """Return the newest version, or that of a major version; raises AbsentError, RegistryUnavailableError."""
        majors = self.majors(subject)
        version = max(majors.versions, default=None) if major is None else majors.latest_of(major)
        if version is None:
            raise AbsentError(f"major version {major} of subject {subject} does not exist")
        return self.version(subject, version)

    def major_of_id(self, subject: str, schema_id: int) -> int:
        """Tell the major version that a schema's id belongs to.

        Raises:
            AbsentError: it is no id of the subject.
            UnknownMajorError: the record is none.
            RegistryUnavailableError: no answer.
        """
        key = (subject, schema_id)
        if key not in self._majors:
            version = self._version_of_id(subject, schema_id)
            # read after the version was met: its major version is on record before it is registered
            self._majors[key] = self.majors(subject, again=True).record.major_of(version)
        return self._majors[key]

    def majors(self, subject: str, *, again: bool = False) -> SubjectMajors:
        """Return versions and record of a subject; `again` asks though what is known is fresh."""
        return self._believed("majors", subject, lambda: self._read_majors(subject), again=again)

    def _believed(self, kind: str, subject: str, read: Callable[[], T], *, again: bool) -> T:
        now = self._clock()
        until, value = self._fresh.get((kind, subject), (now, None))
        if again or now >= until:
            value = read()
            self._fresh[kind, subject] = (now + self._ttl_seconds, value)
        found: T = value
        return found

    def _read_majors(self, subject: str) -> SubjectMajors:
        versions = tuple(_asked(lambda: self._client.get_versions(subject)))
        self._client.clear_latest_caches()  # the client, too, keeps what it was told
        try:
            text = _asked(lambda: self._client.get_latest_version(record_subject(subject))).schema.schema_str
        except AbsentError:
            return SubjectMajors(Majors(), versions)
        try:
            return SubjectMajors(recorded_majors(text or ""), versions)
        except ValueError as error:
            raise UnknownMajorError(f"{record_subject(subject)}: {error}") from error

    def _version_of_id(self, subject: str, schema_id: int) -> int:
        found = _asked(lambda: self._client.get_schema_versions(schema_id))
        versions = [each.version for each in found if each.subject == subject and each.version is not None]
        if not versions:
            raise AbsentError(f"schema {schema_id} is no version of subject {subject}")
        return max(versions)

    def _text(self, schema: Schema) -> SchemaText:
        references = tuple(
            (each.name, self.version(each.subject, each.version).schema)
            for each in schema.references or ()
            if each.name is not None and each.subject is not None and each.version is not None
        )
        kind = cast("SchemaType", schema.schema_type or "AVRO")
        return SchemaText(kind, schema.schema_str or "", references)


def _asked(ask: Callable[[], T]) -> T:
    """Ask, and tell an answer of no from no answer."""
    try:
        return ask()
    except SchemaRegistryError as error:
        if error.http_status_code == _ABSENT:
            raise AbsentError(error.error_message) from error
        raise RegistryUnavailableError(f"the schema registry answered {error}") from error
    except Exception as error:  # of httpx2 or httpx, whichever Confluent's client found; both are its own affair
        raise RegistryUnavailableError(f"the schema registry did not answer: {type(error).__name__} {error}") from error
