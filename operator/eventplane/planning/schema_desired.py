"""Schemas to desired subjects: the name, the definition with what it imports, the level, the steps between majors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from eventplane.api.conditions import Reason
from eventplane.api.event_bus import EventBus
from eventplane.api.event_topic import EventTopic
from eventplane.api.schema import CompatibilityLevel, Migration, Schema, SchemaReference
from eventplane.planning.definitions import fingerprint, record_name
from eventplane.planning.desired import topic_name
from eventplane.planning.outcome import Unavailable
from eventplane.planning.plan import Refusal
from eventplane.planning.plan import fingerprint as fingerprint_of
from eventplane.planning.schema_state import Definition, ObservedSubject, Reference

RESERVED_PREFIX: Final = "__eventplane."


@dataclass(frozen=True, slots=True)
class DesiredSubject:
    """A subject as it shall be."""

    subject: str
    definition: Definition
    level: CompatibilityLevel | None
    """None leaves it to the registry."""
    on_incompatible: Literal["Refuse", "NewMajor"]
    migrations: tuple[Migration, ...]

    @property
    def content(self) -> str:
        """The fingerprint of the definition without its formatting."""
        return fingerprint(self.definition)

    def fingerprint(self) -> str:
        """Reduce to a short text that changes when anything asked for changes."""
        steps = (f"{each.from_} {each.up} {each.down}" for each in self.migrations)
        return fingerprint_of(self.subject, self.content, str(self.level), *steps)


def desire_subject(resource: Schema, subject: str, text: str, references: tuple[Reference, ...]) -> DesiredSubject:
    """Put together what a Schema asks for."""
    spec = resource.spec
    return DesiredSubject(
        subject=subject,
        definition=Definition(spec.type, text, references),
        level=spec.compatibility,
        on_incompatible=spec.evolution.on_incompatible,
        migrations=tuple(sorted(spec.evolution.migrations, key=lambda each: each.from_)),
    )


def definition_of(resource: Schema, data: Mapping[str, str] | Refusal | None) -> str | Refusal:
    """Take the definition from the resource, or from the data of the ConfigMap that it names."""
    source = resource.spec.definition_from
    if source is None:
        return resource.spec.definition or ""
    if isinstance(data, Refusal):
        return data
    reference = source.config_map_key_ref
    text = (data or {}).get(reference.key)
    return text or Refusal(
        Reason.DEFINITION_NOT_FOUND,
        f"ConfigMap {resource.metadata.namespace}/{reference.name} has no {reference.key}: add the key, or correct"
        " definitionFrom",
    )


def subject_name(
    resource: Schema, bus: EventBus, topic: EventTopic | None, text: str | None
) -> str | Refusal | Unavailable:
    """Name the subject of a schema, as the strategies of the registry's clients do.

    | subject | subjectNaming | so far, as applied | the name                                     |
    |---------|---------------|--------------------|----------------------------------------------|
    | given   |               | any                | that                                         |
    | absent  | any           | some               | that                                         |
    | absent  | absent        | none               | the resource's name                          |
    | absent  | Topic         | none               | <topic>-value, or -key                       |
    | absent  | Record        | none               | the full name of the record defined          |
    | absent  | TopicRecord   | none               | <topic>-<record>                             |

    Args:
        resource: the schema.
        bus: its bus, which may name the topic.
        topic: the EventTopic that it names in spec.topic, if that exists.
        text: the definition, where it is known.
    """
    so_far = resource.status.subject if resource.status.applied is not None else None
    name = resource.spec.subject or so_far or _derived(resource, bus, topic, text)
    if isinstance(name, str) and name.startswith(RESERVED_PREFIX):
        return Refusal(
            Reason.INVALID_NAME, f"subject {name} is Eventplane's own: create a Schema whose subject is another"
        )
    return name


def _derived(
    resource: Schema, bus: EventBus, topic: EventTopic | None, text: str | None
) -> str | Refusal | Unavailable:
    spec, naming = resource.spec, resource.spec.subject_naming
    if naming is None:
        return resource.metadata.name
    record = None if naming == "Topic" else _record(resource, text)
    if isinstance(record, Refusal):
        return record
    if naming == "Record":
        return str(record)
    if topic is None or spec.topic is None:
        missing = spec.topic.name if spec.topic else ""
        return Unavailable(
            f"EventTopic {resource.metadata.namespace}/{missing}, after which the subject is named, does not exist:"
            " create it, or correct spec.topic",
            Reason.REFERENCE_NOT_READY,
        )
    named = topic_name(topic, bus)
    if isinstance(named, Refusal):
        return named
    return f"{named}-{spec.topic.part.lower() if naming == 'Topic' else record}"


def _record(resource: Schema, text: str | None) -> str | Refusal:
    name = record_name(Definition(resource.spec.type, text or ""))
    return name or Refusal(
        Reason.INVALID_NAME,
        f"subjectNaming {resource.spec.subject_naming} names the subject after the record, and the definition has none"
        " with a name (AVRO: a record; PROTOBUF: a message; JSON: a title): set subject, or name the record",
    )


def with_definition(reference: Reference, observed: ObservedSubject | None) -> Reference:
    """Give a reference the text of what it refers to, as the registry has it."""
    versions = observed.versions if observed is not None else ()
    found = next((each.definition for each in versions if each.version == reference.version), None)
    return replace(reference, definition=found)


def resolve_references(
    resource: Schema, schemas: Mapping[tuple[str, str], Schema | None], bus: str
) -> tuple[Reference, ...] | Refusal | Unavailable:
    """Find out what the definition imports: subject and version of each Schema that it refers to.

    Args:
        resource: the schema.
        schemas: the Schemas that it refers to, and those to which they refer, by key; None where one does not exist.
        bus: the resource's bus, namespace/name.
    """
    cycle = _cycle(resource, schemas)
    if cycle is not None:
        path = " -> ".join("/".join(key) for key in cycle)
        return Refusal(
            Reason.REFERENCE_CYCLE,
            f"schemas refer to each other in a circle ({path}), so none can be registered first: take one of the"
            " references away",
        )
    found = []
    for each, key in zip(resource.spec.references, resource.imports, strict=True):
        reference = _reference(each, key, schemas.get(key), bus)
        if isinstance(reference, Unavailable):
            return reference
        found.append(reference)
    return tuple(found)


def _reference(
    asked: SchemaReference, key: tuple[str, str], schema: Schema | None, bus: str
) -> Reference | Unavailable:
    name = "/".join(key)
    if schema is None:
        message = f"Schema {name}, which the definition imports, does not exist: create it, or correct the reference"
        return Unavailable(message, Reason.SCHEMA_NOT_FOUND)
    subject, version = schema.status.subject, schema.status.version
    if version is None or subject is None:
        return Unavailable(
            f"Schema {name}, which the definition imports, is not registered yet: see its status",
            Reason.REFERENCE_NOT_READY,
        )
    if schema.status.bus != bus:
        return Unavailable(
            f"Schema {name}, which the definition imports, is on another bus: refer to one on EventBus {bus}",
            Reason.REFERENCE_NOT_READY,
        )
    return Reference(asked.name, subject, asked.version or version)


def _cycle(resource: Schema, schemas: Mapping[tuple[str, str], Schema | None]) -> tuple[tuple[str, str], ...] | None:
    """Find the way from a schema back to itself, if its references lead there; the shortest one."""
    start = resource.metadata.key
    ways: list[tuple[tuple[str, str], ...]] = [(key,) for key in resource.imports]
    seen: set[tuple[str, str]] = set()
    while ways:
        way = ways.pop(0)
        if way[-1] == start:
            return (start, *way)
        if way[-1] in seen:
            continue
        seen.add(way[-1])
        schema = schemas.get(way[-1])
        ways += [(*way, key) for key in schema.imports] if schema is not None else []
    return None
