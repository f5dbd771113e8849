"""The seam for schemas: a Backend of subjects that also says which level its registry demands."""

from dataclasses import dataclass
from typing import Protocol

from eventplane.api.schema import CompatibilityLevel
from eventplane.backends import Backend
from eventplane.planning.schema_changes import SchemaChange
from eventplane.planning.schema_state import ObservedSubject, SubjectQuery


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What a schema registry says of itself."""

    default_level: CompatibilityLevel


class SchemaBackend(Backend[SubjectQuery, ObservedSubject, SchemaChange], Protocol):
    """Subjects of one schema registry, by the API that Confluent's, Apicurio, Karapace and Redpanda share.

    The record of a subject's major versions is kept as another subject, see `record_subject`; it is looked at only
    where it exists, so that subjects without one cost nothing.
    """

    async def probe(self) -> RegistryState:
        """Ask the registry for its default level: the cheapest question that proves it answers and lets us in.

        Raises:
            Unavailable: no answer.
            Rejected: wrong credentials or missing rights.
        """
        ...

    async def close(self) -> None:
        """Release connections; nothing can be asked afterwards."""
        ...
