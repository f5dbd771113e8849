"""What every model of the API shares: camelCase on the wire, snake_case in code, a description on every field."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

_GIVEN: Final[dict[frozenset[str], set[str]]] = {}
"""The sets of field names seen so far; models are frozen, and a copy of a model copies its set."""


class ApiModel(BaseModel):
    """A part of a custom resource. Unknown fields are ignored, as the API server prunes them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def model_post_init(self, context: object, /) -> None:
        """Share what pydantic notes of each instance, which fields were given: else it is half of all memory."""
        del context
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))

    def to_wire(self) -> dict[str, Any]:
        """Render as Kubernetes JSON: camelCase, absent and empty fields left out."""
        wire = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {key: value for key, value in wire.items() if value not in ([], {})}


def rules(*those: tuple[str, str]) -> ConfigDict:
    """Attach CEL rules, each `(expression, message)`, to the object that a model becomes.

    The message says what to do. Source: Kubernetes' x-kubernetes-validations.
    """
    validations: list[JsonValue] = [{"rule": expression, "message": message} for expression, message in those]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": validations})


def immutable(field: str, kind: str) -> tuple[str, str]:
    """Make the CEL rule that a field never changes, appears or goes."""
    return (
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: create another {kind} and move over",
    )


def field_problems(error: ValidationError, prefix: str = "") -> str:
    """Say what a model did not accept, by field; without the values, which the user knows."""
    faults = error.errors(include_url=False)
    return "; ".join(f"{prefix}{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults)
