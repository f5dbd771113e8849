"""Passes over batches of Schemas: what is asked of the registry, and what hangs on the store and on ConfigMaps."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.schema import Schema, SchemaStatus
from eventplane.backends.schemas import SchemaBackend
from eventplane.controllers.reconcile import Batch, Flight, Reconciler, Surroundings
from eventplane.planning.connection import no_registry
from eventplane.planning.decision import Decision
from eventplane.planning.occurrences import Occurrence
from eventplane.planning.outcome import BackendError, Rejected, Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.schema_decisions import SchemaCase, decide_schema
from eventplane.planning.schema_desired import (
    definition_of,
    desire_subject,
    resolve_references,
    subject_name,
    with_definition,
)
from eventplane.planning.schema_readiness import schema_occurrences, schema_status
from eventplane.planning.schema_state import ObservedSubject, Reference, SubjectQuery
from eventplane.planning.schemas import candidate_query

ReadConfigMap: TypeAlias = Callable[[str, str], Awaitable[Mapping[str, str] | Refusal]]
"""Reads the data of a ConfigMap by namespace and name; raises Unavailable or Rejected."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A schema whose subject is known, and what it is made of unless it is being deleted."""

    schema: Schema
    subject: str
    text: str | None = None
    references: tuple[Reference, ...] = ()


class SchemaReconciler(Reconciler[Schema, SchemaBackend, SchemaCase]):
    """Brings Schemas to what they ask for."""

    def __init__(self, surroundings: Surroundings, read_config_map: ReadConfigMap) -> None:
        super().__init__(surroundings, surroundings.store.schemas)
        self._read_config_map = read_config_map

    def home_of(self, resource: Schema) -> EventBus | Refusal:
        """Find the bus of a schema, if that has a registry."""
        bus = super().home_of(resource)
        return bus if isinstance(bus, Refusal) or bus.spec.schema_registry is not None else no_registry(bus)

    async def look(
        self, bus: EventBus, backend: SchemaBackend, resources: Sequence[Schema], batch: Batch[Schema, SchemaCase]
    ) -> None:
        """Observe the subjects of a batch, and those that they import; then ask about new definitions, and decide."""
        found = await asyncio.gather(*(self._wanted(bus, schema) for schema in resources))
        wanted = [each for each in found if isinstance(each, _Wanted)]
        batch.refused += [
            (schema, each) for schema, each in zip(resources, found, strict=True) if not isinstance(each, _Wanted)
        ]
        imported = {reference.subject for each in wanted for reference in each.references}
        queries = {SubjectQuery(each.subject) for each in wanted} | {SubjectQuery(subject) for subject in imported}
        observed = await backend.observe(queries) if queries else {}
        for each in wanted:
            flight = Flight(self._case(bus, each, observed))
            flight.decision = self.decided(flight.case, decide_schema)
            batch.flights.append(flight)
        await self._ask(backend, [flight for flight in batch.flights if flight.decision.needs_usage])

    async def _ask(self, backend: SchemaBackend, flights: Sequence[Flight[SchemaCase]]) -> None:
        """Ask what the registry thinks of new definitions."""
        cases = [(flight.case.desired, flight.case.observed) for flight in flights]
        queries = [candidate_query(desired, observed) for desired, observed in cases if desired is not None]
        if not queries:
            return
        observed = await backend.observe(queries)
        for flight, query in zip(flights, queries, strict=True):
            flight.case = replace(flight.case, observed=observed[query])
            flight.decision = self.decided(flight.case, decide_schema)
            if flight.decision.needs_usage:  # a version came or went since we asked about the others
                overtaken = Unavailable(f"subject {query.subject} changed meanwhile", Reason.RECONCILING)
                flight.decision = Decision(postponed=overtaken)

    async def _wanted(self, bus: EventBus, schema: Schema) -> _Wanted | BackendError | Refusal:
        if schema.metadata.deleting:
            return _Wanted(schema, schema.status.subject or schema.metadata.name)
        text = await self._definition(schema)
        if not isinstance(text, str):
            return text
        subject = subject_name(schema, bus, self.store.topic_of(schema), text)
        if not isinstance(subject, str):
            return subject
        name = "/".join(bus.metadata.key)
        references = resolve_references(schema, self.store.imports_of(schema), name)
        return _Wanted(schema, subject, text, references) if isinstance(references, tuple) else references

    async def _definition(self, schema: Schema) -> str | BackendError | Refusal:
        source, data = schema.spec.definition_from, None
        if source is not None:
            try:
                data = await self._read_config_map(schema.metadata.namespace, source.config_map_key_ref.name)
            except (Unavailable, Rejected) as error:
                return error
        return definition_of(schema, data)

    def _case(self, bus: EventBus, wanted: _Wanted, observed: Mapping[SubjectQuery, ObservedSubject]) -> SchemaCase:
        schema, desired = wanted.schema, None
        if wanted.text is not None:
            known = {query.subject: each for query, each in observed.items()}
            references = tuple(with_definition(each, known.get(each.subject)) for each in wanted.references)
            desired = desire_subject(schema, wanted.subject, wanted.text, references)
        rivals = self.shelf.owners_named(bus.metadata.key, wanted.subject, schema.metadata.key)
        users = self.store.readers_and_writers_of(schema)
        return SchemaCase(
            resource=schema,
            bus=bus,
            subject=wanted.subject,
            desired=desired,
            observed=observed[SubjectQuery(wanted.subject)],
            rivals=tuple(self.shelf[rival.key] for rival in rivals),
            users=tuple(f"{kind} {'/'.join(key)}" for kind, key in users),
        )

    def status_of(self, flight: Flight[SchemaCase]) -> SchemaStatus:
        """Say what is the case about a Schema."""
        return schema_status(flight.case, flight.decision, flight.outcomes)

    def occurrences_of(self, flight: Flight[SchemaCase]) -> Iterable[Occurrence]:
        """Tell what is worth an Event."""
        return schema_occurrences(flight.case, flight.decision, flight.outcomes)
