"""What every kind has in common that owns something outside the cluster: its bus, its mode, its drift, its life."""

from typing import ClassVar

from pydantic import Field

from eventplane.api.conditions import Condition
from eventplane.api.metadata import Adoption, BusRef, DriftPolicy, Metadata, Mode
from eventplane.api.model import ApiModel


class ManagedSpec(ApiModel):
    """What every such kind lets its users ask for."""

    bus_ref: BusRef | None = None
    """The bus; default: the namespace's only EventBus, of several the one annotated as default, of none the
    cluster's one that is annotated as default. Immutable."""
    mode: Mode = "Enforce"
    """Enforce makes it so. Plan computes status.plan and waits until the annotation events.sindhan.ai/approve carries
    the plan's hash. Observe never writes to the bus."""
    drift_policy: DriftPolicy = "Enforce"
    """What to do about changes made behind our back: Enforce undoes them, Warn reports them, Ignore does neither."""

    @property
    def deletion_must_act(self) -> bool:
        """Whether something outside the cluster may have to go before the resource does."""
        return False


class KeptSpec(ManagedSpec):
    """What those kinds add whose thing may exist before the resource, and after it."""

    adoption: Adoption = "IfUnowned"
    """Whether something that exists already and belongs to no other resource is taken over."""

    deletion_policy: str = "Retain"
    """What becomes of the thing when this resource is deleted."""

    @property
    def deletion_must_act(self) -> bool:
        """Whether the policy may demand that the thing goes before the resource does."""
        return self.deletion_policy != "Retain" and self.mode != "Observe"


class PendingPlan(ApiModel):
    """Changes that wait for approval, or that would be made."""

    hash: str
    """What the annotation events.sindhan.ai/approve must carry for these changes to be made."""
    changes: tuple[str, ...]
    """The changes, a line each."""


class DriftEntry(ApiModel):
    """One difference between what was asked for and what is, made behind our back."""

    setting: str
    """What differs."""
    expected: str
    """What was asked for."""
    actual: str
    """What is the case."""


class ManagedStatus(ApiModel):
    """What is said of every such resource."""

    observed_generation: int | None = None
    """The metadata.generation that this status speaks of."""
    bus: str | None = None
    """The bus in use, namespace/name."""
    applied: str | None = None
    """Fingerprint of what was last applied in full: a difference without a change of it is drift."""
    plan: PendingPlan | None = None
    """Changes that wait for approval (mode Plan) or would be made (mode Observe)."""
    drift: tuple[DriftEntry, ...] = ()
    """Differences made behind our back that stand (driftPolicy Warn, modes Plan and Observe)."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra={"x-list-map-keys": ["type"]})
    """Ready, Reconciling, Stalled, as kstatus reads them, and Drifted."""


class Managed(ApiModel):
    """A resource that owns something outside the cluster."""

    kind: ClassVar[str]
    plural: ClassVar[str]

    metadata: Metadata
    spec: ManagedSpec
    status: ManagedStatus

    @property
    def thing(self) -> tuple[str | None, str | None]:
        """Name and id of the thing outside the cluster, where they are known."""
        return None, None
