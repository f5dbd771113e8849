"""The gateway of a bus: how it is run, what is said of it, and whom Publications and Subscriptions let in there."""

from typing import Annotated

from pydantic import Field

from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel
from eventplane.api.workload import OwnedObject, Resources, WorkloadStatus


class ServiceAccountRef(ApiModel):
    """A ServiceAccount of the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the ServiceAccount."""


class GatewayCallers(ApiModel):
    """Who may do by HTTP, through the gateway of the bus, what this resource may do."""

    service_accounts: tuple[ServiceAccountRef, ...] = Field(
        min_length=1, max_length=100, json_schema_extra={"x-list-map-keys": ["name"]}
    )
    """ServiceAccounts of this namespace, who show a token for the gateway's audience."""


class GatewayTls(ApiModel):
    """What the gateway proves itself by."""

    secret_ref: SecretRef
    """A Secret of type kubernetes.io/tls with its certificate and key (tls.crt, tls.key), which may rotate."""


class Gateway(ApiModel):
    """The gateway, which takes events by HTTP and gives them."""

    replicas: int = Field(default=2, ge=1, le=100)
    """How many pods it has."""
    tls: GatewayTls
    """What it proves itself by; tokens are shown to it, so there is no gateway without."""
    audience: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            json_schema_extra={
                "x-kubernetes-validations": [
                    {
                        "rule": "!self.contains('kubernetes')",
                        "message": "the audience must not be the API server's: whoever got such a token could use it",
                    }
                ]
            },
        ),
    ] = "eventplane-gateway"
    """For whom tokens have to be that are shown to it."""
    events_per_second: int = Field(default=1_000, ge=1, le=1_000_000)
    """How many events one caller may publish on average, through each pod."""
    resources: Resources = Resources(limits={"memory": "512Mi"})
    """What each pod asks for; where this is left out, at most 512Mi of memory."""


class GatewayStatus(ApiModel):
    """What has become of the gateway."""

    url: str
    """Where it is reached from inside of the cluster."""
    applied: str | None = None
    """Fingerprint of its access to Kafka as it was last made in full."""
    objects: tuple[OwnedObject, ...] = ()
    """What it has become in the namespace of the bus, beside its Secret."""
    workload: WorkloadStatus | None = None
    """Its Deployment."""
