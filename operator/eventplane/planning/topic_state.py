"""What is known of a Kafka topic: as the bus shows it, and who claims it in the ownership ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eventplane.planning.outcome import BackendError


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """The resource on whose behalf a topic is managed, unique across clusters and over time."""

    cluster: str
    """UID of the kube-system namespace of the Kubernetes cluster: what is commonly taken for a cluster's identity."""
    namespace: str
    name: str
    uid: str

    @property
    def path(self) -> str:
        """Name the owner for a human: EventTopic team-a/orders."""
        return f"EventTopic {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Claim:
    """The standing entry of the ownership ledger for a topic name."""

    owner: Owner
    topic_id: str | None
    """Kafka's id of the topic that was claimed; None from the intent to create it until it is created."""


@dataclass(frozen=True, slots=True)
class TopicQuery:
    """What to observe: a topic by name, and how closely."""

    topic: str
    usage: bool = False
    """Whether its use is wanted, too: it costs more calls."""
    settings: bool = True
    """Whether its settings are: they cost half of a look."""


@dataclass(frozen=True, slots=True)
class TopicUsage:
    """Who and what is in a topic, looked at only where a decision hangs on it."""

    holds_records: bool
    """Some partition's earliest offset is before its end."""
    keyed: bool
    """Some of the latest records of some partition has a key."""
    newest_record_ms: int | None
    """Timestamp of the newest record, milliseconds since the epoch; None when there is none."""
    active_groups: tuple[str, ...]
    """Consumer and share groups with live members assigned to the topic, sorted."""


@dataclass(frozen=True, slots=True)
class ExistingTopic:
    """A topic as the bus shows it."""

    topic_id: str
    partitions: int
    replication_factor: int
    """Replicas of the partition that has the fewest."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Effective values of all settings, including those from the broker's defaults; empty if nobody asked for them."""
    overrides: frozenset[str] = frozenset()
    """Those keys of `config` that are set on the topic itself."""
    internal: bool = False
    """Kafka's own (`__consumer_offsets`) or the ownership ledger."""
    usage: TopicUsage | None = None
    """Present when the query asked for it."""


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """What was seen of one topic name: the topic, if there is one, and the claim on its name, if there is one."""

    topic: str
    existing: ExistingTopic | None = None
    claim: Claim | None = None
    error: BackendError | None = None
    """Why this one topic cannot be looked at, though the bus answers; nothing else is known of it then."""
