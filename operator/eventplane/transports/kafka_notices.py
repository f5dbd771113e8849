"""What a consumer of confluent-kafka is told beside records that keeps nobody from reading on."""

from confluent_kafka import KafkaError


def is_end(error: KafkaError) -> bool:
    """Tell whether a partition was read up to its end of now."""
    return error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own errors have such names


def is_of_group(error: KafkaError) -> bool:
    """Tell whether there is no right to the group, which who assigns partitions has to name and never joins."""
    return error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
