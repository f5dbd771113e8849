"""AVRO: data to bytes and back by fastavro, strictly: a field that the schema does not have is refused, not dropped."""

import io
import json
from collections.abc import Mapping
from typing import Any, Final

import fastavro
from fastavro.schema import SchemaParseException, UnknownType
from fastavro.validation import validate

from eventplane.events.validation import DataError, SchemaText, SchemaTextError

_UNREADABLE: Final = (ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, MemoryError, AttributeError)
"""What fastavro raises over data or bytes that are not the schema's; it has no class of its own for it."""


class AvroCodec:
    """An AVRO schema at work."""

    def __init__(self, schema: SchemaText) -> None:
        self._names: dict[str, Any] = {}
        try:
            for imported in schema.imported().values():
                fastavro.parse_schema(json.loads(imported.text), named_schemas=self._names)
            self._schema = fastavro.parse_schema(json.loads(schema.text), named_schemas=self._names)
        except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError) as error:
            raise SchemaTextError(f"not an AVRO schema: {type(error).__name__} {error}") from error

    def encode(self, data: Any) -> bytes:
        """See Codec."""
        buffer = io.BytesIO()
        try:
            fastavro.schemaless_writer(buffer, self._schema, data, strict_allow_default=True)
        except _UNREADABLE as error:
            raise DataError(self.problem(data) or str(error)) from error
        return buffer.getvalue()

    def decode(self, payload: bytes) -> Any:
        """See Codec; bytes that are left over are an error."""
        buffer = io.BytesIO(payload)
        try:
            # the second schema is the reader's: none, the data are wanted as they were written
            data = fastavro.schemaless_reader(buffer, self._schema, None)
        except _UNREADABLE as error:
            raise DataError(f"the bytes are not of the AVRO schema: {type(error).__name__} {error}") from error
        if buffer.tell() != len(payload):
            raise DataError(f"the bytes are not of the AVRO schema: {len(payload) - buffer.tell()} bytes are left over")
        return data

    def problem(self, data: Any) -> str | None:
        """See Codec."""
        return self._problem(self._schema, data, "")

    def _problem(self, schema: Any, data: Any, path: str) -> str | None:
        if isinstance(schema, str) and schema in self._names:
            schema = self._names[schema]
        if isinstance(schema, list):
            return self._problem_of_union(schema, data, path)
        kind = schema.get("type") if isinstance(schema, dict) else schema
        if kind in ("record", "error"):
            return self._problem_of_record(schema, data, path)
        if kind == "array" and isinstance(data, list | tuple):
            found = (self._problem(schema["items"], each, f"{path}[{at}]") for at, each in enumerate(data))
            return next(filter(None, found), None)
        if kind == "map" and isinstance(data, Mapping):
            found = (self._problem(schema["values"], each, _below(path, str(key))) for key, each in data.items())
            return next(filter(None, found), None)
        return None if self._fits(schema, data) else f"{path or 'data'} must be {_named(schema)}, not {_kind(data)}"

    def _problem_of_union(self, branches: list[Any], data: Any, path: str) -> str | None:
        problems = [self._problem(branch, data, path) for branch in branches]
        if None in problems:
            return None
        # the problem within a record says more than that no branch fits
        inner = [each for each, branch in zip(problems, branches, strict=True) if self._is_deep(branch, data)]
        return inner[0] if inner else f"{path or 'data'} must be {_named(branches)}, not {_kind(data)}"

    def _problem_of_record(self, schema: Mapping[str, Any], data: Any, path: str) -> str | None:
        if not isinstance(data, Mapping):
            return f"{path or 'data'} must be {_named(schema)}, not {_kind(data)}"
        known = {field["name"] for field in schema["fields"]}
        if unknown := sorted(str(key) for key in data if key not in known):
            return f"{_below(path, unknown[0])} is no field of {schema['name']}"
        for field in schema["fields"]:
            name = field["name"]
            if name not in data:
                if "default" not in field:
                    return f"{_below(path, name)} is missing"
            elif problem := self._problem(field["type"], data[name], _below(path, name)):
                return problem
        return None

    def _is_deep(self, branch: Any, data: Any) -> bool:
        branch = self._names.get(branch, branch) if isinstance(branch, str) else branch
        kind = branch.get("type") if isinstance(branch, dict) else branch
        return (kind == "record" and isinstance(data, Mapping)) or (kind == "array" and isinstance(data, list))

    @staticmethod
    def _fits(schema: Any, data: Any) -> bool:
        try:
            return bool(validate(data, schema, raise_errors=False))
        except _UNREADABLE:
            return False


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _named(schema: Any) -> str:
    if isinstance(schema, list):
        return " or ".join(_named(each) for each in schema)
    if isinstance(schema, dict):
        return str(schema.get("logicalType") or schema.get("name") or schema["type"])
    return str(schema)


def _kind(data: Any) -> str:
    return "null" if data is None else type(data).__name__
