"""The part of ObjectMeta that decisions read, and the parts that several kinds share."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from eventplane.api import GROUP
from eventplane.api.model import ApiModel

Mode = Literal["Enforce", "Plan", "Observe"]
DriftPolicy = Literal["Enforce", "Warn", "Ignore"]
DeletionPolicy = Literal["Retain", "Delete", "DeleteIfEmpty", "DeleteIfIdle"]
Adoption = Literal["IfUnowned", "Never"]


def _own_annotations(annotations: object) -> object:
    """Keep the annotations of this API group: the rest (kubectl's last-applied, say) is large and never read."""
    if not isinstance(annotations, Mapping):
        return annotations
    return {key: value for key, value in annotations.items() if str(key).startswith(f"{GROUP}/")}


class Metadata(ApiModel):
    """Identity and life of a resource."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Annotated[Mapping[str, str], BeforeValidator(_own_annotations)] = Field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.namespace, self.name)

    @property
    def deleting(self) -> bool:
        """Whether the resource is on its way out."""
        return self.deletion_timestamp is not None

    @property
    def seniority(self) -> tuple[str, str]:
        """Order claims by age: the elder sorts first; the uid settles what was made in one second."""
        return (self.creation_timestamp, self.uid)


class BusRef(ApiModel):
    """Which EventBus a resource belongs to."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the EventBus."""
    namespace: str | None = Field(default=None, min_length=1, max_length=63)
    """Namespace of the EventBus; default: the resource's own. That bus must allow this namespace."""


class SecretRef(ApiModel):
    """A Secret in the namespace of the resource that names it."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the Secret."""


class SecretKeyRef(SecretRef):
    """One key of a Secret in the namespace of the resource that names it."""

    key: str = Field(default="ca.crt", min_length=1, max_length=253)
    """Key within the Secret."""
