"""What a registry in memory understands of schemas: whether a text is one, and the plainest ways to break a reader.

It looks at the fields of the outermost record only. A registry knows more; who needs more gives MemoryRegistry a
comparison of their own.
"""

import json
import re
from typing import Any, Final

from eventplane.api.conditions import Reason
from eventplane.planning.outcome import Rejected
from eventplane.planning.schema_state import Definition

_PROTOBUF_FIELD: Final = re.compile(r"^\s*(?:optional |repeated )?([\w.]+) (\w+) = (\d+);", re.MULTILINE)
_PROTOBUF: Final = re.compile(r"\b(?:message|enum|service)\s+\w+\s*\{")


def check_definition(definition: Definition) -> None:
    """Refuse what is no schema of its type.

    Raises:
        Rejected: DefinitionInvalid.
    """
    if definition.type == "PROTOBUF":
        valid = _PROTOBUF.search(definition.text) is not None
    else:
        document = _document(definition.text)
        valid = isinstance(document, dict) and (definition.type == "JSON" or "type" in document)
    if not valid:
        raise Rejected(Reason.DEFINITION_INVALID, f"Invalid schema: not {definition.type}")


def unreadable(reader: Definition, writer: Definition) -> tuple[str, ...]:
    """Say why data written with one definition cannot be read with another: fields that differ or are missing."""
    expected, given = _fields(reader), _fields(writer)
    return tuple(
        f"field {name} has type {given[name][0]} in the data, {kind} is expected"
        if name in given
        else f"field {name} is missing in the data and has no default"
        for name, (kind, optional) in expected.items()
        if (not _holds(kind, given[name][0]) if name in given else not optional)
    )


def _holds(expected: str, given: str) -> bool:
    return expected == given or (expected, given) == ('{"type": "number"}', '{"type": "integer"}')


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _fields(definition: Definition) -> dict[str, tuple[str, bool]]:
    """Return type and optionality by field name, by number for PROTOBUF."""
    if definition.type == "PROTOBUF":
        found = _PROTOBUF_FIELD.findall(definition.text.replace("{", "{\n"))
        return {number: (kind, True) for kind, _, number in found}
    document = _document(definition.text)
    if definition.type == "JSON":
        required = document.get("required", ())
        return {
            name: (json.dumps(schema, sort_keys=True), name not in required)
            for name, schema in document.get("properties", {}).items()
        }
    return {
        each["name"]: (json.dumps(each["type"], sort_keys=True), "default" in each)
        for each in document.get("fields", ())
    }
