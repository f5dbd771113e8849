"""Where Eventplane's own consumer delivers to: a service, a function, or another topic."""

from typing import Annotated, Literal

from pydantic import Field

from eventplane.api.access import TopicRef
from eventplane.api.metadata import SecretRef
from eventplane.api.model import ApiModel, rules
from eventplane.api.quantities import Duration, Size
from eventplane.api.workload import EnvVar, Resources

ContentMode = Literal["Binary", "Structured"]
Linger = Annotated[str, Field(pattern=r"^([0-9]{1,5}ms|[0-9]{1,2}s)$")]
"""A duration that is short beside the patience of probes."""
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
CALLABLE_PATTERN = rf"^{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*$"


class Batching(ApiModel):
    """How many events go together, at most; what waits goes as soon as one of these is reached."""

    max_events: int = Field(default=100, ge=1, le=1000)
    """So many events."""
    max_size: Size = "1Mi"
    """So many bytes of events; a larger event goes alone."""
    linger: Linger = "100ms"
    """For how long an event waits for others."""


class HttpSink(ApiModel):
    """A service that takes events by HTTP POST, as CloudEvents' HTTP binding has it."""

    url: str = Field(pattern=r"^https?://[^\s#]+$", max_length=2048)
    """Where to. A response of 2xx acknowledges the event."""
    timeout: Duration = "10s"
    """For how long an answer is waited for."""
    content_mode: ContentMode = "Binary"
    """Binary sends the data as the body and the attributes as headers; Structured sends one JSON document."""
    bearer_token_secret_ref: SecretRef | None = None
    """A Secret with the key token, sent as `Authorization: Bearer`."""
    retry_statuses: tuple[Annotated[int, Field(ge=400, le=599)], ...] = Field(default=(), max_length=50)
    """Statuses of 4xx that are tried again, beside 408, 425, 429 and every 5xx."""


class PythonFunction(ApiModel):
    """A function that is called with events."""

    callable: str = Field(pattern=CALLABLE_PATTERN, max_length=512)
    """Which one, `module:function`: `billing.events:handle`. Asynchronous or not; an exception is a failed attempt."""
    timeout: Duration = "30s"
    """How long a call may take."""
    batch: Batching | None = None
    """Present where the function takes a list of events instead of one."""


class PythonSink(PythonFunction):
    """A Python function in an image of yours, which has Eventplane's runtime (`eventplane[runtime]`) installed."""

    image: str = Field(min_length=1, max_length=1024)
    """The image; `python3 -m eventplane.runtime` is run in it."""
    env: tuple[EnvVar, ...] = Field(default=(), max_length=200, json_schema_extra={"x-list-map-keys": ["name"]})
    """Further environment."""
    env_from_secrets: tuple[SecretRef, ...] = Field(default=(), max_length=20)
    """Secrets of the namespace whose keys become variables."""
    image_pull_secrets: tuple[SecretRef, ...] = Field(default=(), max_length=20)
    """Secrets with which the image is pulled."""
    resources: Resources = Resources()
    """What the container asks for."""


class Sink(ApiModel):
    """Where Eventplane's own runtime delivers to."""

    model_config = rules(
        (
            "[has(self.http), has(self.python), has(self.topicRef)].filter(given, given).size() == 1",
            "name exactly one of http, python and topicRef",
        ),
    )

    http: HttpSink | None = None
    """A service."""
    python: PythonSink | None = None
    """A function of yours."""
    topic_ref: TopicRef | None = None
    """Another EventTopic of the namespace."""
