"""Kafka topics without Kafka: the backend that tests run on, held to the same contract as the real one."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from eventplane.api.conditions import Reason
from eventplane.backends.memory_backend import MemoryBackend
from eventplane.backends.memory_cluster import MemoryCluster, check_config
from eventplane.backends.topics import ClusterState
from eventplane.planning.outcome import Rejected, Unavailable
from eventplane.planning.topic_changes import (
    AddPartitions,
    AlterConfig,
    ClaimTopic,
    CreateTopic,
    DeleteTopic,
    ReleaseTopic,
    TopicChange,
)
from eventplane.planning.topic_state import Claim, ExistingTopic, ObservedTopic, Owner, TopicQuery
from eventplane.planning.topics import owned_by_another

__all__ = ["MemoryCluster", "MemoryTopicBackend"]


class MemoryTopicBackend(MemoryBackend[TopicChange, ObservedTopic]):
    """A TopicBackend on a MemoryCluster, which can be told to fail."""

    def __init__(self, cluster: MemoryCluster | None = None) -> None:
        """Open a backend on a cluster of its own, or on one that is shared."""
        super().__init__()
        self.cluster = cluster or MemoryCluster()

    @property
    def available(self) -> bool:
        """Whether the cluster answers, to this backend and to all others on it."""
        return self.cluster.available

    @available.setter
    def available(self, answers: bool) -> None:
        self.cluster.available = answers

    async def probe(self) -> ClusterState:
        """Tell who the cluster is."""
        self._called("probe")
        return self.cluster.state

    async def claims(self) -> Mapping[str, Claim]:
        """Read all standing claims."""
        self._called("claims")
        return dict(self.cluster.claims)

    async def observe(self, keys: Collection[TopicQuery]) -> Mapping[TopicQuery, ObservedTopic]:
        """Look at topics."""
        self._called("observe")
        return {
            key: ObservedTopic(
                key.topic,
                self.cluster.existing(key.topic, usage=key.usage, settings=key.settings),
                self.cluster.claims.get(key.topic),
            )
            for key in keys
        }

    def _check_answers(self) -> None:
        if not self.cluster.available:
            raise Unavailable("the cluster does not answer")

    def _make(self, change: TopicChange) -> ObservedTopic | None:
        return _make(self.cluster, change)

    def _concerned(self, change: TopicChange) -> Collection[str]:
        return (change.topic,)


def _make(cluster: MemoryCluster, change: TopicChange) -> ObservedTopic | None:
    match change:
        case ClaimTopic():
            _claim(cluster, change)
        case CreateTopic():
            return _create(cluster, change)
        case AddPartitions():
            _add_partitions(cluster, change)
        case AlterConfig():
            _require(cluster, change.topic)
            check_config(change.values)
            cluster.edit(change.topic, config={**change.values, **dict.fromkeys(change.resets)})
        case DeleteTopic():
            _delete(cluster, change)
        case ReleaseTopic():
            _release(cluster, change)
    return None


def _claim(cluster: MemoryCluster, change: ClaimTopic) -> None:
    standing = _standing(cluster, change.topic, change.owner)
    if standing is None or change.topic_id is not None:
        cluster.claims[change.topic] = Claim(change.owner, change.topic_id)


def _standing(cluster: MemoryCluster, topic: str, owner: Owner) -> Claim | None:
    claim = cluster.claims.get(topic)
    if claim is not None and claim.owner != owner:
        refusal = owned_by_another(topic, claim.owner, owner)
        raise Rejected(refusal.reason, refusal.message)
    return claim


def _create(cluster: MemoryCluster, change: CreateTopic) -> ObservedTopic:
    standing = _standing(cluster, change.topic, change.owner)
    existing = cluster.existing(change.topic)
    if existing is not None and standing is None:
        raise Rejected(Reason.TOPIC_EXISTS, f"topic {change.topic} exists already")
    if existing is None:
        cluster.create(
            change.topic,
            partitions=change.partitions,
            replication_factor=change.replication_factor,
            config=change.config,
        )
        existing = replace(
            _require(cluster, change.topic), config=dict(change.config), overrides=frozenset(change.config)
        )
    claim = Claim(change.owner, existing.topic_id)
    cluster.claims[change.topic] = claim
    return ObservedTopic(change.topic, existing, claim)


def _require(cluster: MemoryCluster, topic: str) -> ExistingTopic:
    existing = cluster.existing(topic)
    if existing is None:
        raise Unavailable(f"topic {topic} does not exist any more")
    return existing


def _add_partitions(cluster: MemoryCluster, change: AddPartitions) -> None:
    current = _require(cluster, change.topic).partitions
    if current > change.total:
        raise Rejected(
            Reason.REJECTED, f"The topic {change.topic} currently has {current} partition(s); {change.total} is fewer."
        )
    cluster.edit(change.topic, partitions=change.total)


def _delete(cluster: MemoryCluster, change: DeleteTopic) -> None:
    existing = cluster.existing(change.topic)
    if existing is not None and existing.topic_id != change.topic_id:
        raise Rejected(
            Reason.TOPIC_REPLACED, f"topic {change.topic} is no longer the one to delete: somebody created it again"
        )
    cluster.delete(change.topic)


def _release(cluster: MemoryCluster, change: ReleaseTopic) -> None:
    claim = cluster.claims.get(change.topic)
    if claim is not None and claim.owner == change.owner:
        del cluster.claims[change.topic]
