"""JSON: data to bytes and back by orjson, checked by jsonschema-rs; draft 2020-12 where a schema names no other."""

import json
from typing import Any

import jsonschema_rs
import orjson

from eventplane.events.validation import DataError, SchemaText, SchemaTextError


class JsonCodec:
    """A JSON schema at work."""

    def __init__(self, schema: SchemaText) -> None:
        try:
            resources = [(name, json.loads(each.text)) for name, each in schema.imported().items()]
            registry = jsonschema_rs.Registry(resources)
            # offline: a schema must never make its reader fetch something
            self._validator = jsonschema_rs.validator_for(json.loads(schema.text), registry=registry, offline=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise SchemaTextError(f"not a JSON schema: {first}") from error

    def encode(self, data: Any) -> bytes:
        """See Codec; what JSON has no type for becomes text as orjson does it (times, UUIDs)."""
        try:
            payload = orjson.dumps(data)
        except TypeError as error:  # orjson's own error is one
            raise DataError(f"data cannot be written as JSON: {error}") from error
        if problem := self.problem(orjson.loads(payload)):
            raise DataError(problem)
        return payload

    def decode(self, payload: bytes) -> Any:
        """See Codec; what was written past the schema is an error."""
        try:
            data = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise DataError(f"the bytes are not JSON: {error}") from error
        if problem := self.problem(data):
            raise DataError(problem)
        return data

    def problem(self, data: Any) -> str | None:
        """See Codec."""
        try:
            self._validator.validate(data)
        except jsonschema_rs.ValidationError as error:
            steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
            return f"{''.join(steps).lstrip('.') or 'data'}: {error.message}"
        except ValueError as error:  # a value that JSON has no type for
            return f"data: {error}"
        return None
