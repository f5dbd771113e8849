"""Kafka as its users and administrators see it, behind the operator's back: topics, settings, records, groups."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.servers import Credentials, Kafka

_ANSWER_SECONDS = 15


@dataclass(frozen=True)
class TopicView:
    """A topic as Kafka describes it."""

    topic_id: str
    partitions: int


class KafkaView:
    """One Kafka cluster, as its administrator sees it."""

    def __init__(self, kafka: Kafka) -> None:
        self._settings = kafka.client_config("SASL_SSL") | {"log_level": 0}
        self._admin = AdminClient(self._settings)

    def partitions(self) -> dict[str, int]:
        """Return the number of partitions of each topic."""
        listed = self._admin.list_topics(timeout=_ANSWER_SECONDS).topics
        return {name: len(each.partitions) for name, each in listed.items() if each.error is None}

    def topic(self, name: str) -> TopicView | None:
        """Return a topic, None where there is none."""
        future = self._admin.describe_topics(TopicCollection([name]), request_timeout=_ANSWER_SECONDS)[name]
        try:
            found = future.result(_ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].name() == "UNKNOWN_TOPIC_OR_PART":
                return None
            raise
        # Kafka's own tools print ids in the URL-safe alphabet, this client in the other one
        return TopicView(str(found.topic_id).replace("+", "-").replace("/", "_"), len(found.partitions))

    def settings(self, name: str) -> dict[str, str]:
        """Return what is set on a topic itself."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        entries = self._result(self._admin.describe_configs([resource], request_timeout=_ANSWER_SECONDS))
        own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        return {key: entry.value for key, entry in entries.items() if entry.source == own}

    def create(self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Create a topic."""
        wanted = NewTopic(name, num_partitions=partitions, config=dict(settings or {}))
        self._result(self._admin.create_topics([wanted], request_timeout=_ANSWER_SECONDS))

    def set(self, name: str, key: str, value: str) -> None:
        """Change one setting of a topic."""
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
        self._result(self._admin.incremental_alter_configs([resource], request_timeout=_ANSWER_SECONDS))

    def delete(self, *names: str) -> None:
        """Delete topics."""
        for future in self._admin.delete_topics(list(names), request_timeout=_ANSWER_SECONDS).values():
            future.result(_ANSWER_SECONDS)

    def add_administrator(self, user: Credentials) -> None:
        """Give a user all rights on the cluster, its topics and its groups."""
        kinds = ((ResourceType.BROKER, "kafka-cluster"), (ResourceType.TOPIC, "*"), (ResourceType.GROUP, "*"))
        rights = [
            AclBinding(
                kind, name, ResourcePatternType.LITERAL, f"User:{user.username}", "*", AclOperation.ALL,
                AclPermissionType.ALLOW,
            )
            for kind, name in kinds
        ]  # fmt: skip
        for future in self._admin.create_acls(rights, request_timeout=_ANSWER_SECONDS).values():
            future.result(_ANSWER_SECONDS)

    def deny_group(self, user: str, group: str) -> None:
        """Deny a user to look at a consumer group; who is a member stays one."""
        for future in self._admin.create_acls([AclBinding(*_denied(user, group))]).values():
            future.result(_ANSWER_SECONDS)

    def deny_group_no_more(self, user: str, group: str) -> None:
        """Take back what `deny_group` has done."""
        for future in self._admin.delete_acls([AclBindingFilter(*_denied(user, group))]).values():
            future.result(_ANSWER_SECONDS)

    def produce(
        self,
        topic: str,
        *values: bytes,
        key: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        partition: int = -1,
    ) -> list[tuple[int, int]]:
        """Write records, to the partition of their key unless one is named; return partition and offset of each."""
        written: list[tuple[int, int]] = []

        def took(error: Any, message: Message) -> None:
            if error is not None:
                raise KafkaException(error)
            written.append((message.partition() or 0, message.offset() or 0))

        producer = Producer(self._settings | {"enable.idempotence": True})
        for value in values:
            producer.produce(topic, value, key, partition, headers=list((headers or {}).items()), on_delivery=took)
        if producer.flush(_ANSWER_SECONDS):
            raise TimeoutError(f"topic {topic} took only {len(written)} of {len(values)} records")
        return written

    def read(self, topic: str, count: int) -> list[Message]:
        """Read a topic from its beginning until there are `count` records; raises TimeoutError."""
        consumer = self._consumer(f"reader-{uuid.uuid4().hex}")
        try:
            partitions = range(self.partitions()[topic])
            consumer.assign([TopicPartition(topic, each, 0) for each in partitions])
            return _take(consumer, count)
        finally:
            consumer.close()

    def values(self, topic: str, count: int) -> list[bytes]:
        """Read a topic's values from its beginning, sorted, until there are `count`; raises TimeoutError."""
        return sorted(message.value() or b"" for message in self.read(topic, count))

    def member(self, topic: str) -> Consumer:
        """Return an active member of a consumer group of the topic; the caller polls and closes it."""
        consumer = self._consumer(f"group-{uuid.uuid4().hex[:8]}")
        consumer.subscribe([topic])
        deadline = time.monotonic() + _ANSWER_SECONDS
        while not consumer.assignment():
            if time.monotonic() > deadline:
                consumer.close()
                raise TimeoutError(f"the group got no partition of {topic}")
            consumer.poll(0.1)
        return consumer

    def _consumer(self, group: str) -> Consumer:
        reading = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        return Consumer(self._settings | reading)

    def _result(self, futures: Mapping[Any, Any]) -> Any:
        return next(iter(futures.values())).result(_ANSWER_SECONDS)


def _denied(user: str, group: str) -> tuple[Any, ...]:
    literal, operation = ResourcePatternType.LITERAL, AclOperation.DESCRIBE
    return (ResourceType.GROUP, group, literal, f"User:{user}", "*", operation, AclPermissionType.DENY)


def _take(consumer: Consumer, count: int) -> list[Message]:
    taken: list[Message] = []
    deadline = time.monotonic() + _ANSWER_SECONDS
    while len(taken) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(taken)} of {count} records were to be read")
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            taken.append(message)
    return taken
