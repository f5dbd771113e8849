"""CreateTopics by a client that returns what the broker answers: librdkafka drops the new topics' ids.

Without the ids one would have to wait until brokers show the topics, and a broker makes the files of one batch before
it shows the next: seconds for a single topic that comes after a thousand others.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError

from eventplane.backends.kafka.wire_client import Admin, WireClient
from eventplane.planning.connection import KafkaConnection
from eventplane.planning.topic_changes import CreateTopic

_BROKERS_DEFAULT: Final = -1


@dataclass(frozen=True, slots=True)
class CreatedTopic:
    """What the broker made of a request; None where the user may not see it."""

    topic_id: str
    partitions: int | None
    replication_factor: int | None


class TopicCreator:
    """A connection and a thread of its own, opened by the first creation and again after a failure."""

    def __init__(self, connection: KafkaConnection, *, client_id: str, timeout_seconds: float) -> None:
        self._wire = WireClient(
            connection, client_id=client_id, thread=f"{client_id}-create", timeout_seconds=timeout_seconds
        )

    def create(self, changes: Sequence[CreateTopic], made: dict[str, CreatedTopic]) -> Mapping[str, Future[None]]:
        """Send one request; each topic's future ends when it is answered.

        Args:
            changes: topics to create, few enough for one request.
            made: what was created is entered here before its future ends.
        """

        def work(admin: Admin, timeout_ms: int) -> Mapping[str, KafkaError | None]:
            answer = admin.create_topics(
                {change.topic: _options(change) for change in changes}, timeout_ms=timeout_ms, raise_errors=False
            )
            return {topic["name"]: _entered(topic, made) for topic in answer["topics"]}

        return self._wire.ask([change.topic for change in changes], work)

    def connect(self) -> None:
        """Connect in the background, so that the first creation need not; a failure shows when it is needed."""
        self._wire.connect()

    async def close(self) -> None:
        """End the connection and the thread, without waiting long for an answer under way; harmless twice."""
        await self._wire.close()


def _options(change: CreateTopic) -> dict[str, Any]:
    return {
        "num_partitions": _BROKERS_DEFAULT if change.partitions is None else change.partitions,
        "replication_factor": _BROKERS_DEFAULT if change.replication_factor is None else change.replication_factor,
        "configs": dict(change.config),
    }


def _entered(topic: Mapping[str, Any], made: dict[str, CreatedTopic]) -> KafkaError | None:
    """Enter a topic that was made, or return why it was not."""
    if topic["error_code"]:
        return KafkaError(topic["error_code"], topic["error_message"] or None)
    made[topic["name"]] = _created(topic)
    return None


def _created(topic: Mapping[str, Any]) -> CreatedTopic:
    identity = base64.urlsafe_b64encode(uuid.UUID(str(topic["topic_id"])).bytes).decode().rstrip("=")
    partitions, factor = topic["num_partitions"], topic["replication_factor"]
    return CreatedTopic(identity, partitions if partitions > 0 else None, factor if factor > 0 else None)
