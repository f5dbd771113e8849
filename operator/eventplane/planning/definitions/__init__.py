"""Definitions as text, understood: whether they are valid, what they are called, and when two are the same."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from eventplane.api.conditions import Reason
from eventplane.api.schema import SchemaType
from eventplane.planning.definitions.avro import avro_record_name, canonical_avro, parse_avro
from eventplane.planning.definitions.fault import DefinitionFault
from eventplane.planning.definitions.json_schema import check_json_schema, json_title
from eventplane.planning.definitions.json_text import parse_json, to_canonical_json
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
    references = sorted((each.name, each.subject, each.version) for each in definition.references)
    return digest(_content(definition.type, definition.text), to_canonical_json(references))


def _content(kind: SchemaType, text: str) -> str:
    """Reduce a text to what it means; remembered, for the same texts are looked at in every pass."""
    key = hashlib.sha256(f"{kind} {text}".encode()).digest()
    if key not in _KNOWN:
        try:
            canonical = _CANONICAL[kind](text)
        except DefinitionFault:
            canonical = text
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = digest(kind, canonical)
    return _KNOWN[key]


def record_name(definition: Definition) -> str | None:
    """Return the full name of what is defined, as the registry's clients derive subjects from it.

    AVRO: the top-level record, enum or fixed. PROTOBUF: the first message. JSON: the title. None where there is none,
    or where the definition is not valid.
    """
    try:
        return _NAMES[definition.type](definition)
    except DefinitionFault:
        return None


_KNOWN: Final[dict[bytes, str]] = {}
"""What texts mean, by their SHA-256: a memory, which changes no answer."""
_MOST_KNOWN: Final = 50_000
"""About 10 MiB."""


def _check_proto(definition: Definition) -> None:
    from eventplane.planning.definitions.protobuf_check import check_proto  # noqa: PLC0415 - see protobuf_model

    check_proto(definition)


def _canonical_proto(text: str) -> str:
    from eventplane.planning.definitions.protobuf_canonical import canonical_proto  # noqa: PLC0415 - as above

    return canonical_proto(text)


def _proto_name(definition: Definition) -> str | None:
    from eventplane.planning.definitions.protobuf import parse_proto, proto_record_name  # noqa: PLC0415 - as above

    return proto_record_name(parse_proto(definition.text))


_LANGUAGES: Final[Mapping[SchemaType, str]] = {
    "AVRO": "AVRO schema",
    "JSON": "JSON Schema",
    "PROTOBUF": "PROTOBUF file",
}

_CHECKS: Final[Mapping[SchemaType, Callable[[Definition], object]]] = {
    "AVRO": parse_avro,
    "JSON": check_json_schema,
    "PROTOBUF": _check_proto,
}

_CANONICAL: Final[Mapping[SchemaType, Callable[[str], str]]] = {
    "AVRO": canonical_avro,
    "JSON": lambda text: to_canonical_json(parse_json(text)),
    "PROTOBUF": _canonical_proto,
}

_NAMES: Final[Mapping[SchemaType, Callable[[Definition], str | None]]] = {
    "AVRO": lambda definition: avro_record_name(parse_avro(definition)),
    "JSON": lambda definition: json_title(parse_json(definition.text)),
    "PROTOBUF": _proto_name,
}
