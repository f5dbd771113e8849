"""Definitions as text, understood: whether they are valid, what they are called, and when two are the same."""

from collections.abc import Callable, Mapping
from typing import Final

from eventplane.api.conditions import Reason
from eventplane.api.schema import SchemaType
from eventplane.planning.definitions.avro import avro_record_name, canonical_avro, parse_avro
from eventplane.planning.definitions.fault import DefinitionFault
from eventplane.planning.definitions.json_schema import check_json_schema, json_title
from eventplane.planning.definitions.json_text import parse_json, to_canonical_json
from eventplane.planning.definitions.protobuf import parse_proto, proto_record_name
from eventplane.planning.definitions.protobuf_canonical import canonical_proto
from eventplane.planning.definitions.protobuf_check import check_proto
from eventplane.planning.plan import Refusal
from eventplane.planning.plan import fingerprint as digest
from eventplane.planning.schema_state import Definition


def check(definition: Definition) -> Refusal | None:
    """Say what is wrong with a definition and where; None where nothing is."""
    try:
        _CHECKS[definition.type](definition)
    except DefinitionFault as fault:
        return Refusal(
            Reason.DEFINITION_INVALID, f"correct the definition, it is no valid {_LANGUAGES[definition.type]}: {fault}"
        )
    return None


def fingerprint(definition: Definition) -> str:
    """Reduce a definition to 16 hexadecimal digits, the same for all that differ in nothing but their formatting.

    What matters to readers counts, docs and defaults included, and so do the references. Text that is not valid is
    taken as it is.
    """
    try:
        canonical = _CANONICAL[definition.type](definition.text)
    except DefinitionFault:
        canonical = definition.text
    references = sorted((each.name, each.subject, each.version) for each in definition.references)
    return digest(definition.type, canonical, to_canonical_json(references))


def record_name(definition: Definition) -> str | None:
    """Return the full name of what is defined, as the registry's clients derive subjects from it.

    AVRO: the top-level record, enum or fixed. PROTOBUF: the first message. JSON: the title. None where there is none,
    or where the definition is not valid.
    """
    try:
        return _NAMES[definition.type](definition)
    except DefinitionFault:
        return None


_LANGUAGES: Final[Mapping[SchemaType, str]] = {
    "AVRO": "AVRO schema",
    "JSON": "JSON Schema",
    "PROTOBUF": "PROTOBUF file",
}

_CHECKS: Final[Mapping[SchemaType, Callable[[Definition], object]]] = {
    "AVRO": parse_avro,
    "JSON": check_json_schema,
    "PROTOBUF": check_proto,
}

_CANONICAL: Final[Mapping[SchemaType, Callable[[str], str]]] = {
    "AVRO": canonical_avro,
    "JSON": lambda text: to_canonical_json(parse_json(text)),
    "PROTOBUF": canonical_proto,
}

_NAMES: Final[Mapping[SchemaType, Callable[[Definition], str | None]]] = {
    "AVRO": lambda definition: avro_record_name(parse_avro(definition)),
    "JSON": lambda definition: json_title(parse_json(definition.text)),
    "PROTOBUF": lambda definition: proto_record_name(parse_proto(definition.text)),
}
