"""A Deployment that consumes: the user's container, how many of it, and what is said of them."""

from typing import Annotated

from pydantic import Field

from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel, rules

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)]


class EnvVar(ApiModel):
    """A variable of the container's environment."""

    name: str = Field(pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$", max_length=253)
    """Name of the variable."""
    value: str = Field(default="", max_length=32_768)
    """Its value."""


class Resources(ApiModel):
    """What a container asks for and may have at most."""

    requests: dict[str, Quantity] = Field(default_factory=lambda: {"cpu": "50m", "memory": "128Mi"}, max_length=10)
    """What is reserved: cpu, memory."""
    limits: dict[str, Quantity] = Field(default_factory=lambda: {"memory": "256Mi"}, max_length=10)
    """What it may have at most."""


class Probe(ApiModel):
    """An HTTP probe of the container."""

    path: str = Field(default="/", pattern=r"^/\S*$", max_length=1024)
    """Path to GET."""
    port: int = Field(ge=1, le=65_535)
    """Port to GET it from."""


class Workload(ApiModel):
    """The container that consumes. Credentials and settings are mounted where servicebinding.io has them."""

    image: str = Field(min_length=1, max_length=1024)
    """The container's image."""
    command: tuple[str, ...] = Field(default=(), max_length=100)
    """What to run; default: what the image says."""
    args: tuple[str, ...] = Field(default=(), max_length=100)
    """Its arguments."""
    env: tuple[EnvVar, ...] = Field(default=(), max_length=200, json_schema_extra={"x-list-map-keys": ["name"]})
    """Further environment."""
    env_from_secrets: tuple[SecretRef, ...] = Field(default=(), max_length=20)
    """Secrets of the namespace whose keys become variables."""
    image_pull_secrets: tuple[SecretRef, ...] = Field(default=(), max_length=20)
    """Secrets with which the image is pulled."""
    resources: Resources = Resources()
    """What it asks for."""
    liveness: Probe | None = None
    """Whether it has to be restarted."""
    readiness: Probe | None = None
    """Whether it is at work."""
    termination_grace_seconds: int = Field(default=30, ge=0, le=3600)
    """How long it may take to end."""


class Scaling(ApiModel):
    """How many pods consume."""

    model_config = rules(("!has(self.max) || self.min <= self.max", "min must not be more than max"))

    min: int = Field(default=1, ge=1, le=1000)
    """At least so many, and exactly so many where nothing scales them."""
    max: int | None = Field(default=None, ge=1, le=1000)
    """At most so many, default: as many as min; never more than the topics have partitions."""
    lag_threshold: int = Field(default=1000, ge=1)
    """For so many events that wait there is one pod."""

    @property
    def most(self) -> int:
        """At most so many."""
        return self.min if self.max is None else self.max


class PodProblem(ApiModel):
    """Why pods do not start."""

    reason: str
    """In one word, as Kubernetes has it: ImagePullBackOff."""
    message: str = ""
    """What Kubernetes says about it."""


class WorkloadStatus(ApiModel):
    """What the Deployment is like."""

    name: str
    """Its name."""
    replicas: int = 0
    """Pods asked for."""
    updated: int = 0
    """Pods of the newest template."""
    available: int = 0
    """Pods at work."""
    problems: tuple[PodProblem, ...] = ()
    """Why pods do not start, each reason once."""

    @property
    def is_rolled_out(self) -> bool:
        """Whether all pods that were asked for are of the newest template and at work."""
        return self.replicas == self.updated == self.available


class OwnedObject(ApiModel):
    """Something in the namespace that the resource has become, and that goes with it."""

    api_version: str
    """Its group and version."""
    kind: str
    """Its kind."""
    name: str
    """Its name."""
    applied: str
    """Fingerprint of what was last applied to it: a difference without a change of it is drift."""
