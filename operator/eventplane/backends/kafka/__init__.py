"""Kafka by its admin protocol: topics, their ownership in a compacted topic beside them, and users with their ACLs."""

from eventplane.backends.kafka.backend import KafkaTopicBackend
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC
from eventplane.backends.kafka.principals import KafkaPrincipalBackend

__all__ = ["LEDGER_TOPIC", "KafkaPrincipalBackend", "KafkaTopicBackend"]
