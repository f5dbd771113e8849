"""Where partitions begin and end: what topics' usage and gauges both ask Kafka for."""

from collections.abc import Mapping
from typing import TypeAlias

from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, OffsetSpec  # type: ignore[attr-defined]  # public

from eventplane.backends.kafka.client import KafkaClient

Place: TypeAlias = tuple[str, int]
"""A topic and one of its partitions."""


async def list_offsets(
    client: KafkaClient, questions: Mapping[TopicPartition, OffsetSpec]
) -> dict[TopicPartition, ListOffsetsResultInfo | KafkaError]:
    """Ask for an offset of each partition; return it, or why it cannot be told.

    Raises:
        Unavailable, Rejected: nothing could be told.
    """
    return await client.ask(
        "ListOffsets",
        "Describe on the topics",
        lambda admin: admin.list_offsets(dict(questions), request_timeout=client.timeout_seconds),
    )
