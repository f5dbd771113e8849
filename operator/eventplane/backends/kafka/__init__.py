"""Kafka as a TopicBackend: topics by its admin protocol, ownership by a compacted topic beside them."""

from eventplane.backends.kafka.backend import KafkaTopicBackend
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC

__all__ = ["LEDGER_TOPIC", "KafkaTopicBackend"]
