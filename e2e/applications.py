"""Applications as their users write them: clients that know no more of Kafka than what is in their Secret."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names, not exported to type checkers
    AdminClient,
    NewTopic,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.workspace import Workspace

SECONDS = 15


@dataclass(frozen=True)
class Application:
    """A client with the settings of its Secret, by librdkafka's names; each call is a client of its own."""

    settings: Mapping[str, Any]

    def but(self, **settings: Any) -> Application:
        """Return one that has other settings: an underscore stands for each dot of a name."""
        return Application({**self.settings, **{name.replace("_", "."): value for name, value in settings.items()}})

    def publish(
        self, topic: str, value: bytes = b"x", key: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> KafkaError | None:
        """Write a record; return what went wrong."""
        failures: list[KafkaError | None] = []
        producer = Producer({**self.settings, "message.timeout.ms": SECONDS * 1000})
        producer.produce(
            topic, value, key, headers=dict(headers or {}), on_delivery=lambda error, _message: failures.append(error)
        )
        assert producer.flush(SECONDS + 5) == 0
        return failures[0]

    def transact(self, topic: str) -> KafkaError | None:
        """Write a record in a transaction; return what went wrong."""
        producer = Producer(dict(self.settings))
        try:
            producer.init_transactions(SECONDS)
            producer.begin_transaction()
            producer.produce(topic, b"x")
            producer.commit_transaction(SECONDS)
        except KafkaException as error:
            failure = error.args[0]
            assert isinstance(failure, KafkaError)
            return failure
        return None

    def receive(self, topic: str, wanted: bytes | None = None) -> bytes | KafkaError:
        """Read in its group until a record comes, or the one that is wanted; or return what went wrong."""
        consumer = Consumer({**self.settings, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        deadline = time.monotonic() + SECONDS
        try:
            while time.monotonic() < deadline:
                message = consumer.poll(0.5)
                if message is None:
                    continue
                error, value = message.error(), message.value() or b""
                if error is not None:
                    return error
                if wanted in (None, value):
                    return bytes(value)
        finally:
            consumer.close()
        raise TimeoutError(f"neither the record nor an error came from topic {topic}")

    def create_topic(self, topic: str) -> KafkaError | None:
        """Create a topic; return what went wrong."""
        admin = AdminClient(dict(self.settings))  # ends when the last reference goes
        try:
            admin.create_topics([NewTopic(topic, 1)])[topic].result(SECONDS)
        except KafkaException as error:
            failure = error.args[0]
            assert isinstance(failure, KafkaError)
            return failure
        return None

    def topics(self) -> Mapping[str, object]:
        """List the topics that Kafka shows it.

        Raises:
            KafkaException: it is not let in.
        """
        listed: Mapping[str, object] = AdminClient(dict(self.settings)).list_topics(timeout=3).topics
        return listed


def application_of(place: Workspace, secret: str) -> Application:
    """Make an application of its Secret, as one is that mounts it."""
    data = place.secret(secret)
    assert data is not None, f"there is no Secret {secret}"
    return Application({**json.loads(data["librdkafka.json"]), "log_level": 0})


def until_refused(application: Application) -> None:
    """Wait until Kafka refuses the credentials."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            application.topics()
        except KafkaException:
            return
        time.sleep(0.2)
    raise AssertionError("Kafka still takes them")
