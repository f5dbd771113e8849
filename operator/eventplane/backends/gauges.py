"""The seam for how full topics are and how far groups have read them; nothing is ever changed through it."""

from collections.abc import Collection, Mapping
from typing import Protocol

from eventplane.planning.gauge_state import GaugeQuery, ObservedGauge


class GaugeBackend(Protocol):
    """Offsets of one Kafka cluster, for any number of topics and groups at once.

    Contract, proved for every implementation by one suite (tests/contract):

    * `observe` answers every key it was asked for, once, and never writes: no group is joined, no offset committed,
      no record read.
    * A group's offset is looked at before the end of the topic: of a consumer that keeps up, no lag is seen.
    * A topic that does not exist has no partitions, and a group that does not exist has committed nothing.
    * What may not be looked at, or has no leader now, has an error and leaves the others alone.
    """

    async def observe(self, keys: Collection[GaugeQuery]) -> Mapping[GaugeQuery, ObservedGauge]:
        """Look at topics and groups, in far fewer requests than there are keys.

        Raises:
            Unavailable: the cluster did not answer.
            Rejected: it refused to be asked.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads; nothing can be asked afterwards."""
        ...
