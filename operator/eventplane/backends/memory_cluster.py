"""A Kafka cluster that exists in memory only, with the rules that Kafka has for topics."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from eventplane.api.conditions import Reason
from eventplane.backends.topics import ClusterState
from eventplane.planning.outcome import Rejected
from eventplane.planning.topic_state import Claim, ExistingTopic, TopicUsage

_FOREVER: Final = "9223372036854775807"
BROKER_DEFAULTS: Final[Mapping[str, str]] = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "flush.messages": _FOREVER,
    "flush.ms": _FOREVER,
    "index.interval.bytes": "4096",
    "max.compaction.lag.ms": _FOREVER,
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "min.insync.replicas": "1",
    "preallocate": "false",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.index.bytes": "10485760",
    "segment.jitter.ms": "0",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
"""Settings a topic has, with what a broker without configuration gives them."""


@dataclass(slots=True)
class _Topic:
    topic_id: str
    partitions: int
    replication_factor: int
    overrides: dict[str, str]
    internal: bool = False
    records: list[tuple[bool, int]] = field(default_factory=list)  # has a key, timestamp


class MemoryCluster:
    """A cluster that several backends may share, as several operators share a Kafka; tests edit it as foreigners do."""

    def __init__(self, *, brokers: int = 1, partitions: int = 1, cluster_id: str = "memory") -> None:
        """Make an empty cluster.

        Args:
            brokers: how many there are; the default replication factor is as many, at most 3.
            partitions: the broker's num.partitions.
            cluster_id: what the cluster calls itself.
        """
        self.state = ClusterState(cluster_id, brokers)
        self.available = True
        self.partitions = partitions
        self.claims: dict[str, Claim] = {}
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, str] = {}
        self._ids = count(1)

    def create(
        self,
        topic: str,
        *,
        partitions: int | None = None,
        replication_factor: int | None = None,
        config: Mapping[str, str] | None = None,
        internal: bool = False,
    ) -> str:
        """Create a topic as a foreigner, and return its id.

        Raises:
            Rejected: as Kafka would.
        """
        self._check_name(topic)
        config, brokers = dict(config or {}), self.state.brokers
        partitions = self.partitions if partitions is None else partitions
        factor = min(3, brokers) if replication_factor is None else replication_factor
        if partitions < 1:
            raise Rejected(Reason.REJECTED, "Number of partitions must be larger than 0.")
        if not 1 <= factor <= brokers:
            raise Rejected(
                Reason.REJECTED,
                f"Unable to replicate the partition {factor} time(s): only {brokers} broker(s) are registered.",
            )
        check_config(config)
        topic_id = f"memory-topic-{next(self._ids):09d}"
        self._topics[topic] = _Topic(topic_id, partitions, factor, config, internal)
        return topic_id

    def edit(
        self,
        topic: str,
        *,
        partitions: int | None = None,
        replication_factor: int | None = None,
        config: Mapping[str, str | None] | None = None,
    ) -> None:
        """Change a topic as a foreigner; a setting of None goes back to the broker's default."""
        entry = self._topics[topic]
        entry.partitions = entry.partitions if partitions is None else partitions
        entry.replication_factor = entry.replication_factor if replication_factor is None else replication_factor
        changed = entry.overrides | dict(config or {})
        entry.overrides = {key: value for key, value in changed.items() if value is not None}

    def delete(self, topic: str) -> None:
        """Delete a topic; that it is not there is no error."""
        self._topics.pop(topic, None)

    def produce(self, topic: str, *, keyed: bool = False, timestamp_ms: int = 0) -> None:
        """Put a record into a topic."""
        self._topics[topic].records.append((keyed, timestamp_ms))

    def join(self, group: str, topic: str) -> None:
        """Let a live member of a group be assigned to a topic."""
        self._groups[group] = topic

    def leave(self, group: str) -> None:
        """Let the members of a group go."""
        del self._groups[group]

    def topics(self) -> frozenset[str]:
        """Name the topics that exist."""
        return frozenset(self._topics)

    def existing(self, topic: str, *, usage: bool = False, settings: bool = True) -> ExistingTopic | None:
        """Look at a topic."""
        entry = self._topics.get(topic)
        if entry is None:
            return None
        return ExistingTopic(
            topic_id=entry.topic_id,
            partitions=entry.partitions,
            replication_factor=entry.replication_factor,
            config={**BROKER_DEFAULTS, **entry.overrides} if settings else {},
            overrides=frozenset(entry.overrides if settings else ()),
            internal=entry.internal,
            usage=self._usage(topic, entry) if usage else None,
        )

    def _usage(self, topic: str, entry: _Topic) -> TopicUsage:
        return TopicUsage(
            holds_records=bool(entry.records),
            keyed=any(keyed for keyed, _ in entry.records),
            newest_record_ms=max((timestamp for _, timestamp in entry.records), default=None),
            active_groups=tuple(sorted(group for group, assigned in self._groups.items() if assigned == topic)),
        )

    def _check_name(self, topic: str) -> None:
        if topic in {".", ".."} or not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic):
            raise Rejected(Reason.REJECTED, f"Topic name is invalid: {topic!r}")
        if topic in self._topics:
            raise Rejected(Reason.TOPIC_EXISTS, f"topic {topic} exists already")
        for other in self._topics:
            if other.replace(".", "_") == topic.replace(".", "_"):
                raise Rejected(Reason.REJECTED, f"Topic '{topic}' collides with existing topic: {other}")


def check_config(config: Mapping[str, str]) -> None:
    """Refuse settings that Kafka would refuse.

    Raises:
        Rejected: a setting that topics do not have, or a value of the wrong kind.
    """
    for key, value in config.items():
        default = BROKER_DEFAULTS.get(key)
        if default is None:
            raise Rejected(Reason.REJECTED, f"Unknown topic config name: {key}")
        if not _is_of_kind(key, value, default):
            raise Rejected(Reason.REJECTED, f"Invalid value {value} for configuration {key}")


def _is_of_kind(key: str, value: str, default: str) -> bool:
    if key == "cleanup.policy":
        return {part.strip() for part in value.split(",")} <= {"delete", "compact"}
    if default in {"true", "false"}:
        return value.strip().lower() in {"true", "false"}
    if re.fullmatch(r"-?\d+", default):
        return re.fullmatch(r"-?\d+", value.strip()) is not None
    return bool(value)
