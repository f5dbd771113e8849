"""What the processes read from their environment, each variable prefixed EVENTPLANE_."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """Settings of the operator process; the chart's values set them."""

    model_config = SettingsConfigDict(env_prefix="EVENTPLANE_", frozen=True, use_attribute_docstrings=True)

    namespace: str = "default"
    """Namespace of the operator: where its Lease is."""
    identity: str = "eventplane"
    """What this replica calls itself in the Lease: the pod's name."""
    leader_election: bool = True
    """Lead by a Lease, with the other replicas standing by; false for a single process outside a cluster."""
    lease_name: str = "eventplane"
    """Name of the Lease."""
    resync_seconds: float = Field(default=120, gt=0)
    """How often everything is looked at again, for drift."""
    secret_refresh_seconds: float = Field(default=10, gt=0)
    """How often the Secrets of the buses are read again, for rotation."""
    gauge_seconds: float = Field(default=15, gt=0)
    """How often it is measured what waits for consumers and what is in dead-letter topics."""
    idle_after_seconds: float = Field(default=600, ge=0)
    """A topic without writes for this long is idle, for deletionPolicy DeleteIfIdle."""
    batch_size: int = Field(default=500, ge=1, le=2000)
    """Resources of one bus that are worked on at once."""
    api_concurrency: int = Field(default=50, ge=1, le=500)
    """Requests to the API server under way at once."""
    probe_port: int = Field(default=8080, ge=0, le=65535)
    """Port of /healthz, /readyz and /metrics."""
    webhook_port: int = Field(default=9443, ge=0, le=65535)
    """Port of the admission webhook."""
    webhook_certificate_dir: str = ""
    """Folder with tls.crt and tls.key of the admission webhook; empty turns the webhook off."""
    runtime_image: str = "eventplane/operator:dev"
    """Image of Eventplane's own consumer, for Subscriptions with a sink: the operator's own."""
    log_level: str = "INFO"
    """Lowest level that is logged: DEBUG, INFO, WARNING, ERROR."""
