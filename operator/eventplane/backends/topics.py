"""The seam for Kafka topics: a Backend that also knows its cluster and every claim in its ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from eventplane.backends import Backend
from eventplane.planning.topic_changes import TopicChange
from eventplane.planning.topic_state import Claim, ObservedTopic, TopicQuery


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What a Kafka cluster says of itself."""

    cluster_id: str
    brokers: int
    """Brokers that are registered and alive."""


class TopicBackend(Backend[TopicQuery, ObservedTopic, TopicChange], Protocol):
    """Topics of one Kafka cluster, and the ledger of their ownership kept beside them.

    The ledger is a compacted topic of the cluster, so that other operators, on other Kubernetes clusters, see it too.
    Of several claims on one topic name the one that was written first stands until it is released.
    """

    async def probe(self) -> ClusterState:
        """Ask the cluster who it is: the cheapest question that proves it answers.

        Raises:
            Unavailable: no answer.
            Rejected: wrong credentials or missing rights.
        """
        ...

    async def claims(self) -> Mapping[str, Claim]:
        """Read all standing claims by topic name, up to the present end of the ledger.

        Raises:
            Unavailable: no answer.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads; nothing can be asked afterwards."""
        ...
