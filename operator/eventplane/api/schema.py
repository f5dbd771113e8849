"""Schema: a subject of the schema registry that a team asks for, and how it may evolve."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from eventplane.api.metadata import DriftPolicy, SchemaDeletionPolicy
from eventplane.api.model import ApiModel, immutable, rules
from eventplane.api.printing import AGE, BUS, MESSAGE, READY, Column, condition_column
from eventplane.api.resource import KeptSpec, Managed, ManagedStatus

SchemaType = Literal["AVRO", "JSON", "PROTOBUF"]
CompatibilityLevel = Literal[
    "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE"
]

Expression = Annotated[str, Field(min_length=1, max_length=8192)]
Document = Annotated[Mapping[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]


class ConfigMapKeyRef(ApiModel):
    """One key of a ConfigMap in the namespace of the resource that names it."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the ConfigMap."""
    key: str = Field(min_length=1, max_length=253)
    """Key within the ConfigMap."""


class DefinitionSource(ApiModel):
    """Where a definition is kept outside the resource."""

    config_map_key_ref: ConfigMapKeyRef
    """A key of a ConfigMap; it is read again with every resync."""


class SubjectTopic(ApiModel):
    """The side of a topic that a subject is named after."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the EventTopic, in the namespace of this resource."""
    part: Literal["Value", "Key"] = "Value"
    """Which part of the topic's records has this schema."""


class SchemaRef(ApiModel):
    """Another Schema of the same bus."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the Schema."""
    namespace: str | None = Field(default=None, min_length=1, max_length=63)
    """Namespace of the Schema; default: the resource's own."""


class SchemaReference(ApiModel):
    """Something that the definition imports."""

    name: str = Field(min_length=1, max_length=1024)
    """What the definition calls it: a full name (AVRO), the path of an import (PROTOBUF), a URI (JSON)."""
    schema_ref: SchemaRef
    """The Schema that defines it; it is registered first."""
    version: int | None = Field(default=None, ge=1)
    """Version of its subject; default: the one that its own definition is."""


class Sample(ApiModel):
    """An event's data as a migration meets it."""

    data: Document
    """Data that is valid in the major version that the migration comes from."""
    expected: Document | None = None
    """What `up` must make of it."""


class Migration(ApiModel):
    """How events of one major version are read in the next, and back."""

    model_config = rules(
        ("self.to == self.from + 1", "a migration leads to the next major version: set to to from + 1")
    )

    from_: int = Field(alias="from", ge=1, le=1000)
    """Major version of the events that `up` takes."""
    to: int = Field(ge=2, le=1001)
    """Major version of what `up` makes of them."""
    up: Expression
    """CEL expression over `event` whose result is the data in the newer major version."""
    down: Expression
    """CEL expression over `event` whose result is the data in the older major version."""
    samples: tuple[Sample, ...] = Field(min_length=1, max_length=50)
    """Events that are run through `up` and `down` and validated against both schemas before anything is registered."""


class Evolution(ApiModel):
    """What may become of the subject when a definition breaks compatibility."""

    on_incompatible: Literal["Refuse", "NewMajor"] = "Refuse"
    """Refuse keeps what is registered. NewMajor opens a new major version, which keeps `compatibility` by itself, and
    demands a migration that leads to it."""
    migrations: tuple[Migration, ...] = Field(
        default=(), max_length=100, json_schema_extra={"x-list-map-keys": ["from"]}
    )
    """One for each step between major versions."""


