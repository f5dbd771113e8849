"""The changes that can be made to Kafka topics and to the ledger that says whose they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from eventplane.planning.topic_state import Owner


@dataclass(frozen=True, slots=True)
class ClaimTopic:
    """Record in the ledger that a topic is managed on behalf of a resource.

    Rejected with OwnedByAnother where another's claim stands or came first.
    """

    topic: str
    owner: Owner
    topic_id: str | None = None
    """Id of the existing topic; None announces the intent to create one."""

    def describe(self) -> str:
        """Say the change in one line."""
        return f"{'adopt' if self.topic_id else 'claim'} topic {self.topic}"


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """Create a topic and complete its claim with the new topic's id.

    Its outcome carries the state: id, partitions and replication factor as the broker chose them, config as asked for.
    """

    topic: str
    owner: Owner
    partitions: int | None
    """None leaves it to the broker's num.partitions."""
    replication_factor: int | None
    """None leaves it to the broker's default.replication.factor."""
    config: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """Say the change in one line."""
        settings = "".join(f", {key}={value}" for key, value in sorted(self.config.items()))
        partitions = "default" if self.partitions is None else self.partitions
        factor = "default" if self.replication_factor is None else self.replication_factor
        return f"create topic {self.topic} (partitions={partitions}, replicationFactor={factor}{settings})"


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """Grow a topic to a total number of partitions."""

    topic: str
    current: int
    total: int

    def describe(self) -> str:
        """Say the change in one line."""
        return f"grow topic {self.topic} from {self.current} to {self.total} partitions"


@dataclass(frozen=True, slots=True)
class AlterConfig:
    """Set some settings of a topic and reset others to the broker's default; the rest stays (KIP-339)."""

    topic: str
    values: Mapping[str, str] = field(default_factory=dict)
    resets: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say the change in one line."""
        parts = [f"set {key}={value}" for key, value in sorted(self.values.items())]
        parts += [f"reset {key}" for key in sorted(self.resets)]
        return f"alter topic {self.topic}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class DeleteTopic:
    """Delete a topic and its records, if it still is the topic with this id."""

    topic: str
    topic_id: str

    def describe(self) -> str:
        """Say the change in one line."""
        return f"delete topic {self.topic} with its records"


@dataclass(frozen=True, slots=True)
class ReleaseTopic:
    """Take a claim out of the ledger; the topic stays as it is."""

    topic: str
    owner: Owner

    def describe(self) -> str:
        """Say the change in one line."""
        return f"release topic {self.topic}"


TopicChange: TypeAlias = ClaimTopic | CreateTopic | AddPartitions | AlterConfig | DeleteTopic | ReleaseTopic
