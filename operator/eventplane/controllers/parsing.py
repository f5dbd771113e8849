"""Objects of the watch to models: what is not understood is read as far as it can be, with a refusal that says why."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from eventplane.api.conditions import Reason
from eventplane.api.model import ApiModel, field_problems
from eventplane.api.schema import Schema
from eventplane.planning.plan import Refusal

W = TypeVar("W", bound=ApiModel)

_BARE_SPECS: Final[Mapping[type[ApiModel], Mapping[str, Any]]] = {Schema: {"type": "AVRO"}}
"""What a kind cannot do without; it asks for nothing by itself."""


def identity(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Read namespace, name and uid of an object."""
    metadata = body.get("metadata", {})
    return str(metadata.get("namespace", "")), str(metadata.get("name", "")), str(metadata.get("uid", ""))


def parse(kind: type[W], body: Mapping[str, Any]) -> tuple[W, Refusal | None]:
    """Read a resource; one that this version does not understand is read as one that asks for nothing."""
    try:
        return kind.model_validate(body), None
    except ValidationError as error:
        message = f"this version of Eventplane does not understand it: {field_problems(error)}"
        return _understood(kind, body), Refusal(Reason.INVALID_SPEC, message)


def _understood(kind: type[W], body: Mapping[str, Any]) -> W:
    """Read what can be read without the spec: what is known of the thing stays known, its deletion keeps it."""
    bare = {"metadata": body["metadata"], "spec": _BARE_SPECS.get(kind, {})}
    try:
        return kind.model_validate(bare | {"status": body.get("status", {})})
    except ValidationError:
        return kind.model_validate(bare)
