"""Kafka by its admin protocol: topics, their ownership in a compacted topic beside them, users with ACLs, offsets."""

from eventplane.backends.kafka.backend import KafkaTopicBackend
from eventplane.backends.kafka.gauges import KafkaGaugeBackend
from eventplane.backends.kafka.ledger_topic import LEDGER_TOPIC
from eventplane.backends.kafka.principals import KafkaPrincipalBackend

__all__ = ["LEDGER_TOPIC", "KafkaGaugeBackend", "KafkaPrincipalBackend", "KafkaTopicBackend"]
