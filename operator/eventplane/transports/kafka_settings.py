"""Settings of librdkafka for the consumer runtime, over those of the Secret, and why they are so."""

from collections.abc import Mapping
from typing import Any, Final

Settings = Mapping[str, Any]

_CONSUMER: Final[Settings] = {
    "group.protocol": "classic",  # KIP-848 leaves a killed static member out for good (docs/adr/0020)
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # what was deleted before it was read is lost, and what comes after it is not
    "auto.offset.reset": "earliest",
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 3_000,
    "max.poll.interval.ms": 300_000,
    # bounds of memory: what is read ahead, and what one answer of a broker may hold
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 20_000,
    "fetch.message.max.bytes": 1_048_576,
    "fetch.max.bytes": 8_388_608,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 100,
}
_PRODUCER: Final[Settings] = {
    "acks": "all",
    "enable.idempotence": True,
    # never given up by the clock: what waits is retried by librdkafka, in order; offsets wait with it
    "message.timeout.ms": 0,
    "linger.ms": 5,
    "queue.buffering.max.kbytes": 32_768,
    "queue.buffering.max.messages": 50_000,
    "compression.type": "lz4",
    "topic.metadata.propagation.max.ms": 10_000,
}
_TRANSACTIONAL: Final[Settings] = {
    # what a killed process left open holds up who reads committed events only, and who takes over its partitions
    "transaction.timeout.ms": 30_000,
    "message.timeout.ms": 30_000,
    # what went well is known once the transaction is committed
    "delivery.report.only.error": True,
}
_BOTH: Final[Settings] = {
    "log_level": 4,
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 5_000,
    "topic.metadata.refresh.interval.ms": 30_000,
    "socket.keepalive.enable": True,
}
_NOT_FOR_PRODUCERS: Final = frozenset({"group.id"})


def consumer_settings(given: Settings, group: str, client_id: str, instance_id: str | None) -> dict[str, Any]:
    """Return what a Consumer is made with; `given` is the Secret's librdkafka.json.

    A static member (instance_id) keeps its partitions over a restart, but its pod has to have a name that stays.
    """
    settings = {**_BOTH, **_CONSUMER, **given, "group.id": group, "client.id": client_id}
    if instance_id is not None:
        settings["group.instance.id"] = instance_id
    return settings


def producer_settings(given: Settings, client_id: str) -> dict[str, Any]:
    """Return what a Producer is made with."""
    fitting = {name: value for name, value in given.items() if name not in _NOT_FOR_PRODUCERS}
    return {**_BOTH, **_PRODUCER, **fitting, "client.id": client_id}


def transactional_settings(given: Settings, client_id: str, prefix: str) -> dict[str, Any]:
    """Return what a Producer of transactions is made with.

    Its id is of the pod: one that comes back under the same name ends at once what it left open. That two pods never
    commit the same is seen to by the group's metadata (KIP-447).
    """
    return {**producer_settings(given, client_id), **_TRANSACTIONAL, "transactional.id": f"{prefix}{client_id}"}