class SchemaSpec(KeptSpec):
    """What a team asks for."""

    model_config = rules(
        immutable("subject", "Schema"),
        immutable("subjectNaming", "Schema"),
        immutable("topic", "Schema"),
        immutable("busRef", "Schema"),
        ("self.type == oldSelf.type", "type is immutable: create another Schema and move over"),
        (
            "!(has(self.subject) && has(self.subjectNaming))",
            "subject names the subject and subjectNaming derives its name: keep one of them",
        ),
        (
            "has(self.topic) == (has(self.subjectNaming) && self.subjectNaming in ['Topic', 'TopicRecord'])",
            "topic goes with subjectNaming Topic and TopicRecord, and only with them",
        ),
        (
            (
                "!has(self.evolution) || !has(self.evolution.onIncompatible)"
                " || self.evolution.onIncompatible != 'NewMajor' || has(self.compatibility)"
            ),
            "onIncompatible NewMajor needs compatibility: say what each major version is to keep",
        ),
        (
            "has(self.definition) != has(self.definitionFrom)",
            "a schema has one definition: set definition, or definitionFrom",
        ),
    )

    subject: Annotated[str, Field(pattern=r"^[^\s/\\]{1,249}$")] | None = None
    """The subject's name; default: as subjectNaming says, else the name of this resource. Immutable."""
    subject_naming: Literal["Topic", "Record", "TopicRecord"] | None = None
    """Topic: <topic>-value or <topic>-key. Record: the full name of the record that is defined. TopicRecord:
    <topic>-<record>. Those are the strategies of the registry's clients. Immutable."""
    topic: SubjectTopic | None = None
    """The topic that the subject is named after. Immutable."""
    type: SchemaType
    """The language of the definition. JSON is JSON Schema, draft 2020-12 where it does not say another. Immutable."""
    definition: str | None = Field(default=None, min_length=1, max_length=524_288)
    """The schema itself."""
    definition_from: DefinitionSource | None = None
    """Where the schema itself is kept, if not here."""
    references: tuple[SchemaReference, ...] = Field(
        default=(), max_length=100, json_schema_extra={"x-list-map-keys": ["name"]}
    )
    """What the definition imports."""
    compatibility: CompatibilityLevel | None = None
    """What a new version must be compatible with before it is registered; default: what the registry demands of the
    subject, else of all."""
    evolution: Evolution = Evolution()
    """What may become of the subject when a definition breaks compatibility."""
    drift_policy: DriftPolicy = "Enforce"
    """What to do about changes made behind our back: Enforce puts the level back and reports versions, Warn reports
    both, Ignore does neither. A version that somebody registered is never taken away."""
    deletion_policy: SchemaDeletionPolicy = "Retain"
    """What becomes of the subject when this resource is deleted. Soft: hidden, its ids can still be read. Hard: gone
    with all its versions. Neither while a topic or another Schema refers to it."""


class SubjectVersion(ApiModel):
    """One version of the subject."""

    version: int
    """Its number in the subject."""
    id: int
    """Its id in the whole registry, which every record carries."""
    major: int
    """The major version it belongs to: within one, versions are compatible as the level says."""
    fingerprint: str
    """Fingerprint of the definition without its formatting."""


class Violation(ApiModel):
    """One way in which the definition breaks somebody."""

    version: int
    """The version whose users it breaks."""
    path: str = ""
    """Where in the schema."""
    rule: str
    """What was broken, in one word."""
    message: str
    """Who breaks on what, and what to do about it."""


class SchemaStatus(ManagedStatus):
    """What is the case."""

    subject: str | None = None
    """The subject's name in the registry."""
    id: int | None = None
    """Id, in the whole registry, of the version that the definition last registered is."""
    version: int | None = None
    """Number of that version in the subject."""
    major: int | None = None
    """Major version that it belongs to."""
    fingerprint: str | None = None
    """Fingerprint of that definition without its formatting."""
    compatibility: CompatibilityLevel | None = None
    """The level in force."""
    versions: tuple[SubjectVersion, ...] = ()
    """All versions of the subject, the latest 50."""
    used_by: tuple[str, ...] = ()
    """The resources that refer to this one, and the applications of the topics among them, the first 50."""
    violations: tuple[Violation, ...] = ()
    """What the definition would break if it were registered."""


class Schema(Managed):
    """A registry subject: versions, compatibility level, references, evolution, safe deletion."""

    kind: ClassVar[str] = "Schema"
    plural: ClassVar[str] = "schemas"
    short_names: ClassVar[tuple[str, ...]] = ("eschema",)
    printer_columns: ClassVar[tuple[Column, ...]] = (
        {"name": "Subject", "type": "string", "jsonPath": ".status.subject"},
        READY,
        condition_column("Stalled", "Stalled", "reason"),
        {"name": "Version", "type": "integer", "jsonPath": ".status.version"},
        {"name": "Id", "type": "integer", "jsonPath": ".status.id"},
        {"name": "Level", "type": "string", "jsonPath": ".status.compatibility"},
        BUS,
        MESSAGE,
        AGE,
    )

    spec: SchemaSpec
    status: SchemaStatus = SchemaStatus()

    @property
    def imports(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of the Schema behind each of `spec.references`."""
        refs = (each.schema_ref for each in self.spec.references)
        return tuple((each.namespace or self.metadata.namespace, each.name) for each in refs)

    @property
    def thing(self) -> tuple[str | None, str | None]:
        """Name of the subject."""
        return self.status.subject, None
