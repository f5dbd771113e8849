"""What is known of how full topics are: offsets as the bus shows them, and how old the oldest event is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eventplane.planning.outcome import BackendError


@dataclass(frozen=True, slots=True)
class GaugeQuery:
    """What to measure: a topic by its name in Kafka."""

    topic: str
    group: str | None = None
    """The consumer group whose progress in it is wanted too."""
    oldest: bool = False
    """Whether the age of what it holds is wanted too."""


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """Where a partition begins and ends, and how far the group is."""

    start: int
    """Offset of the first record that it still has."""
    end: int
    """Offset that the next record will get; what readers of committed records cannot see yet is before it too."""
    committed: int | None = None
    """Offset of the record that the group reads next; None where it has committed none."""


@dataclass(frozen=True, slots=True)
class ObservedGauge:
    """What was seen of one topic."""

    partitions: Mapping[int, PartitionOffsets] = field(default_factory=dict)
    """Its partitions; none where it does not exist."""
    oldest_ms: int | None = None
    """Timestamp of the first record of that partition whose first record is the oldest, milliseconds since the epoch;
    None where it has none, or was not asked for."""
    error: BackendError | None = None
    """Why this one cannot be looked at, though the bus answers; nothing else is known of it then."""
