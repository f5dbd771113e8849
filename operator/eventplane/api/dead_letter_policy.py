"""DeadLetterPolicy: how events that could not be processed are tried again, set aside, kept, and told of."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from eventplane.api.conditions import Condition
from eventplane.api.metadata import Metadata
from eventplane.api.model import ApiModel, rules
from eventplane.api.printing import AGE, MESSAGE, READY, REASON, Column, condition_column
from eventplane.api.quantities import Duration, RetentionTime

AttemptFailure = Literal["Undecodable", "ExpressionFailed", "LookupMissing", "Rejected", "Unavailable", "TimedOut"]
"""Why an attempt at an event failed: its bytes are no event, an expression failed on it, a look-up found nothing
that has to be there, the sink refused it (4xx), the sink failed (5xx) or was not there, the sink did not answer in
time; the last three also for what is looked up."""
FinalReason = Literal["Unrouted", "TooFarAhead"]
"""What no other attempt would change: no route takes an event, or its time is further away than anything can wait."""
FailureReason = Literal[AttemptFailure, FinalReason]
"""Why an event was not processed: an attempt failed, or none would help."""


class Backoff(ApiModel):
    """How long to wait before the next attempt."""

    model_config = rules(
        (
            # of Kubernetes' durations the longest unit is h; for the others the status says it
            (
                "!has(self.initial) || !has(self.max) || self.initial.matches('[dw]$') || self.max.matches('[dw]$')"
                " || duration(self.initial) <= duration(self.max)"
            ),
            "initial must not be longer than max",
        ),
    )

    initial: Duration = "1s"
    """Before the second attempt."""
    factor: Annotated[int, Field(ge=1, le=100)] = 2
    """By what each further wait is longer."""
    max: Duration = "5m"
    """The longest wait."""
    jitter_percent: Annotated[int, Field(ge=0, le=100)] = 20
    """By how much a wait may be shorter or longer by chance, per cent. Retry topics have none: their order is time."""


class Retry(ApiModel):
    """What is tried again, and how often."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Attempts in all, the first included."""
    backoff: Backoff = Backoff()
    """Waits in between."""
    strategy: Literal["Blocking", "RetryTopics"] = "Blocking"
    """Blocking waits in place and keeps the order; RetryTopics moves the event aside into a topic for each length of
    wait, so that those behind it go on."""
    give_up_on: tuple[AttemptFailure, ...] = Field(
        default=("Undecodable", "ExpressionFailed", "Rejected"), max_length=6
    )
    """What is set aside at once, because another attempt would end the same."""


class DeadLetter(ApiModel):
    """Where events end that were given up."""

    partitions: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Partitions of each dead-letter topic, and of each retry topic. Fewer than a topic has change nothing: Kafka
    cannot take partitions away."""
    retention: RetentionTime = "14d"
    """For how long dead letters are kept, counted from when they became such. What waits in retry topics is kept as
    long, and at least for seven days and its delay."""
    deletion_policy: Literal["Retain", "Delete", "DeleteIfEmpty"] = "Retain"
    """What becomes of dead-letter and retry topics when their Subscription is deleted. DeleteIfEmpty keeps those that
    hold records; only Delete takes events away."""


class Alert(ApiModel):
    """From when on DeadLettersPresent is True."""

    depth: Annotated[int, Field(ge=1)] | None = None
    """So many dead letters in one topic."""
    age: Duration | None = None
    """One of them being so old, counted from when it became one."""


class DeadLetterPolicySpec(ApiModel):
    """What is done about events that could not be processed."""

    retry: Retry = Retry()
    """What is tried again."""
    dead_letter: DeadLetter = DeadLetter()
    """Where the rest ends."""
    alert: Alert = Alert(depth=1)
    """When somebody should look; default: at the first dead letter. `{}` is never."""


class DeadLetterDepth(ApiModel):
    """How much is in one topic, roughly, so that this status does not change with each event; metrics are exact."""

    name: str
    """Name of the topic in Kafka."""
    subscription: str
    """Whose events they are."""
    depth: int | None = None
    """Events in it, rounded up to 1, 2 or 5 times a power of ten: all that a dead-letter topic holds, those that wait
    in a retry topic; absent where it could not be looked at."""
    oldest_age: str | None = None
    """Age of the oldest dead letter: at least so much, of 1m, 10m, 1h, 6h, 1d, 7d and 30d."""


class DeadLetterPolicyStatus(ApiModel):
    """What is the case."""

    observed_generation: int | None = None
    """The metadata.generation that this status speaks of."""
    used_by: int = 0
    """Subscriptions that name this policy."""
    topics: tuple[DeadLetterDepth, ...] = ()
    """The retry and dead-letter topics that hold something, or could not be looked at: at most a hundred of them,
    those that DeadLettersPresent tells of first."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra={"x-list-map-keys": ["type"]})
    """Ready and Stalled, as kstatus reads them, and DeadLettersPresent."""


class DeadLetterPolicy(ApiModel):
    """How failed events are retried, quarantined, kept and told of; for any number of Subscriptions."""

    kind: ClassVar[str] = "DeadLetterPolicy"
    plural: ClassVar[str] = "deadletterpolicies"
    short_names: ClassVar[tuple[str, ...]] = ("dlp",)
    printer_columns: ClassVar[tuple[Column, ...]] = (
        {"name": "Used by", "type": "integer", "jsonPath": ".status.usedBy"},
        condition_column("Dead letters", "DeadLettersPresent", "status"),
        READY,
        REASON,
        MESSAGE,
        AGE,
    )

    metadata: Metadata
    spec: DeadLetterPolicySpec = DeadLetterPolicySpec()
    status: DeadLetterPolicyStatus = DeadLetterPolicyStatus()
