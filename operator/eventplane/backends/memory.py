"""Kafka topics without Kafka: the backend that tests run on, held to the same contract as the real one."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from eventplane.api.conditions import Reason
from eventplane.backends.memory_cluster import MemoryCluster, check_config
from eventplane.backends.topics import ClusterState
from eventplane.planning.outcome import BackendError, Outcome, Rejected, Unavailable
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

TopicOutcome: TypeAlias = Outcome[TopicChange, ObservedTopic]
Match: TypeAlias = type[TopicChange] | Callable[[TopicChange], bool]


class MemoryTopicBackend:
    """A TopicBackend on a MemoryCluster, which can be told to fail."""

    def __init__(self, cluster: MemoryCluster | None = None) -> None:
        """Open a backend on a cluster of its own, or on one that is shared."""
        self.cluster = cluster or MemoryCluster()
        self.calls: Counter[str] = Counter()
        """How often each method of the seam was called, and each type of change attempted."""
        self._failures: list[tuple[Match, BackendError, bool]] = []

    @property
    def available(self) -> bool:
        """Whether the cluster answers, to this backend and to all others on it."""
        return self.cluster.available

    @available.setter
    def available(self, answers: bool) -> None:
        self.cluster.available = answers

    def fail_next(self, match: Match, error: BackendError, *, applied: bool = False) -> None:
        """Let the next change that matches end with an error, once.

        Args:
            match: a type of change, or a predicate on changes.
            error: what the change ends with.
            applied: the change is made all the same: only its answer was lost.
        """
        self._failures.append((match, error, applied))

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
                key.topic, self.cluster.existing(key.topic, usage=key.usage), self.cluster.claims.get(key.topic)
            )
            for key in keys
        }

    async def apply(self, changes: Sequence[TopicChange]) -> Sequence[TopicOutcome]:
        """Make changes, one after the other."""
        self._called("apply")
        outcomes: list[TopicOutcome] = []
        failed: dict[str, BackendError] = {}
        for change in changes:
            outcome = Outcome(change, failed[change.topic]) if change.topic in failed else self._attempt(change)
            if outcome.error is not None:
                failed[change.topic] = outcome.error
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None:
        """Hold nothing, so release nothing."""

    def _called(self, method: str) -> None:
        self.calls[method] += 1
        if not self.cluster.available:
            raise Unavailable("the cluster does not answer")

    def _attempt(self, change: TopicChange) -> TopicOutcome:
        self.calls[type(change).__name__] += 1
        planted = self._take_failure(change)
        if planted is not None and not planted[1]:
            return Outcome(change, planted[0])
        try:
            state = _make(self.cluster, change)
        except BackendError as error:
            return Outcome(change, error)
        return Outcome(change, planted[0]) if planted is not None else Outcome(change, state=state)

    def _take_failure(self, change: TopicChange) -> tuple[BackendError, bool] | None:
        for index, (match, error, applied) in enumerate(self._failures):
            if isinstance(change, match) if isinstance(match, type) else match(change):
                del self._failures[index]
                return error, applied
        return None


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
